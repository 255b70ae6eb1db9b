"""Price history as Schwab answers it (protocol notes, 7), of what was streamed and of the days before.

- Bounds count by day, New York's: whoever asks for an hour gets its whole day. Without `endDate` the last business day
  is the end, so today is missing. `period` counts back from the end; beside a `startDate` it says nothing.
- A span without a single day on which the symbol trades is answered 400, "inverted date"; so is one that ends before it
  begins. A day without candles so far is `empty`.
- One-minute candles reach 48 days back, those of 5 to 30 minutes nine months, daily ones to 1990.
- A candle can be had some seconds after it is over (`candles.LATE_S`), a daily one after its session.
- Candles carry their beginning; daily, weekly and monthly ones midnight in Chicago, as recorded answers show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.instrument import Instrument, InstrumentClass, instrument_of
from tradeassistd.market.price import price_from_text, price_text
from tradeassistd.market.session import trading_window_at, window_at
from tradeassistd.sim.candles import MINUTE_US, Candle, Minutes, merged, published_us, whole
from tradeassistd.sim.catalogue import Character, character_of
from tradeassistd.sim.daytime import instant_us
from tradeassistd.sim.faults.candles import CandleLens
from tradeassistd.sim.market import LevelOne, Market
from tradeassistd.sim.past import FIRST_DAY, Opening, Past, main_window, ny_date, trading_window

MINUTES_BACK_DAYS = 48
COARSE_BACK_DAYS = 274
"""Nine months."""
LOOK_BACK_DAYS = 8
CHICAGO = ZoneInfo("America/Chicago")

_PERIODS = {"day": (1, 2, 3, 4, 5, 10), "month": (1, 2, 3, 6), "year": (1, 2, 3, 5, 10, 15, 20), "ytd": (1,)}
_DEFAULT_PERIOD = {"day": 10, "month": 1, "year": 1, "ytd": 1}
_FREQUENCIES = {
    "day": ("minute",), "month": ("weekly", "daily"), "year": ("monthly", "weekly", "daily"),
    "ytd": ("weekly", "daily", "monthly"),
}  # fmt: skip
"""The first is the default."""
_MINUTES = (1, 5, 10, 15, 30)
_LAST_MS = 4_102_444_800_000
"""2100: who asks for later means the same."""
_BOOLEANS = {"": None, "true": True, "false": False}


INVERTED = "inverted date: startDate is after endDate"


class BadRequest(Exception):
    """What is asked cannot be answered: 400, with these words."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of one symbol. `start` and `end` are days of New York, both included."""

    symbol: str
    frequency: str
    """minute, daily, weekly or monthly."""
    minutes: int
    start: date
    end: date
    extended: bool
    previous_close: bool


