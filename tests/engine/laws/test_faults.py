"""A rule that raises is isolated (rules.md 4.9)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.laws.samples import rule
from tests.engine.market import Market
from tradeassistd.base.instant import US_PER_S

PATH = st.lists(st.tuples(st.integers(98, 102), st.sampled_from([1, 19, 31, 62, 301])), min_size=1, max_size=25)
"""(price, seconds since the one before)"""


def faults(times_us: list[int]) -> list[tuple[int, int]]:
    """(when it raised, for how many seconds it is left out then): 3 times in 60 s leave it out for 1, 5, 30 min."""
    found, recent, until_us, spans_s = list[tuple[int, int]](), list[int](), 0, [60, 300, 1800]
    for now_us in times_us:
        if now_us < until_us:
            continue
        recent = [one for one in recent if now_us - one < 60 * US_PER_S] + [now_us]
        left_out_s = 0
        if len(recent) == 3:
            left_out_s, recent = spans_s[0], []
            spans_s = spans_s[1:] or spans_s
            until_us = now_us + left_out_s * US_PER_S
        found.append((now_us, left_out_s))
    return found


@given(PATH)
def test_a_rule_that_raises_stops_nobody_else_and_is_left_out_for_longer_each_time(path: list[tuple[int, int]]) -> None:
    # Equities have no session `globex`: asking for its hours raises at every judging.
    sound = [rule("price > 100", id=name, at_load="fire") for name in ("before", "behind")]
    broken = rule("price > 100", id="broken", session="globex")
    market, plain = Market((sound[0], broken, sound[1])), Market(tuple(sound))
    times_us = list[int]()
    for price, after_s in path:
        for one in (market, plain):
            one.trade("SPY", str(price), after_s=after_s)
        times_us.append(market.now_us)
    assert market.all == plain.all
    assert [(one.event_us, one.disabled_s) for one in market.engine.take_faults()] == faults(times_us)


@given(PATH)
def test_a_rule_left_out_is_judged_again_when_its_time_is_over(path: list[tuple[int, int]]) -> None:
    market = Market((rule("price > 100", id="broken", session="globex"),))
    (machine,) = market.engine.machines
    for price, after_s in path:
        until_us = market.engine.left_out_until_us(machine)
        market.trade("SPY", str(price), after_s=after_s)
        assert len(market.engine.take_faults()) == (market.now_us >= until_us)
