"""BigQuery's SQL as far as strings, comments and parameters have to be told apart.

https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical
"""

from __future__ import annotations

import re
from typing import ClassVar

from pytest_telemetry_gate.sources.sql.text import Grammar, SqlDialect

__all__ = ["GRAMMAR", "BigQueryDialect"]

# Strings have either quote, once or three times; a backslash keeps a quote in them, in raw ones as well. @@ is of system variables.
GRAMMAR = Grammar(
    "@",
    re.compile(
        r"""(?P<comment>--[^\n]*|\#[^\n]*|/\*.*?\*/)
        |(?P<quoted>'''(?:\\.|(?!''').)*'''|\"\"\"(?:\\.|(?!\"\"\").)*\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)
        |(?P<open>['"`]|/\*)
        |(?P<parameter>(?<!@)@[A-Za-z_]\w*)
        |(?P<end>;)
        |(?P<other>@@|\w+|.)""",
        re.VERBOSE | re.DOTALL,
    ),
)


class BigQueryDialect(SqlDialect):
    """BigQuery's SQL, with ``@name`` for parameters."""

    name: ClassVar[str] = "BigQuery SQL"
    grammar: ClassVar[Grammar] = GRAMMAR
