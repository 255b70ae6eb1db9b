"""Which bar windows are not full yet, and when they can be at the earliest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.market.session import NEW_YORK


class Warming(NamedTuple):
    """The window of a bar series that lacks most bars; `until_us` is 0 where the calendar does not know."""

    symbol: str
    interval: str
    session: str
    seen: int
    needed: int
    until_us: int


def warming(symbols: Mapping[str, SymbolState], now_us: int) -> list[Warming]:
    """One entry per series of which some rule reads more bars than there are yet, those of one symbol together."""
    found = []
    for symbol, state in sorted(symbols.items()):
        for (interval, session), series in sorted(state.series.items()):
            short = [(track.needed - track.seen, track) for track in series.tracks if track.seen < track.needed]
            if short:
                missing, track = max(short, key=lambda one: one[0])
                until_us = series.earliest_us(missing, now_us)
                found.append(Warming(symbol, interval, session, track.seen, track.needed, until_us))
    return found


def warming_text(until_us: int, now_us: int) -> str:
    """`warming until 10:35` of today, `warming until Tue 10:35` of another day of the week; with a date beyond."""
    if not until_us:
        return "warming"
    when, now = (datetime.fromtimestamp(us // US_PER_S, NEW_YORK) for us in (until_us, now_us))
    if when.date() == now.date():
        return f"warming until {when:%H:%M}"
    return f"warming until {when:%a %H:%M}" if (when - now).days < 6 else f"warming until {when:%Y-%m-%d %H:%M}"
