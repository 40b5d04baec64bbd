"""The functions that templates of rules may call: Go's own and those of Prometheus (``template/template.go``)."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.regex import compile_regex
from pytest_telemetry_gate.support.durations import parse_duration

__all__ = ["FUNCTIONS", "TemplateError", "is_true", "show"]

_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_VERB = re.compile(r"%([-+# 0]*)(\d+|\*)?(?:\.(\d+))?([a-zA-Z%])")
_OF_SCRIPTS = {  # what Go's JSEscape writes otherwise
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip
_WIDEST = 10_000  # characters of a padded value
_FIRST_PLAIN, _FIRST_LARGE = -4, 6  # exponents between which a float is written without one


class TemplateError(ValueError):
    """A template that cannot be read or expanded, in Go's words where it has some."""


def is_true(value: Any) -> bool:
    """Tell whether a value counts as true: not zero and not empty, as in Go; NaN is not zero."""
    return bool(value)


def show(value: Any) -> str:
    """Return a value as Go prints it with ``%v``."""
    match value:
        case None:
            return "<no value>"
        case bool():
            return "true" if value else "false"
        case float():
            return _shortest(value)
        case Mapping():
            if set(value) == {"Labels", "Value"}:
                return f"{{{show(value['Labels'])} {show(value['Value'])}}}"
            return f"map[{' '.join(f'{name}:{show(item)}' for name, item in sorted(value.items()))}]"
        case list() | tuple():
            return f"[{' '.join(map(show, value))}]"
    return str(value)


def _shortest(value: float) -> str:
    """Return a float as Go's ``%v``: with as few digits as tell it, with an exponent below 1e-4 and from 1e6 on.

    Source: ``strconv.FormatFloat`` with ``'g'`` and the shortest precision.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    told = Decimal(repr(abs(value))).as_tuple()
    written = "".join(map(str, told.digits))
    point = len(written) + int(told.exponent)
    digits = written.lstrip("0").rstrip("0")
    point -= len(written) - len(written.lstrip("0"))
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if not digits:
        return f"{sign}0"
    if not _FIRST_PLAIN <= point - 1 < _FIRST_LARGE:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{point - 1:+03d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def _float(value: Any) -> float:
    """Return a number or a text that is one, as Prometheus' own functions take them."""
    if isinstance(value, bool) or value is None:
        message = f"can't convert {show(value)} to float"
        raise TemplateError(message)
    try:
        return float(value)
    except (TypeError, ValueError):
        message = f'strconv.ParseFloat: parsing "{show(value)}": invalid syntax'
        raise TemplateError(message) from None


