"""Dashboard exports: the values of their columns, their times in any zone, and files that cannot be believed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.model.query_sources import Readings, SourceQuery
from pytest_telemetry_gate.sources.export import DashboardExport

PACIFIC = "America/Los_Angeles"
START = datetime(2025, 1, 22, 22, tzinfo=UTC)  # 14:00 in Los Angeles
END = START + timedelta(hours=1)
QUERY = "avg(last_1h):duration"


def rows(zone: str | None = None, *, minutes: int = 60) -> list[tuple[str, float]]:
    """Return a row a minute, with the number of the minute as value, and times without an offset in a zone."""
    moments = [START + timedelta(minutes=number) for number in range(minutes)]
    written = [
        moment.isoformat() if zone is None else f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
        for moment in moments
    ]
    return [(time, float(number)) for number, time in enumerate(written)]


def write(folder: Path, content: str | list[tuple[str, float]], name: str = "export.csv") -> Path:
    if not isinstance(content, str):
        content = "Time,duration\n" + "".join(f"{time},{value}\n" for time, value in content)
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def settings(file: Path, **options: Any) -> RegionSettings:
    named = {"path": file.name, **options}
    lines = {(): 3, **{(key,): number for number, key in enumerate(named, 4)}}
    return RegionSettings("", "export", named, {}, Origin("telemetry.yaml", lines), file.parent)


def read(path: Path, text: str = QUERY, *, end: datetime = END, **options: Any) -> Readings:
    source = DashboardExport.from_settings(settings(path, **options))
    return source.read(SourceQuery(text, end.timestamp() - 3600, end.timestamp()))


def refusal(path: Path, text: str = QUERY, **options: Any) -> str:
    with pytest.raises(SourceError) as error:
        read(path, text, **options)
    line = str(error.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("aggregator", "value"), [("avg", 29.5), ("max", 59.0), ("min", 0.0), ("sum", 1770.0), ("last", 59.0)]
)
def test_a_column_is_aggregated_over_time(tmp_path, aggregator, value):
    readings = read(write(tmp_path, rows()), f"{aggregator}(last_1h):duration")
    assert (readings.values, readings.coverage, readings.doubt) == ((value,), 1.0, "")
    assert readings.note == "60 of 60 points of 1m"


@pytest.mark.parametrize("zone", [PACIFIC, "UTC", "Asia/Kolkata"])
def test_times_without_an_offset_are_those_of_the_zone(tmp_path, zone):
    assert read(write(tmp_path, rows(zone)), timezone=zone).values == (29.5,)


def test_an_offset_is_enough_for_a_zone(tmp_path):
    assert read(write(tmp_path, rows(PACIFIC)), timezone="-08:00").values == (29.5,)


def test_another_zone_is_no_data_and_says_what_the_file_holds(tmp_path):
    readings = read(write(tmp_path, rows(PACIFIC)), timezone="UTC")
    assert readings.values == ()
    assert readings.doubt == (
        "export.csv holds 2025-01-22T14:00:00Z to 2025-01-22T15:00:00Z, and nothing of 'duration' in the time that is asked about: "
        "is its time zone right?"
    )


def test_a_time_without_an_offset_is_not_guessed(tmp_path):
    assert refusal(write(tmp_path, rows(PACIFIC))) == (
        "export.csv:2: the time '2025-01-22 14:00:00' has no offset: set `timezone:` to the zone in which it was exported, such as "
        "America/Los_Angeles or UTC"
    )


@pytest.mark.parametrize("time", ["2025-11-02 01:30:00", "2025-03-09 02:30:00"])
def test_a_time_when_clocks_were_changed_is_refused(tmp_path, time):
    assert refusal(write(tmp_path, [(time, 1.0)]), timezone=PACIFIC) == (
        f"export.csv:2: the time {time!r} is there twice or never in America/Los_Angeles, where clocks were changed: export in UTC"
    )


@pytest.mark.parametrize("factor", [1, 1000])
def test_times_may_be_seconds_or_milliseconds_since_the_epoch(tmp_path, factor):
    numbers = [(str(round((START.timestamp() + 60 * number) * factor)), 1.0) for number in range(60)]
    assert read(write(tmp_path, numbers)).coverage == 1.0


def test_json_is_a_list_of_rows(tmp_path):
    content = [{"time": time, "duration": value or None} for time, value in rows()]
    readings = read(write(tmp_path, json.dumps(content), "export.json"))
    assert (readings.values, readings.coverage) == ((30.0,), 59 / 60)


def test_a_column_may_be_called_as_in_datadog(tmp_path):
    text = "".join(f"{time},{value},x\n" for time, value in rows())
    path = write(
        tmp_path,
        'Time,"avg:trace.duration{env:prod, zone:a}",Note\n'.replace(",Note", ",null")
        + text.replace(",x", ","),
    )
    assert read(path, "max(last_1h):avg:trace.duration{env:prod, zone:a}").values == (59.0,)


def test_cells_without_data_and_rows_that_are_missing_are_not_covered(tmp_path):
    some = rows()
    content = [
        (time, "" if number < 15 else value)
        for number, (time, value) in enumerate(some)
        if number not in {20, 21, 22}
    ]
    assert read(write(tmp_path, content)).coverage == 42 / 60


def test_an_interval_that_is_written_says_how_much_is_missing(tmp_path):
    path = write(tmp_path, rows()[::2])
    assert read(path).coverage == 1.0  # as a dashboard that has a point every two minutes
    assert read(path, interval="1m").coverage == 0.5


def test_an_export_that_ends_early_is_a_doubt(tmp_path):
    readings = read(write(tmp_path, rows(minutes=54)))
    assert (
        readings.doubt
        == "the newest point ends 6m before the checkpoint, though there should be one every 1m"
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "export.csv:1: needs a column of times and a column for each series, with commas between them"),
        ("Time;duration\n1;2\n", "export.csv:1: needs a column of times and a column for each series, with commas between them"),
        ("Time,duration\n", "export.csv: has no rows"),
        ("Time,duration,duration\n", "export.csv:1: two columns are called 'duration'"),
        ("Time,duration\n2025-01-22T22:00:00Z\n", "export.csv:2: 1 cells, and 2 columns: is the file cut off?"),
        ('Time,duration\n2025-01-22T22:00:00Z,"1', "export.csv:2: not CSV: unexpected end of data"),
        ("Time,duration\n2025-01-22T22:00:00Z,1\n", "export.csv: has one row, which does not tell for how long it stands: set `interval:`"),
        (
            "Time,duration\n2025-01-22T22:00:00Z,64.2%\n",
            "export.csv:2: column 'duration': '64.2%' is not a number: export the values as they are, without format and unit",
        ),
        (
            'Time,duration\n2025-01-22T22:00:00Z,"0,5"\n',
            "export.csv:2: column 'duration': '0,5' is not a number: export the values as they are, without format and unit",
        ),
        (
            "Time,duration\n2025-01-22T22:00:00Z,1_0\n",
            "export.csv:2: column 'duration': '1_0' is not a number: export the values as they are, without format and unit",
        ),
        (
            "Time,duration\n01/22/2025 14:00,1\n",
            "export.csv:2: '01/22/2025 14:00' is not a time such as '2025-01-22T14:00:00-08:00' or '2025-01-22 14:00:00'",
        ),
        ("Time,duration\n20250122,1\n", "export.csv:2: '20250122' is not a time: neither seconds nor milliseconds since the epoch"),
        (
            "Time,duration\n2025-01-22T22:00:00Z,1\n2025-01-22T14:00:00-08:00,2\n",
            "export.csv:3: the time '2025-01-22T14:00:00-08:00' is there already, in line 2",
        ),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_believed_is_refused_with_its_line(tmp_path, content, line):
    assert refusal(write(tmp_path, content)) == line


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{"widgets": []}', "export.json: the definition of a dashboard, which holds no data: export the data of its widgets"),
        ("[]", "export.json: not a list of objects, each with a time and a value for each series"),
        ("[1]", "export.json: not a list of objects, each with a time and a value for each series"),
        ('[{"time": 1737583200, "duration": true}]', "export.json:row 1: column 'duration': True is not a number: export the values as they are, without format and unit"),
        ('[{"time": null, "duration": 1}]', "export.json:row 1: None is not a time such as '2025-01-22T14:00:00-08:00' or '2025-01-22 14:00:00'"),
        ('[{"time"', "export.json:1: not JSON: it ends in the middle, as a truncated file does"),
    ],
)  # fmt: skip
def test_json_that_cannot_be_believed_is_refused(tmp_path, content, line):
    assert refusal(write(tmp_path, content, "export.json")) == line


@pytest.mark.parametrize("column", ["{time},{long}", "{long},1"])
def test_a_long_cell_is_not_shown_whole(tmp_path, column):
    row = column.format(time="2025-01-22T22:00:00Z", long="x" * 100_000)
    assert len(refusal(write(tmp_path, f"Time,duration\n{row}\n"))) < 250


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = write(tmp_path, "Time,duration\n")
    with path.open("r+b") as file:
        file.truncate(17 * 2**20)
    assert refusal(path) == "export.csv: larger than 16 MiB, which no dashboard exports"


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "export.csv"
    path.write_bytes(b"Time,duration\n\xff\xfe")
    assert refusal(path) == "export.csv: not UTF-8 at byte 15"


def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path):
    assert refusal(write(tmp_path, rows()), "avg(last_1h):duraton") == (
        "export.csv has no column 'duraton' (did you mean 'duration'?)"
    )
    assert refusal(write(tmp_path, rows()), time="When") == (
        "export.csv: no column 'When', which is to hold the times; columns: Time, duration"
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"path": ""}, "telemetry.yaml:4: needs `path`, the file that was exported"),
        ({"path": "gone.csv"}, "telemetry.yaml:4: path: there is no file gone.csv"),
        (
            {"timezone": "Pacific"},
            "telemetry.yaml:5: timezone: 'Pacific' is no time zone such as 'America/Los_Angeles', 'UTC' or '-08:00'",
        ),
        (
            {"interval": "often"},
            "telemetry.yaml:5: interval: 'often' is not a duration such as '15s', '90m' or '1h30m'",
        ),
        ({"interval": "0s"}, "telemetry.yaml:5: interval: must be positive"),
        ({"interval": 60}, "telemetry.yaml:5: interval: must be text, in quotes if need be"),
        ({"zone": "UTC"}, "telemetry.yaml:5: unknown key 'zone' (did you mean 'timezone'?)"),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_file_and_line(tmp_path, options, line):
    with pytest.raises(SourceError) as error:
        DashboardExport.read_settings(settings(write(tmp_path, rows()), **options))
    assert str(error.value).startswith(line)


def check(text: str) -> str:
    return DashboardExport.dialect.check(SourceQuery(text, START.timestamp(), END.timestamp()))


def test_the_form_of_a_query_is_checked_without_the_file():
    assert check("avg(last_1h):anything at all") == ""
    assert (
        check("duration") == "needs a time aggregator and a window, such as `avg(last_1h):parse_duration_ms`"
    )
    assert check("p95(last_1h):x") == "unknown time aggregator 'p95'; allowed: avg, last, max, min, sum"
    assert check("avg(last_2h):x").startswith("last_2h is more than the 1h that are judged")


@given(st.integers(-14 * 60, 14 * 60), st.integers(0, 59))
def test_the_same_moment_is_read_alike_in_every_zone(tmp_path_factory, minutes: int, number: int):
    folder = tmp_path_factory.mktemp("zones")
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    offset = f"{sign}{size // 60:02}:{size % 60:02}"
    moment = START + timedelta(minutes=number)
    local = (moment + timedelta(minutes=minutes)).replace(tzinfo=None)
    written = [write(folder, [(f"{local} {offset}".replace(" ", "T", 1).replace(" ", ""), 7.0)], "a.csv")]
    written.append(write(folder, [(str(local), 7.0)], "b.csv"))
    found = [read(path, "last(last_1h):duration", timezone=offset, interval="1m") for path in written]
    assert found[0] == found[1]
    assert found[0].values == (7.0,)
