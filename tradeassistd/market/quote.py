"""Merges level-one changes into full quotes, and tells trades by volume.

Schwab sends a full image after a subscription and then only what changed; a zero often means "none yet" (recorded
pre-market frames show them). `None` in a change means: not sent. A price that is not plausible for the instrument is
taken for unknown: of breadth figures Schwab is known to send some that are wrong by thousands (schwab_protocol 5.3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from tradeassistd.market.instrument import Instrument, instrument_of
from tradeassistd.market.price import PRICE_SCALE, price_from_float
from tradeassistd.market.tick import Field, Tick

# Plain integers: an operator of IntFlag costs more than all the rest of a merge.
_LAST, _BID, _ASK, _VOLUME = int(Field.LAST), int(Field.BID), int(Field.ASK), int(Field.VOLUME)
_BID_SIZE, _ASK_SIZE = int(Field.BID_SIZE), int(Field.ASK_SIZE)
_TRADE, _IMAGE, _DELAYED = int(Field.TRADE), int(Field.IMAGE), int(Field.DELAYED)
_FACT_PRICES = ("open", "high", "low", "prev_close", "year_high", "year_low")
_OF_THE_DAY = ("open", "high", "low")


class Change(msgspec.Struct, gc=False):
    """One level-one item as it came: prices and sizes as numbers, times in UTC milliseconds; None: not sent."""

    symbol: str
    last: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    volume: float | None = None
    trade_ms: float | None = None
    quote_ms: float | None = None
    delayed: bool | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    prev_close: float | None = None
    status: str | None = None
    contract: str | None = None
    year_high: float | None = None
    year_low: float | None = None


@dataclass(slots=True)
class DayFacts:
    """Slow values of a symbol's day; prices are scaled integers, None is unknown."""

    open: int | None = None
    high: int | None = None
    low: int | None = None
    prev_close: int | None = None
    status: str = ""
    contract: str = ""
    year_high: int | None = None
    """Extremes of the last 52 weeks; futures have none."""
    year_low: int | None = None


STORABLE = (-(10**10) * PRICE_SCALE, 10**10 * PRICE_SCALE)
"""Of a symbol of which nothing else is known every price is plausible that can be stored and counted with."""


