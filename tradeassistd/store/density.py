"""How much of what comes in the tape keeps: every event, of each symbol one tick a second, or no ticks at all.

Thinned, the tape still shows a day, but no longer every move of it: replay and audit must know, so a thinned tape says
so (`meta`), and a span that was thinned for want of room is a gap on it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from enum import IntEnum
from operator import attrgetter

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn, Event, Stop
from tradeassistd.market.tick import Tick
from tradeassistd.store.journal import get_meta, put_meta

_KEY = "density"
_WORDS = ("every", "1s", "bars")
_by_time = attrgetter("event_us")


class Density(IntEnum):
    """The greater, the less is kept."""

    EVERY = 0
    SECOND = 1
    """Of each symbol the last tick of each second, and every other event."""
    BARS = 2
    """Neither ticks nor the clock's turns: what is left of prices are the one-minute bars of main.db."""

    @property
    def word(self) -> str:
        """As the settings write it: every, 1s, bars."""
        return _WORDS[self]

    @classmethod
    def of(cls, word: str) -> Density:
        """Raises ValueError for a word that is none of the three."""
        return cls(_WORDS.index(word))


def note_density(raw: sqlite3.Connection, density: Density) -> None:
    """A tape is as exact as the least exact part of its day."""
    if density > stored_density(raw):
        put_meta(raw, _KEY, density.word)


def stored_density(raw: sqlite3.Connection) -> Density:
    """What the settings had a tape keep, at the least; spans thinned for want of room are gaps on it."""
    return Density.of(get_meta(raw, _KEY) or Density.EVERY.word)


class Thinner:
    """What goes on the tape of all that comes. A tick may wait for the end of its second, and is given back then."""

    def __init__(self, density: Density) -> None:
        self.density = density
        self.left_out = 0
        self.first_us = self.last_us = 0
        """The first and the last event time that was left out since `forget`; 0: none was."""
        self._held: dict[str, Tick] = {}

    def take(self, event: Event) -> Sequence[Event]:
        """What is to be written now that this has come; in a second without ticks nothing waits."""
        if self.density is Density.EVERY:
            return (event,)
        if isinstance(event, Tick):
            return self._tick(event) if self.density is Density.SECOND else self._leave_out(event)
        if isinstance(event, ClockTurn):
            return (*self.rest(), event) if self.density is Density.SECOND else self._leave_out(event)
        return (*self.rest(), event) if isinstance(event, Stop) else (event,)

    def rest(self) -> list[Event]:
        """The ticks that waited for the end of their second, in their order."""
        held: Iterable[Event] = sorted(self._held.values(), key=_by_time)
        self._held = {}
        return list(held)

    def forget(self) -> None:
        """The span that was left out is noted: count it anew."""
        self.first_us = self.last_us = 0

    def _tick(self, tick: Tick) -> Sequence[Event]:
        before = self._held.get(tick.symbol)
        self._held[tick.symbol] = tick
        if before is None:
            return ()
        if before.event_us // US_PER_S == tick.event_us // US_PER_S:
            return self._leave_out(before)
        return (before,)

    def _leave_out(self, event: Event) -> Sequence[Event]:
        self.left_out += 1
        self.first_us = min(self.first_us or event.event_us, event.event_us)
        self.last_us = max(self.last_us, event.event_us)
        return ()
