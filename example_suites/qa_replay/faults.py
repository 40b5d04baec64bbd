"""Seed one fault after the other and see that the replays catch each by its own line.

``python faults.py [FAULT...]`` drives the suite once for each fault and prints which cases failed and the line that
says why; several faults at once, each with servers of its own. Ends
with 1 where a fault was not caught, a case passed that the fault touches, or one failed that it does not.
"""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import tempfile
import textwrap
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ALL, SERVICE, COMMAND = "*", "parse-* reject", "cli-*"
CASES = 15
AT_ONCE = 10  # replays mostly wait


@dataclass(frozen=True)
class Fault:
    """A fault, which cases must not pass under it, and the line by which each of them says so."""

    name: str
    touches: str
    line: str

    def touched(self, case: str) -> bool:
        """Tell whether a case must not pass."""
        return any(fnmatch.fnmatchcase(case, pattern) for pattern in self.touches.split())


FAULTS = (
    Fault("dropped attribute", ALL, "span parser.parse: attribute parser.file_count: required, missing*"),
    Fault("wrong type", ALL, 'span parser.parse: attribute parser.file_count: expected int >= 1, got string "*"'),
    Fault("renamed span", ALL, "contract *_span: expected exactly 1 spans parser.parse kind internal, got 0 (near: parser.prase); captured: *"),
    Fault("orphan parent", ALL, "span parser.parse: parent: expected /*/, but 0000000000010057 was not captured (orphan)"),
    Fault("PII attribute", ALL, "span parser.parse: attribute user.email: forbidden, but it is there"),
    Fault("oversized batch", COMMAND, "payload per_request: 60?.* KB (60?,* B) is outside < 512 KB"),
    Fault("no flush at exit", COMMAND, "captured no telemetry in *; it may have ended without flushing: *"),
    Fault("lost increment", "parse-go-*", 'metric parse_total{*language="go"}: rose by 2, expected 3 (all cases driven together: +3)*'),
    Fault("restart", SERVICE, "metric parse_*total{*}: the counter restarted meanwhile, so its rise is unknown*"),
    Fault("slow export", SERVICE, "lag: the last export request arrived * s after the drive, outside <= 3 s"),
)  # fmt: skip


def replayed(fault: str) -> dict[str, list[str]]:
    """Drive the suite under a fault; return why each case did not pass, nothing for one that passed."""
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            str(HERE),
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={junit}",
        ]
        environ = {**os.environ, "QA_FAULT": fault}
        environ.pop("TELEMETRY_ENV", None)
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        if done.returncode not in {0, 1} or not junit.exists():
            sys.exit(
                f"{fault}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        found = {}
        for case in ET.parse(junit).getroot().iter("testcase"):
            text = "\n".join(one.text or "" for one in (*case.iter("failure"), *case.iter("error")))
            lines = [line.strip().removeprefix("x ") for line in text.splitlines()]
            found[str(case.get("name")).partition("[")[0]] = lines
        return found


def caught(fault: Fault, line: str) -> bool:
    """Tell whether a line is the one by which a fault is caught."""
    return fnmatch.fnmatchcase(line, fault.line.replace("[", "[[]"))


def judged(fault: Fault, found: dict[str, list[str]]) -> tuple[str, list[str]]:
    """Return the line that caught a fault, and what is not as it should be."""
    told, problems = "", []
    cases = {case: lines for case, lines in found.items() if case != "ci_logs"}
    if len(cases) != CASES:
        problems.append(f"{len(cases)} of {CASES} cases were replayed")
    for case, lines in cases.items():
        line = next((one for one in lines if caught(fault, one)), "")
        told = told or line
        if fault.touched(case) and not lines:
            problems.append(f"{case} passed")
        elif fault.touched(case) and not line:
            problems.append(f"{case} failed by another line: {lines[0]}")
        elif not fault.touched(case) and lines:
            problems.append(f"{case} failed: {lines[0]}")
    return told, problems


def main() -> int:
    """Replay the named faults, or all."""
    unknown = set(sys.argv[1:]) - {fault.name for fault in FAULTS}
    if unknown:
        sys.exit(
            f"no such fault: {', '.join(sorted(unknown))}; there are: {', '.join(one.name for one in FAULTS)}"
        )
    wanted = [fault for fault in FAULTS if not sys.argv[1:] or fault.name in sys.argv[1:]]
    width = max(len(fault.name) for fault in wanted)
    print(f"{'fault':{width}}  not passed  line")
    print(f"{'-' * width}  ----------  {'-' * 60}")
    wrong = 0
    pool = ThreadPoolExecutor(AT_ONCE)
    for fault, found in zip(wanted, pool.map(replayed, [fault.name for fault in wanted]), strict=True):
        told, problems = judged(fault, found)
        failed = sum(bool(lines) for lines in found.values())
        shown = textwrap.wrap(told or "NOT CAUGHT", 90)
        print(f"{fault.name:{width}}  {f'{failed} of {CASES}':10}  {shown[0]}", flush=True)
        for line in shown[1:]:
            print(" " * (width + 14) + line)
        for problem in problems:
            print(f"{'':{width}}  WRONG: {problem}")
        wrong += bool(problems)
    print(f"{len(wanted) - wrong} of {len(wanted)} faults caught, each by its own line")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
