"""The page: what stands on it and in which order, what is left out, and that no text becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import sample_report
from sample_hostile import hostile

from pytest_telemetry_gate.model.report import CaseReport, Content, GateReport, Report
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.document.stored import parse_report, sign, write_json
from pytest_telemetry_gate.reports.html import page as page_module
from pytest_telemetry_gate.reports.html import render_html
from pytest_telemetry_gate.reports.html.colours import DARK, LIGHT
from pytest_telemetry_gate.reports.html.prose import make_prose_renderers

VOID = {"meta", "br", "input", "link", "img", "hr"}


class Reader(HTMLParser):
    """Reads a page: its elements, ids and texts; whatever is not closed as it was opened is a fault."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value or "" for key, value in attrs if key == "id"]
        self.links += [value or "" for key, value in attrs if key == "href"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & {*self.open}:
            self.text += data


@pytest.mark.parametrize("name", ["ok", "regressed", "regions"])
def test_the_page_is_well_formed_and_every_link_in_it_leads_somewhere(name: str) -> None:
    page = Reader(render_html(getattr(sample_report, name)()))
    assert not page.open
    assert len(page.ids) == len({*page.ids})
    inside = [link[1:] for link in page.links if link.startswith("#")]
    assert len(inside) > 20
    assert {*inside} <= {*page.ids}
    assert not {"img", "link", "iframe", "object", "form"} & {*page.names}


def test_the_same_report_gives_the_same_page_from_json_as_from_the_run() -> None:
    report = sign(sample_report.regressed())
    assert render_html(parse_report(write_json(report), "r.json")) == render_html(report)


def test_sections_come_in_the_order_in_which_people_ask() -> None:
    page = render_html(sample_report.regressed())
    ids = ["answer", "standing", "sign-off", "changes", "variance", "matrix", "metrics", "alerts", "replays",
           "rollout", "criteria", "told", "evidence"]  # fmt: skip
    places = [page.index(f'id="{name}"') for name in ids]
    assert places == sorted(places)
    assert page.index("key-figures", places[1]) < places[2]
    good = render_html(sample_report.ok())
    assert "What stands in the way" not in good
    assert good.index('class="key-figures"') < good.index('id="nearest"') < good.index('id="sign-off"')


def test_one_fault_is_one_row_with_what_where_and_since_when() -> None:
    page = render_html(sample_report.regions())
    faults = page[page.index('<table class="faults">') : page.index("</table>")]
    rows = faults.split("<tr>")[2:]
    first = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", rows[1].replace("<wbr/>", "")))
    assert "✗ fail" in first
    assert "parse_duration_ms p95" in first
    assert "us-west-2, eu-central-1" in first
    assert "since 19.5 h" in first
    assert "Thu 23 Jan 09:30, still so at 48h" in first
    assert len(rows) < 12


def test_the_matrix_has_the_worst_region_and_one_mark_a_region_where_they_differ() -> None:
    page = render_html(sample_report.regions())
    row = page[page.index('data-find="cli_latency_p95') :].partition("</tr>")[0]
    cells = row.split('<td class="at">')[1:]
    assert "region-mark" not in cells[0]
    assert '<span class="value">48.3</span>' in cells[0]
    assert 'class="value fail">52.3' in cells[2]
    assert re.findall(r'class="region-mark (\w+)"', cells[2]) == ["pass", "pass", "fail"]
    assert "ap-southeast-2 fail" in cells[2]


def test_the_policy_allows_this_script_and_nothing_else() -> None:
    page = render_html(sample_report.ok())
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert len(script) < 4096


def test_no_text_becomes_markup_and_what_prints_as_nothing_is_an_escape() -> None:
    page = render_html(hostile())
    reader = Reader(page)
    assert not reader.open
    assert reader.names.count("script") == 1
    assert not {"img", "iframe"} & {*reader.names}
    assert not [link for link in reader.links if link.startswith("javascript:")]
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "\\u202e\\x1b[31m\\x00" in reader.text
    style = page[page.index("<style>") : page.index("</style>")]
    (foot,) = re.findall(r"@bottom-left \{ content: \"([^\"]*)\"; font", style)
    assert "\\00003c\\00002fscript" in foot
    assert "<" not in style.removeprefix("<style>")
    assert len(page) < 3_000_000


def test_what_people_wrote_is_commonmark_without_html_images_and_odd_links() -> None:
    render, render_line = make_prose_renderers()
    assert render("# Heading\n\nA **word**, `code`, <b>no</b>") == (
        "<p><b>Heading</b></p>\n<p>A <strong>word</strong>, <code>code</code>, &lt;b&gt;no&lt;/b&gt;</p>\n"
    )
    assert render_line("[a](https://e.example) [b](MAILTO:a@e.example)").count("<a href=") == 2
    for address in (
        "javascript:alert(1)",
        "data:text/html,x",
        "//e.example",
        "file:///etc",
        "vbscript:x",
        "x.html",
    ):
        assert "<a" not in render(f"[a]({address}) <{address}>"), address
    assert "<img" not in render("![a](https://e.example/a.png)")


def test_what_is_more_than_the_page_holds_is_merged_and_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "POINTS", 3000)
    report = sample_report.large(criteria=6, regions=3)
    paths = re.findall(r' d="(M[^"]+)" fill="#[^>]+data-name', render_html(report))
    points = sum(len(re.findall(r"-?[\d.]+", path)) // 2 for path in paths)
    assert 6 * 3 * 288 * 2 > 3000
    assert 1500 < points <= 3000
    suite = report.content.suites[0]
    titled = replace(suite, title="x" * 10_000)
    cut = render_html(replace(report, content=replace(report.content, suites=(titled,))))
    assert "x" * 119 + "…" in cut
    assert "x" * 121 not in cut


def test_a_report_without_suites_still_answers() -> None:
    gate = GateReport(
        Outcome.FAIL, opens=False, reason="1 replay failed", counts={"fail": 1}, collected=1, selected=1
    )
    case = CaseReport("qa", "parse-a", Outcome.FAIL, reason="no span", checkpoint="48h")
    page = Reader(render_html(Report(Content(gate, replays=(case,)), digest=sample_report.DIGEST)))
    assert "Do not proceed" in page.text
    assert "no span" in page.text
    assert {link[1:] for link in page.links} <= {*page.ids}
    empty = GateReport(Outcome.INCONCLUSIVE, opens=False, reason="nothing was judged")
    assert "Not proven" in Reader(render_html(Report(Content(empty)))).text


@pytest.mark.parametrize(
    ("zone", "known"),
    [("-08:00", "Etc/GMT+8"), ("+05:30", "+05:30"), ("America/Los_Angeles", "America/Los_Angeles")],
)
def test_the_script_is_told_a_zone_that_browsers_know(zone: str, known: str) -> None:
    report = sample_report.ok()
    suite = replace(report.content.suites[0], timezone=zone, criteria=())
    assert f'data-zone="{known}"' in render_html(
        replace(report, content=replace(report.content, suites=(suite,)))
    )


def test_two_suites_have_sections_and_anchors_of_their_own() -> None:
    first, second = sample_report.ok().content.suites[0], sample_report.regressed().content.suites[0]
    report = sample_report.regressed()
    both = replace(report.content, suites=(first, replace(second, id="other", title="Another suite")))
    page = Reader(render_html(replace(report, content=both)))
    assert len(page.ids) == len({*page.ids})
    assert {"matrix", "s2-matrix", "c-cpu", "c-cpu-2"} <= {*page.ids}
    assert "Metrics · Another suite" in page.text


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("colours", "least"), [(LIGHT, 4.8), (DARK, 6.4)])
def test_every_colour_of_a_text_stands_out_from_its_ground(colours: dict[str, str], least: float) -> None:
    names = ("text", "muted", "link", "pass", "warn", "waived", "pending", "inconclusive", "fail", "error")
    for name in names:
        for ground in {"ground", f"{name}-ground"} & {*colours}:
            one, other = sorted((luminance(colours[name]), luminance(colours[ground])))
            contrast = (other + 0.05) / (one + 0.05)
            assert contrast >= (least if ground == "ground" else 4.5), (name, ground, contrast)
