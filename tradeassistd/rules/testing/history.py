"""Bars before the start of a test as trades: the engine makes the bars from them, as it makes all others.

A bar of which only `close` is written is one price from open to close. Its volume, if written, is traded with the last
trade of the bar, so that a vwap over such bars is sum(close * volume) / sum(volume); without one each trade is of 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import bar_bounds, series_session, session_words, window_at
from tradeassistd.rules.testing.model import BarsItem

_STEP_US = 30 * 60 * US_PER_S
"""Sessions are at least this long, so a search backwards in such steps misses none."""
CLOSED_DAYS_MAX = 10
"""How long an instrument may be closed between two bars."""


def history_rows(item: BarsItem, instrument: Instrument, start_us: int) -> Iterator[tuple[int, Decimal, int]]:
    """(when, price, size) of each trade, in order. Raises ConfigError when the instrument lacks the session."""
    session = item.session or series_session(instrument)
    if session not in session_words(instrument):
        hint = f"it has {', '.join(session_words(instrument))}"
        raise ConfigError(f"{item.symbol} has no session {session!r}", hint=hint)
    spans = _spans(instrument, session, item.bars, start_us - item.end * US_PER_S, len(item.close))
    for number, (open_us, close_us) in enumerate(spans):
        yield from _trades(item, number, open_us, close_us)


def _trades(item: BarsItem, number: int, open_us: int, close_us: int) -> Iterator[tuple[int, Decimal, int]]:
    """Open, high, low and close of one bar, spread over it; equal ones in a row are one trade."""
    close = item.close[number]
    assert close is not None  # the reader refuses gaps
    open_ = item.open[number] if item.open else close
    assert open_ is not None
    high = item.high[number] if item.high else max(open_, close)
    low = item.low[number] if item.low else min(open_, close)
    prices = [open_]
    for price in (high, low, close):
        if price is not None and price != prices[-1]:
            prices.append(price)
    volume = item.volume[number] if item.volume else None
    for at, price in enumerate(prices):
        size = 1 if volume is None else 0
        if volume is not None and at == len(prices) - 1:
            size = int(volume)
        yield open_us + (close_us - open_us) * at // len(prices) // 1000 * 1000, price, size


def _spans(instrument: Instrument, session: str, interval: str, end_us: int, count: int) -> list[tuple[int, int]]:
    """The last `count` bars that end by `end_us`, oldest first."""
    found: list[tuple[int, int]] = []
    while len(found) < count:
        bounds = bar_bounds(instrument, session, interval, end_us - 1)
        if bounds is None:
            end_us = _close_before(instrument, session, end_us)
            continue
        if bounds[1] <= end_us:
            found.append(bounds)
        end_us = bounds[0]
    return found[::-1]


def _close_before(instrument: Instrument, session: str, at_us: int) -> int:
    """When the session closed last before an instant outside it."""
    for number in range(1, CLOSED_DAYS_MAX * 48):
        window = window_at(instrument, session, at_us - number * _STEP_US)
        if window is not None:
            return window.close_us
    raise ConfigError(f"{instrument.symbol} was closed for {CLOSED_DAYS_MAX} days", hint="start the test later")