def _general(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return _shortest(value)
    return f"{value:.4g}"


def _is_odd(value: float) -> bool:
    return math.isnan(value) or math.isinf(value)


def _humanize(argument: Any) -> str:
    value = _float(argument)
    if value == 0 or _is_odd(value):
        return _general(value)
    prefix = ""
    if abs(value) >= 1:
        for following in _LARGE:
            if abs(value) < 1000:
                break
            prefix, value = following, value / 1000
        return f"{_general(value)}{prefix}"
    for following in _SMALL:
        if abs(value) >= 1:
            break
        prefix, value = following, value * 1000
    return f"{_general(value)}{prefix}"


def _humanize1024(argument: Any) -> str:
    value = _float(argument)
    if abs(value) <= 1 or _is_odd(value):
        return _general(value)
    prefix = ""
    for following in _BINARY:
        if abs(value) < 1024:
            break
        prefix, value = following, value / 1024
    return f"{_general(value)}{prefix}"


def _humanize_duration(argument: Any) -> str:
    value = _float(argument)
    if _is_odd(value):
        return _general(value)
    if value == 0:
        return f"{_general(value)}s"
    if abs(value) >= 1:
        sign, whole = ("-" if value < 0 else ""), int(abs(value))
        days, hours = divmod(whole // 3600, 24)
        minutes, seconds = whole // 60 % 60, whole % 60
        if days:
            return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
        if hours:
            return f"{sign}{hours}h {minutes}m {seconds}s"
        if minutes:
            return f"{sign}{minutes}m {seconds}s"
        return f"{sign}{_general(abs(value))}s"
    prefix = ""
    for following in _SMALL:
        if abs(value) >= 1:
            break
        prefix, value = following, value * 1000
    return f"{_general(value)}{prefix}s"


def _humanize_timestamp(argument: Any) -> str:
    value = _float(argument)
    if _is_odd(value):
        return _general(value)
    try:
        moment = datetime.fromtimestamp(math.trunc(value * 1000) / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        message = (
            f"{_shortest(value)} cannot be represented as a nanoseconds timestamp since it overflows int64"
        )
        raise TemplateError(message) from None
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _first(vector: Sequence[Any]) -> Any:
    if not vector:
        message = "first() called on vector with no elements"
        raise TemplateError(message)
    return vector[0]


def _title(text: str) -> str:
    return re.sub(r"(?<!\w)\w", lambda letter: letter[0].upper(), text)


def _replace_all(pattern: str, replacement: str, text: str) -> str:
    """Replace as Go's regexp does, where ``$1`` and ``${name}`` stand for groups."""
    compiled = _regex(pattern)

    def expanded(found: Any) -> str:
        def group(reference: re.Match[str]) -> str:
            name = reference[1] or reference[2] or ""
            try:
                return str(found.group(int(name) if name.isdigit() else name) or "")
            except (IndexError, KeyError):
                return ""

        return re.sub(r"\$(?:\{(\w+)\}|(\w+))", group, replacement).replace("$$", "$")

    return str(compiled.sub(expanded, text))


def _regex(pattern: str) -> Any:
    import re2

    try:
        compile_regex(pattern)
    except PromQLError as error:
        raise TemplateError(str(error)) from None
    return re2.compile(pattern)


def _strip_port(text: str) -> str:
    found = re.fullmatch(r"\[([^\]]*)\]:(\d*)|([^:]*):(\d*)", text)
    return text if found is None else found[1] if found[1] is not None else found[3]


def _strip_domain(text: str) -> str:
    host, port = (text, "")
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d*)", text)
    if found is not None:
        host, port = found[1], f":{found[2]}"
    if re.fullmatch(r"\[?[0-9a-fA-F:.]+\]?", host) and (":" in host or host.replace(".", "").isdigit()):
        return text
    return f"{host.split('.')[0]}{port}"


def _graph(tab: int, expr: str) -> str:
    return f"/graph?g0.expr={quote_plus(expr)}&g0.tab={tab}"


def _sort_by_label(label: str, vector: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(vector, key=lambda sample: str(sample["Labels"].get(label, "")))


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parse_duration(text)
    except ValueError as error:
        raise TemplateError(str(error)) from None


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value.get(key, "") if isinstance(value, Mapping) else value[key]
    return value


def _slice(value: Any, *ends: int) -> Any:
    if any(not 0 <= end <= len(value) for end in ends) or list(ends) != sorted(ends):
        message = f"index out of range: {', '.join(map(str, ends))}"
        raise TemplateError(message)
    return value[slice(*(ends if len(ends) > 1 else (*ends, None)))]


def _printf(form: str, *arguments: Any) -> str:
    """Return a text as Go's ``Sprintf`` formats it."""
    waiting = list(arguments)

    def formatted(found: re.Match[str]) -> str:
        flags, width, precision, verb = found.groups()
        if verb == "%":
            return "%"
        size = int(waiting.pop(0)) if width == "*" and waiting else int(width or 0)
        if not waiting:
            return f"%!{verb}(MISSING)"
        text = _format(verb, flags, None if precision is None else int(precision), waiting.pop(0))
        size = min(size, _WIDEST)
        if "-" in flags:
            return text.ljust(size)
        if (
            "0" in flags
            and verb not in "sqv"
            and text[-1:].isalnum()
            and text.lstrip("+-") not in {"Inf", "NaN"}
        ):
            sign = text[:1] if text[:1] in "+-" else ""
            return sign + text[len(sign) :].rjust(size - len(sign), "0")
        return text.rjust(size)

    text = _VERB.sub(formatted, form)
    if waiting:
        extra = ", ".join(f"{_go_type(value)}={show(value)}" for value in waiting)
        text += f"%!(EXTRA {extra})"
    return text


def _format(verb: str, flags: str, precision: int | None, value: Any) -> str:
    plus = "+" if "+" in flags else " " if " " in flags else ""
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if verb == "v":
        text = show(value)
        return (
            text
            if precision is None or not isinstance(value, float)
            else _format("g", flags, precision, value)
        )
    if verb == "s" and isinstance(value, str):
        return value if precision is None else value[:precision]
    if verb == "q" and isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        return f'"{escaped}"'
    if verb == "t" and isinstance(value, bool):
        return show(value)
    if verb in "dxXobc" and is_int:
        return chr(value) if verb == "c" else format(value, f"{plus}{verb}")
    if verb in "xX" and isinstance(value, str):
        return value.encode().hex() if verb == "x" else value.encode().hex().upper()
    if verb in "feEgGF" and isinstance(value, float):
        if _is_odd(value) or (verb in "gG" and precision is None):
            text = _shortest(value)
            signed = text if text[0] in "+-" else f"{plus}{text}"
            return signed.replace("e", "E") if verb == "G" else signed
        return format(value, f"{plus}.{6 if precision is None else precision}{verb}")
    return f"%!{verb}({_go_type(value)}={show(value)})"


def _go_type(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float64", str: "string", type(None): "<nil>"}
    return names.get(type(value), "map[string]string" if isinstance(value, Mapping) else "[]interface {}")


def _print(*values: Any) -> str:
    """Return values as Go's ``Sprint``: with blanks between two that are both no texts."""
    text = ""
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            text += " "
        text += show(value)
    return text


def _comparison(name: str, operator: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def compare(left: Any, *rights: Any) -> bool:
        if not rights:
            message = "missing argument for comparison"
            raise TemplateError(message)
        for right in rights:
            if type(left) is not type(
                right
            ):  # Go compares integers with integers and floats with floats alone
                message = "incompatible types for comparison"
                raise TemplateError(message)
        if name == "eq":
            return any(operator(left, right) for right in rights)
        return all(operator(left, right) for right in rights)

    return compare


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "and": lambda *values: next((value for value in values if not is_true(value)), values[-1]),
    "or": lambda *values: next((value for value in values if is_true(value)), values[-1]),
    "not": lambda value: not is_true(value),
    "len": len,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": lambda *values: " ".join(map(show, values)) + "\n",
    "printf": _printf,
    "html": lambda *values: functools.reduce(
        lambda text, pair: text.replace(*pair),
        (("&", "&amp;"), ("'", "&#39;"), ('"', "&#34;"), ("<", "&lt;"), (">", "&gt;")),
        _print(*values),
    ),
    "urlquery": lambda *values: quote_plus(_print(*values)),
    "js": lambda *values: "".join(_OF_SCRIPTS.get(letter, letter) for letter in _print(*values)),
    "eq": _comparison("eq", lambda left, right: bool(left == right)),
    "ne": _comparison("ne", lambda left, right: bool(left != right)),
    "lt": _comparison("lt", lambda left, right: bool(left < right)),
    "le": _comparison("le", lambda left, right: bool(left <= right)),
    "gt": _comparison("gt", lambda left, right: not left <= right),
    "ge": _comparison("ge", lambda left, right: not left < right),
    "first": _first,
    "label": lambda name, sample: sample["Labels"].get(name, ""),
    "value": lambda sample: sample["Value"],
    "strvalue": lambda sample: sample["Labels"].get("__value__", ""),
    "args": lambda *values: {f"arg{number}": value for number, value in enumerate(values)},
    "reReplaceAll": _replace_all,
    "safeHtml": lambda text: text,
    "match": lambda pattern, text: bool(_regex(pattern).search(text)),
    "title": _title,
    "toUpper": lambda text: text.upper(),
    "toLower": lambda text: text.lower(),
    "graphLink": functools.partial(_graph, 0),
    "tableLink": functools.partial(_graph, 1),
    "sortByLabel": _sort_by_label,
    "stripPort": _strip_port,
    "stripDomain": _strip_domain,
    "humanize": _humanize,
    "humanize1024": _humanize1024,
    "humanizeDuration": _humanize_duration,
    "humanizePercentage": lambda value: f"{_general(_float(value) * 100)}%",
    "humanizeTimestamp": _humanize_timestamp,
    "toTime": _humanize_timestamp,
    "parseDuration": _seconds,
}
