"""How a rule stands: what is said of its condition, and why something is unknown."""

from __future__ import annotations

import pytest

from tests.engine.described import leaf, rule, standing, watched
from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.describing.describe import describe
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.language.functions import FUNCTIONS, Function
from tradeassistd.engine.rule import Evaluate, RuleSet
from tradeassistd.engine.symbol.symbols import SymbolState

SATURDAY_US = MONDAY_RTH_US + 5 * 86_400 * US_PER_S


# --- what is said ----------------------------------------------------------------------------------------------------


def test_a_state_shows_both_sides_in_natural_units_and_how_far_it_is() -> None:
    market = watched("price > 104")
    one = leaf(market)
    assert (one.kind, one.text, one.outcome, one.unit) == ("state", "price > 104", False, "price")
    assert (one.left, one.right, one.distance) == (100.0, 104.0, 4.0)
    assert one.distance_pct == pytest.approx(4 / 104 * 100)
    market.trade("SPY", "105")
    one = leaf(market)
    assert (one.outcome, one.distance, one.distance_pct) == (True, -1.0, 0.0)
    market.trade("SPY", "105.5")
    assert (standing(market).state, standing(market).since_us) == ("firing", market.all[0].event_us)


def test_a_ratio_stays_a_fraction_and_a_zero_on_the_right_has_no_percent() -> None:
    market = watched("pct_change(price, 5s) > 1%")
    market.wait(10)
    market.trade("SPY", "100.5")
    one = leaf(market)
    assert (one.left, one.right, one.unit) == (0.005, 0.01, "ratio")
    assert one.distance_pct == pytest.approx(50.0)
    market = watched("change(price, 5s) > 0", "100")
    market.wait(10)
    assert (leaf(market).distance, leaf(market).distance_pct) == (0.0, None)


def test_the_tree_is_the_condition_with_kleene_logic_and_one_distance() -> None:
    market = watched("price > 110 and (bid > 99 or not price < 120)")
    top = standing(market).condition
    assert [item.kind for item in top.items] == ["state", "or"]
    first, either = top.items
    assert [item.kind for item in either.items] == ["state", "not"]
    assert (top.outcome, first.outcome, either.outcome, either.items[0].outcome) == (False, False, None, None)
    assert either.items[0].why == "no bid yet"
    # The bid may be anything; the other way is to rise by a sixth. Both parts of `and` are needed: the further counts.
    assert either.distance_pct == pytest.approx(20 / 120 * 100)
    assert top.distance_pct == either.distance_pct
    market.quote("SPY", bid="99.5", ask="100.5")
    assert standing(market).condition.distance_pct == pytest.approx(10 / 110 * 100)


def test_an_unknown_leg_of_and_leaves_the_distance_unknown() -> None:
    market = watched("price > 110 and bid > 99")
    assert standing(market).condition.distance_pct is None
    assert standing(market).why == ""  # false and unknown is false


@pytest.mark.parametrize(
    ("op", "price", "side", "why", "target"),
    [
        ("crosses_above 101", "100", "below", "", 101.0),
        ("crosses_above 101", "102", "above", "has to be below first", 101.0),
        ("crosses_below 101", "100", "below", "has to be above first", 101.0),
        ("crosses 101", "101", "none", "the next value only sets its side", 101.0),
        ("crosses_above any [99, 103, 108]", "100", "above, below, below", "", 103.0),
        ("crosses any [99, 103, 108]", "100", "above, below, below", "", 99.0),
        ("enters [98, 102]", "100", "inside", "has to be outside first", 98.0),
        ("exits [98, 101]", "100", "inside", "", 101.0),
    ],
)
def test_an_event_shows_its_side_and_the_level_that_is_next(
    op: str, price: str, side: str, why: str, target: float
) -> None:
    one = leaf(watched(f"price {op}", price))
    assert (one.kind, one.outcome, one.side, one.why, one.right) == ("event", False, side, why, target)


def test_a_crossing_that_a_judging_would_see_now_is_true_until_the_judging() -> None:
    market = watched("price crosses_above 101", evaluate=Evaluate("1m"))
    market.wait(65)
    market.trade("SPY", "100")
    market.wait(65)  # the first bar closes: the side is below
    market.trade("SPY", "102")
    assert (leaf(market).outcome, leaf(market).side) == (True, "below")
    market.wait(65)
    assert market.kinds() == ["fired"]
    assert (leaf(market).outcome, leaf(market).side) == (False, "above")


