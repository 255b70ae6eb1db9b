"""`reaches`: at or through a level from either side, once per visit (rules.md 4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.laws.samples import rule
from tests.engine.market import Market
from tradeassistd.engine.rule import Move
from tradeassistd.engine.transition import Kind

CENTS = st.lists(st.integers(9_992, 10_008), min_size=1, max_size=40)
REARMS = st.sampled_from([None, Move(Fraction(2), "t"), Move(Fraction("0.05"), "%")])
"""How far a rule says a level must be left; a percentage is one of the level."""


def away(rearm: Move | None, level: int) -> Fraction:
    """The same in cents."""
    if rearm is None:
        return Fraction(4)
    return rearm.digits if rearm.suffix == "t" else level * rearm.digits / 100


def reached(cents: Iterable[int], level: int, rearm: Move | None = None) -> list[bool]:
    """Per price whether it reaches the level: it came from the other side, and had been away since."""
    found, side = list[bool](), None  # the side it is armed on; 0 after it was there
    for price in cents:
        apart = price - level
        happened = bool(side) and apart * (side or 0) <= 0
        found.append(happened)
        if side is None or abs(apart) >= away(rearm, level):
            side = (apart > 0) - (apart < 0)
        elif happened:
            side = 0
    return found


def market_of(text: str, rearm: Move | None) -> Market:
    market = Market((rule(text, rearm=rearm),))
    market.image("SPY")
    return market


@given(CENTS, REARMS, st.sampled_from([[10_000], [10_000, 10_003]]))
def test_a_level_is_reached_once_per_visit(cents: list[int], rearm: Move | None, levels: list[int]) -> None:
    # Told is another thing than happened: `rearm` is a gate as well.
    market = market_of(f"price reaches any [{', '.join(f'{level / 100:.2f}' for level in levels)}]", rearm)
    for price in cents:
        market.trade("SPY", f"{price / 100:.2f}")
    happened = [any(one) for one in zip(*(reached(cents, level, rearm) for level in levels), strict=True)]
    first_us = market.now_us - len(cents) + 1
    assert [one.event_us - first_us for one in market.all] == [at for at, one in enumerate(happened) if one]


@given(CENTS, CENTS)
def test_a_level_reached_in_a_gap_is_missed_and_the_visit_goes_on(before: list[int], after: list[int]) -> None:
    market = market_of("price reaches 100", None)
    for price in before:
        market.trade("SPY", f"{price / 100:.2f}")
    count = len(market.all)
    market.drop()
    market.resume(after_s=2)
    market.image("SPY", f"{after[0] / 100:.2f}")
    for price in after[1:]:
        market.trade("SPY", f"{price / 100:.2f}")
    happened = reached([*before, *after], 10_000)[len(before) :]
    expected = [Kind.MISSED] * happened[0] + [Kind.FIRED] * sum(happened[1:])
    assert [one.kind for one in market.all[count:]] == expected
