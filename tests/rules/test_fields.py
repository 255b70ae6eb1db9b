"""Every field of a rule: what its text becomes, defaults, what is skipped on events, warnings."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from tests.rules.rule_texts import load, rule, warnings
from tradeassistd.engine.language.expression import render
from tradeassistd.engine.rule import Evaluate, Fire, Level, Move, Rule
from tradeassistd.market.active import ActiveWindow
from tradeassistd.rules.grammar import parse
from tradeassistd.rules.load import load_texts

WORKDAYS = frozenset(range(5))


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ("evaluate: tick", "evaluate", Evaluate()),
        ("evaluate: close(5m)", "evaluate", Evaluate("5m")),
        ("evaluate: at(15:50)", "evaluate", Evaluate(at_minute=15 * 60 + 50)),
        ("evaluate: at(00:00)", "evaluate", Evaluate(at_minute=0)),
        ("for: 90s", "for_s", 90),
        ("keep_firing_for: 2m", "keep_firing_for_s", 120),
        ("fire: every", "fire", Fire()),
        ("fire: once", "fire", Fire("once")),
        ("fire: once_per_bar(5m)", "fire", Fire("once_per_bar", "5m")),
        ("fire: each_bar(1h)", "fire", Fire("each_bar", "1h")),
        ("max_per_session: 3", "max_per_session", 3),
        ("rearm: clear", "rearm", None),
        ("rearm: move 0.5%", "rearm", Move(Fraction(1, 2), "%")),
        ("rearm: move 8t", "rearm", Move(Fraction(8), "t")),
        ("cooldown: 0s", "cooldown_s", 0),
        ("repeat: [5m, 15m, 1h]", "repeat_s", (300, 900, 3600)),
        ("on_clear: tell", "on_clear", "tell"),
        ("stale_after: 30s", "stale_after_s", 30),
        ("rev: 2", "rev", "2"),
        ("was: old.name-1", "was", "old.name-1"),
        ("expires: 2026-12-18", "expires_us", us("2026-12-18T17:00:00-05:00")),
        ("expires: 2026-07-03", "expires_us", us("2026-07-03T17:00:00-04:00")),
        ("expires: 2026-12-18 15:00 America/Chicago", "expires_us", us("2026-12-18T16:00:00-05:00")),
        ("expires: 2026-12-18T15:00:30-05:00", "expires_us", us("2026-12-18T15:00:30-05:00")),
        ("expires: 2026-12-18T15:00+05:30", "expires_us", us("2026-12-18T15:00:00+05:30")),
        ("expires: 2026-12-18T20:00Z", "expires_us", us("2026-12-18T20:00:00+00:00")),
        ("expires: 2026-12-18 20:00 UTC", "expires_us", us("2026-12-18T20:00:00+00:00")),
        ("active: ['mon-fri 09:45-11:30 America/New_York']", "active", (ActiveWindow(WORKDAYS, 585, 690),)),
        ("active: [mon-fri 9:45-11:30]", "active", (ActiveWindow(WORKDAYS, 585, 690),)),
        (
            "active:\n  - sat,sun 00:00-24:00 Europe/London\n  - fri-mon 22:00-02:00 UTC",
            "active",
            (
                ActiveWindow(frozenset({5, 6}), 0, 1440, "Europe/London"),
                ActiveWindow(frozenset({4, 5, 6, 0}), 1320, 120, "UTC"),
            ),
        ),
        ("active: ['mon,wed-thu 10:00-11:00']", "active", (ActiveWindow(frozenset({0, 2, 3}), 600, 660),)),
    ],
)
def test_a_field(keys: str, field: str, value: Any) -> None:
    assert getattr(rule(keys), field) == value


def test_without_fields_a_rule_has_the_defaults_of_the_contract() -> None:
    assert rule() == Rule(id="a", symbols=("/ES",), when=parse("price > 1"))


@pytest.mark.parametrize(
    ("symbols", "hour"), [("[SPY]", 20), ("[/ES]", 17), ("[$SPX]", 17), ("[/ES, SPY]", 20), ("['@core']", 20)]
)
def test_a_date_is_the_end_of_the_latest_trading_day_of_the_symbols(symbols: str, hour: int) -> None:
    assert rule("expires: 2026-12-18", symbols=symbols).expires_us == us(f"2026-12-18T{hour}:00:00-05:00")


def test_an_expired_rule_loads_with_a_warning() -> None:
    text = "version: 1\nrules:\n  - {id: a, symbols: [/ES], when: price > 1, expires: 2026-12-18}\n"
    end_us = us("2026-12-18T17:00:00-05:00")
    assert load_texts({"es.yaml": text}, now_us=end_us - 1).warnings == ()
    assert load_texts({"es.yaml": text}).warnings == ()  # nobody said what time it is
    loaded = load_texts({"es.yaml": text}, now_us=end_us)
    assert [one.id for one in loaded.rule_set.rules] == ["a"]
    assert [str(warning) for warning in loaded.warnings] == [
        "rules.d/es.yaml:3:55: rules[0].expires: the rule has expired and is not judged "
        "(write a later date, or remove the rule)"
    ]


def test_levels() -> None:
    found = rule(
        "levels:\n"
        "  - severity: notice\n    when: price > 1\n    clear_when: price < 1\n"
        "  - severity: notice\n    when: {all: [price > 2]}\n"
        "  - {when: price > 3, severity: critical}",
        when=None,
        top="defaults: {severity: info}\n",
    )
    assert found.ladder == (
        Level(parse("price > 1"), parse("price < 1"), "notice"),
        Level(parse("price > 2"), None, "notice"),
        Level(parse("price > 3"), None, "critical"),
    )
    assert (found.when, found.clear_when, found.severity) == (parse("price > 1"), None, "critical")
    assert (found.numbers, found.severity_of(2)) == ((1, 2, 3), "notice")


def test_clear_when_beside_when() -> None:
    found = rule("clear_when:\n  any:\n    - price < 1\n    - bid < 1\nseverity: critical")
    assert found.levels == (Level(parse("price > 1"), parse("price < 1 or bid < 1"), "critical"),)


INHERITED = "defaults: {for: 5m, keep_firing_for: 3m, repeat: [1m], fire: each_bar(5m)}\n"


def kept(found: Rule) -> tuple[int, int, tuple[int, ...], str]:
    return found.for_s, found.keep_firing_for_s, found.repeat_s, found.fire.mode


def test_what_belongs_to_states_is_skipped_on_events_when_inherited() -> None:
    assert kept(rule(top=INHERITED)) == (300, 180, (60,), "each_bar")
    assert kept(rule(top=INHERITED, when="price crosses 1")) == (0, 0, (), "every")
    latched = rule("clear_when: price < 0", top=INHERITED, when="price crosses 1")
    assert kept(latched) == (0, 180, (60,), "every")


def test_of_levels_one_event_is_enough() -> None:
    ladder = "levels:\n  - {severity: info, when: price > 1}\n  - {severity: notice, when: price crosses 2%s}"
    assert kept(rule(ladder % "", when=None, top=INHERITED)) == (0, 0, (), "every")
    assert kept(rule(ladder % ", clear_when: price < 2", when=None, top=INHERITED)) == (0, 180, (60,), "every")


@pytest.mark.parametrize("keys", ["keep_firing_for: 5m", "repeat: [5m]"])
def test_a_latched_event_goes_on_firing(keys: str) -> None:
    assert load(f"clear_when: price < 1\n{keys}", when="price crosses 2").problems == ()


@pytest.mark.parametrize(
    ("when", "is_event"),
    [
        ("price reaches 5200", True),
        ("seq(price crosses 1, price crosses 2, within=15m)", True),
        ("count(price crosses 1, 30m) > 3", False),
        ("streak(close(5m) > 3, 5m) >= 3", False),
        ("not halted", False),
        ("price > 1 and price reaches any [1, 2]", True),
    ],
)
def test_states_and_events(when: str, is_event: bool) -> None:
    assert rule(top="defaults: {for: 5m}\n", when=when).for_s == (0 if is_event else 300)


def test_defaults_of_every_kind_are_inherited_over_one_another() -> None:
    top = "defaults: {message: 'file {symbol}', expires: 2026-12-18, active: [mon 09:30-10:00], rev: 3}\n"
    shared = (
        "message: shared {symbol}\ntitle: shared {rule}\nsetup: {type: fade, stop: price - 8t}\nmax_per_session: 2\n"
    )
    found = rule("rev: 4", top=top, defaults=shared)
    assert found.message is not None
    assert found.title is not None
    assert found.setup is not None
    assert found.message.parts[0] == "file "
    assert found.title.parts[0] == "shared "
    assert (found.setup.type, render(found.setup.parts[0][1])) == ("fade", "price - 8t")
    assert (found.max_per_session, found.rev, len(found.active)) == (2, "4", 1)


def test_what_the_shared_defaults_cannot_be_for_a_symbol_is_told_at_the_rule() -> None:
    loaded = load("", symbols="[$SPX]", defaults="message: bid is {bid}\n")
    assert [str(problem) for problem in loaded.problems] == [
        "rules.d/es.yaml:3:5: rules[0]: message: $SPX has no bid, which the rule inherits "
        "(an index has no bid, ask, size or volume; use price)"
    ]


def test_telling_the_end_of_an_event_gets_a_warning() -> None:
    assert warnings("on_clear: tell", when="price crosses 2") == [
        "6:15: rules[0].on_clear: an event has no end to tell of (write clear_when to give it one)"
    ]
    assert warnings("on_clear: tell\nclear_when: price < 1", when="price crosses 2") == []


@pytest.mark.parametrize(
    ("when", "better"),
    [
        ("close(5m) > highest(high, 20, 5m)", "highest(high, 20, 5m)[1]"),
        ("close(5m) crosses_above highest(close, 20, 5m)", "highest(close, 20, 5m)[1]"),
        ("highest(high, 20, 5m) < close(5m)", "highest(high, 20, 5m)[1]"),
        ("low(5m, rth) < lowest(low, 20, 5m, rth)", "lowest(low, 20, 5m, rth)[1]"),
        ("volume(1m) > highest(volume, 20, 1m)", "highest(volume, 20, 1m)[1]"),
    ],
)
def test_what_can_never_be_true_gets_a_warning(when: str, better: str) -> None:
    (warning,) = warnings("", when=f"'{when}'")
    assert warning == (
        f"5:11: rules[0].when: `{when}` can never be true: the window holds that very bar (write {better})"
    )


@pytest.mark.parametrize(
    "when",
    [
        "close(5m) > highest(high, 20, 5m)[1]",
        "close(5m) >= highest(high, 20, 5m)",
        "price > highest(high, 20, 5m)",
        "close(5m) > highest(close, 20, 15m)",
        "high(5m) > highest(close, 20, 5m)",
        "close(5m) < highest(high, 20, 5m)",
        "close(5m, rth) > highest(high, 20, 5m)",
    ],
)
def test_what_can_be_true_gets_none(when: str) -> None:
    assert warnings("", when=f"'{when}'") == []
