"""What is known of the quality of each symbol's data, and the quarantine of trades that jump too far.

A LAST far from the one before it in the same session may be a bad print, which would fire every rule it passes. It is
held until something else says the same: a trade on its side of the way, or a bid or ask that has come over to it. A
trade that is back on the old side refutes it. Nothing is held longer than HELD_MAX_US: then it is believed.

The first row of a connection, or of another contract, has no trade before it. There a LAST of the open session is
compared with its own bid and ask: nobody bids or asks near a bad print. A LAST of the session before says nothing
against them, nor does a spread as wide as the way from it to LAST say anything against LAST.

What is believed is told on time, and not as late or missed: nothing has been traded since, so it is the present price,
and the rules watched all along. By its exchange time it comes too late for a bar that has closed meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradeassistd.base.instant import US_PER_MS, US_PER_S, iso
from tradeassistd.market.instrument import Instrument, InstrumentClass, Market
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.quote import Change, Quote
from tradeassistd.market.session import trading_window_at

HELD_MAX_US = 5 * US_PER_S
"""How long a trade that nothing confirms or refutes is held, market time."""
TICKS_LEAST = 8
"""No jump is shorter than so many tick sizes."""
STOCK_JUMP, FUND_JUMP, INDEX_JUMP, FUTURE_JUMP, VOLATILITY_JUMP = 0.10, 0.03, 0.03, 0.02, 0.15
"""How far from the last good trade is a jump, as a share of it. Volatility is known to move by tenths in minutes;
internals swing as they like, and only have to be plausible."""
_FUND_WORDS = (
    "SPDR ", "Vanguard ", "iShares ", "Invesco ", "VanEck ", "ARK ", "KraneShares ", "United States Oil",
)  # fmt: skip
"""How the catalogue names funds that are neither leveraged nor of volatility."""
_HELD = ("last", "volume", "trade_ms", "high", "low", "year_high", "year_low")
"""What of a row belongs to the trade, and waits with it."""
_REST = ("bid", "ask", "bid_size", "ask_size", "quote_ms", "delayed", "open", "prev_close", "status", "contract")


def jump_limit(instrument: Instrument) -> float | None:
    """From which share of the last good price a trade is held; None: never."""
    match instrument.kind:
        case InstrumentClass.INTERNAL:
            return None
        case InstrumentClass.FUTURE:
            return FUTURE_JUMP
        case InstrumentClass.INDEX:
            is_volatility = instrument.market is Market.VIX or "olatility" in instrument.name
            return VOLATILITY_JUMP if is_volatility else INDEX_JUMP
    return FUND_JUMP if instrument.name.startswith(_FUND_WORDS) else STOCK_JUMP


class Quarantine:
    """Holds back the trades of one symbol that jump; prices are those of the wire. Takes every row, in order."""

    def __init__(self, instrument: Instrument) -> None:
        self.held = self.bad_prints = 0
        """How many trades were held, and how many of them left out, since the caller last set it to 0."""
        self.last_bad = 0.0
        self._good = 0.0
        self._good_us = 0
        self._held: Change | None = None
        self._held_us = 0
        self.use(instrument)

    def use(self, instrument: Instrument) -> None:
        """Other facts of the symbol hold from now on."""
        self._instrument = instrument
        limit = jump_limit(instrument)
        self._share = float("inf") if limit is None else limit
        self._least = TICKS_LEAST * instrument.tick_size / PRICE_SCALE
        low, high = instrument.plausible or (None, None)
        self._low = float("-inf") if low is None else low / PRICE_SCALE
        self._high = float("inf") if high is None else high / PRICE_SCALE

    @property
    def holds(self) -> bool:
        """Whether a trade is held."""
        return self._held is not None

    def take(self, change: Change, quote: Quote, now_us: int) -> list[Change] | None:
        """The rows to go on with in place of `change`, in order; None: `change` as it is. `quote` is as it was before
        it."""
        if change.contract is not None and change.contract != quote.facts.contract:
            self._drop()  # a trade of the old contract, which nobody can confirm now
            return self._look_at_image(change, now_us)
        if self._held is None and not change.last:
            return None  # nearly always
        if not self._good and quote.awaits_image:
            return self._look_at_image(change, now_us)
        return self._weigh(change, quote, now_us) if self._held is not None else self._look(change, quote, now_us)

    def due(self, now_us: int) -> Change | None:
        """The held trade, once it has waited long enough to be believed."""
        held = self._held
        if held is None or now_us - self._held_us < HELD_MAX_US:
            return None
        return self._believe(held, now_us)

    def _look_at_image(self, change: Change, now_us: int) -> list[Change] | None:
        """A first row: its LAST is held when it jumps away from its own bid and ask."""
        last, self._good = change.last, 0.0
        if not last or not self._low <= last <= self._high:
            return None
        edge = self._edge(last, change)
        spread = (change.ask or 0.0) - (change.bid or 0.0)
        is_bad = edge and abs(last - edge) > spread and self._is_away(last, edge)
        if not is_bad or not self._is_of_session(change, now_us):
            self._good, self._good_us = last, now_us
            return None
        self._good, self._good_us = edge, now_us
        made = {"high": change.high == last, "low": change.low == last,
                "year_high": change.year_high == last, "year_low": change.year_low == last}  # fmt: skip
        # The volume is the base that the next trade counts from, and the other extremes are not this trade's.
        rest = [name for name in _HELD if name not in ("last", "trade_ms") and not made.get(name)]
        self._hold(change, ["last", "trade_ms", "volume", *(name for name in made if made[name])], now_us)
        return [Change(change.symbol, **_parts(change, (*_REST, *rest)))]

    def _edge(self, last: float, change: Change) -> float:
        """Which of a row's own bid and ask is next to a LAST outside them; 0: it is inside, or they are no measure."""
        bid, ask = change.bid, change.ask
        if not bid or not ask or not self._low <= bid <= ask <= self._high:
            return 0.0
        return bid if last < bid else ask if last > ask else 0.0

    def _is_of_session(self, change: Change, now_us: int) -> bool:
        """Whether a first row comes in session, and tells no trade of the one before."""
        window = trading_window_at(self._instrument, now_us)
        return window is not None and (not change.trade_ms or change.trade_ms * US_PER_MS >= window.open_us)

    def _hold(self, change: Change, names: Sequence[str], now_us: int) -> None:
        self._held = Change(change.symbol, **_parts(change, names))
        self._held_us = now_us
        self.held += 1

    def _look(self, change: Change, quote: Quote, now_us: int) -> list[Change] | None:
        """A row while nothing is held."""
        last = change.last
        if not last or not self._low <= last <= self._high:
            return None  # unknown: the quote leaves it out itself, and it is no price to compare with
        if not self._is_jump(last, now_us) or self._is_quoted(last, change, quote):
            self._good, self._good_us = last, now_us
            return None
        self._hold(change, _HELD, now_us)
        rest = _parts(change, _REST)
        return [Change(change.symbol, **rest)] if rest else []

    def _weigh(self, change: Change, quote: Quote, now_us: int) -> list[Change] | None:
        """A row while a trade is held."""
        held = self._held
        assert held is not None and held.last is not None
        if change.last:
            if (change.last - self._good) / (held.last - self._good) >= 0.5:
                believed = self._believe(held, now_us)
                return [believed, *self._onwards(change, quote, now_us)]
            self._drop()
            return self._look(change, quote, now_us)
        if self._traded_again(change, held) or self._is_quoted(held.last, change, quote):
            return [self._believe(held, now_us), change]
        return None

    def _onwards(self, change: Change, quote: Quote, now_us: int) -> list[Change]:
        rows = self._look(change, quote, now_us)
        return [change] if rows is None else rows

    def _drop(self) -> None:
        """What is held was no price."""
        if self._held is not None and self._held.last is not None:
            self.bad_prints += 1
            self.last_bad = self._held.last
            self._held = None

    def _believe(self, held: Change, now_us: int) -> Change:
        assert held.last is not None
        self._good, self._good_us, self._held = held.last, now_us, None
        return held

    def _traded_again(self, change: Change, held: Change) -> bool:
        """Whether a row without a price is a trade at the held one: Schwab sends only what changed."""
        if self._instrument.has_volume:
            return change.volume is not None and change.volume > (held.volume or 0)
        return change.trade_ms is not None and change.trade_ms != held.trade_ms

    def _is_jump(self, last: float, now_us: int) -> bool:
        if not self._is_away(last, self._good):
            return False
        window = trading_window_at(self._instrument, now_us)
        return window is not None and self._good_us >= window.open_us

    def _is_away(self, last: float, good: float) -> bool:
        """Whether the way between two prices is as long as a jump; not when one of them is unknown, 0."""
        away = abs(last - good)
        return bool(good) and away > abs(good) * self._share and away >= self._least

    def _is_quoted(self, last: float, change: Change, quote: Quote) -> bool:
        """Whether somebody bids (asks) at least half the way up (down) to it."""
        halfway = (last + self._good) / 2
        if last > self._good:
            bid = change.bid if change.bid is not None else (quote.bid or 0) / PRICE_SCALE
            return bool(bid) and bid >= halfway
        ask = change.ask if change.ask is not None else (quote.ask or 0) / PRICE_SCALE
        return bool(ask) and ask <= halfway


