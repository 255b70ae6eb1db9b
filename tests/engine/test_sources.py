"""Where values come from: every value of the language, what moves it, and when it is unknown."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.judged import Judged
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.values import natural
from tradeassistd.engine.language.functions import NUMBER, PRICE, RATIO, Unit
from tradeassistd.engine.symbol.symbols import BARS_MOVED, DAY_TURNED, FACTS_MOVED, SECOND_TURNED
from tradeassistd.market.tick import Field
from tradeassistd.rules.grammar import parse

MINUTE_US = 60 * US_PER_S
OPEN_US = int(datetime.fromisoformat("2026-11-16T09:30:00-05:00").timestamp()) * US_PER_S
TRADED = Field.LAST | Field.VOLUME | Field.TRADE
DAY = Field.IMAGE | FACTS_MOVED | DAY_TURNED
TOUCH = Field.BID | Field.ASK
ROW = TRADED | TOUCH | Field.BID_SIZE | Field.ASK_SIZE | Field.IMAGE


def value(text: str) -> tuple[float | None, float | None]:
    """Both sides of the comparison after a morning: four one-minute bars of SPY from the open, and one forming.

    open/high/low/close/volume: 100/102/99/101/300, 101/104/101/104/200, 104/104/103/103/200, 103/106/102/106/300;
    forming 106/107/107 with volume 100.
    """
    market = Judged(text, now_us=OPEN_US - 3600 * US_PER_S)
    market.image(price="98", bid="97.9", ask="98.1")
    market.facts(prev_close="80", status="Normal")
    minutes = ["100 102 99 101", "101 104 101 104", "104 103 103 103", "103 102 106 106"]
    sizes = [(75, 75, 75, 75), (50, 50, 50, 50), (50, 50, 50, 50), (75, 75, 75, 75)]
    for number, (prices, size) in enumerate(zip(minutes, sizes, strict=True)):
        market.jump_to(OPEN_US + number * MINUTE_US + US_PER_S)
        for price, traded in zip(prices.split(), size, strict=True):
            market.row(price=price, size=traded, after_s=1)
    market.jump_to(OPEN_US + 4 * MINUTE_US + US_PER_S)
    market.row(price="106", size=50)
    market.row(price="107", size=50, bid="106.5", ask="106.75")
    market.wait(3)
    leaf = market.leaf
    return natural(leaf.left, leaf.unit), natural(leaf.right, leaf.unit)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mark > 1", 106.75),
        ("net_change > 1", 27.0),
        ("net_pct > 1%", 27 / 80),
        ("prev_day.close > 1", 80.0),
        ("day.open > 1", 100.0),
        ("day.high > 1", 107.0),
        ("rth.low > 1", 99.0),
        ("day.volume > 1", 1100.0),
        ("day.high - day.low > 1", 8.0),
        ("opening_range(1m).high > 1", 102.0),
        ("opening_range(2m).low > 1", 99.0),
        ("opening_range(1h).low > 1", None),
        ("minutes_to_close > 15", 390 - 4 - 4 / 60),
        ("minutes_to_close * 2 > 15", 2 * (390 - 4 - 4 / 60)),
        ("age > 2s", 2.999998),
        ("close(1m) > 1", 106.0),
        ("close(1m, live) > 1", 107.0),
        ("close(1m, live)[1] > 1", 106.0),
        ("volume(1m, live) > 1", 100.0),
        ("low(1m, rth, live)[2] > 1", 103.0),
        ("sma(close, 2, 1m, live) > 1", 106.5),
        ("sma(close, 2, 1m)[1] > 1", 103.5),
        ("highest(high, 2, 1m) > 1", 106.0),
        ("highest(price, 2s) > 1", 107.0),
        ("lowest(price, 2m) > 1", 102.0),
        ("highest(mid, 2s) > 1", 106.625),
        ("change(mark, 1s) > 1", 0.0),
        ("atr(2, 1m) > 1", 3.0),
        ("stdev(close, 2, 1m) > 1", 1.5),
        ("zscore(close, 2, 1m) > 1", 1.0),
        ("bollinger(close, 2, 2.5, 1m).upper > 1", 104.5 + 3.75),
        ("bollinger(close, 2, 2, 1m).lower[1] > 1", 103.5 - 1),
        ("macd(close, 1, 2, 1, 1m).signal > 1", 19 / 18),
        ("rsi(close, 3, 1m) > 50", 100 * 6 / 7),
        ("rvol(1m) > 2x", None),
        ("roc(close, 3, 1m) > 1%", 5 / 101),
        ("pct_from(price, prev_day.close) > 1%", 27 / 80),
        ("price * 2 - day.high > vwap()", 107.0),
    ],
)
def test_every_value_comes_out_in_its_unit(text: str, left: float | None) -> None:
    assert value(text)[0] == (None if left is None else pytest.approx(left, rel=1e-6))


def test_the_average_of_the_session_is_exact() -> None:
    by_size = {75: (100, 102, 99, 101, 103, 102, 106, 106), 50: (101, 104, 101, 104, 104, 103, 103, 103, 106, 107)}
    turnover = sum(size * sum(prices) for size, prices in by_size.items())
    assert value("vwap() > 1")[0] == float(Fraction(turnover, 1100))
    assert value("vwap(ext) > 1")[0] is None  # nobody watched from four o'clock on


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("rsi(close, 3, 1m) > 70", 70.0),
        ("minutes_to_close < 15", 15.0),
        ("age > 90s", 90.0),
        ("count(price crosses 5, 5m) > 3", 3.0),
        ("zscore(close, 2, 1m) > -2.5", -2.5),
    ],
)
def test_a_plain_number_beside_a_number_is_that_number(text: str, right: float) -> None:
    assert value(text)[1] == right


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("mark > 1", Field.LAST | TOUCH),
        ("net_change > 1", Field.LAST | DAY),
        ("age > 5s", ROW | SECOND_TURNED),
        ("minutes_to_close < 5", Field.IMAGE | SECOND_TURNED),
        ("halted", DAY),
        ("not halted", DAY),
        ("day.volume > 5", TRADED | DAY),
        ("prev_day.high > 5", DAY),
        ("year.high > 5", TRADED | DAY),
        ("opening_range(15m).high > 5", TRADED | DAY),
        ("vwap() > 5", TRADED | DAY),
        ("highest(mid, 5m) > 5", TOUCH | SECOND_TURNED),
        ("highest(price, 5m) < price", ROW | SECOND_TURNED),
        ("close(5m) > 5", BARS_MOVED | Field.IMAGE),
        ("close(5m, live) > 5", BARS_MOVED | TRADED | Field.IMAGE),
        ("rvol(5m) > 2", BARS_MOVED | Field.IMAGE),
    ],
)
def test_everything_that_can_move_a_value_has_it_judged(text: str, reads: int) -> None:
    assert Judged(text).compiler.reads == {"SPY": reads}
    stale = Judged(text, stale_after_s=30)
    assert stale.compiler.reads == {"SPY": reads | SECOND_TURNED}


def test_what_is_watched_for_a_condition_is_named_so_that_a_reload_can_let_it_go() -> None:
    compiler = Judged("price > max(highest(price, 5m), vwap(), opening_range(5m).high, ema(close, 9, 5m))").compiler
    assert [type(one).__name__ for one in compiler.watched] == ["TickExtreme", "Vwap", "OpeningRange"]
    assert len(compiler.tracks) == 1


# --- flags and silence ----------------------------------------------------------------------------------------------


def test_a_flag_is_a_state_and_unknown_until_schwab_has_said() -> None:
    market = Judged("not halted and sym(/ES).price > 1")
    market.row("/ES", "5000")
    assert market.row(price="100") == (None, None)
    assert market.facts(status="Normal") == (True, True)
    assert market.facts(status="Halted") == (False, False)
    flag, _ = market.compiler.leaves
    assert (flag.text, flag.left, flag.right) == ("halted", 1, 1)
    other = Judged("sym(SPY).halted", "/ES")
    other.row("SPY", "100")
    other.facts("SPY", status="Halted")
    assert (other.outcome, other.leaf.text) == ((True, True), "sym(SPY).halted")


def test_a_silent_symbol_is_unknown_after_the_time_the_rule_says() -> None:
    market = Judged("price > 99 and sym($VIX).price > 10", stale_after_s=5)
    market.row("$VIX", "20", size=0)
    market.row(price="100")
    assert market.wait(5) == (True, True)  # a little less than five seconds
    assert market.wait(1) == (None, None)
    assert market.row(price="100") == (None, None)  # the other one is still silent
    assert market.row("$VIX", "20", size=0) == (True, True)
    assert Judged("price > 99").wait(100).live is None
    market = Judged("price > 99")
    market.row(price="100")
    assert market.wait(100) == (True, True)  # quiet is not stale


def test_silence_makes_everything_of_the_symbol_unknown() -> None:
    texts = (
        "day.high > 1", "vwap() > 1", "close(1m) > 1", "highest(price, 2s) > 1", "change(price, 2s) < 9", "not halted",
        "age > 1s", "highest(high, 1, 1m, live) < price + 9",
    )  # fmt: skip
    for text in texts:
        market = Judged(text, stale_after_s=100, now_us=OPEN_US - 3600 * US_PER_S)
        market.image(price="100")
        market.facts(status="Normal")
        market.jump_to(OPEN_US + US_PER_S)
        for _ in range(3):
            market.row(price="100", after_s=31)
        assert market.wait(3).live is True, text
        assert market.wait(98).live is None, text


# --- level form -----------------------------------------------------------------------------------------------------


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 9_999))
def test_a_tie_with_a_percentage_is_a_tie(base: int, moved: int, basis_points: int) -> None:
    percent = Fraction(basis_points, 100)
    text = f"pct_from(price, {base}) >= {float(percent)}%"
    market = Judged(text)
    market.row(price=str(moved))
    assert market.outcome.live is (Fraction(moved, base) - 1 >= percent / 100)
    # base * 100 moved by a whole percentage is a whole price: exactly on the level.
    market = Judged(f"price >= {base * 100} * {float(1 + percent / 100):.4f}")
    market.row(price=str(Fraction(base * 100) * (1 + percent / 100) // Fraction(1, 100) / 100))
    exact = Fraction(base * 100) * (1 + percent / 100)
    assert exact.denominator in (1, 2, 4, 5, 10, 20, 25, 50, 100)
    assert market.outcome.live is True


@pytest.mark.parametrize(("price", "holds"), [("99", True), ("99.01", False)])
def test_one_percent_in_five_seconds_is_one_percent(price: str, holds: bool) -> None:
    market = Judged("pct_change(price, 5s) <= -1%")
    market.row(price="100")
    market.wait(6)
    assert market.row(price=price).live is holds


def test_a_price_equal_to_an_average_is_equal() -> None:
    market = Judged("price == sma(close, 3, 1m)")
    market.image(price="1")
    for price in ("100", "100.01", "100.03", "100.04"):
        market.row(price=price, after_s=60)
    assert market.row(price="100.01").live is False  # the average is 100.01333…
    market = Judged("price == sma(close, 2, 1m)")
    market.image(price="1")
    for price in ("100", "100.01", "100.03", "100.04"):
        market.row(price=price, after_s=60)
    assert market.row(price="100.02").live is True


# --- values without a condition ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected", "unit"),
    [
        ("price - 2 * 0.25", 99.5, PRICE),
        ("price * 1.01", 101.0, PRICE),
        ("pct_from(price, 80)", 0.25, RATIO),
        ("0.6", 0.6, NUMBER),
        ("count(price crosses 5, 5m)", None, NUMBER),
        ("price * price", 10_000.0, Unit(price=2)),
    ],
)
def test_a_template_or_setup_has_a_value_and_its_unit(text: str, expected: float | None, unit: Unit) -> None:
    market = Judged("price > 1")
    tree = parse(f"{text} > 0")
    value_of, found = market.compiler.value(tree.left)  # type: ignore[union-attr]
    market.row(price="100")
    assert (natural(value_of(), found), found) == (expected, unit)
