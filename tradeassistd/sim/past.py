"""Candles of days before the simulated market began: made up, the same for the same seed, symbol and day.

Closes follow noise of many lengths, from days to years, of which the market has one and each root its own; a day's
open, high and low are drawn around them, and its minutes wander from open to close and touch high and low, so that the
day's candle is exactly what its minutes add up to. The last minute before the start ends at the first price there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b
from math import cos, exp, log, pi, sqrt
from random import Random
from typing import NamedTuple

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import Instrument, InstrumentClass
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.session import Window, trading_window_at, window_at
from tradeassistd.sim.candles import MINUTE_US, Candle
from tradeassistd.sim.catalogue import Character
from tradeassistd.sim.daytime import CLOSE_MINUTE, OPEN_MINUTE, NewYorkDay, flow, instant_us
from tradeassistd.sim.internals import ADD_BOUND, TICK_BOUND, TRIN_BOUNDS

FIRST_DAY = date(1990, 1, 2)
"""Nothing is older."""
DAYS_KEPT = 8
_OCTAVES = 12
_STEP = 0.0045
"""The market's closes move by about twice that a day."""
_WIDEST_OCTAVE = 6
"""Noise of more than 2^6 days is no wider than that, or decades would end somewhere absurd."""
_OWN_DAY = 150.0
"""Of a character's own wandering, per root of a second, that of a day."""
_SESSION_MINUTES = CLOSE_MINUTE - OPEN_MINUTE
_JUMPS = (-1, 0, 0, 1)
"""A minute opens so many ticks from where the last one closed."""
_STRETCH_MAX = 2.0
"""A walk that hardly left its straight line is not torn to reach the day's high; one minute's wick does."""

Path = list[list[int]]


class Opening(NamedTuple):
    """What is known of an instrument at the market's start; scaled prices, 0 for not known (but of an internal)."""

    at_us: int
    price: int
    previous_close: int
    open: int = 0
    high: int = 0
    low: int = 0


