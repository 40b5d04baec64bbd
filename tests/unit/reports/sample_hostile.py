"""A report in which every text wants to be markup, to turn a line round, or to be longer than any page."""

from __future__ import annotations

from dataclasses import replace

import sample_report

from pytest_telemetry_gate.model.report import Report

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`&\u202e\x1b[31m\x00]]>"
LONG = HOSTILE + "x" * 10_000


def hostile() -> Report:
    """Return the report."""
    report = sample_report.regressed()
    suite = report.content.suites[0]
    criteria = tuple(
        replace(
            one,
            title=LONG + one.title,
            group=HOSTILE,
            unit=HOSTILE,
            baseline_name=HOSTILE,
            path=HOSTILE,
            limit_text=HOSTILE,
            regions={
                name + LONG: replace(
                    region,
                    checks=tuple(
                        replace(
                            check,
                            reason=HOSTILE * 40,
                            query=LONG,
                            source=HOSTILE,
                            warnings=(HOSTILE,),
                            link="javascript:alert(3)",
                        )
                        for check in region.checks
                    ),
                )
                for name, region in one.regions.items()
            },
        )
        for one in suite.criteria
    )
    note = f"# {HOSTILE}\n\n![x](https://e.example/i.png) [y](javascript:alert(4)) {LONG}"
    told = suite.told and suite.told.model_copy(update={"observations": {HOSTILE: note}, "summary": note})
    changed = replace(
        suite,
        id=HOSTILE,
        title=LONG,
        environment=HOSTILE,
        regions=(LONG,),
        criteria=criteria,
        told=told,
        roles=(LONG,),
    )
    return replace(report, content=replace(report.content, suites=(changed,)))
