"""Candles of one symbol from Schwab's pricehistory, as bars; the manners of that endpoint are met here, nowhere else.

What is known of it (schwab_protocol 7): it honours bounds by day only, so what lies outside is left out here; without
both bounds it means another span; dates and `period` exclude each other; a span in which no market was open is refused
with HTTP 400 ("inverted date"); minutes go back some 48 days, five minutes some nine months; the minute that is just
over may be missing or grow for some seconds; of futures there may be nothing at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.feed.rest import Declined, Rest
from tradeassistd.market.bar import INTERVALS_S, Bar
from tradeassistd.market.instrument import InstrumentClass, instrument_of
from tradeassistd.market.price import price_from_float
from tradeassistd.market.session import ALWAYS, NEW_YORK

INTERVALS = ("1m", "5m", "1d")
"""What is asked for. (Schwab also makes 10, 15 and 30 minutes, weeks and months.)"""
DEPTH_DAYS = {"1m": 48, "5m": 270}
"""How many calendar days back Schwab has candles of an interval; of `1d` decades."""
LATE_S = 30
"""So long after its end a candle may still be missing, or change."""
PRICE_MAX = 1e10
VOLUME_MAX = 1e15
"""Beyond these it is no price and no volume (and no integer that the store could hold)."""
CANDLES_PER_TURN = 250
"""Candles read between two turns of the daemon's other work."""
NOT_PROVIDED = "not provided: Schwab gives no candles of this future"
_CLOSED = "inverted"
_MINUTES = {"1m": "EVERY_MINUTE", "5m": "EVERY_FIVE_MINUTES"}


class Answer(NamedTuple):
    """What Schwab says of a span of one symbol."""

    outcome: Literal["given", "empty", "refused"]
    """given: it has candles of these days, if perhaps none between the bounds; empty: it has none of these days;
    refused: it does not tell, and asking again cannot help."""
    bars: tuple[Bar, ...]
    """Those that lie within the bounds, oldest first, none twice; session `always`."""
    detail: str
    """Why it is empty or refused, or what was odd; for people."""
    until_us: int
    """Up to then it is complete: later candles may be late, or were not over. At most the end that was asked for."""
    odd: tuple[int, ...] = ()
    """When candles began that made no sense and are left out: that nothing was traded then is not said."""
    is_refusal: bool = False
    """Schwab said no to the whole question, which may lie in one of its days."""


class _Candle(msgspec.Struct, gc=False):
    """As Schwab writes it; `datetime` is the start, milliseconds since the epoch."""

    datetime: int
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = None


class _Candles(msgspec.Struct, gc=False):
    candles: list[_Candle]


_read_candles = msgspec.json.Decoder(_Candles).decode


class History:
    """Asks for candles; patiently (feed.rest), one question after the other."""

    def __init__(self, rest: Rest, clock: Clock) -> None:
        self._rest = rest
        self._clock = clock

    async def minutes(self, symbol: str, from_us: int, to_us: int) -> Answer:
        """The official one-minute bars that lie between two instants, UTC microseconds; see `bars`."""
        return await self.bars(symbol, "1m", from_us, to_us)

    async def bars(self, symbol: str, interval: str, from_us: int, to_us: int) -> Answer:
        """The official bars of an interval (INTERVALS) that lie between two instants, UTC microseconds, in one call.

        A daily bar goes from midnight to midnight in New York, whatever hours its trades are of. A week of minutes is
        some 5,000 candles: ask for no more at once. Raises TransientError when it may be asked again (`retry_after_s`),
        also after somebody has logged in; ValueError for an interval Schwab does not make, or bounds the wrong way.
        """
        if interval not in INTERVALS or from_us >= to_us:
            raise ValueError(f"no candles of {interval} from {from_us} to {to_us}")
        now_us = self._clock.now_us()
        until_us = _closed_by(min(to_us, now_us - LATE_S * US_PER_S), interval)
        if from_us >= until_us:
            return Answer("given", (), "", from_us)
        try:
            found = await self._rest.call(_question(symbol, interval, from_us, to_us), read=_read, patient=True)
        except Declined as error:
            if _CLOSED in error.message.lower():
                return Answer("empty", (), "Schwab says that no market was open", until_us, is_refusal=True)
            return Answer("refused", (), error.message, until_us, is_refusal=True)
        except PermanentError as error:  # somebody has to log in first, and may do so at any time
            raise TransientError(error.message, hint=error.hint) from error
        if not found:
            return _without(symbol, interval, to_us, now_us, until_us)
        bars, odd = await _bars(symbol, interval, found, from_us, until_us)
        first_us, last_us = _midnight_us(_day(from_us)), _midnight_us(_day(to_us - 1) + timedelta(days=1))
        if not any(first_us <= candle.datetime * US_PER_MS < last_us for candle in found):
            return Answer("empty", (), "Schwab has candles of other days only", until_us)
        return Answer("given", bars, f"candles that made no sense: {len(odd)}" if odd else "", until_us, odd)


