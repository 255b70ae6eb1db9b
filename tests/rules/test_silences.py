"""`_silences.yaml`: what is read, when a date ends, what is warned of, and what a broken one leaves in force."""

from __future__ import annotations

from datetime import datetime

import pytest

from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import ValueProblem
from tradeassistd.engine.silences import Silence
from tradeassistd.market.session import NEW_YORK
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Found, Loaded, load_texts
from tradeassistd.rules.silences import until_us

RULES = "version: 1\nrules:\n  - {id: es-a, symbols: [/ES, SPY], tags: [night], when: price > 1}\n"
TWO = "- match: {rule: es-*}\n  until: 2026-12-18\n- {match: {symbol: /NQ}, until: 2027-01-04 10:00 UTC}\n"


def us(text: str) -> int:
    """Wall time of New York."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * US_PER_S


def load(text: str, *, now_us: int = 0, lint: bool = False) -> Loaded:
    return load_texts({"a.yaml": RULES, "_silences.yaml": text}, now_us=now_us, lint=lint)


def test_one_glob_or_several_and_a_reason() -> None:
    loaded = load("- match: {rule: es-*, symbol: [/ES, 'SP?'], tag: night}\n  until: 2026-12-18\n  reason: NO\n")
    assert loaded.problems == loaded.warnings == ()
    assert loaded.rule_set.silences == (
        Silence(0, us("2026-12-18 20:00"), ("es-*",), ("/ES", "SP?"), ("night",), "NO"),
    )


@pytest.mark.parametrize("text", ["", "\n", "# - match: {rule: es-*}\n#   until: 2026-12-18\n", "[]\n", "\ufeff# x"])
def test_none_at_all_is_fine_however_it_is_written(text: str) -> None:
    loaded = load(text)
    assert (loaded.problems, loaded.rejected, loaded.rule_set.silences) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "symbols", "wanted"),
    [
        ("2026-12-18", (), "2026-12-18 20:00"),
        ("2026-12-18", ("/ES", "$TICK"), "2026-12-18 17:00"),
        ("2026-12-18", ("/ES", "SPY"), "2026-12-18 20:00"),
        ("2026-12-18", ("*",), "2026-12-18 20:00"),
        ("2026-12-18 15:00 America/New_York", ("/ES",), "2026-12-18 15:00"),
        ("2026-12-18T14:00-06:00", (), "2026-12-18 15:00"),
    ],
)
def test_until_is_an_instant_or_the_end_of_a_trading_day(text: str, symbols: tuple[str, ...], wanted: str) -> None:
    assert until_us(text, symbols) == us(wanted)


@pytest.mark.parametrize(
    ("now", "text", "wanted"),
    [
        ("2026-11-16 10:00", "15:30", "2026-11-16 15:30"),
        ("2026-11-16 15:30", "15:30", "2026-11-17 15:30"),
        ("2026-11-16 15:29:59", "15:30", "2026-11-16 15:30"),
        ("2026-11-16 23:00", "9:30", "2026-11-17 09:30"),
        ("2026-11-16 23:00", "24:00", "2026-11-17 00:00"),
        ("2026-10-31 23:00", "09:30", "2026-11-01 09:30"),
        ("2027-03-13 23:00", "09:30", "2027-03-14 09:30"),
    ],
)
def test_a_time_of_the_day_is_the_next_one_in_new_york(now: str, text: str, wanted: str) -> None:
    assert until_us(text, (), us(now)) == us(wanted)
    with pytest.raises(ValueProblem):
        until_us(text, ())  # in a file it would mean another day each day


@pytest.mark.parametrize("text", ["never", "Forever", "tomorrow", "2026-12-18 15:00", "25:00", "15:60"])
def test_what_is_no_end(text: str) -> None:
    with pytest.raises(ValueProblem):
        until_us(text, (), us("2026-11-16 10:00"))


def test_one_that_is_over_and_with_lint_one_that_fits_nothing_are_warned_of() -> None:
    day_us = us("2026-12-19 10:00")
    assert [(one.code, one.path) for one in load(TWO, now_us=day_us).warnings] == [("expired", "[0].until")]
    found = load(TWO, now_us=day_us, lint=True).warnings
    assert [(one.code, one.path, one.place.line) for one in found] == [
        ("expired", "[0].until", 2), ("idle-silence", "[1].match", 3),
    ]  # fmt: skip
    assert load(TWO, lint=True).warnings[0].code == "idle-silence"
    assert load("- {match: {rule: es-a, symbol: SPY, tag: night}, until: 2026-12-18}", lint=True).warnings == ()
    assert [
        one.code for one in load("- {match: {rule: es-a, symbol: SPX}, until: 2026-12-18}", lint=True).warnings
    ] == ["idle-silence"]


def test_a_broken_one_leaves_the_last_good_one_in_force_and_the_rules_alone() -> None:
    good, bad = {"a.yaml": RULES, "_silences.yaml": TWO}, {"a.yaml": RULES, "_silences.yaml": "- {match: {rule: x}}"}
    kept = accept(Found(bad, "rules.d/"), good)
    assert kept.rejected == ("_silences.yaml",)
    assert [str(one) for one in kept.problems] == [
        "rules.d/_silences.yaml:1:3: [0]: 'until' is missing (write e.g. until: 2026-12-18, or 2026-12-18 15:00 "
        "America/New_York)"
    ]
    assert kept.rule_set.silences == load(TWO).rule_set.silences
    assert [rule.id for rule in kept.rule_set.rules] == ["es-a"]
    first = accept(Found(bad, "rules.d/"), {})
    assert (first.rule_set.silences, [rule.id for rule in first.rule_set.rules]) == ((), ["es-a"])


def test_taking_the_file_away_ends_them_and_makes_another_rule_set() -> None:
    good = {"a.yaml": RULES, "_silences.yaml": TWO}
    gone = accept(Found({"a.yaml": RULES}, "rules.d/"), good)
    assert (gone.problems, gone.rule_set.silences) == ((), ())
    assert gone.rule_set.hash != load(TWO).rule_set.hash
    assert gone.rule_set.rules == load(TWO).rule_set.rules