class DayFigures(NamedTuple):
    """A day's session in ticks, and what was traded in it."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class _Leg(NamedTuple):
    """A stretch of a day whose minutes wander from `begin` to `end` and no further than `high` and `low`, in ticks."""

    window: Window
    begin: int
    end: int
    high: int
    low: int
    volume: int


class Past:
    """The days of one instrument before the market's start."""

    def __init__(self, seed: int, instrument: Instrument, character: Character, opening: Opening) -> None:
        self._instrument = instrument
        self._name = f"{seed}:past:{instrument.root}"
        self._market = f"{seed}:past:market"
        self._character = character
        self._opening = opening
        self._tick = instrument.tick_size
        self._is_internal = instrument.kind is InstrumentClass.INTERNAL
        own = character.own_vol * _OWN_DAY
        self._daily = sqrt((2 * _STEP * character.beta) ** 2 + own**2) or 2 * _STEP
        self._today = day_under_way(instrument, opening.at_us)
        last = ny_date(opening.at_us) if self._today is None else self._today - timedelta(days=1)
        self._last_whole = last
        while (window := trading_window(instrument, last)) is None or window.close_us > opening.at_us:
            last -= timedelta(days=1)
        self._last_whole = last
        self._anchor = self._log_level(last)
        self.minutes = lru_cache(maxsize=DAYS_KEPT)(self._minutes)

    def figures(self, day: date) -> DayFigures | None:
        """Open, high, low, close and volume of a day that was over before the start; None when it had no session."""
        window = main_window(self._instrument, day)
        if day < FIRST_DAY or day > self._last_whole or window is None:
            return None
        chance = Random(f"{self._name}:{day}")
        if self._is_internal:
            return self._internal(chance)
        before, close = self._close(_day_before(self._instrument, day)), self._close(day)
        reach = self._daily * close
        share = 0.1 if self._instrument.kind is InstrumentClass.FUTURE else 0.45
        opened = round(before + (close - before) * chance.uniform(0, share) + reach * 0.1 * chance.gauss(0, 1))
        high = max(opened, close) + round(abs(chance.gauss(0, 0.4)) * reach)
        low = max(1, min(opened, close) - round(abs(chance.gauss(0, 0.4)) * reach))
        if day == self._last_whole and self._today is None and self._opening.open and self._opening.price:
            opened, high, low = self._own_day(close)  # the record still says how that day was
        return DayFigures(max(opened, low), high, low, close, self._volume(window, chance.gauss(0, 1)))

    def candle(self, day: date) -> Candle | None:
        """The candle of such a day; None as for `figures`."""
        figures = self.figures(day)
        window = main_window(self._instrument, day)
        if figures is None or window is None:
            return None
        return self._candle(window.open_us, figures[:4], figures.volume)

    def _minutes(self, day: date) -> Sequence[Candle]:
        """The minutes of a trading day before the minute in which the market began, in order."""
        if day < FIRST_DAY or (self._today or self._last_whole) < day:
            return ()
        legs = self._legs_today(day) if day == self._today else self._legs(day)
        return [candle for number, leg in enumerate(legs) for candle in self._walk(leg, f"{day}:{number}")]

    def _legs(self, day: date) -> list[_Leg]:
        figures = self.figures(day)
        window, main = trading_window(self._instrument, day), main_window(self._instrument, day)
        if figures is None or window is None or main is None:
            return []
        inside = _Leg(main, *self._figures_of(figures), figures.volume)
        if self._instrument.kind is not InstrumentClass.EQUITY:
            return [inside]
        before = Window(window.open_us, main.open_us)
        after = Window(main.close_us, window.close_us)
        return [
            self._quiet_leg(before, self._evening(_day_before(self._instrument, day)), figures.open, day),
            inside,
            self._quiet_leg(after, figures.close, self._evening(day), day),
        ]

    def _legs_today(self, day: date) -> list[_Leg]:
        """The day under way, up to the minute of the start; the record says how it went."""
        window, main = trading_window(self._instrument, day), main_window(self._instrument, day)
        if window is None:
            return []
        end_us = self._opening.at_us // MINUTE_US * MINUTE_US
        now = self._opening.price // self._tick
        before = self._close(_day_before(self._instrument, day))
        if self._is_internal:
            drawn = self._internal(Random(f"{self._name}:{day}"))
            figures = (drawn.open, now, max(drawn.high, now), min(drawn.low, now))
        else:
            opened, high, low = self._own_day(now)
            figures = (opened, now, high, low)
        if main is None or end_us <= main.open_us:
            evening = before if self._is_internal else self._evening(_day_before(self._instrument, day))
            return [self._quiet_leg(Window(window.open_us, end_us), evening, now, day)]
        inside = Window(main.open_us, min(main.close_us, end_us))
        legs = [_Leg(inside, *figures, self._volume(inside, 0.0))]
        if self._instrument.kind is InstrumentClass.EQUITY:
            evening = self._evening(_day_before(self._instrument, day))
            legs.insert(0, self._quiet_leg(Window(window.open_us, main.open_us), evening, figures[0], day))
            if end_us > main.close_us:
                legs.append(self._quiet_leg(Window(main.close_us, end_us), now, now, day))
        return legs

    def _own_day(self, last: int) -> tuple[int, int, int]:
        """Open, high and low of the day the record tells of; drawn where it does not tell."""
        opening, tick = self._opening, self._tick
        if opening.open and opening.high and opening.low:
            return opening.open // tick, max(opening.high // tick, last), min(opening.low // tick, last)
        chance = Random(f"{self._name}:own")
        reach = max(2, round(abs(last) * self._daily / 3))
        opened = max(1, last + chance.randint(-reach, reach))
        return (
            opened,
            max(opened, last) + chance.randint(0, reach),
            max(1, min(opened, last) - chance.randint(0, reach)),
        )

    def _figures_of(self, figures: DayFigures) -> tuple[int, int, int, int]:
        return figures.open, figures.close, figures.high, figures.low

    def _quiet_leg(self, window: Window, begin: int, end: int, day: date) -> _Leg:
        """Hours outside the session in which little happens."""
        chance = Random(f"{self._name}:{day}:{window.open_us}")
        reach = self._daily * max(abs(begin), abs(end)) / 8
        high = max(begin, end) + round(abs(chance.gauss(0, 1)) * reach)
        low = max(1, min(begin, end) - round(abs(chance.gauss(0, 1)) * reach))
        return _Leg(window, begin, end, high, min(low, begin, end), self._volume(window, chance.gauss(0, 0.3)))

    def _evening(self, day: date) -> int:
        """Where stocks stand when trading ends at 20:00."""
        return max(1, round(self._close(day) * exp(self._daily * 0.1 * _gauss(f"{self._name}:evening:{day}"))))

    def _close(self, day: date) -> int:
        opening = self._opening
        anchor = opening.price if self._today is None else opening.previous_close
        if self._is_internal:
            return (
                anchor // self._tick if day == self._last_whole else self._internal(Random(f"{self._name}:{day}")).close
            )
        return max(1, round(anchor / self._tick * exp(self._log_level(day) - self._anchor)))

    def _log_level(self, day: date) -> float:
        character = self._character
        own = character.own_vol * _OWN_DAY / (2 * _STEP)
        number = day.toordinal()
        return _STEP * (character.beta * _noise(self._market, number) + own * _noise(self._name, number))

    def _internal(self, chance: Random) -> DayFigures:
        """A day of a market internal, which does not follow on the day before."""
        symbol = self._instrument.symbol
        points: list[float]
        if symbol == "$TRIN":
            points = [exp(chance.gauss(0.0, 0.3)) for _ in range(2)]
            low, high = TRIN_BOUNDS
            spread = 0.3
        else:
            high = float(TICK_BOUND if symbol == "$TICK" else ADD_BOUND)
            low, spread = -high, high * 0.3
            points = [chance.gauss(0.0, spread) for _ in range(2)]
        top = max(points) + abs(chance.gauss(spread, spread))
        bottom = min(points) - abs(chance.gauss(spread, spread))
        ticks = [round(min(max(value, low), high) * PRICE_SCALE / self._tick) for value in (*points, top, bottom)]
        return DayFigures(ticks[0], ticks[2], ticks[3], ticks[1], 0)

    def _volume(self, window: Window, wide: float) -> int:
        if not self._instrument.has_volume or window.close_us <= window.open_us:
            return 0
        shares = sum(self._flows(window))
        return max(1, round(self._character.daily_volume / _SESSION_MINUTES * shares * exp(0.25 * wide)))

    def _flows(self, window: Window) -> tuple[float, ...]:
        """How busy each minute of a window is."""
        day = NewYorkDay(window.close_us - 1)
        first = (window.open_us - day.starts_us) // MINUTE_US
        return _flows(self._instrument.kind, first, (window.close_us - window.open_us) // MINUTE_US, day.close_minute)

    def _walk(self, leg: _Leg, name: str) -> list[Candle]:
        count = (leg.window.close_us - leg.window.open_us) // MINUTE_US
        if count <= 0:
            return []
        chance = Random(f"{self._name}:{name}")
        path, held = _wander(chance, count, leg, restless=self._is_internal)
        first_us = leg.window.open_us
        volumes = self._split(chance, leg, held)
        return [
            self._candle(first_us + at * MINUTE_US, path[at], volume)
            for at, volume in enumerate(volumes)
            if volume or not self._instrument.has_volume
        ]

    def _candle(self, start_us: int, ticks: Sequence[int], volume: int) -> Candle:
        opened, high, low, close = (price * self._tick for price in ticks)
        return Candle(start_us, opened, high, low, close, volume)

    def _split(self, chance: Random, leg: _Leg, held: set[int]) -> list[int]:
        """The leg's volume over its minutes; those of `held` have some. In a thin market most may have none."""
        flows = self._flows(leg.window)
        if not leg.volume:
            return [0] * len(flows)
        weights = [one * exp(chance.gauss(0.0, 0.4)) for one in flows]
        scale, passed, given = leg.volume / sum(weights), 0.0, 0
        volumes = []
        for weight in weights:
            passed += weight * scale
            volumes.append(int(passed) - given)
            given += volumes[-1]
        volumes[-1] += leg.volume - given
        for at in held:
            if not volumes[at]:
                volumes[at] = 1
                most = max(range(len(volumes)), key=volumes.__getitem__)
                volumes[most] -= volumes[most] > 1
        return volumes


def _wander(chance: Random, count: int, leg: _Leg, *, restless: bool) -> tuple[Path, set[int]]:
    """Open, high, low and close of `count` minutes in ticks, and which of them hold the ends and the extremes."""
    step = (leg.high - leg.low) / (2.2 * sqrt(count))
    closes = _restless(chance, count, leg) if restless else _bridge(chance, count, leg, step)
    path: Path = []
    before = leg.begin
    reach = (leg.high - leg.low) / 4 if restless else step * 0.6
    gauss, choice, floor, ceiling = chance.gauss, chance.choice, leg.low, leg.high
    for at, close in enumerate(closes):
        opened = before if at == 0 else min(max(before + choice(_JUMPS), floor), ceiling)
        upper, lower = (opened, close) if opened > close else (close, opened)
        high = min(upper + round(abs(gauss(0.0, reach))), ceiling)
        low = max(lower - round(abs(gauss(0.0, reach))), floor)
        path.append([opened, high, low, close])
        before = close
    top = max(range(count), key=lambda at: path[at][1])
    bottom = min(range(count), key=lambda at: path[at][2])
    path[top][1], path[bottom][2] = leg.high, leg.low
    return path, {0, top, bottom, count - 1}


def _bridge(chance: Random, count: int, leg: _Leg, step: float) -> list[int]:
    """Closes from begin to end, stretched so that they reach as far as high and low."""
    walk, at = [], 0.0
    for _ in range(count):
        at += chance.gauss(0.0, step)
        walk.append(at)
    slope = (leg.end - leg.begin - at) / count
    free = [leg.begin + off + slope * (number + 1) for number, off in enumerate(walk)]
    upper, lower = max(leg.begin, leg.end), min(leg.begin, leg.end)
    top, bottom = max(free), min(free)
    up = min(_STRETCH_MAX, (leg.high - upper) / (top - upper)) if top > upper else 0.0
    down = min(_STRETCH_MAX, (lower - leg.low) / (lower - bottom)) if bottom < lower else 0.0
    stretched = [
        upper + (one - upper) * up if one > upper else lower - (lower - one) * down if one < lower else one
        for one in free
    ]
    return [_within(round(one), leg.low, leg.high) for one in stretched]


def _restless(chance: Random, count: int, leg: _Leg) -> list[int]:
    """Closes of a figure that forgets within a minute where it was."""
    middle, spread = (leg.high + leg.low) / 2, (leg.high - leg.low) / 6
    closes = [_within(round(chance.gauss(middle, spread)), leg.low, leg.high) for _ in range(count)]
    closes[-1] = leg.end
    return closes


@lru_cache(maxsize=256)
def _flows(kind: InstrumentClass, first: int, count: int, close_minute: int) -> tuple[float, ...]:
    return tuple(flow(kind, minute, close_minute) for minute in range(first, first + count))


def _within(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


@lru_cache(maxsize=16_384)
def _noise(name: str, day: int) -> float:
    """Noise of many lengths: over a day it moves by about 2, over years by about 30."""
    total = 0.0
    for octave in range(_OCTAVES + 1):
        number, rest = divmod(day, 1 << octave)
        here = _gauss(f"{name}:{octave}:{number}")
        if rest:
            here += (_gauss(f"{name}:{octave}:{number + 1}") - here) * rest / (1 << octave)
        total += here * 2 ** (min(octave, _WIDEST_OCTAVE) / 2)
    return total


@lru_cache(maxsize=65_536)
def _gauss(name: str) -> float:
    """A normal deviate that belongs to the name (Box and Muller)."""
    digest = blake2b(name.encode(), digest_size=16).digest()
    first, second = (int.from_bytes(digest[at : at + 8]) / 2**64 for at in (0, 8))
    return sqrt(-2 * log(1 - first)) * cos(2 * pi * second)


def ny_date(at_us: int) -> date:
    """The date in New York."""
    return NewYorkDay(at_us).date


def trading_window(instrument: Instrument, day: date) -> Window | None:
    """All the hours in which the instrument trades for that trading day; None when it does not."""
    minute = 180 if instrument.kind is InstrumentClass.FUTURE else OPEN_MINUTE + 60
    return trading_window_at(instrument, instant_us(day, minute))


def main_window(instrument: Instrument, day: date) -> Window | None:
    """The hours its daily candle is made of: the regular session of a stock, else all."""
    if instrument.kind is InstrumentClass.EQUITY:
        return window_at(instrument, "rth", instant_us(day, OPEN_MINUTE + 60))
    return trading_window(instrument, day)


def day_under_way(instrument: Instrument, at_us: int) -> date | None:
    """The trading day whose hours hold the instant."""
    window = trading_window_at(instrument, at_us)
    return None if window is None else ny_date(window.close_us - US_PER_S)


def _day_before(instrument: Instrument, day: date) -> date:
    """The trading day before."""
    day -= timedelta(days=1)
    while trading_window(instrument, day) is None:
        day -= timedelta(days=1)
    return day
