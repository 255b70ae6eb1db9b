"""Holes: spans in which nobody watched a symbol, and whether one touches a session."""

from __future__ import annotations

from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import ALWAYS, next_open, window_at

NEVER_US = 2**62


def touches(instrument: Instrument, session: str, from_us: int, until_us: int) -> bool:
    """Whether [from, until) holds an instant of the session; for a span without length, whether `from_us` is one.

    `always` is touched by every hole. Raises ValueError for a word the instrument lacks.
    """
    if session == ALWAYS or window_at(instrument, session, from_us) is not None:
        return True
    try:
        return next_open(instrument, session, from_us) < until_us
    except LookupError:
        return False
