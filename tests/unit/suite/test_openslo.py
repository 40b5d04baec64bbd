"""OpenSLO documents become criteria that load and judge; what has no criterion is named with its line."""

from __future__ import annotations

import numpy as np
import pytest
from gates import START, UP, MemoryGate, one, series

from pytest_telemetry_gate.files.openslo import convert_openslo
from pytest_telemetry_gate.files.written_groups import write_groups
from pytest_telemetry_gate.model.verdict import Outcome

RATIO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: shop-requests, displayName: "Shop's requests"}
spec:
  service: shop
  indicatorRef: requests
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}]
  alertPolicies: [{alertPolicyRef: pages}]
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: requests}
spec:
  ratioMetric:
    counter: true
    bad:
      metricSource:
        metricSourceRef: prometheus
        spec: {query: 'sum(rate(requests_total{job="parser", code=~"5..$"}[5m]))'}
    total:
      metricSource: {metricSourceRef: prometheus, spec: {query: 'sum(requests_total{job="parser"})'}}
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: prometheus}
spec: {type: Prometheus, connectionDetails: {}}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: pages}
spec:
  conditions:
    - kind: AlertCondition
      metadata: {name: fast}
      spec: {severity: page, condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h}}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
spec: {description: none}
"""
THRESHOLD = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: queue}
spec:
  indicator:
    metadata: {name: depth}
    spec:
      thresholdMetric:
        metricSource: {type: Prometheus, spec: {query: 'queue_depth{job="parser"}'}}
  budgetingMethod: Occurrences
  objectives:
    - {displayName: short, op: lte, value: 100, targetPercent: 99.5}
    - {displayName: bounded, op: lt, value: 1000, target: 0.9999}
"""
RAW = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: stored}
spec:
  indicator:
    metadata: {name: stored}
    spec:
      ratioMetric:
        rawType: failure
        raw: {metricSource: {type: prometheus, spec: {query: 'avg(failed_ratio{job="parser"})'}}}
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""
BAD = series("requests_total", lambda at: (at >= START + 3700) * 36.0, code="500")
DATA = [
    UP,
    series("requests_total", lambda at: (at - START) * 10, code="200"),
    BAD,
    series("queue_depth", lambda at: np.where(np.abs(at - START - 3600) < 600, 500, 20)),
    series("failed_ratio", 0.004),
]


def converted(folder, *texts):
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_text(text, encoding="utf-8")
    return convert_openslo(paths)


def test_what_is_written_loads_and_judges(tmp_path):
    found = converted(tmp_path, RATIO, THRESHOLD, RAW)
    assert not found.problems
    verdicts = MemoryGate(tmp_path, DATA).verdicts(write_groups(found.groups))
    assert [verdict.group for verdict in verdicts] == ["shop", "OpenSLO", "OpenSLO", "OpenSLO"]
    requests = one(verdicts, "shop-requests")
    assert (requests.outcome, requests.title) == (Outcome.PASS, "Shop's requests")
    assert "used 0.149 % of the budget of 28d, burn rate 0.500x" in requests.reason
    assert "burn rate 0.999x over 1h, at most 14.4x" in requests.reason
    short, bounded, stored = (one(verdicts, name) for name in ("queue-1", "queue-2", "stored"))
    assert (short.outcome, short.limit) == (Outcome.FAIL, ">= 99.5 %")
    assert short.value == pytest.approx(100 * (1 - 1200 / 7200), abs=0.5)
    assert (bounded.outcome, bounded.title) == (Outcome.PASS, "bounded")
    assert (stored.outcome, stored.value, stored.limit) == (Outcome.PASS, pytest.approx(0.4), "<= 1 %")


def test_the_yaml_that_is_written(tmp_path):
    assert (
        write_groups(converted(tmp_path, RATIO, RAW).groups)
        == """\
groups:
  shop:
    - id: shop-requests
      title: 'Shop''s requests'
      objective:
        bad: 'requests_total{job="parser", code=~"5..$"}'
        total: 'requests_total{job="parser"}'
        target: '99.9%'
        window: '28d'
        burn: [{over: '1h', at_most: 14.4}]
  OpenSLO:
    - id: stored
      query: 'avg_over_time((avg(failed_ratio{job="parser"}))[$__range:$__interval])'
      unit: ratio
      reduce: max
      expect: '<= 1%'
"""
    )


