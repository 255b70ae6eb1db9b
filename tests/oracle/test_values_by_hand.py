"""The oracle's values on small markets: indicators, quotes, days and windows, each worked out by hand."""

from __future__ import annotations

from fractions import Fraction

from tests.oracle.expression import (
    Compare,
    Cross,
    Day,
    Flag,
    Look,
    Named,
    Not,
    OfBars,
    OpeningRange,
    Quote,
    Sym,
    Vwap,
    number,
)
from tests.oracle.indicators import band, deviation, macd, standard_score, strength, true_range
from tests.oracle.small_markets import PRICE, bars, made, market, story, value

# --- indicators ------------------------------------------------------------------------------------------------------


def fractions(*numbers: int | str) -> list[Fraction]:
    return [Fraction(one) for one in numbers]


def test_population_deviation_and_what_is_made_of_it() -> None:
    values = fractions(10, 12)  # mean 11, deviation 1
    assert deviation(values, 2) == 1
    assert standard_score(values, 2) == 1
    assert [band(values, 2, Fraction(2), line) for line in ("upper", "mid", "lower")] == [13, 11, 9]
    assert deviation(fractions(1, 2, 3), 3) == Fraction("0.8164965809")  # the root of 2/3, ten digits
    assert standard_score(fractions(5, 5), 2) is None
    assert standard_score(fractions(3, 2, 1), 3) == Fraction("-1.224744871")


def test_wilder_s_averages() -> None:
    closes = fractions(10, 11, 10, 12)  # changes +1 -1 +2
    assert strength(closes[:3], 2) == 50
    # Averages of two: gain 1/2 then (1/2 + 2) / 2 = 5/4; loss 1/2 then 1/4.
    assert strength(closes, 2) == Fraction("83.33333333")
    assert strength(fractions(1, 2, 3), 2) == 100
    assert strength(fractions(2, 2, 2), 2) is None
    assert strength(closes[:2], 2) is None
    # True ranges 3 (12 - 9 against the close of 10) and 4 (14 - 10); the first bar has none.
    highs, lows, ends = fractions(11, 12, 14), fractions(9, 9, 11), fractions(10, 10, 13)
    assert true_range(highs, lows, ends, 2) == Fraction(7, 2)
    assert true_range(highs[:2], lows[:2], ends[:2], 2) is None


def test_macd_is_two_averages_apart_and_its_signal_an_average_of_that() -> None:
    closes = fractions(1, 2, 4)
    # Fast of one: the closes. Slow of two: 1.5, then 2/3 * 4 + 1/3 * 1.5 = 19/6. Lines: 1/2, 5/6.
    assert macd(closes, 1, 2, 2, "line") == Fraction("0.8333333333")
    assert macd(closes, 1, 2, 2, "signal") == Fraction("0.6666666667")
    assert macd(closes, 1, 2, 2, "hist") == Fraction("0.1666666667")
    assert macd(closes[:2], 1, 2, 2, "signal") is None


def test_live_counts_the_forming_bar_and_goes_back_to_the_closed_ones() -> None:
    here = bars(["100", "102", "104"])
    live = OfBars("sma", "close", 2, "1m", live=True)
    assert value(here, OfBars("sma", "close", 2, "1m")) == 101
    assert value(here, live) == 103
    assert value(here, OfBars("sma", "close", 2, "1m", back=1, live=True)) == 101
    assert value(here, OfBars("", "volume", 1, "1m", live=True)) == 3
    here.wait(62)  # the bar has closed, and none has begun
    assert value(here, live) is None
    assert value(here, OfBars("sma", "close", 2, "1m")) == 103


def test_relative_volume_needs_five_sessions_of_the_same_slot() -> None:
    here = market("2026-11-09 09:31:00")
    for day, size in ((9, 10), (10, 20), (11, 30), (12, 40), (13, 50), (16, 60)):
        here.until(f"2026-11-{day:02d} 09:31:00").trade("SPY", "100", size)
    of = OfBars("rvol", "volume", 1, "5m")
    here.until("2026-11-16 09:34:00")
    assert value(here, of) is None  # the sixth is still forming: Friday's 50 has only four before it
    here.until("2026-11-16 09:35:02")
    assert value(here, of) == 2  # 60 against the mean of 10 .. 50


# --- quotes, days, windows -------------------------------------------------------------------------------------------


def test_quotes() -> None:
    here = market(price="105", bid="100", ask="102")
    names = ("mark", "mid", "spread", "spread_pct", "age", "minutes_to_close")
    assert [value(here, Quote(name)) for name in names] == [102, 101, 2, Fraction(2, 101), 0, 360]
    here.wait(90).quote("SPY", ask=None)
    assert value(here, Quote("mark")) == 105
    here.wait(3)
    assert value(here, Quote("age")) == Fraction(3) - Fraction(2, 10**6)
    assert value(here, Quote("minutes_to_close")) == 360 - Fraction(93, 60)
    assert value(here.lost(), PRICE) is None