class History:
    """The candles of a market: `minutes` is what it streamed; before its start they are made up with its seed.

    `futures` says whether Schwab gives any of futures, which its answers differ about: not given, they are `empty`.
    """

    def __init__(self, market: Market, minutes: Minutes, *, futures: bool = True) -> None:
        self._market = market
        self._futures = futures
        self._minutes = minutes
        self._pasts: dict[str, Past | None] = {}
        self._openings = {
            key: _opening(record, market.start_us) for key in market.symbols if (record := market.find(key)) is not None
        }

    def instrument(self, symbol: str) -> Instrument | None:
        """What the symbol is; None when the market has no such one."""
        record = self._market.find(symbol)
        return None if record is None else record.listing.instrument

    def body(self, query: Query, now_us: int, lens: CandleLens) -> bytes:
        """The JSON of the answer as of that market time. Raises BadRequest."""
        instrument = self.instrument(query.symbol)
        if instrument is None or (instrument.kind is InstrumentClass.FUTURE and not self._futures):
            return answer(query.symbol, [])
        check_days(instrument, query)
        candles = lens.see(query.symbol, self.candles(query, now_us - lens.late_us))
        return answer(query.symbol, candles, self._previous_close(query, now_us))

    def candles(self, query: Query, now_us: int) -> list[Candle]:
        """The candles that can be had at that market time, in order; daily and longer ones begin at Chicago's
        midnight."""
        if query.frequency == "minute":
            return self._of_minutes(query, now_us)
        daily = [(day, candle) for day in _days(query) if (candle := self.day(query.symbol, day, now_us)) is not None]
        if query.frequency == "daily":
            return [candle._replace(start_us=chicago_midnight_us(day)) for day, candle in daily]
        first = _monday if query.frequency == "weekly" else _first_of_month
        grouped = groupby(daily, lambda one: first(one[0]))
        return [whole(chicago_midnight_us(day), [candle for _, candle in group]) for day, group in grouped]

    def streamed(self, symbol: str, from_us: int, to_us: int) -> list[Candle]:
        """The minutes the market made itself that begin within the bounds, the later one not included."""
        return self._minutes.candles(symbol, from_us, to_us)

    def minutes(self, symbol: str, day: date, now_us: int) -> list[Candle]:
        """The one-minute candles of a day of New York that can be had at that market time."""
        instrument = self.instrument(symbol)
        if instrument is None:
            return []
        from_us, to_us = instant_us(day, 0), instant_us(day + timedelta(days=1), 0)
        made: list[Candle] = []
        if from_us < self._market.start_us and (past := self._past(symbol, instrument)) is not None:
            both = (*past.minutes(day), *(past.minutes(day + timedelta(days=1)) if _has_evening(instrument) else ()))
            made = [candle for candle in both if from_us <= candle.start_us < to_us]
        known = [*made, *self._minutes.candles(symbol, from_us, to_us)]
        while known and published_us(symbol, known[-1].start_us) > now_us:
            known.pop()
        return known

    def last_minute(self, symbol: str, now_us: int) -> Candle | None:
        """The latest minute that can be had at that market time, of the last `LOOK_BACK_DAYS`."""
        day = ny_date(now_us)
        found = (self.minutes(symbol, day - timedelta(days=back), now_us) for back in range(LOOK_BACK_DAYS))
        return next((candles[-1] for candles in found if candles), None)

    def day(self, symbol: str, day: date, now_us: int) -> Candle | None:
        """The candle of a trading day that is over; None when there is none (yet)."""
        instrument = self.instrument(symbol)
        window = None if instrument is None else main_window(instrument, day)
        if instrument is None or window is None:
            return None
        if published_us(symbol, window.open_us, window.close_us - window.open_us) > now_us:
            return None
        past = self._past(symbol, instrument) if window.close_us <= self._market.start_us else None
        if past is not None and (candle := past.candle(day)) is not None:
            return candle
        days = sorted({ny_date(window.open_us), day})
        parts = [candle for one in days for candle in self.minutes(symbol, one, now_us)]
        inside = [candle for candle in parts if window.open_us <= candle.start_us < window.close_us]
        return whole(window.open_us, inside) if inside else None

    def _of_minutes(self, query: Query, now_us: int) -> list[Candle]:
        instrument = self.instrument(query.symbol)
        back = MINUTES_BACK_DAYS if query.minutes == 1 else COARSE_BACK_DAYS
        oldest = ny_date(now_us) - timedelta(days=back)
        found: list[Candle] = []
        for day in _days(query, oldest):
            candles = self.minutes(query.symbol, day, now_us)
            if instrument is not None and not query.extended and instrument.kind is InstrumentClass.EQUITY:
                candles = _inside(candles, instrument, day)
            found += candles
        if query.minutes == 1:
            return found
        length_us = query.minutes * MINUTE_US
        longer = list(merged(found, length_us))
        while longer and published_us(query.symbol, longer[-1].start_us, length_us) > now_us:
            longer.pop()
        return longer

    def _previous_close(self, query: Query, now_us: int) -> tuple[int, date] | None:
        """Close and date of the trading day before the span."""
        instrument = self.instrument(query.symbol)
        if instrument is None or not query.previous_close:
            return None
        day = business_day_before(instrument, query.start)
        candle = self.day(query.symbol, day, now_us) if day >= FIRST_DAY else None
        return (candle.close, day) if candle is not None else None

    def _past(self, symbol: str, instrument: Instrument) -> Past | None:
        """The days before the start; None of a symbol that came later, or that nothing is known of."""
        if symbol not in self._pasts:
            opening = self._openings.get(symbol)
            if opening is not None and not opening.price and not instrument.zero_is_a_price:
                price = self._market.first_price(symbol)
                opening = opening._replace(price=price, previous_close=price) if price else None
            self._pasts[symbol] = (
                None if opening is None else Past(self._market.seed, instrument, _character(instrument), opening)
            )
        return self._pasts[symbol]


def read_query(params: Mapping[str, str], instrument: Instrument | None, now_us: int) -> Query:
    """The query of a request, as of that market time. Raises BadRequest."""
    symbol = params.get("symbol", "").strip()
    if not symbol:
        raise BadRequest("symbol is missing")
    period_type = _one_of(params, "periodType", tuple(_PERIODS), "day")
    frequency = _one_of(params, "frequencyType", _FREQUENCIES[period_type], _FREQUENCIES[period_type][0])
    number = _whole(params, "frequency")
    number = 1 if number is None else number
    if number not in (_MINUTES if frequency == "minute" else (1,)):
        raise BadRequest(f"frequency {number} is not valid for frequencyType {frequency}")
    period = _whole(params, "period")
    period = _DEFAULT_PERIOD[period_type] if period is None else period
    if period not in _PERIODS[period_type]:
        raise BadRequest(f"period {period} is not valid for periodType {period_type}")
    today = ny_date(now_us)
    end_ms, start_ms = _whole(params, "endDate"), _whole(params, "startDate")
    clock = instrument if instrument is not None else instrument_of("SPY")
    end = business_day_before(clock, today) if end_ms is None else min(_day_of(end_ms), today)
    start = _back(clock, end, period_type, period) if start_ms is None else _day_of(start_ms)
    extended, previous = (_boolean(params, name) for name in ("needExtendedHoursData", "needPreviousClose"))
    return Query(symbol, frequency, number, start, end, extended is not False, previous is True)


