"""Templates of labels and annotations: what they expand to, which promtool says as well."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml

from pytest_telemetry_gate.rules.rule_tests import load_rule_tests
from pytest_telemetry_gate.rules.run_tests import run_rule_test

# TEMPLATE: VALUE of the alert's sample, and what becomes of the template; its series is m{a="foo bar"}.
EXPANDED: dict[str, tuple[str, str]] = {
    "{{ $value }} {{ .Value }}": ("1234567", "1.234567e+06 1.234567e+06"),
    "{{ humanize $value }}": ("1234567", "1.235M"),
    "{{ $value | humanize1024 }}": ("1048576", "1Mi"),
    "{{ $value | humanizeDuration }}": ("3661.5", "1h 1m 1s"),
    "{{ $value | humanizePercentage }}": ("0.12345", "12.35%"),
    # milliseconds are cut off, not rounded
    "{{ $value | humanizeTimestamp }}": ("1234.5678", "1970-01-01 00:20:34.567 +0000 UTC"),
    '{{ printf "%g %G %E" $value $value $value }}': ("1234567", "1.234567e+06 1.234567E+06 1.234567E+06"),
    # zeros are no padding of what is no number
    '{{ printf "%08.2f|%+.1f" $value $value }}': ("NaN", "     NaN|+NaN"),
    '{{ printf "%08.2f|%-6.1f|" $value $value }}': ("Inf", "    +Inf|+Inf  |"),
    '{{ printf "%08.2f" $value }}': ("-1.5", "-0001.50"),
    # Go says that NaN is greater than anything, since it is not lower or equal
    "{{ if gt $value 10.0 }}big{{ else }}small{{ end }}": ("NaN", "big"),
    "{{ ge $value 10.0 }} {{ lt $value 10.0 }} {{ le $value 10.0 }}": ("NaN", "true false false"),
    '{{ title "hello o\'neil a-b a_b" }}': ("1", "Hello O'Neil A-B A_b"),
    '{{ js "<a>=&" }}': ("1", r"\u003Ca\u003E\u003D\u0026"),
    "{{ slice $labels.a 1 }} {{ slice $labels.a 0 2 }}": ("1", "oo bar fo"),
    '{{ range query "m" | sortByLabel "a" }}{{ .Labels.a }}={{ .Value }};{{ end }}': (
        "1",
        "Baz=7;foo bar=1;",
    ),
    '{{ with query "nothing" }}x{{ else }}none{{ end }}': ("1", "none"),
    '{{ stripPort "[::1]:80" }} {{ stripDomain "a.b.c:80" }} {{ stripDomain "1.2.3.4:5" }}': (
        "1",
        "::1 a:80 1.2.3.4:5",
    ),
    '{{ reReplaceAll "(f)(o+)" "${2}-$1" $labels.a }}': ("1", "oo-f bar"),
    '{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" $labels.a }}': ("1", "[foo bar]"),
    '{{ graphLink "up{a=\\"b c\\"}" }}': ("1", "/graph?g0.expr=up%7Ba%3D%22b+c%22%7D&g0.tab=0"),
    'a {{- " b " -}} c{{/* nothing */}}': ("1", "a b c"),
    "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }} {{ $labels.missing }}.": ("1", "2 ."),
    '{{ printf "%d" $value }} {{ printf "%v %v" 1 }} {{ printf "%d" 1 2 }}': (
        "1.5",
        "%!d(float64=1.5) 1 %!v(MISSING) 1%!(EXTRA int=2)",
    ),
}
# Of these an error is put in the place of the text; Go's has the position as well, ours the reason alone.
REFUSED = {
    "{{ slice $labels.a 2 99 }}": "index out of range",
    "{{ if eq $labels.a }}x{{ end }}": "missing argument for comparison",
    "{{ eq $value 1 }}": "incompatible types for comparison",
    '{{ humanize "abc" }}': 'parsing "abc": invalid syntax',
    '{{ query "nothing" | first | value }}': "first() called on vector with no elements",
    '{{ template "nope" }}': "not defined",
}


def _write(folder, expanded):
    """Write a rule for each template, and tests of what they expand to."""
    rules = [
        {"alert": f"A{number}", "expr": 'm{a="foo bar"}', "annotations": {"text": template}}
        for number, template in enumerate(expanded)
    ]
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": 'm{a="foo bar"}', "values": value},
                {"series": 'm{a="Baz"}', "values": "7"},
            ],
            "alert_rule_test": [
                {
                    "eval_time": "0m",
                    "alertname": f"A{number}",
                    "exp_alerts": [{"exp_labels": {"a": "foo bar"}, "exp_annotations": {"text": text}}],
                }
            ],
        }
        for number, (value, text) in enumerate(expanded.values())
    ]
    (folder / "t.rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    path = folder / "t.rules_test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": ["t.rules.yml"], "tests": tests}))
    return path


def test_templates_expand_as_those_of_prometheus(tmp_path):
    file = load_rule_tests(_write(tmp_path, EXPANDED), "t")
    assert [one.got for test in file.tests for one in run_rule_test(file, test, "2")] == []


@pytest.mark.integration
def test_promtool_expands_the_same(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("missing server: promtool")
    command = [promtool, "test", "rules", _write(tmp_path, EXPANDED)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_what_cannot_be_expanded_says_why(tmp_path):
    file = load_rule_tests(_write(tmp_path, dict.fromkeys(REFUSED, ("1.5", ""))), "t")
    found = [run_rule_test(file, test, "2") for test in file.tests]
    for (template, reason), mismatches in zip(REFUSED.items(), found, strict=True):
        assert reason in mismatches[0].got[0], template


@pytest.mark.integration
def test_promtool_says_the_same_reasons(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("missing server: promtool")
    command = [promtool, "test", "rules", _write(tmp_path, dict.fromkeys(REFUSED, ("1.5", "")))]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    shown = (told.stdout + told.stderr).replace('\\"', '"')
    assert [reason for reason in REFUSED.values() if reason not in shown] == []
