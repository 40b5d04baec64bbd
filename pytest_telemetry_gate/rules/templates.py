"""The templates of labels and annotations: Go's ``text/template`` as far as Prometheus' rules can use it.

Parsing and evaluation follow https://pkg.go.dev/text/template; Prometheus sets ``missingkey=zero`` and declares ``$labels``,
``$externalLabels``, ``$externalURL`` and ``$value`` (``rules/alerting.go``, ``template/template.go``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pytest_telemetry_gate.rules.notation import unquote
from pytest_telemetry_gate.rules.template_functions import FUNCTIONS, TemplateError, is_true, show

__all__ = ["Data", "TemplateError", "expand_template", "parse_template"]

_MOST_STEPS = 100_000  # of one expansion: a template is a line of text, not a program
_MOST_TEXT = 1_000_000  # characters
_DECLARED = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
_ACTION = re.compile(
    r"\{\{(-(?=\s))?((?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|/\*.*?\*/|(?!\}\}).)*?)((?<=\s)-)?\}\}", re.DOTALL
)
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)
    |(?P<char>'(?:\\.|[^'\\])')
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))
    |(?P<variable>\$\w*)
    |(?P<field>\.[A-Za-z_]\w*)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<mark>:=|[=|(),.])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Data:
    """What a template knows: the series' labels, the external ones, the value, and how queries are asked.

    ``query`` yields samples, mappings with ``Labels`` and ``Value``; it raises PromQLError.
    """

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""
    query: Callable[[str], Sequence[Mapping[str, Any]]] = lambda promql: ()
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class _Block:
    """A piece of a template: ``kind`` is ``text``, ``do``, ``if``, ``with``, ``range``, ``define``, ``template``, ``break`` or ``continue``."""

    kind: str
    text: str = ""
    pipe: Any = None
    declares: tuple[str, ...] = ()
    sets: bool = False
    body: tuple[_Block, ...] = ()
    other: tuple[_Block, ...] = ()


@lru_cache(maxsize=1024)
def parse_template(text: str) -> tuple[_Block, ...]:
    """Return a template as its pieces; raises TemplateError for what Go would refuse."""
    parser = _Parser(list(_split(_DECLARED + text)))
    blocks = parser.blocks()
    if parser.position < len(parser.parts):
        message = f"unexpected {{{{{parser.parts[parser.position][1]}}}}}"
        raise TemplateError(message)
    return blocks


def expand_template(text: str, data: Data) -> str:
    """Return what a template becomes; raises TemplateError for what cannot be expanded."""
    if "{{" not in text:
        return text
    return _Run(data).expand(parse_template(text))


def _split(text: str) -> Iterator[tuple[bool, str]]:
    """Yield texts and actions, the latter with True; trim markers take the white space beside them away."""
    position, trim = 0, False
    for action in _ACTION.finditer(text):
        before = text[position : action.start()]
        before = before.lstrip() if trim else before
        yield False, before.rstrip() if action[1] else before
        inner = action[2].strip()
        if not (inner.startswith("/*") and inner.endswith("*/")):
            yield True, inner
        position, trim = action.end(), action[3] is not None
    rest = text[position:]
    if "{{" in rest:
        message = "an action {{ without its end }}"
        raise TemplateError(message)
    yield False, rest.lstrip() if trim else rest


class _Parser:
    """Reads pieces up to the end of the block that they are in."""

    def __init__(self, parts: Sequence[tuple[bool, str]]) -> None:
        self.parts = parts
        self.position = 0

    def blocks(self) -> tuple[_Block, ...]:
        found: list[_Block] = []
        while self.position < len(self.parts):
            is_action, text = self.parts[self.position]
            word = text.split(None, 1)[0] if is_action and text.split() else ""
            if word in {"end", "else"}:
                break
            self.position += 1
            if not is_action:
                found.append(_Block("text", text))
            elif word in {"if", "with", "range"}:
                found.append(self._branch(word, text[len(word) :]))
            elif word in {"define", "block"}:
                name, rest = _name_of(text[len(word) :])
                found.append(_Block("define", name, body=self._until_end()))
                if word == "block":
                    found.append(_Block("template", name, _parse_pipe(rest)[0] if rest.strip() else None))
            elif word == "template":
                name, rest = _name_of(text[len(word) :])
                found.append(_Block("template", name, _parse_pipe(rest)[0] if rest.strip() else None))
            elif text in {"break", "continue"}:
                found.append(_Block(text))
            else:
                pipe, declares, sets = _parse_pipe(text)
                found.append(_Block("do", pipe=pipe, declares=declares, sets=sets))
        return tuple(found)

    def _until_end(self) -> tuple[_Block, ...]:
        body = self.blocks()
        self._expect_end()
        return body

    def _expect_end(self) -> None:
        if self.position >= len(self.parts) or self.parts[self.position][1].strip() != "end":
            message = "a block without its {{end}}"
            raise TemplateError(message)
        self.position += 1

    def _branch(self, kind: str, head: str) -> _Block:
        pipe, declares, _ = _parse_pipe(head)
        body = self.blocks()
        other: tuple[_Block, ...] = ()
        if self.position < len(self.parts) and self.parts[self.position][1].startswith("else"):
            rest = self.parts[self.position][1][len("else") :].strip()
            self.position += 1
            word = rest.split(None, 1)[0] if rest else ""
            if word in {"if", "with"}:
                return _Block(
                    kind,
                    pipe=pipe,
                    declares=declares,
                    body=body,
                    other=(self._branch(word, rest[len(word) :]),),
                )
            if rest:
                message = f"unexpected {rest!r} after else"
                raise TemplateError(message)
            other = self.blocks()
        self._expect_end()
        return _Block(kind, pipe=pipe, declares=declares, body=body, other=other)


def _name_of(text: str) -> tuple[str, str]:
    token = _TOKEN.match(text)
    if token is None or token["string"] is None:
        message = f"a name in quotes is missing in {text.strip()!r}"
        raise TemplateError(message)
    return unquote(token["string"]), text[token.end() :]


def _tokens(text: str) -> list[tuple[str, str, bool]]:
    """Return kind, text and whether white space stands before, for each token."""
    tokens, position = [], 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if found is None:
            message = f"unexpected {text[position:].strip()[:20]!r}"
            raise TemplateError(message)
        kind = str(found.lastgroup)
        tokens.append((kind, found[kind], found.start(kind) > position))
        position = found.end()
    return tokens


def _parse_pipe(text: str) -> tuple[Any, tuple[str, ...], bool]:
    """Return a pipeline, the variables that it declares or sets, and whether it sets them."""
    tokens = _tokens(text)
    declares: tuple[str, ...] = ()
    sets = False
    names = [token for kind, token, _ in tokens[:3] if kind == "variable"]
    marks = [token for _, token, _ in tokens[:4]]
    if tokens and tokens[0][0] == "variable":
        if len(tokens) > 1 and tokens[1][1] in {":=", "="}:
            declares, sets, tokens = (names[0],), tokens[1][1] == "=", tokens[2:]
        elif len(marks) == 4 and marks[1] == "," and marks[3] == ":=" and len(names) == 2:
            declares, tokens = (names[0], names[1]), tokens[4:]
    reader = _Pipes(tokens)
    pipe = reader.pipe()
    if reader.position < len(tokens):
        message = f"unexpected {tokens[reader.position][1]!r}"
        raise TemplateError(message)
    return pipe, declares, sets


class _Pipes:
    """Reads pipelines: tuples of the kind of expression and what it is made of."""

    def __init__(self, tokens: Sequence[tuple[str, str, bool]]) -> None:
        self.tokens = tokens
        self.position = 0

    def pipe(self) -> Any:
        commands = [self._command()]
        while self._is("|"):
            self.position += 1
            commands.append(self._command())
        return ("pipe", commands)

    def _is(self, mark: str) -> bool:
        return self.position < len(self.tokens) and self.tokens[self.position][:2] == ("mark", mark)

    def _command(self) -> Any:
        operands = []
        while self.position < len(self.tokens) and not self._is("|") and not self._is(")"):
            operands.append(self._operand())
        if not operands:
            message = "missing value for a command"
            raise TemplateError(message)
        return operands

    def _operand(self) -> Any:
        kind, text, _ = self.tokens[self.position]
        self.position += 1
        match kind:
            case "string":
                operand: Any = ("value", unquote(text))
            case "char":
                operand = ("value", ord(unquote(f'"{text[1:-1]}"')))
            case "number":
                operand = ("value", _number(text))
            case "variable":
                operand = ("variable", text)
            case "field":
                operand = ("field", ("dot",), text[1:])
            case "word":
                operand = self._word(text)
            case _ if text == "(":
                operand = self.pipe()
                if not self._is(")"):
                    message = "a parenthesis without its end"
                    raise TemplateError(message)
                self.position += 1
            case _ if text == ".":
                operand = ("dot",)
            case _:
                message = f"unexpected {text!r}"
                raise TemplateError(message)
        while self.position < len(self.tokens):
            kind, text, apart = self.tokens[self.position]
            if kind != "field" or apart:
                break
            operand = ("field", operand, text[1:])
            self.position += 1
        return operand

    def _word(self, text: str) -> Any:
        constants = {"true": True, "false": False, "nil": None}
        if text in constants:
            return ("value", constants[text])
        if text not in FUNCTIONS and text not in _WITH_DATA:
            message = f"function {text!r} not defined"
            raise TemplateError(message)
        return ("function", text)


def _number(text: str) -> int | float:
    try:
        return int(text, 0) if not re.fullmatch(r"[-+]?0\d+", text) else int(text, 8)
    except ValueError:
        return float(text)


class _Jump(Exception):  # noqa: N818 - no error: it leaves a loop
    pass


class _Run:
    """One expansion: variables in scopes, templates by name, and a bound on what it does."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._root = {
            "Labels": dict(data.labels),
            "ExternalLabels": dict(data.external_labels),
            "ExternalURL": data.external_url,
            "Value": data.value,
        }
        self._defined: dict[str, tuple[_Block, ...]] = {}
        self._steps = 0
        self._out: list[str] = []
        self._size = 0

    def expand(self, blocks: tuple[_Block, ...]) -> str:
        self._collect(blocks)
        self._walk(blocks, self._root, [{"$": self._root}])
        return "".join(self._out)

    def _collect(self, blocks: Sequence[_Block]) -> None:
        for block in blocks:
            if block.kind == "define":
                self._defined[block.text] = block.body
            self._collect(block.body)
            self._collect(block.other)

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > _MOST_TEXT:
            message = "the text becomes too long"
            raise TemplateError(message)
        self._out.append(text)

    def _walk(self, blocks: Sequence[_Block], dot: Any, scopes: list[dict[str, Any]]) -> None:
        scopes = [*scopes, {}]
        for block in blocks:
            self._step()
            match block.kind:
                case "text":
                    self._write(block.text)
                case "do":
                    value = self._pipe(block.pipe, dot, scopes)
                    if block.declares:
                        self._declare(block, value, scopes)
                    else:
                        self._write(show(value))
                case "if" | "with":
                    self._branch(block, dot, scopes)
                case "range":
                    self._range(block, dot, scopes)
                case "template":
                    self._call(block, dot, scopes)
                case "break" | "continue":
                    raise _Jump(block.kind)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            message = "the template does not come to an end"
            raise TemplateError(message)

    @staticmethod
    def _declare(block: _Block, value: Any, scopes: list[dict[str, Any]]) -> None:
        (name,) = block.declares
        if not block.sets:
            scopes[-1][name] = value
            return
        scope = next((scope for scope in reversed(scopes) if name in scope), None)
        if scope is None:
            message = f"undefined variable {name!r}"
            raise TemplateError(message)
        scope[name] = value

    def _branch(self, block: _Block, dot: Any, scopes: list[dict[str, Any]]) -> None:
        value = self._pipe(block.pipe, dot, scopes)
        inner = [*scopes, dict.fromkeys(block.declares, value)]
        if is_true(value):
            self._walk(block.body, value if block.kind == "with" else dot, inner)
        else:
            self._walk(block.other, dot, inner)

    def _range(self, block: _Block, dot: Any, scopes: list[dict[str, Any]]) -> None:
        value = self._pipe(block.pipe, dot, scopes)
        if isinstance(value, Mapping):
            pairs: list[tuple[Any, Any]] = sorted(value.items())
        elif isinstance(value, list | tuple):
            pairs = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            pairs = [(number, number) for number in range(min(value, _MOST_STEPS))]
        elif value is None:
            pairs = []
        else:
            message = f"range can't iterate over {show(value)}"
            raise TemplateError(message)
        for key, item in pairs:
            names = block.declares
            told = {names[-1]: item} if names else {}
            if len(names) == 2:
                told[names[0]] = key
            try:
                self._walk(block.body, item, [*scopes, told])
            except _Jump as jump:
                if str(jump) == "break":
                    break
        if not pairs:
            self._walk(block.other, dot, scopes)

    def _call(self, block: _Block, dot: Any, scopes: list[dict[str, Any]]) -> None:
        if block.text not in self._defined:
            message = f"template {block.text!r} not defined"
            raise TemplateError(message)
        value = None if block.pipe is None else self._pipe(block.pipe, dot, scopes)
        try:
            self._walk(self._defined[block.text], value, [{"$": value}])
        except RecursionError:
            message = f"template {block.text!r} is nested too deep"
            raise TemplateError(message) from None

    def _pipe(self, pipe: Any, dot: Any, scopes: list[dict[str, Any]]) -> Any:
        value, is_first = None, True
        for command in pipe[1]:
            value = self._command(command, dot, scopes, () if is_first else (value,))
            is_first = False
        return value

    def _command(
        self, operands: Sequence[Any], dot: Any, scopes: list[dict[str, Any]], last: tuple[Any, ...]
    ) -> Any:
        self._step()
        head, *rest = operands
        if head[0] == "function":
            if head[1] in {"and", "or"}:
                return self._choose(head[1], rest, dot, scopes, last)
            arguments = [*(self._operand(operand, dot, scopes) for operand in rest), *last]
            return self._apply(head[1], arguments)
        if rest or last:
            message = f"can't give arguments to non-function {show(self._operand(head, dot, scopes))}"
            raise TemplateError(message)
        return self._operand(head, dot, scopes)

    def _choose(
        self,
        word: str,
        operands: Sequence[Any],
        dot: Any,
        scopes: list[dict[str, Any]],
        last: tuple[Any, ...],
    ) -> Any:
        """Return the first that decides ``and`` or ``or``; what stands behind it is not looked at."""
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot, scopes)
            if is_true(value) is (word == "or"):
                return value
        return last[0] if last else value

    def _apply(self, name: str, arguments: Sequence[Any]) -> Any:
        try:
            if name in _WITH_DATA:
                return _WITH_DATA[name](self._data, *arguments)
            return FUNCTIONS[name](*arguments)
        except TemplateError as error:
            message = f"error calling {name}: {error}"
            raise TemplateError(message) from None
        except (TypeError, ValueError, KeyError, IndexError, OverflowError):
            message = f"error calling {name}: wrong arguments: {', '.join(map(show, arguments))}"
            raise TemplateError(message) from None

    def _operand(self, operand: Any, dot: Any, scopes: list[dict[str, Any]]) -> Any:
        match operand[0]:
            case "value":
                return operand[1]
            case "dot":
                return dot
            case "variable":
                scope = next((scope for scope in reversed(scopes) if operand[1] in scope), None)
                if scope is None:
                    message = f"undefined variable {operand[1]!r}"
                    raise TemplateError(message)
                return scope[operand[1]]
            case "field":
                return _field(self._operand(operand[1], dot, scopes), operand[2])
            case "function":
                return self._apply(operand[1], ())
        return self._pipe(operand, dot, scopes)


def _field(value: Any, name: str) -> Any:
    """Return a field; a label that is not there is an empty text."""
    if isinstance(value, Mapping):
        return value.get(name, "")
    message = f"can't evaluate field {name} in {show(value)}"
    raise TemplateError(message)


def _query(data: Data, promql: str) -> list[Mapping[str, Any]]:
    return list(data.query(promql))


_WITH_DATA: Mapping[str, Callable[..., Any]] = {
    "query": _query,
    "externalURL": lambda data: data.external_url,
    "pathPrefix": lambda data: re.sub(r"^[a-z]+://[^/]*", "", data.external_url),
    "now": lambda data: data.now,
}
