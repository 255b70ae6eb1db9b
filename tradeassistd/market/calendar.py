"""The days that are not plain: holidays, half days, early halts, from the table in calendar.csv and from corrections.

The table covers 1990 to 2035, a line for each such day; `make calendar` makes it, docs/make_calendar.py says from what.
A weekday without a line is plain, and so is every weekday outside those years. What Schwab's market hours
(`GET /marketdata/v1/markets`) know better about one session of one day is laid over it as a correction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from tradeassistd.market.instrument import Market


class Window(NamedTuple):
    """One session of one day, UTC microseconds: open included, close not."""

    open_us: int
    close_us: int


class Change(NamedTuple):
    """What is different about a day: `closed`, or another opening or closing minute of that New York day."""

    closed: bool = False
    open_minute: int | None = None
    close_minute: int | None = None


PLAIN = Change()


class Calendar:
    """The changes of every market's days, with corrections; immutable: `corrected` gives another one."""

    def __init__(
        self,
        lines: Mapping[str, Mapping[str, str]],
        corrections: Mapping[tuple[Market, date, str], Window | None] | None = None,
    ) -> None:
        """`lines` holds, by ISO date and market, the cells of calendar.csv."""
        self._lines = lines
        self._corrections = dict(corrections or {})

    def change(self, market: Market, day: date) -> Change:
        """What is different about `day`; PLAIN when nothing is."""
        line = self._lines.get(day.isoformat())
        if line is None:
            return PLAIN
        return _change(line.get(Market.EQUITY_INDEX if market is Market.OTHER else market, ""))

    def why(self, day: date) -> str:
        """The name of the day, as Juneteenth; "" for a plain one."""
        line = self._lines.get(day.isoformat())
        return line.get("why", "") if line else ""

    def is_corrected(self, market: Market, day: date, session: str) -> bool:
        """Whether somebody knew better about that session."""
        return (market, day, session) in self._corrections

    def correction(self, market: Market, day: date, session: str) -> Window | None:
        """The corrected window, None for "no such session that day". Raises KeyError without a correction."""
        return self._corrections[market, day, session]

    def corrected(self, market: Market, day: date, session: str, window: Window | None) -> Calendar:
        """A calendar that says so of one session of one day; None: there is none that day.

        Raises ValueError when the window is empty.
        """
        if window is not None and window.close_us <= window.open_us:
            raise ValueError(f"{market} {session} {day}: a session that closes before it opens")
        return Calendar(self._lines, {**self._corrections, (market, day, session): window})


@cache
def built_in() -> Calendar:
    """The calendar as shipped; read once."""
    text = files(__package__).joinpath("calendar.csv").read_text("utf-8")
    header, *lines = (line.split(",") for line in text.splitlines())
    return Calendar({line[0]: dict(zip(header[1:], line[1:], strict=True)) for line in lines})


def _change(cell: str) -> Change:
    if not cell:
        return PLAIN
    if cell == "closed":
        return Change(closed=True)
    opens, dash, closes = cell.partition("-")
    return (
        Change(open_minute=_minute(opens), close_minute=_minute(closes)) if dash else Change(False, None, _minute(cell))
    )


def _minute(text: str) -> int | None:
    return int(text[:2]) * 60 + int(text[3:]) if text else None