def oldest_us(interval: str, now_us: int) -> int:
    """Before that Schwab has no candles of an interval; 0 where it has decades."""
    days = DEPTH_DAYS.get(interval)
    return now_us - days * 86_400 * US_PER_S if days else 0


def too_old(interval: str) -> str:
    """Why there is nothing before `oldest_us`, in words."""
    return f"Schwab keeps candles of {interval} for {DEPTH_DAYS[interval]} days"


def _question(symbol: str, interval: str, from_us: int, to_us: int) -> Callable[[Any], Awaitable[Any]]:
    """The call on schwab-py's client: explicit bounds with their zone, and no `period` beside them."""
    start, end = (datetime.fromtimestamp(at_us // US_PER_S, UTC) for at_us in (from_us, to_us))

    def ask(client: Any) -> Awaitable[Any]:
        words = client.PriceHistory
        if interval == "1d":
            kind = {
                "period_type": words.PeriodType.YEAR, "frequency_type": words.FrequencyType.DAILY,
                "frequency": words.Frequency.DAILY,
            }  # fmt: skip
        else:
            kind = {
                "period_type": words.PeriodType.DAY, "frequency_type": words.FrequencyType.MINUTE,
                "frequency": words.Frequency[_MINUTES[interval]], "need_extended_hours_data": True,
            }  # fmt: skip
        answer: Awaitable[Any] = client.get_price_history(symbol, **kind, start_datetime=start, end_datetime=end)
        return answer

    return ask


def _read(response: Any) -> list[_Candle]:
    """Raises ValueError (msgspec's DecodeError is one) when it is no list of candles."""
    return _read_candles(response.content).candles


def _without(symbol: str, interval: str, to_us: int, now_us: int, until_us: int) -> Answer:
    """The answer when Schwab has not one candle."""
    if to_us <= oldest_us(interval, now_us):
        return Answer("empty", (), too_old(interval), until_us)
    if instrument_of(symbol).kind is InstrumentClass.FUTURE:
        return Answer("refused", (), NOT_PROVIDED, until_us)
    return Answer("empty", (), "Schwab has no candles of it", until_us)


async def _bars(
    symbol: str, interval: str, candles: list[_Candle], from_us: int, until_us: int
) -> tuple[tuple[Bar, ...], tuple[int, ...]]:
    """The bars within the bounds, oldest first, and the starts of odd candles; of two at once the later counts."""
    found, odd = dict[int, Bar](), list[int]()
    zero_is_a_price = instrument_of(symbol).zero_is_a_price
    for number, candle in enumerate(candles, 1):
        if not number % CANDLES_PER_TURN:
            await asyncio.sleep(0)  # ticks come on the same loop
        start_us, end_us = _bounds(interval, candle.datetime * US_PER_MS)
        if from_us <= start_us and end_us <= until_us:
            bar = _bar(symbol, interval, candle, start_us, end_us, zero_is_a_price=zero_is_a_price)
            if bar is None:
                odd.append(start_us)
            else:
                found[start_us] = bar
    return tuple(found[start_us] for start_us in sorted(found)), tuple(odd)


def _bar(
    symbol: str, interval: str, candle: _Candle, start_us: int, end_us: int, *, zero_is_a_price: bool
) -> Bar | None:
    """The bar of a candle; None for one that cannot be: a price missing, 0 for "none", a low above its close."""
    open_, high, low, close = candle.open, candle.high, candle.low, candle.close
    if open_ is None or high is None or low is None or close is None:
        return None
    if not -PRICE_MAX < low <= min(open_, close) <= max(open_, close) <= high < PRICE_MAX:
        return None
    if not zero_is_a_price and 0 in (open_, high, low, close):
        return None
    volume = candle.volume or 0.0
    if not 0 <= volume < VOLUME_MAX or (interval != "1d" and candle.datetime * US_PER_MS != start_us):
        return None
    return Bar(
        symbol, interval, ALWAYS, start_us, end_us, price_from_float(open_), price_from_float(high),
        price_from_float(low), price_from_float(close), round(volume), trades=0,
    )  # fmt: skip


def _bounds(interval: str, at_us: int) -> tuple[int, int]:
    """Start and end of the bar a candle belongs to. Of a day Schwab says midnight in Chicago."""
    if interval == "1d":
        return _midnight_us(_day(at_us)), _midnight_us(_day(at_us) + timedelta(days=1))
    length_us = INTERVALS_S[interval] * US_PER_S
    start_us = at_us // length_us * length_us
    return start_us, start_us + length_us


def _closed_by(at_us: int, interval: str) -> int:
    """The last end of a bar up to an instant."""
    return _bounds(interval, at_us)[0]


def _day(at_us: int) -> date:
    return datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).date()


def _midnight_us(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) * US_PER_S