# --- why it is unknown -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("price > 1", "no trade yet"),
        ("bid > 1", "no bid yet"),
        ("mid > 1", "no bid and no ask yet"),
        ("spread_pct > 1%", "no bid and no ask yet"),
        ("sym($VIX).price > 20", "$VIX: no quote yet"),
        ("close(1m) > 1", "warming until 10:01: 0 of 1 bars of 1m"),
        ("close(1m)[3] > 1", "warming until 10:04: 0 of 4 bars of 1m"),
        ("sma(close, 20, 5m) > avg(close, 20, 5m)[1]",
         "warming until 11:40: 0 of 20 bars of 5m; warming until 11:45: 0 of 21 bars of 5m"),
        ("roc(close, 10, 1m) > 1%", "warming until 10:11: 0 of 11 bars of 1m"),
        ("price crosses close(1m)", "no trade yet; warming until 10:01: 0 of 1 bars of 1m"),
        ("price inside [1, ask]", "no trade yet; no ask yet"),
        ("max(1, -(bid * 2)) > 4", "no bid yet"),
    ],
)  # fmt: skip
def test_an_unknown_leaf_says_why(when: str, why: str) -> None:
    assert leaf(watched(when, None)).outcome is None
    assert leaf(watched(when, None)).why == why


def test_before_anything_was_received_it_says_so() -> None:
    engine = Engine(RuleSet((rule("price > 1"),)))
    (one,) = describe(engine, "r")
    assert (one.why, one.condition.why) == ("nothing received yet", "no quote yet")


def test_a_feed_that_is_not_live_is_the_reason_until_the_next_image() -> None:
    market = watched("price > 90")
    market.drop()
    assert (standing(market).why, standing(market).condition.outcome) == ("feed not live", None)
    market.resume()
    market.image("SPY", "100")
    assert standing(market).why == ""


def test_warming_counts_bars_as_they_close() -> None:
    market = watched("sma(close, 3, 1m) > 1")
    for seen in range(4):
        one = leaf(market)
        assert one.why == (f"warming until 10:03: {seen} of 3 bars of 1m" if seen < 3 else "")
        market.trade("SPY", "100")
        market.wait(65)
    market.drop()
    assert leaf(market).why == "feed not live"
    market.resume()
    market.image("SPY", "100")
    assert leaf(market).why == "warming until 10:08: 0 of 3 bars of 1m"


def test_a_look_back_says_how_much_of_it_is_there() -> None:
    market = watched("pct_change(price, 30s) > 1%")
    market.wait(11)
    assert leaf(market).why == "warming: 10 of 30 s"
    market.wait(20)
    assert leaf(market).outcome is False


@pytest.mark.parametrize(
    ("when", "price"), [("bid / (ask - bid) > 1", "100"), ("pct_from(price, ask - bid) > 1", "100")]
)
def test_division_by_zero_is_a_reason(when: str, price: str) -> None:
    market = watched(when, price)
    market.quote("SPY", bid="100", ask="100")
    assert leaf(market).why == "division by zero"


def test_a_closed_session_says_when_it_opens() -> None:
    market = Market((rule("price > 90", session="rth"),), now_us=SATURDAY_US)
    market.image("SPY", "100")
    assert standing(market).why == "session closed until Mon 09:30 New York"
    assert standing(market).condition.outcome is True


def test_a_rule_that_raised_too_often_says_until_when_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    market = watched("price > 90")

    def broken(self: SymbolState, quote: str) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(SymbolState, "value", broken)
        market.engine.symbols["SPY"]._look_backs.clear()
        for _ in range(3):
            market.trade("SPY", "100")
    assert standing(market).why == "left out until Mon 10:01 New York: it raised too often"


def test_a_rule_that_is_off_or_not_there_stands_nowhere() -> None:
    market = Market((rule("price > 1", mode="off"),))
    assert describe(market.engine, "r") == describe(market.engine, "nobody") == []


def test_pending_shows_when_it_will_fire() -> None:
    market = watched("price > 100", for_s=30)
    market.trade("SPY", "101")
    market.trade("SPY", "102")
    one = standing(market)
    assert (one.state, one.due_us) == ("pending", one.since_us + 30 * US_PER_S)


WRITTEN = {"SERIES": "close", "COUNT": "4", "NUMBER": "2", "INTERVAL": "1m"}
BAR_FUNCTIONS = [
    (function, part)
    for function in FUNCTIONS.values()
    if function.reads_bars and function.name != "rvol"
    for part in function.parts or [""]
]


@pytest.mark.parametrize(
    ("function", "part"), BAR_FUNCTIONS, ids=[f"{function.name} {part}" for function, part in BAR_FUNCTIONS]
)
def test_every_bar_function_says_in_the_table_how_many_bars_it_needs(function: Function, part: str) -> None:
    counts = (2, 4, 3) if function.name == "macd" else (4,)
    written = iter(map(str, counts))
    arguments = ", ".join(next(written) if arg.name == "COUNT" else WRITTEN[arg.name] for arg in function.args)
    text = f"{function.name}({arguments})" + (f".{part}" if part else "")
    market = watched(f"{text} > 1")
    needed = function.bars_needed(counts, part)
    for seen in range(needed):
        assert leaf(market).why == f"warming until 10:{needed:02}: {seen} of {needed} bars of 1m"
        market.trade("SPY", str(100 + seen % 2))
        market.wait(65)
    assert leaf(market).outcome is not None
