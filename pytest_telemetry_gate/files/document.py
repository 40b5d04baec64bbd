"""A YAML file as plain values that remember their lines, read the way people expect and no further.

Everything but null, true, false and numbers is text (YAML 1.2's core schema), so ``12h``, dates and ``no`` stay as
they are written. Duplicate keys, several documents where one is expected, and aliases that multiply are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import yaml

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.quoting import explain_cut, explain_error
from pytest_telemetry_gate.support.places import Key, Place

__all__ = ["Document"]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes and resolves no types, since this module decides itself which scalars are numbers."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}
    _depth = 0
    _nodes = 0

    def descend_resolver(self, parent: yaml.Node | None, index: object) -> None:
        """Refuse what is nested so deeply that composing it would overflow the C stack."""
        self._depth += 1
        self._nodes += 1
        mark = None if parent is None else parent.start_mark
        if self._depth > _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)
        if self._nodes > _MAX_NODES:
            raise yaml.MarkedYAMLError(
                problem=f"more than {_MAX_NODES:,} keys and values: split the file", problem_mark=mark
            )

    def ascend_resolver(self) -> None:
        """Count one level less when a node ends."""
        self._depth -= 1


_Composed: TypeAlias = tuple[str, list[yaml.Node | None]]
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    ".nan": float("nan"),
    ".inf": float("inf"),
    "-.inf": float("-inf"),
}
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}  # of nodes without a tag in the file
_MAX_BYTES = 16 * 2**20
_MAX_NODES = 100_000  # a suite of five thousand criteria; more are read for too long
_MAX_EXPANSION = 100  # times the nodes that are written out
_MAX_DEPTH = 100


class Document:
    """The content of one YAML file: ``value`` is all of it, ``line()`` and ``lines()`` say where its parts are.

    It is a mapping; with ``is_list`` it is a list, which may be empty.
    """

    def __init__(
        self, path: Path, shown: str = "", *, is_list: bool = False, composed: _Composed | None = None
    ) -> None:
        self.path = path
        self.shown = shown or str(path)
        self._children: dict[int, dict[str, tuple[int, yaml.Node]]] = {}
        text, (root,) = composed or _compose(path, self.shown, several=False)
        if root is None and is_list:
            root = yaml.SequenceNode("tag:yaml.org,2002:seq", [])
        self._root = self._require(root, is_list=is_list)
        self.value: Any = _Reader(self.shown, text).read(self._root, 0)

    @classmethod
    def all_of(cls, path: Path, shown: str = "") -> list[Document]:
        """Return all documents of a file, which ``---`` lines divide; empty ones are left out."""
        text, roots = _compose(path, shown or str(path), several=True)
        full = [root for root in roots if not isinstance(root, yaml.ScalarNode) or root.value]
        return [cls(path, shown, composed=(text, [root])) for root in full]

    def lines(self, place: Place) -> dict[Place, int]:
        """Return the 1-based line of every part below a place, by its place below it; the part itself is ``()``."""
        node, line = self._node(place)
        return dict(_lines(node, line, ()))

    def line(self, where: Sequence[Key]) -> int:
        """Return the 1-based line of a key or item, or of its nearest ancestor that exists."""
        return self._node(where)[1]

    def text(self, where: Sequence[Key]) -> str:
        """Return a scalar as it is written, whatever type it would have."""
        value = self._node(where)[0].value
        return value if isinstance(value, str) else ""

    def error(self, where: Sequence[Key], message: str) -> SuiteError:
        """Return an error at a part of the file."""
        return SuiteError(self.shown, self.line(where), message)

    def _node(self, where: Sequence[Key]) -> tuple[yaml.Node, int]:
        node, line = self._root, 1
        for key in where:
            child = self._child(node, key)
            if child is None:
                break
            line, node = child
        return node, line

    def _child(self, node: yaml.Node, key: Key) -> tuple[int, yaml.Node] | None:
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            child = node.value[key]
            return child.start_mark.line + 1, child
        if not isinstance(node, yaml.MappingNode):
            return None
        if id(node) not in self._children:
            pairs = (
                (key_node.value, (key_node.start_mark.line + 1, child)) for key_node, child in node.value
            )
            self._children[id(node)] = {name: child for name, child in pairs if isinstance(name, str)}
        return self._children[id(node)].get(str(key))

    def _require(self, root: yaml.Node | None, *, is_list: bool) -> yaml.Node:
        if root is None:
            raise SuiteError(self.shown, 1, "the file is empty")
        if not isinstance(root, yaml.SequenceNode if is_list else yaml.MappingNode):
            wanted = "a list, with '- ' before each entry" if is_list else "a mapping of keys to values"
            raise SuiteError(self.shown, root.start_mark.line + 1, f"the file must be {wanted}")
        return root


def _compose(path: Path, shown: str, *, several: bool) -> _Composed:
    """Return the text of a file and the root of its document, or of each of ``several``; raises SuiteError."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SuiteError(shown, 1, f"the file is larger than {_MAX_BYTES // 2**20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise SuiteError(shown, 1, f"cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SuiteError(shown, line, f"not UTF-8: byte 0x{content[error.start]:02x}") from None
    try:
        if several:
            return text, list(yaml.compose_all(text, Loader=_Loader))
        return text, [yaml.compose(text, Loader=_Loader)]
    except yaml.MarkedYAMLError as error:
        line, problem = explain_error(text, error)
        raise SuiteError(shown, line, f"not YAML: {problem}") from None
    except yaml.YAMLError as error:
        line = text[: getattr(error, "position", 0) or 0].count("\n") + 1
        raise SuiteError(shown, line, f"not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise SuiteError(shown, 1, "not YAML that can be read: nested too deeply") from None


class _Reader:
    """Turns nodes into values, and counts them, so that aliases cannot multiply."""

    def __init__(self, shown: str, text: str) -> None:
        self._shown = shown
        self._text = text
        self._written: set[int] = set()
        self._count = 0

    def mapping(self, node: yaml.Node, depth: int) -> dict[str, Any]:
        value = self.read(node, depth)
        if not isinstance(value, dict):
            raise self._error(node, "must be a mapping of keys to values")
        return value

    def read(self, node: yaml.Node, depth: int) -> Any:
        self._written.add(id(node))
        self._count += 1
        if depth > _MAX_DEPTH:
            raise self._error(node, "nested too deeply, or an alias inside itself")
        if self._count > 2 * _MAX_NODES or self._count > 1000 + _MAX_EXPANSION * len(self._written):
            raise self._error(node, "aliases that multiply beyond reason")
        if node.tag not in _TAGS:
            hint = "a text that begins with '!' needs quotes"
            raise self._error(node, f"the tag {node.tag!r} means nothing here: {hint}")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, depth + 1) for child in node.value]
        return self._mapping(node, depth) if isinstance(node, yaml.MappingNode) else None

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, child in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(
                    key_node, "a key must be text, and a text that begins with '{' or '[' needs quotes"
                )
            key = key_node.value
            if key == "<<" and not key_node.style:
                for part in child.value if isinstance(child, yaml.SequenceNode) else [child]:
                    merged = {**self.mapping(part, depth + 1), **merged}
                continue
            if key in lines:
                raise self._error(key_node, f"duplicate key {key!r} (first at line {lines[key]})")
            lines[key] = key_node.start_mark.line + 1
            if isinstance(child, yaml.ScalarNode) and (advice := explain_cut(self._text, key, child)):
                raise self._error(child, advice)
            result[key] = self.read(child, depth + 1)
        return {**merged, **result}

    def _error(self, node: yaml.Node, message: str) -> SuiteError:
        return SuiteError(self._shown, node.start_mark.line + 1, message)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text) if len(text) < 300 else float(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _lines(node: yaml.Node, line: int, place: Place) -> Iterator[tuple[Place, int]]:
    yield place, line
    if isinstance(node, yaml.MappingNode):
        for key_node, child in node.value:
            yield from _lines(child, key_node.start_mark.line + 1, (*place, key_node.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _lines(child, child.start_mark.line + 1, (*place, index))