def test_a_day_is_known_when_it_was_watched_from_its_opening_or_schwab_has_told() -> None:
    here = market("2026-11-16 09:29:00").trade("SPY", "90").until("2026-11-16 09:30:00")
    assert value(here, Day("day", "high")) is None
    here.trade("SPY", "101").trade("SPY", "99")
    assert [value(here, Day("day", line)) for line in ("open", "high", "low")] == [101, 101, 99]
    here.lost().wait(5).gap().image("SPY", price="100")
    assert [value(here, Day("day", line)) for line in ("open", "high", "low")] == [101, None, None]
    here.facts("SPY", high="100.5", prev_close="98")
    assert value(here, Day("day", "high")) == 101
    assert value(here, Quote("net_change")) == 2
    here.until("2026-11-16 20:30:00")
    assert value(here, Day("day", "high")) == 101  # until the next day's session begins
    assert value(here.until("2026-11-17 09:30:00"), Day("day", "high")) is None


def test_the_session_before_is_known_when_it_was_watched_whole() -> None:
    here = market("2026-11-15 17:00:00", "/ES").until("2026-11-15 18:00:00").trade("/ES", "100")
    here.until("2026-11-16 09:30:00").trade("/ES", "103").trade("/ES", "102")
    assert value(here, Day("overnight", "high"), "/ES") == 100
    assert value(here, Day("rth", "high"), "/ES") == 103
    here.until("2026-11-16 18:00:00").trade("/ES", "110")
    assert value(here, Day("prev_day", "close"), "/ES") == 102
    assert value(here, Day("prev_day", "low"), "/ES") == 100
    assert value(here, Day("rth", "high"), "/ES") == 103  # the next one has not begun
    assert value(here.facts("/ES", prev_close="101"), Day("prev_day", "close"), "/ES") == 101
    assert value(here, Quote("settle"), "/ES") == 101


def test_an_opening_range_waits_for_its_bars_and_holds_until_the_next() -> None:
    of = OpeningRange(300, "high")
    here = market("2026-11-16 09:29:00").until("2026-11-16 09:31:00").trade("SPY", "101")
    here.until("2026-11-16 09:35:01")
    assert value(here, of) is None
    assert value(here.wait(1), of) == 101
    here.trade("SPY", "105")
    assert value(here.until("2026-11-17 09:29:59"), of) == 101
    assert value(here.wait(1), of) is None


def test_vwap_of_a_session_that_was_watched_from_its_opening() -> None:
    here = market("2026-11-16 09:29:00").until("2026-11-16 09:30:00")
    assert value(here, Vwap()) is None
    here.trade("SPY", "100", 1).trade("SPY", "103", 2)
    assert value(here, Vwap()) == 102
    assert value(here, Vwap("ext")) is None
    assert value(here.gap("SPY").image("SPY", price="100"), Vwap()) is None


def test_extremes_of_the_last_seconds_hold_what_stood_at_their_beginning() -> None:
    here = market(price="105").wait(1.5).trade("SPY", "101")
    highest, lowest = Look("highest", "price", 5), Look("lowest", "price", 5)
    assert value(here.wait(4), highest) is None  # at 5.5 s: second 0 is not known yet
    assert value(here.wait(0.5), highest) == 105  # at 6 s: 105 was held at second 1
    assert value(here.wait(1), highest) == 101
    assert value(here, lowest) == 101


def test_a_price_above_the_day_s_high_is_a_new_high_though_the_row_makes_it_one() -> None:
    here = market("2026-11-16 09:29:59").wait(1).trade("SPY", "100").wait(1).trade("SPY", "99")
    here.wait(1).trade("SPY", "101").wait(1).trade("SPY", "102").wait(1).trade("SPY", "101").wait(1).trade("SPY", "103")
    # 100 has no high before it, 99 sets the side below, 102 is above as 101 was.
    assert story(here, made(Cross(PRICE, "crosses_above", (Day("day", "high"),)))) == ["3 fired", "6 fired"]


def test_another_symbol_s_value_and_names_per_symbol() -> None:
    here = market().image("$VIX", price="15").wait(1).trade("$VIX", "21").wait(1).trade("SPY", "101")
    assert story(here, made(Compare(Sym("$VIX", PRICE), ">", number("20")))) == ["1 fired"]
    names = {"SPY": {"r1": number("100")}, "/ES": {"r1": number("5200")}}
    assert story(here, made(Compare(PRICE, ">", Named("r1")), values=names)) == ["2 fired"]


def test_halted_is_unknown_until_schwab_has_said() -> None:
    here = market().wait(1).facts("SPY").wait(1).facts("SPY", "Normal").wait(1).facts("SPY", "Halted")
    assert story(here, made(Not(Flag("halted")))) == ["2 fired", "3 cleared"]
