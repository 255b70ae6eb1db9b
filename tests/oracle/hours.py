"""When an instrument trades and which session its bars run over, worked out apart from the daemon's calendar.

Only what the recorded files need: US equities and CME futures, Monday to Friday by the wall clock of New York. Holidays
and half days are unknown here.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
US_PER_S = 1_000_000

# A wall-clock instant of a trading day: how many days before that day, and the time.
_Wall = tuple[int, time]
_EQUITY: dict[str, tuple[_Wall, _Wall]] = {
    "rth": ((0, time(9, 30)), (0, time(16))),
    "ext": ((0, time(4)), (0, time(20))),
}
_FUTURE: dict[str, tuple[_Wall, _Wall]] = {
    "globex": ((1, time(18)), (0, time(17))),
    "overnight": ((1, time(18)), (0, time(9, 30))),
    "rth": ((0, time(9, 30)), (0, time(16))),
}


class Session:
    """One named session of an instrument; `window(at_us)` finds the day's window that holds an instant."""

    def __init__(self, opens: _Wall, closes: _Wall) -> None:
        self._opens, self._closes = opens, closes
        self._latest = (0, 0)

    def window(self, at_us: int) -> tuple[int, int] | None:
        """(open, close) in UTC microseconds, open included and close not; None outside."""
        opens_us, closes_us = self._latest
        if opens_us <= at_us < closes_us:
            return self._latest
        today = datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).date()
        for day in (today, today + timedelta(days=1)):
            if day.weekday() > 4:
                continue
            opens_us, closes_us = _instant_us(day, self._opens), _instant_us(day, self._closes)
            if opens_us <= at_us < closes_us:
                self._latest = (opens_us, closes_us)
                return self._latest
        return None


def series_session(symbol: str, word: str | None = None) -> Session:
    """The session whose trades make the symbol's bars; raises ValueError for a word the symbol lacks."""
    words = _words(symbol)
    word = word or ("globex" if symbol.startswith("/") else "rth")
    if word not in words:
        raise ValueError(f"{symbol} has no session {word!r}")
    return Session(*words[word])


def trading_session(symbol: str) -> Session:
    """The whole time the symbol trades; outside it no rule of the symbol is judged."""
    return Session(*_words(symbol)["globex" if symbol.startswith("/") else "ext"])


def _words(symbol: str) -> dict[str, tuple[_Wall, _Wall]]:
    if symbol.startswith("$"):
        raise ValueError(f"{symbol}: the oracle knows equities and futures, no indices")
    return _FUTURE if symbol.startswith("/") else _EQUITY


def _instant_us(day: date, wall: _Wall) -> int:
    local = datetime.combine(day - timedelta(days=wall[0]), wall[1], NEW_YORK)
    return int(local.astimezone(UTC).timestamp()) * US_PER_S
