"""The parser as a command: ``python -m demo_parser.cli COMMAND FOLDER --language LANGUAGE``.

It continues the trace that ``TRACEPARENT`` names and exports before it ends.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from opentelemetry.trace import SpanKind

from demo_parser.languages import LANGUAGES, Parsed
from demo_parser.telemetry import FAULT, begin, oversize, parse_files, provider

Files = Mapping[str, Parsed]
_LONGEST = 100  # functions in a file that lint does not mind


def show(files: Files) -> None:
    """Print everything that was found, as JSON."""
    print(json.dumps({name: asdict(one) for name, one in files.items()}, indent=1))


def lint(files: Files) -> None:
    """Print what one would rather not see: files without comments, or with too many functions."""
    for name, one in files.items():
        if not one.comments:
            print(f"{name}: no comment at all")
        if len(one.functions) > _LONGEST:
            print(f"{name}: {len(one.functions)} functions")


def index(files: Files) -> None:
    """Print every function with its file, in the order of the alphabet."""
    for function, name in sorted(
        (function, name) for name, one in files.items() for function in one.functions
    ):
        print(f"{function}\t{name}")


def query(files: Files) -> None:
    """Print the file with the most functions."""
    name = max(files, key=lambda one: len(files[one].functions))
    print(f"{name}: {len(files[name].functions)} functions")


def export(files: Files) -> None:
    """Print figures as comma-separated values."""
    print("file,lines,functions,imports,comments")
    for name, one in files.items():
        print(f"{name},{one.lines},{len(one.functions)},{one.imports},{one.comments}")


COMMANDS = {"parse": show, "lint": lint, "index": index, "query": query, "export": export}


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="parserctl", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", choices=LANGUAGES, required=True)
    options = parser.parse_args()
    paths = sorted(options.folder.glob(f"*{LANGUAGES[options.language]}"))
    if not paths:
        parser.error(f"no {LANGUAGES[options.language]} files in {options.folder}")
    tracing = provider()
    carrier = {"traceparent": os.environ.get("TRACEPARENT", "")}
    with begin(f"cli {options.command}", carrier, kind=SpanKind.INTERNAL):
        found = parse_files(options.language, [path.read_text(encoding="utf-8") for path in paths])
        oversize()
        COMMANDS[options.command](dict(zip((path.name for path in paths), found, strict=True)))
    if FAULT != "no flush at exit":
        tracing.shutdown()


if __name__ == "__main__":
    main()
