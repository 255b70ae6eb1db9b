"""What happens on a made-up day beyond noise: moves that trend for minutes, and bursts of volume.

The first hour of a regular session follows a loose script, so that whoever watches it for an hour sees a fast move, its
reversal and a spike of volume; everything else comes at random times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random

from tradeassistd.sim.daytime import CLOSE_MINUTE, OPEN_MINUTE

_NIGHT_GAP_MINUTES = 150.0
_DAY_GAP_MINUTES = 30.0


@dataclass(frozen=True, slots=True)
class Episode:
    """From `begin` to `end` (minutes of the New York day) the market drifts by `move`, a fraction, and volume and
    pace are multiplied."""

    begin: float
    end: float
    move: float
    volume: float

    @property
    def drift_per_s(self) -> float:
        """The move, spread evenly."""
        return self.move / ((self.end - self.begin) * 60)


QUIET = Episode(0.0, 24 * 60, 0.0, 1.0)


class Script:
    """The episodes of one day, in order and apart from each other; the same for the same seed and date."""

    def __init__(self, seed: int, day: date, *, has_stocks: bool) -> None:
        chance = Random(f"{seed}:episodes:{day}")
        self._episodes = list(_day(chance) if has_stocks else _random(chance, 0, 24 * 60, _NIGHT_GAP_MINUTES))
        self._index = 0

    def at(self, minute: float) -> Episode:
        """The episode under way, or `QUIET`. Minutes must not run backwards."""
        while self._index < len(self._episodes) and self._episodes[self._index].end <= minute:
            self._index += 1
        if self._index < len(self._episodes) and self._episodes[self._index].begin <= minute:
            return self._episodes[self._index]
        return QUIET


def _day(chance: Random) -> Iterator[Episode]:
    yield from _random(chance, 0, OPEN_MINUTE - 30, _NIGHT_GAP_MINUTES)
    yield from _first_hour(chance)
    yield from _random(chance, OPEN_MINUTE + 65, CLOSE_MINUTE, _DAY_GAP_MINUTES)
    yield from _random(chance, CLOSE_MINUTE + 20, 24 * 60, _NIGHT_GAP_MINUTES)


def _first_hour(chance: Random) -> Iterator[Episode]:
    side = chance.choice((-1, 1))
    script = (
        # earliest and latest begin after the open, length in minutes, move in percent, volume
        (1.0, 3.0, 6.0, 0.25 * side, 1.2),
        (11.0, 13.0, 4.0, -chance.uniform(0.7, 0.95) * side, 2.5),
        (21.0, 22.0, 7.0, chance.uniform(0.45, 0.7) * side, 1.4),
        (32.0, 34.0, 2.2, 0.2 * side, 9.0),
        (40.0, 43.0, 5.0, chance.uniform(0.4, 0.65) * side, 2.0),
        (51.0, 53.0, 4.5, -chance.uniform(0.35, 0.6) * side, 2.0),
    )
    for earliest, latest, length, percent, volume in script:
        begin = OPEN_MINUTE + chance.uniform(earliest, latest)
        yield Episode(begin, begin + length, percent / 100, volume)


def _random(chance: Random, begin: float, end: float, gap_minutes: float) -> Iterator[Episode]:
    drifted = 0.0
    strength = 1.0 if gap_minutes < 60 else 0.4
    at = begin + chance.expovariate(1 / gap_minutes)
    while (until := at + chance.uniform(3, 12)) < end:
        # What ran away tends to come back, or a week of this would end somewhere absurd.
        up = chance.random() < (0.5 if drifted == 0 else 0.3 if drifted > 0 else 0.7)
        move = strength * chance.uniform(0.3, 1.0) / 100 * (1 if up else -1)
        drifted += move
        yield Episode(at, until, move, chance.uniform(1.5, 4.0))
        at = until + chance.expovariate(1 / gap_minutes)
