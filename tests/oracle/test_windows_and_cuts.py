"""Rules on bars, on changes, across cuts and sessions, worked out by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.oracle.expression import (
    Arithmetic,
    Compare,
    Cross,
    Either,
    Every,
    Not,
    OfBars,
    Quote,
    bar,
    earlier,
    is_event,
    number,
    of_bars,
    pct_change,
)
from tests.oracle.made import EVENING_S, TEN_S, Told, at_us, judged, prices, quote, tick_file, trade
from tests.oracle.oracle import OracleRule, expected_alerts

PRICE = Quote("price")
OVER_10 = Compare(PRICE, ">", number("10"))
CROSSES_10 = Cross(PRICE, "crosses", (number("10"),))
CLOSES = (10.0, 12.0, 14.0, 20.0, 11.0, 15.0)


def minutes(folder: Path, *closes: float) -> Path:
    """A trade half a minute into each minute: the clock closes each bar two seconds past its end."""
    return tick_file(folder, *(trade(30 + 60 * n, close, 10 * (n + 1)) for n, close in enumerate(closes)))


def at_each_close(path: Path, value: OfBars) -> list[tuple[float, float]]:
    """(seconds, value) each time a one-minute bar closes and the value is known and not what it was."""
    moved = Cross(value, "crosses", tuple(number(f"{n}.001") for n in range(100)))
    return [(at_s, found) for at_s, _, _, found in judged(path, moved, evaluate="close(1m)") if found is not None]


# --- bars in rules --------------------------------------------------------------------------------------------------


def test_a_close_rule_sees_the_new_bar_and_the_price_before_the_row_that_closed_it(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(58, 9), trade(59, 10), trade(60.5, 11), trade(61, 12), trade(120.5, 9))
    same = Compare(PRICE, "==", bar("close", "1m"))
    assert judged(path, same, evaluate="close(1m)", fire_at_load=True) == [(60.5, "fired", None, 10)]
    # The bar 10:01 closes at 12 while the price of the closing row, 9, is still to come.
    assert judged(path, CROSSES_10, evaluate="close(1m)") == []
    above = Cross(PRICE, "crosses_above", (number("10.5"),))
    assert judged(path, above, evaluate="close(1m)") == [(120.5, "fired", None, 12)]


def test_a_tick_rule_is_judged_by_the_clock_that_closes_its_bar(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(10, 9), trade(70, 11), quote(125, 1, 2))
    assert judged(path, Cross(bar("close", "1m"), "crosses", (number("10"),))) == [(122, "fired", None, 11)]


def test_windows_end_with_the_last_closed_bar_and_wait_until_they_are_full(tmp_path: Path) -> None:
    path = minutes(tmp_path, *CLOSES)  # the last bar never closes: 10, 12, 14, 20, 11
    sma = of_bars("sma", "close", 2, "1m")
    # 11 at 10:02:02 only sets the sides.
    assert at_each_close(path, sma) == [(182, 13), (242, 17), (302, 15.5)]
    assert at_each_close(path, earlier(sma, 1)) == [(242, 13), (302, 17)]
    assert at_each_close(path, bar("close", "1m")) == [(122, 12), (182, 14), (242, 20), (302, 11)]
    assert at_each_close(path, of_bars("highest", "close", 3, "1m")) == [(242, 20)]
    assert at_each_close(path, of_bars("lowest", "close", 3, "1m")) == [(242, 12), (302, 11)]
    assert at_each_close(path, of_bars("avg", "volume", 2, "1m")) == [(182, 25), (242, 35), (302, 45)]
    wma = at_each_close(path, of_bars("wma", "close", 3, "1m"))
    assert wma == [(242, float(Fraction(12 + 28 + 60, 6))), (302, float(Fraction(14 + 40 + 33, 6)))]


def test_an_exponential_mean_starts_with_the_plain_mean_of_its_first_n(tmp_path: Path) -> None:
    path = minutes(tmp_path, *CLOSES)
    # Seed 11, alpha 2/3: 14 * 2/3 + 11 / 3 = 13, then 53/3, then 119/9.
    found = at_each_close(path, of_bars("ema", "close", 2, "1m"))
    assert found == [(182, 13), (242, 17.66666667), (302, 13.22222222)]  # ten digits: rounded before it is used


def test_roc_needs_one_bar_more_than_its_length(tmp_path: Path) -> None:
    path = minutes(tmp_path, *CLOSES)
    falls = Compare(of_bars("roc", "close", 2, "1m"), "<", number("0"))
    assert judged(path, falls, evaluate="close(1m)") == [(302, "fired", None, float(Fraction(-3, 14)))]


def test_price_equal_to_an_exact_mean_is_equal(tmp_path: Path) -> None:
    rows = [trade(30, "0.1"), trade(90, "0.2"), trade(150, "0.3"), trade(211, "0.2"), trade(212, "0.21")]
    path = tick_file(tmp_path, *rows)
    mean = of_bars("sma", "close", 3, "1m")
    assert judged(path, Compare(PRICE, "==", mean), fire_at_load=True)[0][0] == 211.000001
    assert judged(path, Cross(PRICE, "crosses", (mean,))) == []  # 0.3 at 10:03:02 above, equal, above


def test_a_spike_is_compared_with_the_bars_before_it(tmp_path: Path) -> None:
    volumes = (100, 100, 100, 250, 100)
    path = tick_file(tmp_path, *(trade(30 + 60 * n, 10, size) for n, size in enumerate(volumes)))
    usual = of_bars("avg", "volume", 3, "1m")
    twice = Arithmetic("*", number("2x"), earlier(usual, 1))
    spike = Compare(bar("volume", "1m"), ">", twice)
    assert judged(path, spike, evaluate="close(1m)", fire_at_load=True) == [(242, "fired", None, 250)]


# --- changes --------------------------------------------------------------------------------------------------------


def test_a_change_looks_back_on_the_grid_of_whole_seconds(tmp_path: Path) -> None:
    # At 10.3 s the reference is the price at the end of second 5: 100, though 101 stood from 5.1 s on.
    path = tick_file(tmp_path, trade(0.5, 100), trade(5.1, 101), trade(10.3, 103), trade(30, 103))
    up = Compare(pct_change(5), ">=", number("2%"))
    assert judged(path, up) == [(10.3, "fired", None, 0.03)]


def test_a_value_set_at_the_very_second_is_held_at_its_end(tmp_path: Path) -> None:
    # A thousand rows of the last millisecond: the last one's event time is second 1 itself.
    burst = [trade(0.999, 100)] * 999 + [trade(0.999, 103)]
    path = tick_file(tmp_path, *burst, trade(6.5, 103))
    assert judged(path, Compare(pct_change(5), "==", number("0"))) == [(6, "fired", "at_load", 0)]


def test_a_change_moves_with_the_clock(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(0.5, 100), trade(2.5, 103), quote(20, 1, 2))
    flat = Compare(pct_change(5), "==", number("0"))
    # Known from second 6 on: then 100 was held at second 1; from second 8 on 103 was, held at second 3.
    assert judged(path, flat) == [(8, "fired", None, 0)]
    up = Compare(pct_change(5), ">", number("1%"))
    assert judged(path, up, fire_at_load=True) == [(6, "fired", None, 0.03)]


def test_a_change_that_is_exactly_the_level_counts(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(0.5, "167.5"), trade(6.5, "168.5050"), trade(7, 1))
    assert judged(path, Compare(pct_change(5), ">=", number("0.6%"))) == [(6.5, "fired", None, 0.006)]


def test_a_change_knows_nothing_of_another_session(tmp_path: Path) -> None:
    evening_s = EVENING_S + 23 * 3600  # Monday 17:00, the break
    rows = [trade(-10, 100, 1, evening_s), trade(3600 + 5, 110, 1, evening_s), trade(3600 + 30, 111, 1, evening_s)]
    path = tick_file(tmp_path, *rows)
    moved = Compare(pct_change(20), ">", number("0"))
    # At 18:00:20 the reference lies in the new session, but 100 was set in the old one. At 18:00:26 it is 110 against
    # 110; the row at 18:00:30 is the first that has moved.
    found = judged(path, moved, symbol="/XY", fire_at_load=True)
    assert [round(at_s - (evening_s - TEN_S), 6) for at_s, *_ in found] == [3630.000001]


# --- hours ----------------------------------------------------------------------------------------------------------


def hours_from_ten(found: list[Told]) -> list[tuple[float, str]]:
    return [(round(at_s / 3600, 6), kind) for at_s, kind, *_ in found]


def test_nothing_is_judged_while_the_instrument_does_not_trade(tmp_path: Path) -> None:
    rows = [trade(3600 * h, price) for h, price in ((-6.5, 11), (-5.5, 9), (9.5, 11), (10, 9), (10.5, 11))]
    path = tick_file(tmp_path, *rows)  # 03:30, 04:30, 19:30, 20:00, 20:30
    assert hours_from_ten(judged(path, OVER_10)) == [(9.5, "fired")]
    last_bar = Cross(bar("close", "30m", "ext"), "crosses", (number("10"),))
    assert judged(path, last_bar) == []  # the bar of 19:30 closes at 20:00


def test_a_crossing_while_closed_is_missed_not_fired(tmp_path: Path) -> None:
    day_s = 86_400
    path = tick_file(tmp_path, trade(0, 9), trade(day_s, 11), trade(day_s + 60, 9))
    assert judged(path, CROSSES_10) == [
        (day_s + 1e-6, "missed", None, 11),
        (day_s + 60 + 1e-6, "fired", None, 9),
    ]


# --- cuts -----------------------------------------------------------------------------------------------------------


def test_a_crossing_in_a_gap_is_missed_and_the_same_side_goes_on(tmp_path: Path) -> None:
    path = prices(tmp_path, 9, 9, 11, 11, 9, 11)
    cut = (at_us(2), 1.2)  # loses the row at 2.5 s
    assert judged(path, CROSSES_10, cut) == [
        (3.2, "missed", None, 11),  # by the image
        (4.5, "fired", None, 9),
        (5.5, "fired", None, 11),
    ]
    assert judged(path, Cross(PRICE, "crosses_below", (number("10"),)), cut) == [(4.5, "fired", None, 9)]
    unmoved = judged(prices(tmp_path, 9, 9, 8, 9, 11), CROSSES_10, cut)
    assert unmoved == [(4.5, "fired", None, 11)]


def test_equal_after_a_gap_keeps_the_side_and_is_watched_from_there(tmp_path: Path) -> None:
    assert judged(prices(tmp_path, 9, 9, 10, 10, 11), CROSSES_10, (at_us(2), 1.2)) == [(4.5, "fired", None, 11)]


def test_a_missed_crossing_is_an_alert_only_if_the_whole_condition_holds(tmp_path: Path) -> None:
    rows = [quote(0.1, 5, 6), trade(0.5, 9), trade(2.5, 11), trade(4, 9), trade(5, 11)]
    path = tick_file(tmp_path, *rows)
    cut = (at_us(2), 1.0)
    above = Cross(PRICE, "crosses_above", (number("10"),))
    holds = Every((Compare(Quote("bid"), ">", number("4")), above))
    assert [(at_s, kind) for at_s, kind, *_ in judged(path, holds, cut)] == [(3.000001, "missed"), (5.000001, "fired")]
    fails = Every((Compare(Quote("bid"), ">", number("5")), above))
    assert judged(path, fails, cut) == []


def test_a_missed_crossing_goes_through_the_cooldown(tmp_path: Path) -> None:
    path = prices(tmp_path, 9, 11, 9, 9)
    assert judged(path, CROSSES_10, (at_us(2), 1.2), cooldown_s=30) == [
        (1.5, "fired", None, 11),
        (3.2, "missed", "cooldown", 9),
    ]


def test_a_state_that_became_true_in_a_gap_fires_late_and_one_that_stayed_does_not(tmp_path: Path) -> None:
    cut = (at_us(2), 1.2)
    rule = OracleRule("r", OVER_10, cooldown_s=0)
    [alert] = expected_alerts(prices(tmp_path, 9, 9, 11, 11, 12), "XYZ", [rule], [cut])
    assert (alert.event_us, alert.kind, alert.late, alert.value) == (at_us(3.2), "fired", True, 11)
    stayed = judged(prices(tmp_path, 9, 11, 12, 13, 9, 11), OVER_10, cut)
    assert [at_s for at_s, *_ in stayed] == [1.5, 5.5]
    [_, again] = expected_alerts(prices(tmp_path, 9, 11, 9, 9, 11), "XYZ", [rule], [cut])
    assert (again.event_us, again.late) == (at_us(4.5), False)


def test_windows_start_again_after_a_gap(tmp_path: Path) -> None:
    path = minutes(tmp_path, 10, 12, 14, 16, 18, 20, 22, 24)
    mean = Compare(of_bars("sma", "close", 2, "1m"), ">", number("0"))
    # Lost from 10:02:40 to 10:03:20: 10:02 and 10:03 are dropped, 10:04 and 10:05 fill the window again.
    rising = Cross(of_bars("sma", "close", 2, "1m"), "crosses", (number("15"),))
    assert judged(path, mean, fire_at_load=True) == [(122, "fired", None, 11)]
    assert judged(path, rising, (at_us(160), 40)) == [(362, "missed", None, 19)]
    assert judged(path, earlier_than_the_gap(), (at_us(160), 40)) == []


def earlier_than_the_gap() -> Compare:
    """True as soon as six closed bars stand in one unbroken row."""
    return Compare(earlier(bar("close", "1m"), 5), ">", number("0"))


def test_a_change_looks_over_a_gap_and_not_into_it(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(0.5, 100), trade(4.5, 103), trade(20, 104))
    moved = Compare(pct_change(3), ">", number("0"))
    flat = Compare(pct_change(3), "==", number("0"))
    assert judged(path, moved, fire_at_load=True)[0] == (4.5, "fired", None, 0.03)
    cut = (at_us(2), 1.2)
    # At 4 s: 100 against the 100 of second 1. At 5 and 6 s the reference lies in the gap. At 7 s: 103 against the
    # image's 100 of second 4; at 8 s 103 against 103.
    assert [at_s for at_s, *_ in judged(path, flat, cut, fire_at_load=True)] == [4, 8]
    assert judged(path, moved, cut, fire_at_load=True)[0] == (4.5, "fired", None, 0.03)


def test_what_the_cooldown_kept_quiet_is_told_by_the_clock_of_a_gap(tmp_path: Path) -> None:
    path = prices(tmp_path, 10, 11, 10, 12, 12, 12, 12, 12)
    found = judged(path, OVER_10, (at_us(4), 3), cooldown_s=4)
    assert found[1:] == [(3.5, "fired", "cooldown", 12), (6, "told", None, 12)]


# --- what rules.md calls errors ---------------------------------------------------------------------------------------


def test_conditions_that_rules_md_refuses_are_refused() -> None:
    assert is_event(Every((OVER_10, CROSSES_10)))
    assert not is_event(Not(OVER_10))
    for refused in (Every((CROSSES_10, CROSSES_10)), Either((OVER_10, CROSSES_10)), Not(CROSSES_10)):
        with pytest.raises(ValueError, match="event"):
            is_event(refused)
