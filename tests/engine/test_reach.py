"""`reaches`: once per visit of a level, from either side, and armed again only from a distance."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.judged import Judged
from tradeassistd.engine.conditions.leaves import ABOVE, BELOW, NO_SIDE
from tradeassistd.engine.conditions.reach import Reaches
from tradeassistd.engine.rule import Move


def reached(prices: str, text: str = "price reaches 100", *, rearm: Move | None = None) -> str:
    """Per price: x when it happened, - when not, ? when unknown. SPY: 4 ticks are 0.04."""
    market = Judged(text, rearm=rearm)
    marks = {True: "x", False: "-", None: "?"}
    return "".join(marks[market.row(price=price).live] for price in prices.split())


@pytest.mark.parametrize(
    ("prices", "happened"),
    [
        ("99 100", "-x"),  # trades at it
        ("99 101", "-x"),  # trades through it
        ("101 100", "-x"),
        ("101 99", "-x"),
        ("99.99 99.98 99.99", "---"),
        ("100 101 99", "--x"),  # the first value stands at it: reached already; 101 arms it
        ("100 100.01 99.99 100", "----"),
        ("99.99 100 99.97 100 99.96 100", "-x---x"),  # 0.03 away is not enough, 0.04 is
        ("99 100 100.01 100.03 100", "-x---"),
        ("99 100 100.03 100.04 100", "-x--x"),
        ("99 101 100", "-xx"),  # through by more than the distance: armed from the other side at once
        ("99 100.03 100", "-x-"),
        ("99 100 99.99 101 100", "-x--x"),  # disarmed it goes through unseen
        ("99.99 100.01 99.96 100", "-x-x"),  # through while disarmed arms from the new side
    ],
)
def test_a_level_is_reached_once_and_again_only_from_a_distance(prices: str, happened: str) -> None:
    assert reached(prices) == happened


@pytest.mark.parametrize(
    ("rearm", "happened"),
    [
        (Move(Fraction(4), "t"), "-x-x"),
        (Move(Fraction(5), "t"), "-x--"),
        (Move(Fraction("0.04"), "%"), "-x-x"),
        (Move(Fraction("0.05"), "%"), "-x--"),
    ],
)
def test_the_rule_may_say_how_far_it_must_leave(rearm: Move, happened: str) -> None:
    assert reached("99 100 99.96 100", rearm=rearm) == happened


def test_the_distance_is_in_ticks_of_the_symbol_that_is_measured() -> None:
    market = Judged("sym(/ES).price reaches 5000")
    seen = [market.row("/ES", price).live for price in ("4999", "5000", "4999.25", "5000", "4999", "5000")]
    assert seen == [False, True, False, False, False, True]  # four ticks of /ES are a point


def test_each_of_several_levels_is_reached_on_its_own() -> None:
    text = "price reaches any [100, 101]"
    assert reached("99 100 101 100.5 99.5", text) == "-xx-x"
    market = Judged(text)
    market.row(price="100.25")
    leaf = market.leaf
    assert isinstance(leaf, Reaches)
    assert (leaf.sides, leaf.reached, leaf.target()) == ((ABOVE, BELOW), (False, False), 100 * 10**8)
    market.row(price="100")
    assert (leaf.sides, leaf.reached, leaf.right) == ((NO_SIDE, BELOW), (True, False), 100 * 10**8)
    assert leaf.target() == 101 * 10**8  # the nearer one has to be left first


def test_a_level_that_comes_to_the_price_is_reached_too() -> None:
    market = Judged("price reaches bid")
    market.row(price="100", bid="99")
    assert not market.row(price="100", bid="99.5", size=None).live
    assert market.row(price="100", bid="100", size=None).live


def test_while_an_operand_is_unknown_nothing_is_known_and_nothing_moves() -> None:
    market = Judged("price reaches any [100, bid]")
    assert market.row(price="99").live is None
    assert market.row(price="100").live is True
    market.row(price="100", bid="50", size=None)
    assert market.outcome == (False, False)


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ("99", "99.5", (False, False)),
        ("99", "100", (False, True)),
        ("99", "101", (False, True)),
        ("101", "99", (False, True)),
        ("99 100", "100", (False, False)),  # it was reached before the cut
        ("99 100", "101", (False, False)),
    ],
)
def test_what_was_reached_in_a_cut_is_missed_and_never_live(
    before: str, after: str, outcome: tuple[bool, bool]
) -> None:
    market = Judged("price reaches 100")
    for price in before.split():
        market.row(price=price)
    market.gap()
    assert market.image(price=after) == outcome
    assert market.row(price=after) == (False, False)


def test_the_first_value_after_a_cut_only_sets_the_side_when_there_was_none() -> None:
    market = Judged("price reaches 100")
    market.cut()
    assert market.image(price="99") == (False, False)
    assert market.row(price="100") == (True, True)


def test_a_glimpse_finds_the_same_and_changes_nothing() -> None:
    market = Judged("price reaches 100")
    market.row(price="99")
    market.gap()
    market.image(price="99")
    state = market.state_of("SPY")
    tick = state.tick
    assert tick is not None
    state.tick = replace(tick, last=100 * 10**8)
    before = list(market.memory)
    assert [market.leaf.glimpse(market.now_us).outcome().live for _ in range(2)] == [True, True]
    assert (market.memory, market.outcome) == (before, (False, False))


def test_a_restart_keeps_what_was_reached() -> None:
    first = Judged("price reaches any [100, 105]")
    for price in ("99", "100"):
        first.row(price=price)
    again = Judged("price reaches any [100, 105]", memory=list(first.memory))
    again.cut()
    assert again.image(price="100.01") == (False, False)
    assert again.row(price="99.99") == (False, False)
    again.row(price="99")
    assert again.row(price="100").live


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=40), st.integers(1, 6))
def test_reaching_is_what_a_walk_through_the_prices_finds(offsets: list[int], ticks: int) -> None:
    found = reached(" ".join(f"{100 + offset / 100:.2f}" for offset in offsets), rearm=Move(Fraction(ticks), "t"))
    expected = "-"
    armed = offsets[0] != 0
    for before, now in pairwise(offsets):
        touched = now == 0 or before * now < 0
        expected += "x" if armed and touched else "-"
        armed = (armed and not touched) or abs(now) >= ticks
    assert found == expected
