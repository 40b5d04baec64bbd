"""What people say in a suite's report: in the suite or in a file of its own, refused at its line where it cannot be used."""

from __future__ import annotations

import jsonschema
import pytest
import yaml
from gates import HEAD, KINDS

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.schemas import suite_schema
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.model.told import Told

BODY = "groups:\n  Parser:\n    - {id: p95, query: up, expect: '> 0'}\n"
TOLD = """\
timezone: America/Los_Angeles
prepared_by: [{name: Ann, role: QA lead, part: validation}]
team: [{name: Bo}]
deployment: phased
next_step: {name: Step 3, text: planning}
observations: {Parser: "steady: no change"}
summary: "all went **well**"
communication: [{at: 2025-01-22T14:00:00-08:00, where: "#releases", what: started, link: "https://example.org/1"}]
artefacts: [{what: dashboard, uri: "gs://bucket/a.png", at: 2025-01-24T10:45:00Z, sha256: abc}]
runbooks: [{what: validation, done: 100%, signed: [{name: Ann, at: 2025-01-24T14:20:00Z}]}]
lessons: {well: [{title: Phases, text: held}], improve: [{text: more regions}]}
recommendations: {title: Next, metrics: [{name: retries, text: count them}], risks: [low traffic]}
distribution: ["mailto list"]
sections: [{title: More, text: words}]
"""


def load(folder, said, *, file=None):
    (folder / "small.gate.yaml").write_text(HEAD + BODY + said, "utf-8")
    if file is not None:
        (folder / "said.yaml").write_text(file, "utf-8")
    return load_suite(folder / "small.gate.yaml", KINDS, "gates/small.gate.yaml")


def indented(text):
    return "".join(f"  {line}\n" for line in text.splitlines())


def test_the_file_may_have_a_key_of_its_own_and_says_the_same_as_the_suite(tmp_path):
    bare = load(tmp_path, "report: said.yaml\n", file=TOLD)
    keyed = load(tmp_path, "report: said.yaml\n", file=f"report:\n{indented(TOLD)}")
    inside = load(tmp_path, f"report:\n{indented(TOLD)}")
    assert isinstance(bare.told, Told)
    assert bare.told == keyed.told == inside.told
    assert bare.told.communication[0].at == 1737583200.0
    assert bare.told.runbooks[0].signed[0].name == "Ann"
    assert Told.from_wire(bare.told.to_wire()) == bare.told
    assert load(tmp_path, "").told is None


def test_a_text_of_the_file_is_taken_as_it_is_written(tmp_path):
    assert load(tmp_path, "report: said.yaml\n", file="summary: 'costs $5, see ${HOME}'\n").told.summary == (
        "costs $5, see ${HOME}"
    )


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("sumary: x\n", "gates/said.yaml:1: unknown key 'sumary' (did you mean 'summary'?)"),
        (
            "report:\n  lessons:\n    wel: []\n",
            "gates/said.yaml:3: lessons: unknown key 'wel' (did you mean 'well'?)",
        ),
        ("report: {}\nevidence: []\n", "gates/said.yaml:2: unknown key 'evidence' beside 'report', which holds everything"),
        ("summary: x\nteam:\n  - {part: lead}\n", "gates/said.yaml:3: team[0]: needs 'name'"),
        ("summary: 5\n", "gates/said.yaml:1: summary: must be text"),
        (
            "observations:\n  Parser: a\n  Parsr: b\n",
            "gates/said.yaml:3: observations: unknown group 'Parsr' (did you mean 'Parser'?)",
        ),
        (
            "timezone: America/Los_Angelos\n",
            "gates/said.yaml:1: timezone: 'America/Los_Angelos' is no time zone such as 'America/Los_Angeles', 'UTC' or '-08:00' (did you mean 'America/Los_Angeles'?)",
        ),
        ("timezone: +25:00\n", "'+25:00' is no time zone"),
        ("timezone: ../../etc/passwd\n", "'../../etc/passwd' is no time zone"),
        ("timezone: America\n", "'America' is no time zone"),
        (
            "communication:\n  - {at: 2025-01-22, where: a, what: b}\n",
            "gates/said.yaml:2: communication[0].at: '2025-01-22' has no zone",
        ),
        *(
            (
                f"communication:\n  - at: 2025-01-22T14:00:00Z\n    where: a\n    what: b\n    link: '{link}'\n",
                f"gates/said.yaml:5: communication[0].link: '{link}' is no address that begins with https://, http:// or mailto:",
            )
            for link in ("javascript:alert(1)", "https://", "data:text/html,x", "//example.org", "http://a b")
        ),
    ],
)  # fmt: skip
def test_what_the_file_says_wrongly_is_named_with_its_line(tmp_path, file, message):
    with pytest.raises(SuiteError) as caught:
        load(tmp_path, "report: said.yaml\n", file=file)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("report: sad.yaml\n", "9: report: there is no file 'sad.yaml'"),
        ("report: {observations: {Parsr: a}}\n", "9: observations: unknown group 'Parsr'"),
        ("report:\n  team: {}\n", "10: report.team: must be a list"),
        ("report: 5\n", "9: report: must be text"),
        ("report: []\n", "9: report: must be text"),
        ("timezone: UTC\n", "9: unknown key 'timezone'"),
        ("told: {}\n", "9: unknown key 'told'"),
    ],
)
def test_what_the_suite_says_wrongly_is_named_with_its_line(tmp_path, said, message):
    with pytest.raises(SuiteError) as caught:
        load(tmp_path, said)
    assert f"gates/small.gate.yaml:{message}" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "accepted"),
    [
        ("report: said.yaml", True),
        (f"report:\n{indented(TOLD)}", True),
        ("report: {sumary: x}", False),
        ("report: 5", False),
        ("report: {communication: [{at: 2025-01-22T14:00:00Z, where: a, what: b, link: 'ftp://a'}]}", False),
        ("rollback: {when: [fail at crit, fail of p95, incident, alert High latency]}", True),
        ("rollback: {when: [fail at worst]}", False),
    ],
)
def test_the_schema_accepts_what_the_loader_does(said, accepted):
    document = yaml.load(f"{HEAD}{BODY}{said}\n", yaml.BaseLoader) | {"version": 1}
    validator = jsonschema.Draft202012Validator(suite_schema(KINDS))
    if said == "report: 5":
        document["report"] = 5
    assert validator.is_valid(document) == accepted, [
        error.message for error in validator.iter_errors(document)
    ]


@pytest.mark.parametrize("zone", ["UTC", "-08:00", "+05:30", "Europe/Berlin"])
def test_a_zone_is_a_name_or_an_offset(tmp_path, zone):
    assert load(tmp_path, f'report: {{timezone: "{zone}"}}\n').timezone == zone
