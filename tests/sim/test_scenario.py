"""Scenario files: what is read from them, what is refused and where, and when their faults come."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.recorded import recorded
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.yaml12 import Problems
from tradeassistd.sim.faults.board import Faults
from tradeassistd.sim.faults.kinds import KINDS, Kind, Span
from tradeassistd.sim.faults.options import REQUIRED
from tradeassistd.sim.faults.plan import NEVER, Plan
from tradeassistd.sim.faults.scenario import read_entry, read_scenario, read_scenario_file
from tradeassistd.sim.faults.schema import schema, schema_text

DOCS = Path(__file__).parents[2] / "docs"
START_US = 1_795_444_200_000_000  # 2026-11-23 09:30 New York
SECOND = 1_000_000
MINUTE = 60 * SECOND

FULL = """\
version: 1
seed: 7
faults:
  - {fault: mute, at: 90s, for: 45s, heartbeats: true}
  - {fault: bad_print, at: 2026-11-23T10:15:00, symbols: [/ES, SPY], away: -2.5%}
  - {fault: refuse, code: 19, command: SUBS, times: 3}
  - {fault: feature_not_supported, daily: 00:30}
  - reset
random:
  - every: 2m-10m
    from: 5m
    until: 2h
    one_of: [reset, {fault: mute, until: reconnect}, {fault: rest_status, status: 429, retry_after: 30s}]