class SymbolQuality:
    """What was seen of one symbol's rows. Times are UTC microseconds of the market, 0: never."""

    __slots__ = (
        "bad_prints", "before_us", "checks", "delayed", "implausible", "invalid", "longest_us", "mute_since_us",
        "open_us", "quarantined", "row_us", "rows", "seen_us", "symbol", "trade_ms", "unknown",
    )  # fmt: skip

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.rows = 0
        """Rows since the start of the daemon."""
        self.row_us = 0
        """When the last row came on this subscription."""
        self.seen_us = 0
        """When the last row came at all."""
        self.trade_ms = 0
        """The latest exchange time of a trade, UTC milliseconds."""
        self.open_us = 0
        """When the present session began; 0 outside it."""
        self.longest_us = self.before_us = 0
        """The longest silence in session of this span of time, and of the one before it."""
        self.checks = 0
        """How often this silence was checked and found to be a quiet market."""
        self.mute_since_us = 0
        self.delayed = self.invalid = False
        self.implausible = self.quarantined = self.bad_prints = 0
        self.unknown: tuple[str, ...] = ()

    def row(self, now_us: int, trade_ms: float | None) -> None:
        """A row came."""
        silent_us = now_us - self.row_us
        if silent_us > self.longest_us and self.row_us and self.open_us:
            self.longest_us = max(self.longest_us, now_us - max(self.row_us, self.open_us))
        self.rows += 1
        self.row_us = self.seen_us = now_us
        if trade_ms is not None and trade_ms > self.trade_ms:
            self.trade_ms = int(trade_ms)
        self.checks = 0

    def turn_span(self) -> None:
        """A span of time is over: silences of the one before it are no habit any more."""
        self.before_us, self.longest_us = self.longest_us, 0

    @property
    def usual_us(self) -> int:
        """The longest usual silence."""
        return max(self.longest_us, self.before_us)

    def document(self, now_us: int) -> dict[str, Any]:
        """For `status`: what somebody might want to know of the symbol's data."""
        return {
            "last_row_age_s": round((now_us - self.seen_us) / US_PER_S, 1) if self.seen_us else None,
            "rows": self.rows,
            "delayed": self.delayed,
            "unknown": list(self.unknown),
            "implausible": self.implausible,
            "quarantined": self.quarantined,
            "bad_prints": self.bad_prints,
            "mute_since": iso(self.mute_since_us) if self.mute_since_us else None,
            "invalid": self.invalid,
        }


class Quality:
    """The quality of every symbol since the start."""

    def __init__(self) -> None:
        self.of: dict[str, SymbolQuality] = {}
        self.rows = 0
        """Rows of all symbols since the start."""
        self.row_us = 0
        """When the last of them came."""

    def symbol(self, symbol: str) -> SymbolQuality:
        """That of a symbol, made when it is first asked for."""
        found = self.of.get(symbol)
        if found is None:
            found = self.of[symbol] = SymbolQuality(symbol)
        return found

    def begin(self) -> None:
        """The connection is another one: every symbol begins with an image."""
        self.row_us = 0
        for one in self.of.values():
            one.row_us = one.checks = 0

    def delayed(self) -> frozenset[str]:
        """The symbols whose data Schwab says is delayed."""
        return frozenset(one.symbol for one in self.of.values() if one.delayed)


def _parts(change: Change, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(change, name)) is not None}
