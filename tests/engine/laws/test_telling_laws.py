"""State and telling are two things (rules.md 4.8): gates, reminders, ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.laws.samples import DAY_US, LEVEL, PRICES, rule, run
from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Fire, Move
from tradeassistd.engine.transition import Kind

MINUTE_US = 60 * US_PER_S


@given(PRICES, st.integers(0, 40), st.lists(st.sampled_from([0.1, 1.0, 7.0]), min_size=30, max_size=30))
def test_cooldown_keeps_told_alerts_apart_and_loses_no_rise(
    prices: list[int], cooldown_s: int, waits: list[float]
) -> None:
    market = run("price > 100", [], cooldown_s=cooldown_s, at_load="fire")
    for price, wait in zip(prices, waits, strict=False):
        market.trade("SPY", str(price), after_s=wait)
    told = [one.event_us for one in market.all if one.is_alert and not one.suppressed]
    assert all(later - earlier >= cooldown_s * US_PER_S for earlier, later in pairwise(told))
    holds = [price > LEVEL for price in prices]
    assert len(market.fired()) == sum(now and not before for before, now in pairwise([False, *holds]))
    # What still fires when the cooldown ends is told then.
    market.wait(cooldown_s + 1)
    if holds[-1]:
        last = [one for one in market.all if one.is_alert and not one.suppressed][-1]
        assert last.event_us >= market.fired()[-1].event_us


@given(st.integers(1, 90), st.integers(-3, 3))
def test_a_rise_is_told_from_the_very_microsecond_on_at_which_the_cooldown_is_over(
    cooldown_s: int, off_us: int
) -> None:
    market = run("price > 100", [99, 101], cooldown_s=cooldown_s)
    told_us = market.now_us
    market.trade("SPY", "99")
    market.now_us = told_us + cooldown_s * US_PER_S + off_us - 1
    (fired,) = market.trade("SPY", "101")
    assert fired.suppressed == ("cooldown" if off_us < 0 else "")


@dataclass
class Telling:
    """What is told of a rule and why not, reckoned beside the engine, one price and one firing at a time."""

    mode: str
    fire: str
    budget: int
    move: int
    cooldown_s: int
    quiet: bool
    """Whether what holds at the first look is kept quiet."""
    said: list[tuple[int, str, str, bool]] = field(default_factory=list)
    """(event time, kind, why nobody was told, whether its end is told)"""
    told: list[tuple[int, int]] = field(default_factory=list)
    """(event time, price) of everything that was told."""
    price: int = 0
    judged: bool = False
    firing: bool = False
    untold: bool = False
    was_told: bool = False
    moved: bool = False
    """Since it was last told the price has been so far away; it may have come back."""

    def refusal(self, now_us: int) -> str:
        if self.mode == "shadow":
            return "mode"
        in_bar = any(at_us // MINUTE_US == now_us // MINUTE_US for at_us, _ in self.told)
        today = sum((at_us - MONDAY_RTH_US) // DAY_US == (now_us - MONDAY_RTH_US) // DAY_US for at_us, _ in self.told)
        spent = (self.fire == "once" and self.told) or (self.fire == "once_per_bar" and in_bar)
        if spent or (self.budget and today >= self.budget):
            return "spent"
        if self.told and self.move and not self.moved:
            return "rearm"
        return "cooldown" if self.told and now_us - self.told[-1][0] < self.cooldown_s * US_PER_S else ""

    def time(self, now_us: int) -> None:
        """What was refused is told as soon as nothing refuses it."""
        if self.firing and self.untold and not self.refusal(now_us):
            self._tell(now_us, "told")

    def row(self, now_us: int, price: int) -> None:
        self.time(now_us)
        self.price, first, self.judged = price, not self.judged, True
        self.moved = self.moved or (bool(self.told) and abs(price - self.told[-1][1]) >= self.move)
        if price <= LEVEL and self.firing:
            self.said.append((now_us, "cleared", "", self.was_told))
            self.firing = False
        elif price > LEVEL and not self.firing:
            self.firing, self.was_told = True, False
            reason = "at_load" if first and self.quiet else self.refusal(now_us)
            self.untold = bool(reason) and reason != "at_load"
            if reason:
                self.said.append((now_us, "fired", reason, False))
            else:
                self._tell(now_us, "fired")
        self.time(now_us)

    def _tell(self, now_us: int, kind: str) -> None:
        self.told.append((now_us, self.price))
        self.untold, self.was_told, self.moved = False, True, False
        self.said.append((now_us, kind, "", False))


WAITS = st.sampled_from([0, 1, 1, 7, 7, 31, 61, DAY_US // US_PER_S])
TELLINGS = st.builds(
    Telling,
    mode=st.sampled_from([*["live"] * 6, "shadow"]), fire=st.sampled_from([*["every"] * 3, "once", "once_per_bar"]),
    budget=st.sampled_from([0, 0, 0, 1, 2]), move=st.sampled_from([0, 0, 0, 2]),
    cooldown_s=st.sampled_from([0, 5, 5, 60]), quiet=st.booleans(),
)  # fmt: skip


@settings(max_examples=250)
@given(TELLINGS, st.lists(st.tuples(st.sampled_from([99, 100, 101, 101, 103]), WAITS), min_size=3, max_size=20))
def test_the_first_gate_that_refuses_is_the_reason_and_it_is_told_when_none_does(
    model: Telling, path: list[tuple[int, int]]
) -> None:
    market = run(
        "price > 100", [], mode=model.mode, max_per_session=model.budget, cooldown_s=model.cooldown_s, on_clear="tell",
        fire=Fire(model.fire, "1m" if model.fire == "once_per_bar" else ""), at_load="quiet" if model.quiet else "fire",
        rearm=Move(Fraction(model.move * 100), "t") if model.move else None,
    )  # fmt: skip
    days = 0
    for price, seconds in path:
        market.trade("SPY", str(price))
        model.row(market.now_us, price)
        if seconds > 100:
            days += days < 4
            market.now_us = MONDAY_RTH_US + days * DAY_US + market.now_us % DAY_US - MONDAY_RTH_US % DAY_US
            if days == 4:
                break
        else:
            market.wait(seconds)
            for second in range(market.now_us // US_PER_S - seconds + 1, market.now_us // US_PER_S + 1):
                model.time(second * US_PER_S)
    assert [(one.event_us, one.kind.value, one.suppressed, one.tell) for one in market.all] == model.said


@given(st.lists(st.integers(99, 102), min_size=2, max_size=20))
def test_each_bar_fires_again_at_every_close_at_which_it_holds(prices: list[int]) -> None:
    market = run("price > 100", [], fire=Fire("each_bar", "1m"), at_load="fire")
    expected, since_us = list[tuple[str, int]](), 0
    for price in prices:
        market.trade("SPY", str(price), after_s=60)
        if since_us:  # the row closes the bar before it is applied
            expected.append(("fired", since_us))
        if price <= LEVEL and since_us:
            expected.append(("cleared", since_us))
        since_us = (since_us or market.now_us) if price > LEVEL else 0
        if since_us == market.now_us:
            expected.append(("fired", since_us))
    assert [(one.kind.value, one.since_us) for one in market.all] == expected


STEPS = st.lists(st.tuples(st.sampled_from(["fire", "ack", "other", "clear", ""]), st.integers(0, 50)), max_size=12)


@given(STEPS, st.lists(st.integers(1, 20), min_size=1, max_size=3), st.sampled_from(["live", "shadow"]))
def test_reminders_follow_the_written_pauses_until_it_is_acknowledged_or_over(
    path: list[tuple[str, int]], pauses_s: list[int], mode: str
) -> None:
    # Reminders start no cooldown: with one as long as this each would refuse the next.
    market = run("price > 100", [99], repeat_s=tuple(pauses_s), mode=mode, at_load="fire")
    expected, count, last_us = list[int](), 0, 0  # last_us: the last telling of a firing nobody acknowledged
    firing = False
    for step, seconds in path:
        before_us = market.now_us + 1
        due_us = last_us + pauses_s[min(count, len(pauses_s) - 1)] * US_PER_S
        if step in ("fire", "clear") and last_us and due_us <= before_us:
            expected.append(before_us)
            count, last_us = count + 1, before_us
        match step:
            case "fire":
                market.trade("SPY", "101")
                if not firing and mode == "live":
                    count, last_us = 0, market.now_us
                firing = True
            case "clear":
                market.trade("SPY", "99")
                firing, last_us = False, 0
            case "ack":
                market.acknowledge("r")
                last_us = 0
            case "other":
                market.acknowledge("another")
        for second in range(market.now_us // US_PER_S + 1, market.now_us // US_PER_S + 1 + seconds):
            if last_us and second * US_PER_S >= last_us + pauses_s[min(count, len(pauses_s) - 1)] * US_PER_S:
                expected.append(second * US_PER_S)
                count, last_us = count + 1, second * US_PER_S
        market.wait(seconds)
    assert [one.event_us for one in market.all if one.kind is Kind.REMINDED] == expected
    state = market.engine.machines[0].state
    assert state.told_count == sum(one.kind is Kind.FIRED for one in market.all) * (mode == "live")


@given(st.lists(st.sampled_from([99, 101]), min_size=1, max_size=10), st.integers(0, 2))
def test_a_firing_kept_back_is_told_with_its_start(prices: list[int], wait_s: int) -> None:
    market = Market((rule("price > 100", cooldown_s=20),))
    market.image("SPY", "99")
    began_us = 0
    for price in prices:
        market.trade("SPY", str(price))
        began_us = (began_us or market.now_us) if price > LEVEL else 0
        market.wait(wait_s)
    found = market.wait(60)
    assert [one.since_us for one in found] == [began_us] * len(found)
    untold = bool(began_us) and any(one.suppressed for one in market.all if one.event_us == began_us)
    assert [one.kind for one in found] == [Kind.TOLD] * untold or untold


@given(PRICES, st.integers(1, 29))
def test_what_a_shadow_kept_back_is_told_when_the_rule_goes_live(prices: list[int], at: int) -> None:
    market = run("price > 100", [99, *prices[:at]], mode="shadow")
    assert all(one.suppressed == "mode" for one in market.fired())
    firing = [99, *prices[:at]][-1] > LEVEL
    assert market.reload(rule("price > 100")) == []
    found = market.wait(1)
    expected = [(Kind.TOLD, market.fired()[-1].event_us)] if firing else []
    assert [(one.kind, one.since_us) for one in found] == expected
