"""One instrument of the made-up market: keeps its quote and its day, and turns a fair value into trades and quotes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import exp, floor, sqrt
from random import Random

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.instrument import InstrumentClass
from tradeassistd.market.price import PRICE_SCALE, price_text
from tradeassistd.market.session import Window, trading_window_at, window_at
from tradeassistd.sim.catalogue import Character
from tradeassistd.sim.contracts import Contract, next_contract
from tradeassistd.sim.daytime import CLOSE_MINUTE, OPEN_MINUTE, PRICES_RESET, volume_until
from tradeassistd.sim.fields import Equity, Future
from tradeassistd.sim.listing import listing_of
from tradeassistd.sim.market import Fields, LevelOne

TRADE_SHARE = 0.6
"""Of the changes of an instrument with a quote, how many are trades; the others move the quote only."""
LOOK_AGAIN_US = 60 * US_PER_S
_OWN_MEMORY_S = 1800.0
_CARRY_PER_MONTH = 0.003
"""A later contract trades so much higher for each month."""
_DAYS_PER_MONTH = 30.4


class Maker:
    """Makes one instrument's changes. All prices inside are whole ticks; `level_one` is what has been *sent* so far.

    What it makes is put into `level_one` by the market when its time has come, not before: the maker is a little ahead.
    """

    def __init__(self, character: Character, seed: int, start_us: int, contract: Contract | None = None) -> None:
        """`contract` is the one in front; without it, the one that trades most at the start."""
        self.character = character
        self.chance = Random(f"{seed}:{contract.symbol if contract else character.symbol}")
        self.level_one = LevelOne(listing_of(character.symbol, start_us, contract))
        self.instrument = self.level_one.listing.instrument
        self._layout = self.level_one.listing.layout
        self._tick = self.instrument.tick_size
        self._own = 0.0
        self._own_us = start_us
        self._window: Window | None = None
        self._look_us = start_us
        self.close = self._ticks(character.previous_close)
        self._bid = self._last = self._regular_last = self.close
        self._open = self._high = self._low = 0
        self._has_traded = False
        self._volume = 0

    def is_trading(self, at_us: int) -> bool:
        """Whether its market is open. Instants must not run backwards."""
        if self._window is not None and at_us < self._window.close_us:
            return True
        if at_us < self._look_us:
            return False
        self._window = trading_window_at(self.instrument, at_us)
        self._look_us = at_us // LOOK_AGAIN_US * LOOK_AGAIN_US + LOOK_AGAIN_US
        return self._window is not None

    def fair(self, market: float, tech: float, at_us: int) -> float:
        """The fair value in ticks: the factors' shares plus its own wandering, which fades within the half hour."""
        one = self.character
        since_s = (at_us - self._own_us) / US_PER_S
        if one.own_vol and since_s > 0:
            faded = self._own * exp(-since_s / _OWN_MEMORY_S)
            self._own = faded + one.own_vol * sqrt(since_s) * self.chance.gauss(0.0, 1.0)
            self._own_us = at_us
        value = one.previous_close * exp(one.beta * market + one.tech * tech + self._own)
        return value * PRICE_SCALE / self._tick

    def begin(self, fair: float, minute: float, at_us: int) -> None:
        """Set the state a client finds at the start: quote, last, and the day so far."""
        self._follow(fair)
        kind = self.instrument.kind
        # What is not published now stands where it stood at the last close; futures and stocks have a price all night.
        self._last = round(fair) if self.instrument.has_quote or self.is_trading(at_us) else self.close
        in_regular = OPEN_MINUTE <= minute < CLOSE_MINUTE
        before_open = PRICES_RESET <= minute <= OPEN_MINUTE
        if kind is InstrumentClass.FUTURE or not before_open:
            reach = max(1, round(abs(self._last) * 0.0015)) if kind is not InstrumentClass.INTERNAL else 200
            self._has_traded = True
            self._open = self._last + self.chance.randint(-reach, reach)
            self._high = max(self._open, self._last) + self.chance.randint(0, reach)
            self._low = min(self._open, self._last) - self.chance.randint(0, reach)
        if not before_open:
            self._regular_last = self._last
        if self.instrument.has_volume:
            self._volume = volume_until(kind, self.character.daily_volume, minute)
        past_ms = self.chance.randint(200, 3_000) if self.is_trading(at_us) or in_regular else 3_600_000
        stamp = str(at_us // US_PER_MS - past_ms)
        fields = [*self._trade_fields(stamp), *self._standing_fields(), *self._day_fields()]
        if self.instrument.has_quote:
            fields += self._quote_fields(stamp)
            fields += ((self._layout.last_size, "100"), (self._layout.volume, str(self._volume)))
        self.level_one.put(fields)

    def change(self, fair: float, at_us: int, mean_size: float) -> tuple[Fields, Fields]:
        """One change at that instant: fields that may have changed, and times that are always sent."""
        stamp = str(at_us // US_PER_MS)
        if not self.instrument.has_quote:
            return self._sample(round(fair), stamp, at_us), [(self._layout.trade_ms, stamp)]
        fields: Fields = []
        times: Fields = []
        moved = self._follow(fair)
        if self.chance.random() < TRADE_SHARE:
            fields += self._trade(fair, stamp, at_us, mean_size)
            times.append((self._layout.trade_ms, stamp))
        if moved or not times:
            fields += self._quote_fields(stamp)
            times.append((self._layout.quote_ms, stamp))
        return fields, times

    def next_in_line(self, seed: int, at_us: int, by: Decimal | None) -> Maker:
        """The maker of the next contract, which trades `by` higher: at the same moves, with a day of its own so far."""
        contract = self.level_one.listing.contract
        assert contract is not None  # only futures roll
        following = next_contract(contract)
        months = (following.expiry_month - contract.expiry_month).days / _DAYS_PER_MONTH
        factor = 1 + (float(by) if by is not None else _CARRY_PER_MONTH * months)
        character = replace(self.character, previous_close=self.character.previous_close * factor)
        maker = Maker(character, seed, at_us, following)
        maker._own, maker._own_us = self._own, self._own_us
        maker.close = round(self.close * factor)
        return maker

    def reset_prices(self) -> Fields:
        """A new day: high, low and open are none yet, and what was last becomes the previous close."""
        self.close = self._last if self.instrument.kind is InstrumentClass.FUTURE else self._regular_last
        self._open = self._high = self._low = 0
        self._has_traded = False
        return [*self._standing_fields(), *self._day_fields(), *self._net_fields()]

    def reset_volume(self) -> Fields:
        """A new day's volume."""
        self._volume = 0
        return [(self._layout.volume, "0")]

    def _follow(self, fair: float) -> bool:
        """Move the quote when fair value has left it; whether it moved."""
        spread = self.character.spread_ticks
        if self._bid - 0.3 <= fair <= self._bid + spread + 0.3:
            return False
        self._bid = floor(fair - (spread - 1) / 2)
        return True

    def _trade(self, fair: float, stamp: str, at_us: int, mean_size: float) -> Fields:
        spread = self.character.spread_ticks
        lifts = self.chance.random() < (fair - self._bid) / spread
        self._last = self._bid + spread if lifts else self._bid
        size = max(1, round(self.chance.expovariate(1 / mean_size)))
        if size > 100 and self.instrument.kind is InstrumentClass.EQUITY and self.chance.random() < 0.7:
            size -= size % 100
        self._volume += size
        fields = self._trade_fields(stamp)
        fields += ((self._layout.last_size, str(size)), (self._layout.volume, str(self._volume)))
        if window_at(self.instrument, "rth", at_us) is not None:
            if self.instrument.kind is InstrumentClass.EQUITY:
                fields += self._regular_fields(stamp, size)
            fields += self._extend_day()
        elif self.instrument.kind is InstrumentClass.FUTURE:
            fields += self._extend_day()
        return fields

    def _sample(self, value: int, stamp: str, at_us: int) -> Fields:
        self._last = self._regular_last = value
        regular = window_at(self.instrument, "rth", at_us) is not None
        return [*self._trade_fields(stamp), *(self._extend_day() if regular else [])]

    def _extend_day(self) -> Fields:
        if not self._has_traded:
            self._has_traded = True
            self._open = self._high = self._low = self._last
        elif self._low <= self._last <= self._high:
            return []
        self._high = max(self._high, self._last)
        self._low = min(self._low, self._last)
        return self._day_fields()

    def _text(self, ticks: int) -> str:
        return price_text(ticks * self._tick)

    def _ticks(self, points: float) -> int:
        return round(points * PRICE_SCALE / self._tick)

    def _trade_fields(self, stamp: str) -> Fields:
        fields = [(self._layout.last, self._text(self._last)), (self._layout.trade_ms, stamp), *self._net_fields()]
        if self.instrument.has_quote:
            fields.append((self._layout.mark, self._text(self._last)))
        return fields

    def _net_fields(self) -> Fields:
        change = self._last - self.close
        percent = 100 * change / self.close if self.close else 0.0
        return [(self._layout.net_change, self._text(change)), (self._layout.net_percent, f"{percent:.8f}")]

    def _quote_fields(self, stamp: str) -> Fields:
        layout, usual = self._layout, self.character.quote_size
        sizes = [str(max(1, round(usual * exp(self.chance.gauss(-0.2, 0.7))))) for _ in range(2)]
        ask = self._text(self._bid + self.character.spread_ticks)
        return [
            (layout.bid, self._text(self._bid)), (layout.ask, ask), (layout.bid_size, sizes[0]),
            (layout.ask_size, sizes[1]), (layout.quote_ms, stamp), (layout.bid_ms, stamp), (layout.ask_ms, stamp),
        ]  # fmt: skip

    def _day_fields(self) -> Fields:
        layout = self._layout
        return [
            (layout.open, self._text(self._open)),
            (layout.high, self._text(self._high)),
            (layout.low, self._text(self._low)),
        ]

    def _standing_fields(self) -> Fields:
        """What holds for the whole day."""
        close = self._text(self.close)
        if self.instrument.kind is InstrumentClass.FUTURE:
            return [(self._layout.close, close), (Future.SETTLEMENT_PRICE, close)]
        fields = [(self._layout.close, close)]
        if self.instrument.kind is InstrumentClass.INTERNAL:
            return fields
        year = self._ticks(self.character.previous_close)
        fields += ((Equity.HIGH_52_WEEK, self._text(year * 9 // 8)), (Equity.LOW_52_WEEK, self._text(year * 3 // 4)))
        if self.instrument.kind is InstrumentClass.EQUITY:
            fields.append((Equity.REGULAR_LAST, self._text(self._regular_last)))
        return fields

    def _regular_fields(self, stamp: str, size: int) -> Fields:
        self._regular_last = self._last
        net, percent = self._net_fields()
        return [
            (Equity.REGULAR_LAST, self._text(self._last)),
            (Equity.REGULAR_LAST_SIZE, str(size)),
            (Equity.REGULAR_NET_CHANGE, net[1]),
            (Equity.REGULAR_NET_PERCENT, percent[1]),
            (Equity.REGULAR_TRADE_MS, stamp),
        ]
