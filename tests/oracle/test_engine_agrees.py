"""The engine against the oracle, transition for transition, on markets made by hypothesis."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace as replace_struct

from tests.engine.stored import Stored
from tests.oracle import events as plain
from tests.oracle.rule import OracleRule, OracleTransition
from tests.oracle.run import expected_transitions
from tests.oracle.stories import Story, nights, silenced_stories, stories
from tests.oracle.yaml_text import file_text
from tradeassistd.engine import events as real
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.engine.transition import Transition
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts

_NOTHING = (None, None, None, None)
SHOWS_VALUE = ("fired", "missed", "told")


def rule_set(rules: Sequence[OracleRule]) -> RuleSet:
    """The rules through their YAML text."""
    text = file_text(rules) if rules else "version: 1\nrules: []\n"
    loaded = load_texts({"rules.yaml": text})
    assert not loaded.rejected, f"{loaded.rejected}\n{text}"
    return loaded.rule_set


class Daemon:
    """The engine, fed with plain events; restarts with the states it stored."""

    def __init__(self, rules: Sequence[OracleRule]) -> None:
        self.rules = rule_set(rules)
        self.engine = Engine(self.rules)
        self.stored = Stored()
        self.silences: dict[int, Silence] = {}
        self.ticks: dict[str, Tick] = {}
        self.lost_us = 0

    def take(self, event: plain.Event) -> list[Transition]:
        """What the engine says of one event."""
        found = [one for made in self._real(event) for one in self.engine.on_event(made)]
        self.stored.save(self.engine)
        return found

    def _real(self, event: plain.Event) -> list[real.Event]:
        at_us = event.at_us
        match event:
            case plain.Row():
                return [self._tick(event)]
            case plain.Clock():
                return [real.ClockTurn(at_us)]
            case plain.Lost():
                self.ticks.clear()
                self.lost_us = at_us
                return [real.Connection(at_us, "backoff", "cut")]
            case plain.Gap(_, to_us, symbols):
                for symbol in symbols or tuple(self.ticks):
                    self.ticks.pop(symbol, None)
                from_us, self.lost_us = self.lost_us or at_us, 0
                return [real.Gap(at_us, from_us, to_us, "cut", symbols)]
            case plain.Facts():
                prices = {
                    name: scaled(getattr(event, name))
                    for name in ("open", "high", "low", "prev_close", "year_high", "year_low")
                }
                return [real.Facts(at_us, event.symbol, **prices, status=event.status, contract=event.contract)]
            case plain.Ack(_, rule, symbol):
                return [real.Ack(at_us, rule, symbol)]
            case plain.Silence(_, until_us, number, rule, symbol):
                globs = (symbol,) if symbol else ()
                self.silences[number] = Silence(at_us, until_us, (rule,), globs, number=number)
                return [self.silences[number]]
            case plain.SilenceEnd(_, number):
                self.silences.pop(number, None)
                return [SilenceEnd(at_us, number)]
            case plain.Swap(_, rules):
                self.rules = rule_set(rules)
                self.engine.offer(self.rules)
                return [*self._past(at_us), real.RulesSwap(at_us, self.rules.hash)]
            case plain.Restart():
                self.stored.end()
                self.engine, self.ticks, self.lost_us = Engine(self.rules), {}, 0
                states = tuple(self.stored.states.values())
                start = real.Start(at_us, self.rules.hash, states, tuple(self.silences.values()))
                return [start, *self._past(at_us)]

    def _past(self, at_us: int) -> list[real.Bars]:
        """What the store gives the rules to begin with; the market's own times leave no room between."""
        return [replace_struct(one, event_us=at_us) for one in self.stored.past(self.rules.rules, self.rules)]

    def _tick(self, row: plain.Row) -> Tick:
        before = self.ticks.get(row.symbol)
        last, bid, ask, volume = (before.last, before.bid, before.ask, before.volume) if before else _NOTHING
        trade_ms = before.trade_ms if before else None
        changed = Field.IMAGE if row.image else Field(0)
        for name, bit in (("price", Field.LAST), ("bid", Field.BID), ("ask", Field.ASK), ("volume", Field.VOLUME)):
            changed |= bit if name in row.fields else Field(0)
        fields = row.fields
        last = scaled(fields["price"]) if "price" in fields else last
        bid = scaled(fields["bid"]) if "bid" in fields else bid
        ask = scaled(fields["ask"]) if "ask" in fields else ask
        if (given_volume := fields.get("volume")) is not None:
            volume = int(given_volume)
        if row.size is not None:
            changed, trade_ms = changed | Field.TRADE, row.exchange_us // 1000
        tick = Tick(
            row.at_us, row.symbol, last, bid, ask, 1, 1, volume, trade_ms, None, row.size, int(changed)
        )  # fmt: skip
        self.ticks[row.symbol] = tick
        return tick


def scaled(price: Fraction | None) -> int | None:
    """In units of 10^-8."""
    return None if price is None else int(price * PRICE_SCALE)


def said(one: Transition) -> OracleTransition:
    """The part of a transition that the oracle knows."""
    value = one.value if one.kind.value in SHOWS_VALUE else None
    return OracleTransition(
        one.event_us, one.rule_id, one.symbol, one.level, one.kind.value, one.suppressed,
        None if value is None else round(value, 9), one.since_us, one.late, one.tell,
    )  # fmt: skip


def by_event(found: Sequence[OracleTransition]) -> list[OracleTransition]:
    return sorted(found, key=lambda one: (one.event_us, one.rule, one.symbol, one.level, one.kind, one.suppressed))


def engine_says(events: Sequence[plain.Event], rules: Sequence[OracleRule]) -> list[OracleTransition]:
    """Every transition of the engine, as the oracle writes them."""
    daemon = Daemon(rules)
    daemon.engine.on_event(real.Start(events[0].at_us - 1, daemon.rules.hash, ()))
    return by_event([said(one) for event in events for one in daemon.take(event)])


def oracle_says(events: Sequence[plain.Event], rules: Sequence[OracleRule]) -> list[OracleTransition]:
    """Every transition of the oracle, values rounded as floats are compared."""
    found = expected_transitions(events, rules)
    return by_event([replace(one, value=None if one.value is None else round(one.value, 9)) for one in found])


# The same stories each time; TRADEASSIST_STORIES=5000 asks for so many others.
STORIES = os.environ.get("TRADEASSIST_STORIES", "")


@settings(
    max_examples=int(STORIES or 400), derandomize=not STORIES, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(stories())
def test_the_engine_says_what_the_oracle_says(story: Story) -> None:
    events, rules = story.events, [story.rule]
    assert engine_says(events, rules) == oracle_says(events, rules), file_text(rules)


@settings(
    max_examples=int(STORIES or 30), derandomize=not STORIES, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(nights())
def test_they_agree_over_nights_without_the_daemon_or_the_feed(story: Story) -> None:
    events, rules = story.events, [story.rule]
    assert engine_says(events, rules) == oracle_says(events, rules), file_text(rules)


@settings(
    max_examples=int(STORIES or 40), derandomize=not STORIES, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(silenced_stories())
def test_they_agree_on_what_a_silence_keeps_back(story: Story) -> None:
    events, rules = story.events, [story.rule]
    # What a firing held by is forgotten over a restart: the value of one that is told later is not compared.
    engine, oracle = (
        [replace(one, value=None) if one.kind == "told" else one for one in found]
        for found in (engine_says(events, rules), oracle_says(events, rules))
    )
    assert engine == oracle, file_text(rules)
