"""Replaying the tape gives what happened live, bit for bit: over gaps, restarts, reloads and sessions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.errors import PermanentError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn, Event, Note, RulesSwap, Start, Stop
from tradeassistd.engine.rule import Evaluate, Rule, RuleSet
from tradeassistd.engine.transition import Kind, RuleState, Transition
from tradeassistd.history.replay import replay
from tradeassistd.market.tick import Tick
from tradeassistd.rules.grammar import parse
from tradeassistd.rules.load import load_texts


def rule(name: str, text: str, *symbols: str, close: str = "", **fields: Any) -> Rule:
    return Rule(name, symbols or ("SPY",), parse(text), evaluate=Evaluate(close), **{"cooldown_s": 5, **fields})


LANGUAGE = """version: 1
rules:
  - id: reminds
    symbols: [SPY, QQQ]
    when: price > 100
    clear_when: price < 99
    keep_firing_for: 2s
    repeat: [5s, 20s]
    on_clear: tell
    fire: each_bar(1m)
    at_load: fire
    cooldown: 5s
    title: '{symbol} above 100 since {since}'
    message: '{symbol} {price:,.2f}, {late}'
    setup: {type: fade, entry: price, stop: 'sma(close, 2, 1m)', confidence: 0.6}
  - id: ladder
    symbols: [SPY, /ES]
    values: {SPY: {top: 101}, /ES: {top: 102}}
    rearm: move 1%
    max_per_session: 5
    repeat: [10s]
    levels:
      - {severity: notice, when: price > top - 1}
      - {severity: critical, when: price > top, clear_when: price < 98}
  - {id: latched, symbols: [SPY], when: price crosses_above 101, clear_when: price < 98, repeat: [7s]}
  - {id: high, symbols: [SPY, /ES], when: price crosses_above day.high, cooldown: 0s}
  - {id: chain, symbols: [SPY], when: 'seq(price crosses_above 100, price crosses_below 100, within=5m)', fire: once}
