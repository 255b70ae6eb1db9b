"""A bar: open, high, low, close and volume of one interval of one symbol."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

INTERVALS_S: dict[str, int] = {
    "1m": 60, "2m": 120, "3m": 180, "5m": 300, "10m": 600, "15m": 900, "30m": 1800,
    "1h": 3600, "2h": 7200, "4h": 14400, "1d": 86400,
}  # fmt: skip
"""Every interval a rule may name, with its length in seconds (1d means one session)."""
ARCHIVE_INTERVAL = "1m"
"""Every symbol's one-minute bars over all its trades are made and stored, whether or not a rule asks."""


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One closed bar. Prices are scaled integers (market.price); a minute without a trade has no bar."""

    symbol: str
    interval: str
    session: str
    """The trading session whose trades it holds: rth, ext, globex or always."""
    start_us: int
    end_us: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int
    """How many trades (or samples, for a symbol without volume) it was made from."""


class Stretch(NamedTuple):
    """A span in which every trade of a symbol was seen, UTC microseconds; what its bars lack was not traded."""

    symbol: str
    from_us: int
    to_us: int
    """0 while it goes on."""
    contract: str = ""
    """The contract a futures root stood for, empty where Schwab names none."""