@pytest.mark.parametrize(
    ("text", "old", "new", "problem"),
    [
        (RATIO, "type: Prometheus", "type: Datadog", "0.yaml:19: SLO 'shop-requests': a metric source of type 'Datadog'"),
        (RATIO, "metricSourceRef: prometheus\n", "metricSourceRef: promeheus\n", "no DataSource 'promeheus' in these files (did you mean 'prometheus'"),
        (RATIO, "indicatorRef: requests", "indicatorRef: request", "no SLI 'request' in these files (did you mean 'requests'"),
        (RATIO, "Occurrences", "Timeslices", "0.yaml:8: SLO 'shop-requests': budgetingMethod Timeslices has no criterion"),
        (RATIO, "isRolling: true", "calendar: {}", "0.yaml:7: SLO 'shop-requests': one rolling timeWindow is read"),
        (RATIO, "28d", "1M", "`duration` '1M' is no duration"),
        (RATIO, "target: 0.999", "target: 99.9", "target 99.9 is not between 0 and all"),
        (RATIO, "target: 0.999", "name: x", "one of target and targetPercent"),
        (RATIO, "target: 0.999", "target: 0.999, indicatorRef: requests", "is composite"),
        (RATIO, 'sum(requests_total{job="parser"})', "max(requests_total)", "0.yaml:23: SLO 'shop-requests': an error budget counts events"),
        (RATIO, 'sum(requests_total{job="parser"})', "sum(", "0.yaml:23: SLO 'shop-requests': "),
        (RATIO, "counter: true", "counter: false", "0.yaml:17: SLO 'shop-requests': `counter: true` is missing"),
        (RATIO, "lookbackWindow: 1h", "lookbackWindow: 1h, alertAfter: 5m", "alertAfter 5m: a gate judges one moment"),
        (RATIO, "openslo/v1", "openslo/v1alpha", "only openslo/v1 is read"),
        (RATIO, "kind: SLO\n", "kind: SLOO\n", "unknown kind 'SLOO' (did you mean 'SLO'"),
        (THRESHOLD, "op: lte", "op: eq", "0.yaml:12: SLO 'queue': `op` is one of lte, lt, gte, gt"),
        (THRESHOLD, "value: 100,", "value: many,", "`value` 'many' is no number"),
        (RAW, "rawType: failure", "rawType: other", "rawType is success or failure"),
        (RAW, "objectives: [{target: 0.99}]", "objectives: {}", "must be a list"),
        (RAW, "spec:\n  indicator", "spec: [\n  indicator", "0.yaml:"),
        (RAW, "metadata: {name: stored}\nspec", "metadata: stored\nspec", "must be a mapping"),
    ],
)  # fmt: skip
def test_what_has_no_criterion_is_named_with_its_line(tmp_path, text, old, new, problem):
    assert old in text
    found = converted(tmp_path, text.replace(old, new))
    assert any(problem in line for line in found.problems), found.problems
    assert all(line.startswith(str(tmp_path)) and "\n" not in line for line in found.problems)
    if "openslo/v1alpha" not in new:
        assert not found.groups


def test_nothing_is_left_out_silently(tmp_path):
    lonely = RATIO.split("---\n")[1]
    (line,) = converted(tmp_path, lonely).problems
    assert "SLI 'requests': no SLO refers to it" in line
    (line,) = converted(tmp_path, RATIO.split("---\n")[2]).problems
    assert line.startswith(str(tmp_path))
    assert "no SLO, so that there is nothing to judge" in line
    twice = converted(tmp_path, RATIO, THRESHOLD, THRESHOLD)
    assert "a second SLO 'queue'" in twice.problems[0]
    assert len(twice.groups) == 2


def test_files_that_are_no_yaml_are_problems_beside_the_others(tmp_path):
    found = converted(tmp_path, RATIO, "a: [")
    assert list(found.groups) == ["shop"]
    assert "1.yaml:2: not YAML" in found.problems[0]
    assert "cannot be read" in convert_openslo([tmp_path / "none.yaml"]).problems[0]
