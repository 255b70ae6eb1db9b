"""The oracle's event times, bars and sessions on small files worked out by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.oracle.made import EVENING_S, OPEN_S, at_us, quote, tick_file, trade
from tests.oracle.oracle import OracleBar, expected_bars, expected_last
from tests.oracle.tape import Held, events, read_rows


def timed(path: Path, *cuts: tuple[int, float]) -> list[tuple[str, int]]:
    """(kind, microseconds after 10:00) of every event."""
    return [(event.kind.value, event.event_us - at_us(0)) for event in events(read_rows(path), cuts)]


def brief(bar: OracleBar) -> tuple[float, list[float], int, float | None]:
    """(open in seconds after 10:00, [open, high, low, close], volume, closing in seconds after 10:00)."""
    prices = [float(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    closed_s = None if bar.closed_us is None else (bar.closed_us - at_us(0)) / 1e6
    return (bar.open_us - at_us(0)) / 1e6, prices, bar.volume, closed_s


def test_rows_of_one_millisecond_get_microseconds_of_their_own_after_the_image(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(0.464, 10), trade(0.465, 10), trade(0.465, 11), trade(0.465, 12))
    assert timed(path) == [
        ("image", 464_000),
        ("row", 464_001),
        ("row", 465_000),
        ("row", 465_001),
        ("row", 465_002),
    ]


def test_whole_seconds_up_to_a_row_come_before_it(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(0.5, 10), trade(2.0, 11), trade(2.1, 12))
    assert timed(path) == [
        ("image", 500_000),
        ("row", 500_001),
        ("clock", 1_000_000),
        ("clock", 2_000_000),
        ("row", 2_000_001),
        ("row", 2_100_000),
    ]


def test_a_second_that_is_used_already_is_not_repeated(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(0, 10), trade(0, 11), trade(1, 12))
    assert timed(path)[:3] == [("image", 0), ("row", 1), ("row", 2)]
    assert timed(path)[3:] == [("clock", 1_000_000), ("row", 1_000_001)]


def test_a_cut_loses_its_rows_and_ends_with_the_image_of_all_of_them(tmp_path: Path) -> None:
    rows = [quote(0.5, 9, 11), trade(1.5, 10), trade(2, 11), quote(3.2, "", 12), trade(3.5, 13)]
    path = tick_file(tmp_path, *rows)
    assert timed(path, (at_us(2), 1.5)) == [
        ("image", 500_000),
        ("row", 500_001),
        ("clock", 1_000_000),
        ("row", 1_500_000),
        ("cut", 2_000_000),  # the second 2 lies in the gap, and so does the row at 2 s
        ("clock", 2_000_000),
        ("clock", 3_000_000),
        ("image", 3_500_000),
        ("row", 3_500_001),
    ]
    held = {event.event_us - at_us(0): event.held for event in events(read_rows(path), [(at_us(2), 1.5)])}
    assert held[1_500_000] == Held(Fraction(10), Fraction(9), Fraction(11))
    assert held[2_000_000] == held[3_000_000] == Held(None, None, None)
    assert held[3_500_000] == Held(Fraction(11), Fraction(9), Fraction(12))


@pytest.mark.parametrize("cuts", [[(at_us(0), 1.0)], [(at_us(1), 0.0)], [(at_us(1), 2.0), (at_us(2), 1.0)]])
def test_cuts_the_contract_does_not_cover_are_refused(tmp_path: Path, cuts: list[tuple[int, float]]) -> None:
    rows = read_rows(tick_file(tmp_path, trade(0, 10), trade(5, 10)))
    with pytest.raises(ValueError, match="cuts must follow"):
        events(rows, cuts)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([trade(1, 10), trade(0, 10)], "time runs backwards"),
        ([trade(0, 10, 0)], "a price without a size"),
        ([trade(0, "")], "a size without a price"),
        ([trade(0, 10), trade(0, 10).replace("XYZ", "ABC")], "several symbols"),
    ],
)
def test_files_the_contract_does_not_cover_are_refused(tmp_path: Path, rows: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_rows(tick_file(tmp_path, *rows))


def test_last_counts_rows_and_volume_and_keeps_the_side_a_row_leaves_out(tmp_path: Path) -> None:
    path = tick_file(
        tmp_path, quote(0, 9, 11), trade(1, 10.5, 300), quote(2, "", 12), quote(3, 0, 12), trade(4, 11, 50)
    )
    assert expected_last(path) == (Fraction(11), None, Fraction(12), 350, 5)


def test_a_bar_closes_at_the_next_trade_or_two_seconds_past_its_end(tmp_path: Path) -> None:
    path = tick_file(
        tmp_path,
        trade(10, 10, 1),
        trade(59.999, 12, 2),
        quote(60.2, 9, 11),  # no trade: closes nothing
        trade(60.5, 11, 4),  # closes 10:00, opens 10:01
        trade(61, 9, 8),
        quote(130, 9, 11),  # the clock has closed 10:01 at 10:02:02
        trade(241, 13, 16),  # 10:03 had no trade and makes no bar
    )
    assert [brief(bar) for bar in expected_bars(path, "XYZ", "1m")] == [
        (0, [10, 12, 10, 12], 3, 60.5),
        (60, [11, 11, 9, 9], 12, 122),
        (240, [13, 13, 13, 13], 16, None),
    ]


def test_a_trade_on_the_boundary_belongs_to_the_next_bar(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(0, 10), trade(60, 11), trade(119.999, 12), trade(120, 13))
    assert [brief(bar)[:2] for bar in expected_bars(path, "XYZ", "1m")] == [
        (0, [10, 10, 10, 10]),
        (60, [11, 12, 11, 12]),
        (120, [13, 13, 13, 13]),
    ]


def test_bars_are_anchored_at_the_session_and_end_with_it(tmp_path: Path) -> None:
    close_s = 6 * 3600  # 16:00
    path = tick_file(
        tmp_path,
        trade(-1801, 8),  # 09:29:59
        trade(-1800, 9),  # 09:30:00
        trade(5399, 10),  # 11:29:59
        trade(5400, 11),  # 11:30:00, the second two-hour bar
        trade(close_s - 1, 12),
        trade(close_s, 13),
    )
    regular = [(bar.open_us - at_us(0, OPEN_S), bar.end_us - bar.open_us) for bar in expected_bars(path, "XYZ", "2h")]
    assert regular == [(0, 7200 * 10**6), (7200 * 10**6, 7200 * 10**6), (6 * 3600 * 10**6, 1800 * 10**6)]
    assert [brief(bar)[1] for bar in expected_bars(path, "XYZ", "2h")] == [[9, 10, 9, 10], [11] * 4, [12] * 4]
    extended = expected_bars(path, "XYZ", "2h", "ext")
    assert [brief(bar)[0] for bar in extended] == [-7200, 0, 14400, 21600]  # 04:00 + 4 h, 6 h, 10 h, 12 h
    assert [brief(bar)[3] for bar in expected_bars(path, "XYZ", "1d")] == [
        close_s + 1e-6
    ]  # by the trade at 16:00, one microsecond behind the second


def test_a_futures_session_opens_on_sunday_evening_and_has_a_break(tmp_path: Path) -> None:
    day_s = 23 * 3600
    path = tick_file(
        tmp_path,
        trade(-1, 7, 1, EVENING_S),
        trade(0, 8, 1, EVENING_S),
        trade(day_s - 1, 9, 1, EVENING_S),
        trade(day_s + 30, 10, 1, EVENING_S),  # in the break: closes the bar, makes none
        trade(day_s + 3600, 11, 1, EVENING_S),
    )
    bars = expected_bars(path, "/XY", "1d")
    assert [float(bar.close) for bar in bars] == [9, 11]
    assert bars[0].closed_us == at_us(day_s + 2, EVENING_S)
    with pytest.raises(ValueError, match="no session 'ext'"):
        expected_bars(path, "/XY", "1d", "ext")


def test_a_weekend_makes_no_bars(tmp_path: Path) -> None:
    saturday_s = OPEN_S - 2 * 86_400
    path = tick_file(tmp_path, trade(0, 10, 1, saturday_s), trade(86_400, 10, 1, saturday_s), trade(0, 11, 1, OPEN_S))
    assert [float(bar.open) for bar in expected_bars(path, "XYZ", "1m", "ext")] == [11]


def test_hours_follow_the_wall_clock_of_new_york_in_winter(tmp_path: Path) -> None:
    winter_open_s = 1_386_599_400  # Monday 2013-12-09 14:30 UTC, 09:30 New York
    path = tick_file(tmp_path, trade(-1, 10, 1, winter_open_s), trade(0, 11, 1, winter_open_s))
    assert [bar.open_us for bar in expected_bars(path, "XYZ", "1m")] == [winter_open_s * 10**6]


def test_a_cut_drops_the_forming_bar_and_every_bar_it_overlaps(tmp_path: Path) -> None:
    rows = [trade(at_s, 10 + at_s / 1000, 1) for at_s in (5, 65, 70, 100, 130, 150, 185, 245)]
    path = tick_file(tmp_path, *rows)
    # The feed is lost 10:01:10 - 10:02:10: 10:01 was forming, 10:02 began inside.
    assert [brief(bar)[0] for bar in expected_bars(path, "XYZ", "1m", None, [(at_us(70), 60)])] == [0, 180, 240]
    # Back at 10:02:00 exactly: 10:02 is whole again.
    assert [brief(bar)[0] for bar in expected_bars(path, "XYZ", "1m", None, [(at_us(70), 50)])] == [0, 120, 180, 240]
