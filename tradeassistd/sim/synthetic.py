"""A made-up market: futures, indices, market internals and stocks that move together, the same for the same seed.

One factor moves everything, a second the technology shares; each instrument has a share in them and wanders a little by
itself (catalogue.py), episodes bring trends and bursts (episodes.py), and every minute of the day has its own busyness
(daytime.py). Time goes in slots of a tenth of a second, each a frame at a random millisecond of it; chance comes only
from generators seeded by name, so frames do not depend on speed or on who listens.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import exp, sqrt
from random import Random

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.instrument import InstrumentClass
from tradeassistd.market.price import PRICE_SCALE, price_from_text
from tradeassistd.market.session import trading_window_at
from tradeassistd.sim.catalogue import DEFAULT_SYMBOLS, character_of
from tradeassistd.sim.contracts import front_contract
from tradeassistd.sim.daytime import (
    GLOBEX_OPEN,
    PRICES_RESET,
    US_PER_MINUTE,
    VOLUME_RESET,
    NewYorkDay,
    flow,
    nervousness,
    next_reset_us,
)
from tradeassistd.sim.episodes import Episode, Script
from tradeassistd.sim.fields import Future
from tradeassistd.sim.internals import Internals
from tradeassistd.sim.listing import listing_of
from tradeassistd.sim.maker import TRADE_SHARE, Maker
from tradeassistd.sim.market import Batch, Change, Fields, LevelOne

SLOT_US = 100_000
TICKS_PER_S = 4.0
_MARKET_VOL = 5e-5
_TECH_VOL = 2.2e-5
_TECH_MEMORY_S = 5400.0
_SECONDS_PER_SESSION = 23_400

_Made = list[tuple[Maker, Fields, Fields]]


class SyntheticMarket:
    """Twelve instruments traders watch and a few stocks, from `start_us` (UTC microseconds) on, for ever.

    `ticks_per_s` is about how many changes a second an ordinary liquid symbol makes at noon of a regular session; the
    busiest make nearly twice as many, indices fewer. Closed instruments are silent. Raises ConfigError for a symbol it
    cannot make, or a rate that is not above 0.

    Hours, half days and holidays are those of market.session; at a Globex opening a future whose contract no longer
    trades most rolls to the next: the root goes on with the new contract, the old one goes on under its own name.
    `slot_us` is how fine the market is made: a week takes seconds to make with slots of 10 s, minutes as it is.
    """

    def __init__(
        self,
        seed: int,
        start_us: int,
        symbols: Sequence[str] = DEFAULT_SYMBOLS,
        *,
        ticks_per_s: float = TICKS_PER_S,
        slot_us: int = SLOT_US,
    ) -> None:
        if ticks_per_s <= 0:
            raise ConfigError(f"ticks_per_s {ticks_per_s} is not above 0", hint="use about 4 for a lively market")
        if not symbols:
            raise ConfigError("no symbols to make up", hint="name at least one, for example SPY")
        self._slot_length_us = slot_us
        self._start_us = start_us // US_PER_MS * US_PER_MS
        self._ticks_per_s = ticks_per_s
        self._seed = seed
        self._chance = Random(f"{seed}:market")
        self._market = self._chance.uniform(-0.004, 0.004)
        self._tech = 0.0
        self._slot_us = self._start_us
        self._reset_us = next_reset_us(self._start_us)
        self._open_day(self._start_us)
        self._rolled: list[tuple[Maker, Maker]] = []  # made and not yet passed: the old contract and the new one
        self._makers = [Maker(character_of(symbol), seed, self._start_us) for symbol in dict.fromkeys(symbols)]
        self._internals = Internals(seed, self._market)
        self._of_key = {key: maker.level_one for maker in self._makers for key in maker.level_one.listing.keys}
        minute = self._day.minute(self._start_us)
        for maker in self._makers:
            maker.begin(self._fair(maker, self._start_us), minute, self._start_us)
        self._first = {key: price_from_text(one.values[one.listing.layout.last]) for key, one in self._of_key.items()}
        self._next_us, self._made = self._make()

    @property
    def start_us(self) -> int:
        return self._start_us

    @property
    def seed(self) -> int:
        return self._seed

    @property
    def symbols(self) -> list[str]:
        return list(self._of_key)

    def first_price(self, key: str) -> int:
        return self._first.get(key, 0)

    def find(self, key: str) -> LevelOne | None:
        return self._of_key.get(key)

    def next_us(self) -> int | None:
        return self._next_us

    def roll(self, symbol: str, at_us: int, by: Decimal | None) -> Batch:
        """Put the next contract in front, `by` higher or at the usual carry; gives what changes under the root.

        Raises ConfigError when `symbol` is no root of this market.
        """
        old = next((one for one in self._makers if symbol in one.level_one.listing.keys), None)
        if old is None or old.instrument.kind is not InstrumentClass.FUTURE or symbol != old.instrument.root:
            raise ConfigError(f"{symbol} does not roll", hint="name the root of a future, for example /ES")
        new = self._next_in_line(old, at_us, by)
        self._change_front(old, new)
        return Batch(at_us // US_PER_MS * US_PER_MS, [Change(new.level_one, list(new.level_one.values.items()))])

    def step(self, before_us: int) -> Batch:
        for old, new in self._rolled:
            self._change_front(old, new)
        self._rolled.clear()
        changes = [Change(maker.level_one, maker.level_one.put(fields, times)) for maker, fields, times in self._made]
        batch = Batch(self._next_us, [change for change in changes if change.fields])
        self._next_us, self._made = self._make()
        return batch

    def _make(self) -> tuple[int, _Made]:
        """Make the next instant at which anything changes. A closed market is passed over minute by minute."""
        while True:
            at_us = self._slot_us
            if at_us >= self._reset_us:
                self._reset_us = next_reset_us(at_us)
                made = self._start_over(at_us)
            elif trading := [maker for maker in self._makers if maker.is_trading(at_us)]:
                length_us = self._slot_length_us
                self._slot_us = min(at_us // length_us * length_us + length_us, self._reset_us)
                at_us += self._chance.randrange((self._slot_us - at_us) // US_PER_MS) * US_PER_MS
                made = self._slot(trading, at_us)
            else:
                self._slot_us = min(at_us // US_PER_MINUTE * US_PER_MINUTE + US_PER_MINUTE, self._reset_us)
                made = []
            if made:
                return at_us, made

    def _slot(self, trading: list[Maker], at_us: int) -> _Made:
        """What changes within one slot, all of it at one instant."""
        if at_us >= self._day.ends_us:
            self._open_day(at_us)
        minute = self._day.minute(at_us)
        episode = self._script.at(minute)
        seconds = self._slot_length_us / US_PER_S
        self._move(episode, nervousness(minute, self._day.close_minute), seconds)
        made: _Made = []
        for maker in trading:
            kind = maker.instrument.kind
            now = flow(kind, minute, self._day.close_minute) * episode.volume
            pace = min(2.0, sqrt(now)) if maker.instrument.has_volume else 1.0
            per_s = self._ticks_per_s * maker.character.busyness * pace
            count = int(per_s * seconds + maker.chance.random())
            if count:
                fair = self._fair(maker, at_us)
                size = maker.character.daily_volume / _SECONDS_PER_SESSION * now / (per_s * TRADE_SHARE)
                made += [(maker, *maker.change(fair, at_us, size)) for _ in range(count)]
        return made

    def _move(self, episode: Episode, nervous: float, seconds: float) -> None:
        root = nervous * sqrt(seconds)
        self._market += episode.drift_per_s * seconds + _MARKET_VOL * root * self._chance.gauss(0.0, 1.0)
        self._tech *= exp(-seconds / _TECH_MEMORY_S)
        self._tech += _TECH_VOL * root * self._chance.gauss(0.0, 1.0)
        self._internals.advance(self._market, seconds)

    def _fair(self, maker: Maker, at_us: int) -> float:
        """The maker's fair value in its ticks."""
        if maker.instrument.kind is InstrumentClass.INTERNAL:
            return self._internals.value(maker.instrument.symbol) * PRICE_SCALE / maker.instrument.tick_size
        return maker.fair(self._market, self._tech, at_us)

    def _start_over(self, at_us: int) -> _Made:
        """The day's values that start over at this instant (protocol notes, 4.1; futures: the Globex day)."""
        day = NewYorkDay(at_us)
        made: _Made = []
        if at_us == day.instant_us(GLOBEX_OPEN):
            for maker in [one for one in self._makers if _opens(one, at_us)]:
                made.append((maker, [*maker.reset_prices(), *maker.reset_volume()], []))
                made += self._roll_over(maker, at_us)
        elif at_us == day.instant_us(PRICES_RESET) and day.has_stocks:
            self._internals.open_day()
            others = [one for one in self._makers if one.instrument.kind is not InstrumentClass.FUTURE]
            made += [(maker, maker.reset_prices(), []) for maker in others]
        elif at_us == day.instant_us(VOLUME_RESET) and day.has_stocks:
            equities = [one for one in self._makers if one.instrument.kind is InstrumentClass.EQUITY]
            made += [(maker, maker.reset_volume(), []) for maker in equities]
        return made

    def _roll_over(self, maker: Maker, at_us: int) -> _Made:
        """The next contract, should the maker's no longer trade most; one that has expired is made no more."""
        listing = maker.level_one.listing
        contract, root = listing.contract, maker.instrument.root
        if contract is not None and root not in listing.keys and contract.expiry < NewYorkDay(at_us).date:
            self._makers.remove(maker)
        if contract is None or root not in listing.keys or front_contract(root, at_us).expiry <= contract.expiry:
            return []
        new = self._next_in_line(maker, at_us, None)
        new.level_one.put(new.reset_prices())  # its day begins, too
        self._rolled.append((maker, new))
        return [(new, [], list(new.level_one.values.items()))]

    def _next_in_line(self, old: Maker, at_us: int, by: Decimal | None) -> Maker:
        new = old.next_in_line(self._seed, at_us, by)
        new.begin(self._fair(new, at_us), NewYorkDay(at_us).minute(at_us), at_us)
        return new

    def _change_front(self, old: Maker, new: Maker) -> None:
        """From now on the root means the new contract."""
        listing = old.level_one.listing
        assert listing.contract is not None
        old.level_one.listing = listing_of(listing.contract.symbol, 0, listing.contract, in_front=False)
        old.level_one.values[Future.ACTIVE] = "false"
        self._makers.append(new)
        self._of_key |= dict.fromkeys(new.level_one.listing.keys, new.level_one)

    def _open_day(self, at_us: int) -> None:
        self._day = NewYorkDay(at_us)
        self._script = Script(self._seed, self._day.date, has_stocks=self._day.has_stocks)


def _opens(maker: Maker, at_us: int) -> bool:
    """Whether a day of that future begins at this very instant."""
    if maker.instrument.kind is not InstrumentClass.FUTURE:
        return False
    window = trading_window_at(maker.instrument, at_us)
    return window is not None and window.open_us == at_us
