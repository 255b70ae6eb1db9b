"""Conditions and rules made by hypothesis: everything that can be asked of a value, and every key of a rule."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any, cast

from hypothesis import strategies as st

from tests.oracle.expression import (
    Compare,
    Condition,
    Count,
    Cross,
    Day,
    Either,
    Every,
    Flag,
    Move,
    Not,
    Number,
    OfBars,
    Quote,
    Seq,
    Streak,
    Within,
    is_event,
    number,
)
from tests.oracle.market_text import instant
from tests.oracle.rule import Distance, OracleLevel, OracleRule
from tests.oracle.value_strategies import (
    SYMBOLS,
    backs,
    has_book,
    intervals,
    levels,
    lives,
    percents,
    prices,
    quotes,
    ratios,
    small,
)

operators = st.sampled_from(["<", "<=", ">", ">="])


@cache
def states(symbol: str) -> st.SearchStrategy[Condition]:
    """One comparison."""
    made: list[st.SearchStrategy[Condition]] = [
        st.builds(Compare, prices(symbol), operators, levels),
        st.builds(Compare, quotes(symbol), operators, levels),
        st.builds(Compare, quotes(symbol), operators, prices(symbol)),
        st.builds(Compare, ratios(symbol), operators, percents),
        st.builds(Within, prices(symbol), st.just(number("99.5")), levels, st.booleans()),
        st.builds(Flag, st.just("halted")),
        st.builds(Compare, st.just(Quote("age")), operators, st.sampled_from(["2s", "10s"]).map(_seconds)),
        st.builds(Compare, st.just(Quote("minutes_to_close")), operators, st.sampled_from(["1", "2"]).map(number)),
        st.builds(
            Compare,
            st.builds(OfBars, st.just("rsi"), st.just("close"), small, intervals, st.none(), backs, lives),
            operators,
            st.just(number("50")),
        ),
        st.builds(
            Compare,
            st.builds(
                OfBars, st.just("zscore"), st.just("close"), st.integers(2, 3), intervals, st.none(), backs, lives
            ),
            operators,
            st.just(number("0.5")),
        ),
        st.builds(
            Compare,
            st.builds(Count, simple_events(symbol), st.sampled_from([10, 30])),
            st.just(">="),
            st.sampled_from(["1", "2"]).map(number),
        ),
        st.builds(
            Compare,
            st.builds(Streak, st.builds(Compare, quotes(symbol), operators, levels), st.just("1m")),
            st.just(">="),
            st.sampled_from(["1", "2"]).map(number),
        ),
    ]
    if has_book(symbol):
        made.append(
            st.builds(
                Compare,
                st.builds(OfBars, st.just(""), st.just("volume"), st.just(1), intervals, st.none(), backs, lives),
                operators,
                st.sampled_from(["2", "5"]).map(number),
            )
        )
        made.append(
            st.builds(Compare, st.just(Day("day", "volume")), operators, st.sampled_from(["1003", "1010"]).map(number))
        )
    return st.one_of(made)


def _seconds(text: str) -> Number:
    return Number(Fraction(text[:-1]), text)


@cache
def simple_events(symbol: str) -> st.SearchStrategy[Condition]:
    """A crossing of a level."""
    kinds = st.sampled_from(["crosses", "crosses_above", "crosses_below"])
    return st.builds(Cross, quotes(symbol), kinds, levels.map(lambda level: (level,)))


@cache
def events(symbol: str) -> st.SearchStrategy[Condition]:
    """One event."""
    kinds = st.sampled_from(["crosses", "crosses_above", "crosses_below"])
    return st.one_of(
        simple_events(symbol),
        st.builds(Cross, prices(symbol), kinds, st.lists(levels, min_size=1, max_size=2, unique=True).map(tuple)),
        st.builds(Cross, quotes(symbol), kinds, prices(symbol).map(lambda level: (level,))),
        st.builds(Cross, ratios(symbol), kinds, percents.map(lambda level: (level,))),
        st.builds(
            Cross, quotes(symbol), st.just("reaches"), st.lists(levels, min_size=1, max_size=2, unique=True).map(tuple)
        ),
        st.builds(Move, quotes(symbol), st.sampled_from(["enters", "exits"]), st.just(number("99.5")), levels),
        st.builds(Seq, st.lists(simple_events(symbol), min_size=2, max_size=3).map(tuple), st.sampled_from([10, 60])),
    )


@cache
def whens(symbol: str) -> st.SearchStrategy[Condition]:
    """A whole condition: mostly one comparison."""
    two_states = st.lists(states(symbol), min_size=2, max_size=2).map(tuple)
    simple = st.builds(Compare, quotes(symbol), operators, levels)
    return st.one_of(
        simple,
        simple,
        states(symbol),
        states(symbol),
        simple_events(symbol),
        events(symbol),
        events(symbol),
        st.builds(Every, two_states),
        st.builds(Either, two_states),
        st.builds(Not, states(symbol)),
        st.builds(lambda state, event: Every((state, event)), states(symbol), events(symbol)),
        st.builds(lambda one, other: Either((one, other)), events(symbol), events(symbol)),
    )


@st.composite
def rules(draw: st.DrawFn, identity: str = "r", when: st.SearchStrategy[Condition] | None = None) -> OracleRule:
    """A small rule over the whole language."""
    symbol = draw(st.sampled_from(SYMBOLS))
    condition = draw(whens(symbol) if when is None else when)
    event = is_event(condition)
    rule = OracleRule(
        identity,
        condition,
        draw(st.sampled_from(["tick", "tick", "tick", "tick", "close(1m)", "close(2m)"])),
        draw(st.sampled_from([0, 0, 5, 60])),
        draw(st.sampled_from(["quiet", "fire", "fire"])),
        (symbol,),
    )
    if draw(st.integers(0, 3)) == 0:
        rule = replace(rule, clear_when=draw(states(symbol)))
    if not event and rule.evaluate == "tick" and draw(st.integers(0, 5)) == 0:
        steeper = draw(states(symbol))
        rule = replace(rule, ladder=(OracleLevel(condition, rule.clear_when), OracleLevel(steeper)))
    for change in draw(st.lists(settings(rule, event=event), max_size=3)):
        rule = cast(OracleRule, replace(cast(Any, rule), **change))
    return rule


def settings(rule: OracleRule, *, event: bool) -> st.SearchStrategy[dict[str, object]]:
    """One more key of a rule."""
    words = {"SPY": ("rth", "ext"), "/ES": ("rth", "globex", "overnight")}.get(rule.symbols[0], ("rth",))
    made = [
        _one("fire", st.sampled_from(["once", "once_per_bar(1m)"] + ([] if event else ["each_bar(1m)"]))),
        _one("max_per_session", st.integers(1, 2)),
        _one(
            "rearm", st.sampled_from([Distance(Fraction(2)), Distance(Fraction(100)), Distance(Fraction(1, 2), True)])
        ),
        _one("on_clear", st.just("tell")),
        _one("session", st.sampled_from(words)),
        _one("active", st.just(((frozenset(range(5)), 590, 605),))),
        _one("expires_us", st.just(instant("2026-11-16 10:01:00"))),
        _one("stale_after_s", st.sampled_from([3, 20])),
        _one("mode", st.just("shadow")),
        _one("catch_up", st.just("log")),
    ]
    if not event:
        made.append(_one("for_s", st.sampled_from([1, 5, 20])))
    if not event or rule.clear_when:
        made.append(_one("keep_firing_for_s", st.sampled_from([2, 20])))
        made.append(_one("repeat_s", st.sampled_from([(5,), (5, 15)])))
    return st.one_of(made)


def _one(name: str, values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return values.map(lambda value: {name: value})


def changed(rule: OracleRule) -> st.SearchStrategy[OracleRule]:
    """The rule with one thing changed, as somebody who edits it would."""
    return st.one_of(
        st.just(rule),
        st.sampled_from([0, 5, 30]).map(lambda cooldown_s: replace(rule, cooldown_s=cooldown_s)),
        st.just(replace(rule, rev="2")),
        st.just(replace(rule, id="renamed", was=rule.id)),
        _one("mode", st.sampled_from(["live", "shadow", "off"])).map(lambda change: replace(cast(Any, rule), **change)),
        whens(rule.symbols[0])
        .filter(lambda when: is_event(when) == is_event(rule.when))
        .map(lambda when: replace(rule, when=when, ladder=())),
    )
