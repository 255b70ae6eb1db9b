"""A swap with other facts of a symbol: what depends on them begins anew, all else goes on."""

from __future__ import annotations

from tests.engine.market import MONDAY_RTH_US
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import ClockTurn, Facts, RulesSwap, Start
from tradeassistd.engine.transition import State, Transition
from tradeassistd.market.price import price_from_text
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts

RULES = """\
version: 1
defaults: {cooldown: 0s}
rules:
  - {id: bars, symbols: [/ES], evaluate: close(1m), when: close(1m) > 100}
  - {id: near, symbols: [/ES], when: price > 4t}
  - {id: told, symbols: [SPY], when: price > 1, message: 'it is {sym(/ES).price:.2f}'}
  - {id: apart, symbols: [SPY], when: price > 1}
"""
DAY = "/ES: {market: energy}\n"


class Desk:
    """An engine whose rule files and instruments can be swapped."""

    def __init__(self, instruments: str = "", rules: str = RULES) -> None:
        self._rules = rules
        self.now_us = MONDAY_RTH_US
        self.engine = Engine(self._set(instruments))
        self.take(Start(self._next(), ""))

    def _set(self, instruments: str):  # type: ignore[no-untyped-def]
        texts = {"a.yaml": self._rules} | ({"_instruments.yaml": instruments} if instruments else {})
        found = load_texts(texts)
        assert not found.problems
        return found.rule_set

    def swap(self, instruments: str = "") -> list[Transition]:
        rule_set = self._set(instruments)
        self.engine.offer(rule_set)
        return self.take(RulesSwap(self._next(), rule_set.hash))

    def take(self, event: object) -> list[Transition]:
        return self.engine.on_event(event)  # type: ignore[arg-type]

    def trade(self, symbol: str, price: str, changed: Field = Field.LAST | Field.TRADE) -> list[Transition]:
        size = None if changed & Field.IMAGE else 1
        tick = Tick(self._next(), symbol, price_from_text(price), None, None, None, None, None, self.now_us // 1000,
                    None, size, int(changed))  # fmt: skip
        return self.take(tick)

    def image(self, symbol: str, price: str) -> list[Transition]:
        return self.trade(symbol, price, Field.LAST | Field.IMAGE)

    def wait(self, seconds: int) -> None:
        for second in range(self.now_us // US_PER_S + 1, self.now_us // US_PER_S + 1 + seconds):
            self.now_us = second * US_PER_S
            self.take(ClockTurn(self.now_us))

    def states(self) -> dict[str, State]:
        return {machine.rule.id: machine.state.state for machine in self.engine.machines}

    def _next(self) -> int:
        self.now_us += 1
        return self.now_us


def busy() -> Desk:
    """A minute has closed at 101, and everything that can be true fires."""
    desk = Desk()
    desk.image("/ES", "101")
    desk.image("SPY", "0.5")
    desk.take(Facts(desk.now_us + 1, "/ES", prev_close=5))
    desk.now_us += 1
    desk.trade("SPY", "0.5")
    desk.wait(60)
    desk.trade("/ES", "0.5")
    desk.wait(60)
    desk.trade("/ES", "101")
    desk.trade("SPY", "2")
    desk.wait(62)
    assert desk.states() == {
        "bars": State.FIRING, "near": State.FIRING, "told": State.FIRING, "apart": State.FIRING,
    }  # fmt: skip
    return desk


def test_other_hours_begin_the_symbol_anew_and_leave_the_others_alone() -> None:
    desk = busy()
    before, spy = desk.engine.symbols["/ES"], desk.engine.symbols["SPY"]
    ended = desk.swap(DAY)
    assert [(one.rule_id, one.kind.value, one.suppressed) for one in ended] == [
        ("bars", "closed", "rule_changed"), ("near", "closed", "rule_changed"),
    ]  # fmt: skip
    after = desk.engine.symbols["/ES"]
    assert after is not before and after.instrument.market.value == "energy"
    assert after.tick is None and not after.live
    assert desk.engine.symbols["SPY"] is spy
    assert (desk.states()["told"], desk.states()["apart"]) == (State.FIRING, State.FIRING)
    desk.image("/ES", "0.5")
    assert [one.rule_id for one in desk.trade("/ES", "101")] == ["near"], "armed anew, and judged on the new state"


def test_a_text_that_reads_the_symbol_reads_the_new_one() -> None:
    desk = busy()
    desk.swap(DAY)
    desk.image("/ES", "50")
    desk.trade("/ES", "50")
    desk.trade("SPY", "0.5")
    (told, _) = desk.trade("SPY", "2")
    assert told.message == "it is 50.00"


def test_another_tick_size_keeps_what_was_seen() -> None:
    desk = busy()
    state = desk.engine.symbols["/ES"]
    ended = desk.swap("/ES: {tick_size: 30}\n")
    assert desk.engine.symbols["/ES"] is state and state.tick is not None
    assert [(one.rule_id, one.kind.value) for one in ended] == [("near", "closed")], "101 is not above four times 30"
    assert state.instrument.tick_size == price_from_text("30")


def test_a_condition_in_ticks_counts_in_the_new_ones() -> None:
    desk = Desk("/ES: {tick_size: 10}\n")
    desk.image("/ES", "5")
    assert desk.trade("/ES", "39") == []
    assert [one.rule_id for one in desk.trade("/ES", "41")] == ["near"]
    desk.swap()
    assert desk.states()["near"] is State.FIRING
    desk.trade("/ES", "0.5")
    assert [one.rule_id for one in desk.trade("/ES", "1.25")] == ["near"]


def test_a_name_a_point_value_and_a_range_change_nothing() -> None:
    desk = busy()
    states = [machine.state for machine in desk.engine.machines]
    symbols = dict(desk.engine.symbols)
    assert desk.swap("/ES: {name: Spoos, multiplier: 1, plausible: [1, 2]}\n") == []
    assert desk.engine.symbols == symbols
    assert [machine.state for machine in desk.engine.machines] == states
    assert desk.engine.symbols["/ES"].instrument.name == "Spoos"


def test_another_formula_begins_the_derived_symbol_anew() -> None:
    rules = "version: 1\nrules:\n  - {id: a, symbols: [$X, SPY], when: price > 1}\n"
    desk = Desk("$X: {derived: SPY * 2}\n", rules)
    assert (desk.engine.wanted, desk.engine.streamed) == (("$X", "SPY"), ("SPY",))
    desk.image("$X", "0")
    assert desk.engine.symbols["$X"].value("price") == 0, "0 is a value of what is derived"
    state = desk.engine.symbols["$X"]
    desk.swap("$X: {derived: SPY * 2, name: Twice}\n")
    assert desk.engine.symbols["$X"] is state
    desk.swap("$X: {derived: SPY * QQQ}\n")
    assert desk.engine.symbols["$X"] is not state
    assert desk.engine.streamed == ("QQQ", "SPY")
    desk.swap()
    assert desk.engine.streamed == ("$X", "SPY")


def test_own_sessions_of_bars_and_day_values() -> None:
    desk = Desk("/ES: {session: rth}\n", RULES)
    state = desk.engine.symbols["/ES"]
    assert state.bar_series("1m").session == "rth"
    desk.now_us = MONDAY_RTH_US
    desk.image("/ES", "7")
    desk.trade("/ES", "8")
    assert state.anchor("day") == state.anchor("rth") == state.anchor("vwap")
