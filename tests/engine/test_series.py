"""Bars: recomputed by brute force over random trades, and by hand at the edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.series import BAR_GRACE_US, BarSeries
from tradeassistd.market.bar import INTERVALS_S, Bar
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import EVER, window_at

MINUTE_US = 60 * US_PER_S


def at(text: str) -> int:
    """`2026-11-16 09:30` New York (standard time) in microseconds."""
    return int(datetime.fromisoformat(f"{text}-05:00").timestamp()) * US_PER_S


OPEN_US = at("2026-11-16 09:30")


@dataclass
class Trades:
    """A bar series fed as the engine feeds it; keeps the bars that closed."""

    symbol: str = "SPY"
    interval: str = "1m"
    session: str = "rth"
    bars: list[Bar] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.series = BarSeries(instrument_of(self.symbol), self.interval, self.session)

    def trade(self, exchange_us: int, price: int = 100, size: int = 1) -> None:
        if bar := self.series.close_before(exchange_us):
            self.bars.append(bar)
        self.series.add(exchange_us, price, size)

    def clock(self, now_us: int) -> None:
        if bar := self.series.close_by_clock(now_us):
            self.bars.append(bar)

    @property
    def spans(self) -> list[tuple[int, int]]:
        return [(bar.start_us, bar.end_us) for bar in self.bars]


# --- the law ---------------------------------------------------------------------------------------------------------

TradeStep = tuple[str, int, int, int]  # ("trade", exchange second, price, size), ("clock", second, 0, 0) or a cut


def bounds(symbol: str, interval: str, session: str, second_us: int) -> tuple[int, int] | None:
    """Start and end of the bar an instant lies in, by walking from the opening of its session."""
    window = window_at(instrument_of(symbol), session, second_us)
    if window is None:
        return None
    if interval == "1d" and session != "always":
        return window
    length_us = INTERVALS_S[interval] * US_PER_S
    start_us = 0 if window == EVER else window.open_us
    if window == EVER:
        start_us = second_us - second_us % length_us
    while start_us + length_us <= second_us:
        start_us += length_us
    return start_us, min(start_us + length_us, window.close_us)


def by_brute_force(
    steps: Iterable[TradeStep], symbol: str, interval: str, session: str
) -> tuple[list[tuple[int, int, int, int, int, int, int, int]], int]:
    """(start, end, open, high, low, close, volume, trades) of each closed bar, and how many trades were late."""
    closed, late, complete_from_us = [], 0, 0
    forming: tuple[int, int] | None = None
    trades: list[tuple[int, int]] = []

    def close() -> None:
        nonlocal forming
        assert forming is not None
        prices = [price for price, _ in trades]
        closed.append((*forming, prices[0], max(prices), min(prices), prices[-1], sum(s for _, s in trades),
                       len(trades)))  # fmt: skip
        forming = None
        trades.clear()

    for what, when_us, price, size in steps:
        if what == "clock" and forming and when_us >= forming[1] + 2 * US_PER_S:
            close()
        elif what == "cut":
            forming, complete_from_us = None, max(complete_from_us, when_us)
            trades.clear()
        elif what == "trade":
            if forming and when_us >= forming[1]:
                close()
            mine = bounds(symbol, interval, session, when_us)
            if mine is None and forming is None:
                continue
            if mine is not None and mine == forming:
                trades.append((price, size))
            elif forming or (closed and mine and mine[0] < closed[-1][1]):
                late += 1  # it lies before the forming bar, or in one that is closed
            elif mine and mine[0] >= complete_from_us:
                forming = mine
                trades.append((price, size))
    return closed, late


@st.composite
def markets(draw: st.DrawFn) -> tuple[list[TradeStep], str, str, str]:
    symbol, session = draw(
        st.sampled_from([("SPY", "rth"), ("SPY", "ext"), ("/ES", "globex"), ("/ES", "overnight"), ("SPY", "always")])
    )
    interval = draw(st.sampled_from(["1m", "3m", "15m", "2h", "1d"]))
    # Around the opening, the middle, the close and the daily break; steps that cross several bars and go back in time.
    now_us = at(draw(st.sampled_from(["2026-11-16 09:28", "2026-11-16 15:57", "2026-11-16 16:55", "2026-11-15 17:58"])))
    steps: list[TradeStep] = []
    for _ in range(draw(st.integers(1, 40))):
        now_us += draw(st.sampled_from([0, 1, 13, 47, 61, 200, 3_600])) * US_PER_S
        what = draw(st.sampled_from(["trade"] * 6 + ["clock", "clock", "cut"]))
        back_us = draw(st.sampled_from([0] * 6 + [20, 75, 400])) * US_PER_S * (what == "trade")
        steps.append((what, now_us - back_us, draw(st.integers(90, 110)), draw(st.integers(0, 9))))
    return steps, symbol, interval, session


@given(markets())
def test_bars_are_what_brute_force_makes_of_the_same_trades(market: tuple[list[TradeStep], str, str, str]) -> None:
    steps, symbol, interval, session = market
    fed = Trades(symbol, interval, session)
    for what, when_us, price, size in steps:
        if what == "trade":
            fed.trade(when_us, price, size)
        elif what == "clock":
            fed.clock(when_us)
        else:
            fed.series.cut(when_us)
    expected, late = by_brute_force(steps, symbol, interval, session)
    found = [
        (bar.start_us, bar.end_us, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades) for bar in fed.bars
    ]
    assert found == expected
    assert fed.series.late_trades == late
    assert all((bar.symbol, bar.interval, bar.session) == (symbol, interval, session) for bar in fed.bars)


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_a_bar_closes_at_the_first_trade_on_its_end_or_at_end_and_grace_on_the_clock() -> None:
    fed = Trades()
    fed.trade(OPEN_US)
    fed.trade(OPEN_US + MINUTE_US - 1)
    assert fed.bars == []
    fed.trade(OPEN_US + MINUTE_US)
    assert fed.spans == [(OPEN_US, OPEN_US + MINUTE_US)]
    fed.clock(OPEN_US + 2 * MINUTE_US + BAR_GRACE_US - 1)
    assert len(fed.bars) == 1
    fed.clock(OPEN_US + 2 * MINUTE_US + BAR_GRACE_US)
    assert len(fed.bars) == 2
    fed.clock(OPEN_US + 60 * MINUTE_US)
    assert len(fed.bars) == 2, "a minute without a trade makes no bar"


def test_a_trade_of_a_closed_bar_is_late_and_changes_nothing() -> None:
    fed = Trades()
    fed.trade(OPEN_US, 100)
    fed.clock(OPEN_US + MINUTE_US + BAR_GRACE_US)
    fed.trade(OPEN_US + 59 * US_PER_S, 999)
    fed.trade(OPEN_US + 2 * MINUTE_US, 101)
    fed.trade(OPEN_US + MINUTE_US, 999)
    assert fed.series.late_trades == 2
    fed.clock(OPEN_US + 60 * MINUTE_US)
    assert [(bar.open, bar.high, bar.low, bar.close) for bar in fed.bars] == [(100,) * 4, (101,) * 4]


def test_a_late_trade_within_the_forming_bar_still_counts_and_is_its_close() -> None:
    fed = Trades()
    for second, price in ((30, 100), (10, 90), (20, 95)):
        fed.trade(OPEN_US + second * US_PER_S, price, 2)
    fed.clock(OPEN_US + 2 * MINUTE_US)
    (bar,) = fed.bars
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades) == (100, 100, 90, 95, 6, 3)


@pytest.mark.parametrize(
    ("symbol", "interval", "session", "trade", "start", "end"),
    [
        ("SPY", "1m", "rth", "2026-11-16 09:30", "2026-11-16 09:30", "2026-11-16 09:31"),
        ("SPY", "2h", "rth", "2026-11-16 11:29", "2026-11-16 09:30", "2026-11-16 11:30"),
        ("SPY", "2h", "rth", "2026-11-16 15:45", "2026-11-16 15:30", "2026-11-16 16:00"),
        ("SPY", "4h", "rth", "2026-11-16 13:30", "2026-11-16 13:30", "2026-11-16 16:00"),
        ("SPY", "1d", "rth", "2026-11-16 12:00", "2026-11-16 09:30", "2026-11-16 16:00"),
        ("SPY", "1h", "ext", "2026-11-16 04:59", "2026-11-16 04:00", "2026-11-16 05:00"),
        ("/ES", "2h", "globex", "2026-11-15 19:59", "2026-11-15 18:00", "2026-11-15 20:00"),
        ("/ES", "2h", "globex", "2026-11-16 16:30", "2026-11-16 16:00", "2026-11-16 17:00"),
        ("/ES", "1d", "globex", "2026-11-16 03:00", "2026-11-15 18:00", "2026-11-16 17:00"),
        ("/ES", "1d", "overnight", "2026-11-16 03:00", "2026-11-15 18:00", "2026-11-16 09:30"),
        ("$VIX", "15m", "rth", "2026-11-16 15:59", "2026-11-16 15:45", "2026-11-16 16:00"),
        ("SPY", "1m", "always", "2026-11-14 12:00", "2026-11-14 12:00", "2026-11-14 12:01"),
        # `always` has no opening: anchored at the epoch, so a day is a UTC day (19:00 New York in winter).
        ("SPY", "1d", "always", "2026-11-16 12:00", "2026-11-15 19:00", "2026-11-16 19:00"),
        ("SPY", "4h", "always", "2026-11-16 12:00", "2026-11-16 11:00", "2026-11-16 15:00"),
    ],
)
def test_bars_are_anchored_at_the_opening_of_their_session(
    symbol: str, interval: str, session: str, trade: str, start: str, end: str
) -> None:
    fed = Trades(symbol, interval, session)
    fed.trade(at(trade))
    fed.clock(at(end) + BAR_GRACE_US)
    assert fed.spans == [(at(start), at(end))]


@pytest.mark.parametrize(
    ("symbol", "session", "when"),
    [
        ("SPY", "rth", "2026-11-16 09:29"),
        ("SPY", "rth", "2026-11-16 16:00"),
        ("SPY", "rth", "2026-11-14 12:00"),
        ("/ES", "globex", "2026-11-16 17:30"),
        ("/ES", "overnight", "2026-11-16 09:30"),
        ("$SPX", "rth", "2026-11-16 16:05"),
    ],
)
def test_a_trade_outside_the_session_goes_into_no_bar(symbol: str, session: str, when: str) -> None:
    fed = Trades(symbol, "1m", session)
    fed.trade(at(when))
    fed.clock(at(when) + 86_400 * US_PER_S)
    assert fed.bars == []
    assert fed.series.late_trades == 0


def test_after_a_cut_the_first_bar_is_the_first_whole_one() -> None:
    fed = Trades()
    fed.trade(OPEN_US)
    fed.series.cut(OPEN_US + 30 * US_PER_S)
    fed.trade(OPEN_US + 40 * US_PER_S)
    fed.trade(OPEN_US + MINUTE_US)
    fed.clock(OPEN_US + 3 * MINUTE_US)
    assert fed.spans == [(OPEN_US + MINUTE_US, OPEN_US + 2 * MINUTE_US)]


def test_a_cut_that_ends_where_a_bar_begins_costs_that_bar_nothing() -> None:
    fed = Trades()
    fed.series.cut(OPEN_US)
    fed.trade(OPEN_US)
    fed.clock(OPEN_US + 3 * MINUTE_US)
    assert fed.spans == [(OPEN_US, OPEN_US + MINUTE_US)]


def test_an_earlier_cut_takes_nothing_back_from_a_later_one() -> None:
    fed = Trades()
    fed.series.cut(OPEN_US + 90 * US_PER_S)
    fed.series.cut(OPEN_US)
    fed.trade(OPEN_US + 100 * US_PER_S)
    fed.clock(OPEN_US + 9 * MINUTE_US)
    assert fed.bars == []


def test_the_bar_that_holds_the_last_trade_before_the_image_is_not_made_and_all_later_ones_are() -> None:
    fed = Trades()
    fed.series.missed_until(OPEN_US + 90 * US_PER_S)
    fed.trade(OPEN_US + 100 * US_PER_S)
    fed.trade(OPEN_US + 130 * US_PER_S)
    fed.clock(OPEN_US + 9 * MINUTE_US)
    assert fed.spans == [(OPEN_US + 2 * MINUTE_US, OPEN_US + 3 * MINUTE_US)]


def test_a_last_trade_outside_the_session_spoils_no_bar_of_it() -> None:
    fed = Trades()
    fed.series.missed_until(at("2026-11-13 19:59"))
    fed.trade(OPEN_US)
    fed.clock(OPEN_US + 9 * MINUTE_US)
    assert fed.spans == [(OPEN_US, OPEN_US + MINUTE_US)]