class Quote:
    """The merged quote of one symbol on one connection."""

    def __init__(self, symbol: str, instrument: Instrument | None = None, *, delayed_is_unknown: bool = False) -> None:
        """`instrument` is what is known of the symbol, by default the built-in facts.

        `delayed_is_unknown`: while Schwab marks the symbol as delayed, its prices are unknown.
        """
        self.instrument = instrument or instrument_of(symbol)
        self.doubted: list[float] = []
        """Prices that were not plausible, since the caller last emptied it."""
        self._low, self._high = self.instrument.plausible or STORABLE
        self._has_quote = self.instrument.has_quote
        self._has_volume = self.instrument.has_volume
        self._zero_is_a_price = self.instrument.zero_is_a_price
        self.facts = DayFacts()
        self._symbol = symbol
        self._fresh = True
        self._last: int | None = None
        self._bid: int | None = None
        self._ask: int | None = None
        self._bid_size: int | None = None
        self._ask_size: int | None = None
        self._volume: int | None = None
        self._trade_ms: int | None = None
        self._quote_ms: int | None = None
        self._delayed = False
        self._delayed_is_unknown = delayed_is_unknown
        self._shows_otherwise = False
        """Its prices have just become unknown, or known, by what Schwab says of delay."""
        self._told = DayFacts()

    @property
    def bid(self) -> int | None:
        """The best bid."""
        return self._bid

    @property
    def ask(self) -> int | None:
        """The best ask."""
        return self._ask

    @property
    def delayed(self) -> bool:
        """Whether Schwab marks the symbol as delayed."""
        return self._delayed

    @property
    def told_facts(self) -> DayFacts:
        """The slow values as they are told.

        From the reset at 03:30 to the first trade open, high and low are all 0, also where 0 is a value of its own.
        """
        facts = self.facts
        if self._hidden or (self._zero_is_a_price and not (facts.open or facts.high or facts.low)):
            return replace(facts, open=None, high=None, low=None)
        return facts

    @property
    def unknown(self) -> tuple[str, ...]:
        """The prices that Schwab has not sent, or sent as 0 or as a value that is not plausible."""
        quoted = {"last": self._last, "bid": self._bid, "ask": self._ask} if self._has_quote else {"last": self._last}
        told = self.told_facts
        facts = {name: getattr(told, name) for name in (*_OF_THE_DAY, "prev_close")}
        return tuple(name for name, value in (quoted | facts).items() if value is None)

    @property
    def awaits_image(self) -> bool:
        """Whether the next change is the full image."""
        return self._fresh

    def as_of(self, instrument: Instrument) -> Quote:
        """The same quote as other facts have it; the next change follows on this one, and is no image."""
        new = Quote(self._symbol, instrument, delayed_is_unknown=self._delayed_is_unknown)
        for name in ("_fresh", "_bid_size", "_ask_size", "_volume", "_trade_ms", "_quote_ms", "_delayed"):
            setattr(new, name, getattr(self, name))
        for name in ("_last", "_bid", "_ask"):
            setattr(new, name, new._sound(getattr(self, name)))
        new.facts = replace(self.facts)
        for name in _FACT_PRICES:
            setattr(new.facts, name, new._sound(getattr(self.facts, name)))
        new._told = replace(new.told_facts)
        return new

    def image(self, event_us: int) -> Tick:
        """The whole quote as it stands, as after a subscription."""
        changed = _LAST | _BID | _ASK | _IMAGE | _DELAYED * self._delayed
        if self._hidden:
            return self._without_prices(event_us, changed)
        return Tick(event_us, self._symbol, self._last, self._bid, self._ask, self._bid_size, self._ask_size,
                    self._volume, self._trade_ms, self._quote_ms, None, changed)  # fmt: skip

    def merge(self, event_us: int, change: Change) -> Tick:
        """Take one change; the first on a connection is the full image. Gives the tick it makes."""
        changed = 0
        if change.last is not None:
            last = self._price(change.last)
            changed |= _LAST * (last != self._last)
            self._last = last
        if self._has_quote:
            changed |= self._merge_quote(change)
        traded = self._merge_volume(change) if self._has_volume else None
        changed |= _VOLUME * (traded is not None)
        trade_moved = change.trade_ms is not None and int(change.trade_ms) != (self._trade_ms or 0)
        if change.trade_ms is not None:
            self._trade_ms = int(change.trade_ms) or None
        if change.quote_ms is not None:
            self._quote_ms = int(change.quote_ms) or None
        if change.delayed is not None:
            self._take_delayed(change.delayed)
            if self._shows_otherwise:
                changed |= _LAST | _BID | _ASK
                self._shows_otherwise = False
        size = traded if traded and traded > 0 else None
        if not self._has_volume and self._last is not None and (changed & _LAST or trade_moved):
            size = 0
        if self._fresh:
            # The image sets the base of the volume; what it reports was traded while nobody watched.
            changed, size, self._fresh = changed | _IMAGE, None, False
        if size is not None and self._last is not None:
            changed |= _TRADE
        else:
            size = None
        if self._delayed and self._delayed_is_unknown:
            return self._without_prices(event_us, changed & ~_TRADE | _DELAYED)
        return Tick(event_us, self._symbol, self._last, self._bid, self._ask, self._bid_size, self._ask_size,
                    self._volume, self._trade_ms, self._quote_ms, size,
                    changed | _DELAYED * self._delayed)  # fmt: skip

    def merge_facts(self, change: Change) -> bool:
        """Take the slow values of a change; whether any of them moved."""
        if (
            change.open is None and change.high is None and change.low is None and change.prev_close is None
            and change.status is None and change.contract is None and change.year_high is None
            and change.year_low is None and change.delayed is None
        ):  # fmt: skip
            return False  # nearly always
        if change.delayed is not None:
            self._take_delayed(change.delayed)
        facts = self.facts
        for name in _FACT_PRICES:
            value: float | None = getattr(change, name)
            if value is not None:
                setattr(facts, name, self._price(value) if value or name in _OF_THE_DAY else None)
        if change.status is not None:
            facts.status = change.status
        if change.contract is not None:
            if facts.contract and change.contract != facts.contract:
                self._forget_prices()
            facts.contract = change.contract
        before, self._told = self._told, replace(self.told_facts)
        return before != self._told

    def _forget_prices(self) -> None:
        """Another contract stands behind the root: what is not sent of it is unknown, and not what the old one was."""
        self._last = self._bid = self._ask = self._bid_size = self._ask_size = self._volume = None

    def _take_delayed(self, delayed: bool) -> None:
        if delayed != self._delayed:
            self._delayed, self._shows_otherwise = delayed, self._delayed_is_unknown

    @property
    def _hidden(self) -> bool:
        return self._delayed and self._delayed_is_unknown

    def _without_prices(self, event_us: int, changed: int) -> Tick:
        return Tick(event_us, self._symbol, None, None, None, None, None, self._volume, self._trade_ms,
                    self._quote_ms, None, changed)  # fmt: skip

    def _merge_quote(self, change: Change) -> int:
        changed = 0
        if change.bid is not None:
            bid = self._price(change.bid)
            changed |= _BID * (bid != self._bid)
            self._bid = bid
        if change.ask is not None:
            ask = self._price(change.ask)
            changed |= _ASK * (ask != self._ask)
            self._ask = ask
        if change.bid_size is not None:
            bid_size = int(change.bid_size)
            changed |= _BID_SIZE * (bid_size != self._bid_size)
            self._bid_size = bid_size
        if change.ask_size is not None:
            ask_size = int(change.ask_size)
            changed |= _ASK_SIZE * (ask_size != self._ask_size)
            self._ask_size = ask_size
        return changed

    def _merge_volume(self, change: Change) -> int | None:
        """By how much the day's volume moved: a rise is a trade, a fall (reset, roll, new day) only a new base."""
        if change.volume is None:
            return None
        volume, before = int(change.volume), self._volume
        self._volume = volume
        if before is None:
            return 0
        return volume - before if volume != before else None

    def _price(self, value: float) -> int | None:
        if value == 0 and not self._zero_is_a_price:
            return None
        price = price_from_float(value)
        if not self._low <= price <= self._high:
            self.doubted.append(value)
            return None
        return price

    def _sound(self, price: int | None) -> int | None:
        """A price that was taken under other facts, as these have it."""
        return None if price is None else self._price(price / PRICE_SCALE)
