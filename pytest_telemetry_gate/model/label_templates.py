"""What a label of an alerting rule can become: its template as a regular expression.

Prometheus expands labels as Go's text/template does (``rules/alerting.go``). A label of the series is known and becomes
its value; of ``if`` and ``with`` each branch is possible; anything else can become any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

__all__ = ["is_template", "labels_in", "pattern_of"]

_ACTION = re.compile(r"\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}", re.DOTALL)
_LABEL = re.compile(r"\$labels\.(\w+)|\.Labels\.(\w+)")
_EXTERNAL = re.compile(r"\$externalLabels\.(\w+)|\.ExternalLabels\.(\w+)")
_NOTHING = re.compile(r"/\*.*\*/|\$\w+\s*:?=.*|define\b.*", re.DOTALL)  # comments and variables leave no text
_BLOCK = re.compile(r"(?:if|with|range|define|block)\b")
_ANYTHING = ".*"


def is_template(text: str) -> bool:
    """Tell whether Prometheus would expand a label's text."""
    return "{{" in text


def labels_in(text: str) -> set[str]:
    """Return the names of the labels that a template refers to."""
    return {first or second for first, second in _LABEL.findall(text)}


def pattern_of(text: str, labels: Mapping[str, str], external: Mapping[str, str]) -> str:
    """Return the regular expression of what a template becomes for a series with these labels."""
    return "".join(_parts(_tokens(text), labels, external))


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Yield texts and actions, the latter with True; ``{{-`` and ``-}}`` take the white space beside them away."""
    position, trim = 0, False
    for action in _ACTION.finditer(text):
        before = text[position : action.start()]
        before = before.lstrip() if trim else before
        yield before.rstrip() if action[1] else before, False
        yield action[2], True
        position, trim = action.end(), action[3] is not None
    rest = text[position:]
    yield rest.lstrip() if trim else rest, False


def _parts(
    tokens: Iterator[tuple[str, bool]], labels: Mapping[str, str], external: Mapping[str, str]
) -> Iterator[str]:
    """Yield the patterns up to the end of the tokens, or of the block that they are in."""
    for content, is_action in tokens:
        if not is_action:
            yield re.escape(content)
        elif content == "end":
            return
        elif content.startswith("else"):
            # What stands before, or what stands behind: the block around makes a choice of it.
            yield "|"
        elif _BLOCK.match(content):
            inside = "".join(_parts(tokens, labels, external))
            yield _ANYTHING if content.startswith("range") else f"(?:{inside}|)"
        elif (label := _LABEL.fullmatch(content)) is not None:
            yield re.escape(labels.get(label[1] or label[2], ""))
        elif (label := _EXTERNAL.fullmatch(content)) is not None:
            yield re.escape(external.get(label[1] or label[2], ""))
        elif not _NOTHING.fullmatch(content):
            yield _ANYTHING