def check_days(instrument: Instrument, query: Query) -> None:
    """Raises BadRequest unless the symbol trades on one of the days."""
    if query.start > query.end or not any(_trades_on(instrument, day) for day in _days(query)):
        raise BadRequest(INVERTED)


def answer(symbol: str, candles: list[Candle], previous: tuple[int, date] | None = None) -> bytes:
    """The body of a 200."""
    rows = ",".join(
        [
            f'{{"open":{price_text(one.open)},"high":{price_text(one.high)},"low":{price_text(one.low)},'
            f'"close":{price_text(one.close)},"volume":{one.volume},"datetime":{one.start_us // US_PER_MS}}}'
            for one in candles
        ]
    )
    more = ""
    if previous is not None:
        day_ms = chicago_midnight_us(previous[1]) // US_PER_MS
        more = f',"previousClose":{price_text(previous[0])},"previousCloseDate":{day_ms}'
    return f'{{"candles":[{rows}],"symbol":"{symbol}","empty":{"false" if candles else "true"}{more}}}'.encode()


def business_day_before(instrument: Instrument, day: date) -> date:
    """The last day before on which the instrument trades; not before `FIRST_DAY`."""
    day -= timedelta(days=1)
    while day > FIRST_DAY and trading_window(instrument, day) is None:
        day -= timedelta(days=1)
    return day


def chicago_midnight_us(day: date) -> int:
    """When that day begins in Chicago, which is what daily candles carry."""
    return int(datetime.combine(day, time(), CHICAGO).astimezone(UTC).timestamp()) * US_PER_S


def _days(query: Query, oldest: date = FIRST_DAY) -> Iterator[date]:
    day = max(query.start, oldest, FIRST_DAY)
    while day <= query.end:
        yield day
        day += timedelta(days=1)


def _has_evening(instrument: Instrument) -> bool:
    """Whether a day of New York holds the beginning of the next trading day."""
    return instrument.kind is InstrumentClass.FUTURE


def _trades_on(instrument: Instrument, day: date) -> bool:
    if trading_window(instrument, day) is not None:
        return True
    return _has_evening(instrument) and trading_window_at(instrument, instant_us(day, 23 * 60)) is not None


def _inside(candles: list[Candle], instrument: Instrument, day: date) -> list[Candle]:
    window = window_at(instrument, "rth", instant_us(day, 630))
    return [one for one in candles if window is not None and window.open_us <= one.start_us < window.close_us]


def _back(instrument: Instrument, end: date, period_type: str, period: int) -> date:
    """The first day of a period that ends with `end`."""
    if period_type == "ytd":
        return end.replace(month=1, day=1)
    if period_type == "day":
        day = end
        for _ in range(period - 1):
            day = business_day_before(instrument, day)
        return day
    months = end.year * 12 + end.month - 1 - period * (12 if period_type == "year" else 1)
    return date(months // 12, months % 12 + 1, min(end.day, 28))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


def _opening(record: LevelOne, at_us: int) -> Opening:
    layout, values = record.listing.layout, record.values
    numbers = (layout.last, layout.close, layout.open, layout.high, layout.low)
    return Opening(at_us, *(price_from_text(values[number]) for number in numbers))


def _character(instrument: Instrument) -> Character:
    """How the symbol behaves; a plain one for what the made-up market does not know."""
    try:
        return character_of(instrument.root)
    except ConfigError:
        return Character(instrument.root, 100.0, beta=0.3, own_vol=5e-5, daily_volume=50_000)


def _day_of(ms: int) -> date:
    return ny_date(min(max(ms, 0), _LAST_MS) * US_PER_MS)


def _one_of(params: Mapping[str, str], name: str, known: tuple[str, ...], default: str) -> str:
    value = params.get(name, default)
    if value not in known:
        raise BadRequest(f"{name} {value} is not valid; valid are {', '.join(known)}")
    return value


def _boolean(params: Mapping[str, str], name: str) -> bool | None:
    value = params.get(name, "").lower()
    if value not in _BOOLEANS:
        raise BadRequest(f"{name} must be true or false")
    return _BOOLEANS[value]


def _whole(params: Mapping[str, str], name: str) -> int | None:
    value = params.get(name)
    if value is None:
        return None
    if not (value.removeprefix("-").isascii() and value.removeprefix("-").isdecimal()):
        raise BadRequest(f"{name} must be a whole number")
    return int(value)
