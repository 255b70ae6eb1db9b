"""Backfills, and what became of each day."""

from __future__ import annotations

from tradeassistd.api.models.document import Document


class Backfill(Document):
    """Fetching history from Schwab: how far it is."""

    state: str
    """running, done, failed (see error), stopped."""
    symbols: list[str]
    interval: str
    from_day: str
    """The first trading day, YYYY-MM-DD."""
    to_day: str
    """The last one, included."""
    again: bool
    """Also days that were answered before."""
    by: str
    """Who asked for it."""
    since: str
    """When it began, ISO 8601 in UTC."""
    days: int
    """Days of symbols in all; 0 until they are counted."""
    done: int
    """Days that have their answer."""
    asked: int
    """Questions that Schwab answered."""
    stored: int
    """Days whose bars were stored, all or some of them new."""
    there: int
    """Days that were in the store already."""
    empty: int
    """Days of which there is nothing: closed, too old, or Schwab has no candles."""
    refused: int
    """Days that Schwab refuses to tell."""
    bars: int
    """Bars of the days that were stored."""
    waiting: str
    """Why nothing is asked just now; empty while something is."""
    error: str
    """Why it failed."""


class BackfilledDay(Document):
    """What came of one trading day of one symbol."""

    symbol: str
    day: str
    """YYYY-MM-DD."""
    outcome: str
    """stored, there, empty, refused."""
    detail: str
    """Why, where it is empty, refused or not whole."""
    bars: int
    """Bars of that day in the answer, or in the store."""
    whole: bool
    """The day is over and was answered: it is not asked for again unless that is wanted."""