"""


def loaded() -> tuple[Rule, ...]:
    found = load_texts({"language.yaml": LANGUAGE})
    assert not found.problems, found.problems
    return found.rule_set.rules


RULES = (
    *loaded(),
    rule("state", "price > 100", "SPY", "QQQ", at_load="fire"),
    rule("held", "price > 100", for_s=7),
    rule("levels", "price crosses any [99, 101, sma(close, 2, 1m)]", "SPY", "/ES", cooldown_s=0),
    rule("range", "price enters [99, 101] and sym($VIX).price > 20"),
    rule("drop", "pct_change(price, 5s) <= -1%", cooldown_s=30),
    rule("spike", "volume(1m) > 2x * avg(volume, 2, 1m)[1]", close="1m"),
    rule("session", "price crosses 100", "SPY", "/ES", session="rth", catch_up="log"),
    rule("average", "ema(close, 2, 1m) > 100 and spread < 1", mode="shadow"),
)
SYMBOLS = ("SPY", "QQQ", "/ES", "$VIX")
STEPS = st.one_of(
    st.tuples(st.just("trade"), st.sampled_from(SYMBOLS), st.integers(97, 103)),
    st.tuples(st.just("trade"), st.just("SPY"), st.integers(97, 103)),
    st.tuples(st.just("quote"), st.sampled_from(SYMBOLS), st.integers(97, 103)),
    st.tuples(st.just("none_yet"), st.sampled_from(SYMBOLS), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.integers(1, 70)),
    st.tuples(st.just("gap"), st.just(""), st.integers(0, 90)),
    st.tuples(st.just("symbol gap"), st.sampled_from(SYMBOLS), st.just(0)),
    st.tuples(st.just("restart"), st.just(""), st.integers(0, 90)),
    st.tuples(st.just("reload"), st.just(""), st.integers(0, len(RULES))),
    st.tuples(st.just("close"), st.just(""), st.just(0)),
    st.tuples(st.just("ack"), st.sampled_from(("", "SPY", "/ES")), st.integers(0, len(RULES) - 1)),
    st.tuples(st.just("facts"), st.sampled_from(SYMBOLS), st.integers(97, 103)),
)


class Life:
    """A daemon's life over several starts: its tape, what it said, and the rule sets it knew by hash."""

    def __init__(self) -> None:
        self.tape: list[Event] = []
        self.said: list[Transition] = []
        self.rule_sets = {"": RuleSet(RULES)}
        self._states: dict[tuple[str, str, int, str], RuleState] = {}
        self._price = 100
        self._market = Market(RULES)

    def live(self, steps: list[tuple[str, str, int]]) -> None:
        for symbol in SYMBOLS:
            self._market.image(symbol, str(self._price), bid="99", ask="101")
        for what, symbol, number in steps:
            self._step(what, symbol, number)
        self._put_away()

    def _step(self, what: str, symbol: str, number: int) -> None:
        market = self._market
        match what:
            case "trade":
                market.trade(symbol, str(number), number - 96, after_s=0.4)
            case "quote":
                market.quote(symbol, bid=str(number - 1), ask=str(number))
            case "none_yet":
                market.none_yet(symbol)
            case "wait":
                market.wait(number)
            case "gap":
                market.drop()
                market.resume(after_s=number)
                self._images(number)
            case "symbol gap":
                market.gap(symbol)
            case "reload":
                rules = RULES[number:] + RULES[: number // 2]
                self._keep_states()
                market.reload(*rules)
                self.rule_sets[market.engine.rule_set.hash] = market.engine.rule_set
            case "ack":
                market.acknowledge(RULES[number].id, symbol)
            case "facts":
                market.facts(symbol, high=str(number + 2), low="97", prev_close="100")
            case "close":
                market.now_us += 6 * 3600 * US_PER_S
            case "restart":
                self._restart(number)

    def _restart(self, seconds: int) -> None:
        self._put_away()
        now_us = self._market.now_us + seconds * US_PER_S
        rules_hash = self._market.engine.rule_set.hash
        reloads = self._market.reloads
        self._market = Market(
            self._market.rules, now_us=now_us, states=tuple(self._states.values()), rules_hash=rules_hash
        )
        self._market.reloads = reloads
        self._images(seconds)

    def _images(self, number: int) -> None:
        for symbol in SYMBOLS[: 1 + number % len(SYMBOLS)]:
            self._market.image(symbol, str(97 + number % 7))

    def _put_away(self) -> None:
        self._keep_states()
        self.tape += self._market.events
        self.said += self._market.all
        self._market.events, self._market.all = [], []

    def _keep_states(self) -> None:
        for state in self._market.engine.take_states():
            self._states[state.rule_id, state.symbol, state.level, state.fingerprint] = state


def over_the_wire(event: Event) -> Event:
    """The event as a file gives it back."""
    if isinstance(event, Tick):
        return msgspec.json.decode(msgspec.json.encode(event), type=Tick)
    return msgspec.json.decode(msgspec.json.encode(event), type=Note)  # type: ignore[no-any-return]


@given(st.lists(STEPS, max_size=60))
def test_a_replay_says_what_was_said_live(steps: list[tuple[str, str, int]]) -> None:
    life = Life()
    life.live(steps)
    times = [event.event_us for event in life.tape]
    assert times == sorted(set(times)), "the test's own market is in order"
    for tape in (life.tape, [over_the_wire(event) for event in life.tape]):
        assert list(replay(tape, life.rule_sets.__getitem__)) == life.said


@given(st.lists(STEPS, max_size=40))
def test_a_replay_leaves_the_tape_as_it_is(steps: list[tuple[str, str, int]]) -> None:
    life = Life()
    life.live(steps)
    before = [msgspec.json.encode(event) for event in life.tape]
    first = list(replay(life.tape, life.rule_sets.__getitem__))
    assert list(replay(life.tape, life.rule_sets.__getitem__)) == first
    assert [msgspec.json.encode(event) for event in life.tape] == before


def test_the_market_of_these_tests_makes_every_kind_of_transition() -> None:
    # A law over lives in which nothing happens would say nothing.
    life = Life()
    life.live([
        ("trade", "SPY", 99), ("trade", "SPY", 102), ("trade", "SPY", 98), ("trade", "SPY", 103), ("wait", "", 20),
        ("trade", "SPY", 97), ("trade", "SPY", 103), ("gap", "", 35), ("wait", "", 70), ("trade", "SPY", 103),
        ("ack", "SPY", 0), ("reload", "", 6), ("restart", "", 35), ("close", "", 0), ("trade", "SPY", 97),
    ])  # fmt: skip
    assert {one.kind for one in life.said} == set(Kind)
    assert {(one.suppressed, one.level) for one in life.said} >= {("higher_level", 1), ("", 2)}
    assert any(one.tell and one.title and one.message and one.setup for one in life.said)
    assert list(replay(life.tape, life.rule_sets.__getitem__)) == life.said


@pytest.mark.parametrize("first", [ClockTurn(MONDAY_RTH_US), Stop(MONDAY_RTH_US), RulesSwap(MONDAY_RTH_US, "")])
def test_a_tape_that_begins_in_the_middle_is_refused(first: Event) -> None:
    with pytest.raises(PermanentError, match="the tape begins in the middle of a day") as refused:
        list(replay([first, Start(MONDAY_RTH_US + 1, "")], lambda rules_hash: RuleSet(RULES)))
    assert refused.value.hint == "replay from the day's first event"


def test_an_empty_tape_says_nothing() -> None:
    assert list(replay([], lambda rules_hash: RuleSet(RULES))) == []