"""


def test_a_scenario_is_read_as_it_is_written() -> None:
    scenario = read_scenario(FULL, "x.yaml")
    mute, bad_print, refuse, nightly, reset = scenario.entries
    assert (mute.fault.name, mute.at.after_s, mute.fault.for_s, mute.fault["heartbeats"]) == ("mute", 90, 45, True)
    assert bad_print.fault.options == {"symbols": ("/ES", "SPY"), "away": Decimal("-0.025"), "quote": False}
    assert bad_print.at.instant_us(START_US) == START_US + 45 * MINUTE
    assert (refuse.fault.times, refuse.fault["code"], refuse.fault["service"]) == (3, 19, "")
    assert (nightly.daily, reset.fault.name, reset.at.instant_us(START_US)) == (30, "reset", START_US)
    (chance,) = scenario.chances
    assert (chance.least_s, chance.most_s, chance.begins.after_s, scenario.seed) == (120, 600, 300, 7)
    assert [one.name for one in chance.one_of] == ["reset", "mute", "rest_status"]
    assert chance.one_of[1].until_reconnect
    assert chance.one_of[2].options == {"path": "all", "status": 429, "retry_after": 30, "html": False}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("faults: [reset]", "x:1:1: version: is missing (write version)"),
        ("version: 2\nfaults: [reset]", "x:1:10: version: unknown version '2' (write version: 1)"),
        ("version: 1", "x:1:1: plans no fault (write faults: or random:)"),
        ("- reset", "x:1:1: must be a map (write version: 1 and faults: below it)"),
        ("version: 1\nfalts: []", "x:2:1: falts: unknown key (did you mean faults?)"),
        ("version: 1\nfaults: {fault: mute}", "x:2:9: faults: must be a list (write a dash before each fault)"),
        ("version: 1\nfaults: [mutte]", "x:2:10: faults[0].fault: unknown fault 'mutte' (did you mean mute?)"),
        ("version: 1\nfaults: [{at: 5m}]", "x:2:10: faults[0].fault: is missing (write fault)"),
        ("version: 1\nfaults: [outage]", "x:2:10: faults[0]: an outage needs an end (write for: 45s)"),
        (
            "version: 1\nfaults: [{fault: mute, for: 5s, until: reconnect}]",
            "x:2:40: faults[0].until: for and until exclude each other (keep one)",
        ),
        (
            "version: 1\nfaults: [{fault: mute, times: 3}]",
            "x:2:24: faults[0].times: unknown key (one of fault at daily",
        ),
        ("version: 1\nfaults: [{fault: reset, for: 3s}]", "x:2:25: faults[0].for: unknown key"),
        ("version: 1\nfaults: [{fault: mute, for: 0s}]", "faults[0].for: 0s is no time at all"),
        ("version: 1\nfaults: [{fault: reset, at: noon}]", "x:2:29: faults[0].at: 'noon' is not a time (write 90s, 5m"),
        (
            "version: 1\nfaults: [{fault: reset, at: 5m, daily: 00:30}]",
            "x:2:29: faults[0].at: at and daily exclude each other",
        ),
        ("version: 1\nfaults: [{fault: reset, daily: 24:30}]", "'24:30' is not a time of day (write HH:MM, New York)"),
        ("version: 1\nfaults: [{fault: skew}]", "x:2:10: faults[0].by: is missing (write by)"),
        ("version: 1\nfaults: [{fault: skew, by: 90}]", "faults[0].by: '90' is not a duration"),
        (
            "version: 1\nfaults: [{fault: bad_print, symbols: es, away: 5}]",
            "faults[0].symbols: 'es' is not a symbol (write it as Schwab does: /ES, $TICK, SPY)\n"
            "x:2:48: faults[0].away: '5' is not a percentage (write 5% or -0.9%)",
        ),
        ("version: 1\nfaults: [{fault: refuse, code: 4}]", "faults[0].code: 4 is none of 3 9 11 12 19 20 21"),
        ("version: 1\nfaults: [{fault: rest_status, status: 200}]", "200 is not between 400 and 599"),
        ("version: 1\nfaults: [{fault: internals, how: floored!}]", "unknown word 'floored!' (did you mean floored?)"),
        ("version: 1\nfaults: [{fault: recorded_frames, file: nowhere}]", "faults[0].file: cannot read nowhere"),
        ("version: 1\nrandom: [{every: 2m, one_of: [reset]}]", "random[0].every: '2m' is not a span of time"),
        ("version: 1\nrandom: [{every: 5m-2m, one_of: [reset]}]", "random[0].every: '5m-2m' is not a span"),
        ("version: 1\nrandom: [{every: 2m-5m}]", "x:2:10: random[0].one_of: names no fault (list at least one)"),
        (
            "version: 1\nrandom: [{every: 2m-5m, one_of: [{fault: reset, at: 5m}]}]",
            "random[0].one_of[0].at: unknown key",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(written: str, told: str) -> None:
    with pytest.raises(Problems) as caught:
        read_scenario(written, "x")
    assert told in str(caught.value)


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(Problems) as caught:
        read_scenario("version: 1\nfaults:\n  - mutte\n  - {fault: skew, buy: 3s}\n", "x")
    assert [(one.place.line, one.path) for one in caught.value.problems] == [
        (3, "faults[0].fault"), (4, "faults[1].by"), (4, "faults[1].buy"),
    ]  # fmt: skip


def test_one_fault_may_be_written_as_map_json_or_words() -> None:
    for written in (
        "mute, at: 5m, for: 45s",
        "{fault: mute, at: 5m, for: 45s}",
        '{"fault": "mute", "at": "5m", "for": "45s"}',
    ):
        entry = read_entry(written, "x")
        assert (entry.fault.name, entry.at.after_s, entry.fault.for_s) == ("mute", 300, 45)
    assert read_entry("reset", "x").fault.name == "reset"
    with pytest.raises(Problems, match=re.escape("x:1:11: at: '5x' is not a time")):
        read_entry("mute, at: 5x", "x")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_scenario_file(tmp_path / "none.yaml")
    (tmp_path / "one.yaml").write_text(FULL)
    assert read_scenario_file(tmp_path / "one.yaml") == read_scenario(FULL, "")


def test_the_example_of_the_documentation_is_a_scenario() -> None:
    text = (DOCS / "simulator.md").read_text("utf-8")
    examples = re.findall(r"^```yaml\n(version: 1\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        assert read_scenario(example, "docs").entries
        assert not list(Draft202012Validator(schema()).iter_errors(yaml.safe_load(example)))


def test_the_documentation_has_every_fault_and_option() -> None:
    text = (DOCS / "simulator.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE))
    assert rows.keys() == KINDS.keys()
    for name, kind in KINDS.items():
        assert kind.doc in rows[name]
        assert all(f"`{one.name}" in rows[name] for one in kind.options), name


def test_the_shipped_schema_is_up_to_date() -> None:
    shipped = (DOCS / "scenario.schema.json").read_text("utf-8")
    assert shipped == schema_text(), "tradeassist simulate --schema > docs/scenario.schema.json"
    Draft202012Validator.check_schema(schema())


def smallest(kind: Kind) -> dict[str, Any]:
    """A fault of that kind with what must be written."""
    examples = {
        "by": "5s", "away": "-2.5%", "symbols": ["SPY"], "symbol": "/ES", "code": 19, "status": 503, "how": None,
        "answer": "empty", "calls": 100,
    }  # fmt: skip
    written: dict[str, Any] = {"fault": kind.name}
    for one in kind.options:
        if one.default is REQUIRED:
            written[one.name] = examples[one.name] if one.name != "how" else one.form.schema["enum"][0]
    return written | ({"for": "5s"} if kind.name == "outage" else {})


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS.values() if kind.name != "recorded_frames"], ids=lambda k: k.name
)
def test_reader_and_schema_agree_about_every_fault(kind: Kind) -> None:
    judge = Draft202012Validator(schema())
    good = smallest(kind)
    wrong = [
        good | {"nonsense": 1},
        {**good, "fault": "nonsense"},
        good | {"at": "5x"},
        good | {"at": "5m", "daily": "00:30"},
    ]
    wrong += [{key: value for key, value in good.items() if key != name} for name in good]
    if kind.span in (Span.MOMENT, Span.COUNTED):
        wrong.append(good | {"until": "reconnect"})
    for one in (good, good | {"at": "5m"}, good | {"daily": "00:30"}):
        assert not list(judge.iter_errors({"version": 1, "faults": [one]}))
        assert len(read_scenario(json.dumps({"version": "1", "faults": [_as_text(one)]}), "x").entries) == 1
    for one in wrong:
        assert list(judge.iter_errors({"version": 1, "faults": [one]})), one
        with pytest.raises(Problems):
            read_scenario(json.dumps({"version": "1", "faults": [_as_text(one)]}), "x")


def _as_text(one: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, int) else value for key, value in one.items()}


def test_recorded_frames_are_read_with_the_scenario(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text('{"frame": {"data": []}}\n\n{"raw": "{no json"}\n')
    entry = read_entry(f"recorded_frames, file: {path}", "x")
    assert entry.fault["file"] == ('{"data":[]}', "{no json")
    path.write_text('{"neither": 1}\n')
    with pytest.raises(Problems, match=r"frames.jsonl:1 holds no frame"):
        read_entry(f"recorded_frames, file: {path}", "x")
    assert len(read_entry(f"recorded_frames, file: {recorded('frames/frames.jsonl')}", "x").fault["file"]) == 41


def times(written: str, until_us: int) -> list[tuple[int, str]]:
    """When which fault comes."""
    plan = Plan(read_scenario(written, "x"), START_US)
    found = []
    while (at_us := plan.next_us()) <= until_us:
        found += [(at_us, fault.name) for fault in plan.take(at_us)]
    return found


def test_chance_comes_within_its_bounds_and_the_same_for_the_same_seed() -> None:
    written = "version: 1\nseed: {}\nrandom: [{{every: 2m-10m, from: 1h, until: 31h, one_of: [reset, drop, stop]}}]"
    found = times(written.format(1), NEVER - 1)
    gaps = [after - before for (before, _), (after, _) in pairwise(found)]
    assert min(gaps) >= 2 * MINUTE and max(gaps) <= 10 * MINUTE and len({gap // MINUTE for gap in gaps}) >= 7
    assert found[0][0] >= START_US + 62 * MINUTE and found[-1][0] < START_US + 31 * 60 * MINUTE
    assert all(count > 50 for count in Counter(name for _, name in found).values())
    assert found == times(written.format(1), NEVER - 1)
    assert found != times(written.format(2), NEVER - 1)


def test_another_entry_does_not_change_what_chance_brings() -> None:
    chance = "random: [{every: 2m-10m, until: 2h, one_of: [reset]}]"
    alone = times(f"version: 1\n{chance}", NEVER - 1)
    both = times(f"version: 1\nfaults: [{{fault: drop, at: 7m}}]\n{chance}", NEVER - 1)
    assert [one for one in both if one[1] == "reset"] == alone


def test_a_daily_fault_keeps_new_yorks_clock_over_the_change_of_clocks() -> None:
    start = "2026-10-30T12:00:00+00:00"
    start_us = int(datetime.fromisoformat(start).timestamp()) * SECOND
    plan = Plan(read_scenario("version: 1\nfaults: [{fault: reset, daily: 00:30}]", "x"), start_us)
    hours = []
    for _ in range(4):
        hours.append(datetime.fromtimestamp(plan.next_us() / SECOND, UTC).strftime("%d %H:%M"))
        plan.take(plan.next_us())
    assert hours == ["31 04:30", "01 04:30", "02 05:30", "03 05:30"]


def test_faults_end_by_time_by_count_and_by_hand() -> None:
    board = Faults(read_scenario("version: 1\nfaults: [{fault: mute, at: 5s, for: 10s}]", "x"), 0)
    assert board.next_us() == 5 * SECOND
    (edge,) = board.turn(5 * SECOND)
    assert (edge.begins, board.is_mute, board.next_us()) == (True, True, 15 * SECOND)
    (edge,) = board.turn(15 * SECOND)
    assert (edge.begins, board.is_mute, board.next_us(), edge.running.over_us) == (False, False, NEVER, 15 * SECOND)
    board.begin(read_entry("handshake, times: 2", "x").fault, 20 * SECOND)
    struck = [board.strike("handshake", 21 * SECOND) is not None for _ in range(3)]
    assert (struck, board.running, board.over[-1].hits) == ([True, True, False], {}, 2)
    one = board.begin(read_entry("rest_down, for: 1h", "x").fault, 22 * SECOND)
    assert board.kept_away_until_us() == 3_622 * SECOND
    board.end(one, 23 * SECOND)
    assert (board.next_us(), board.kept_away_until_us()) == (NEVER, None)
