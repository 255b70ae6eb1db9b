"""A small market for engine tests: writes events by hand, with times that increase as the daemon's do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Ack, ClockTurn, Connection, Event, Facts, Gap, RulesSwap, Start
from tradeassistd.engine.language.expression import (
    Call,
    Combine,
    Compare,
    Cross,
    Expression,
    Name,
    Number,
)
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.engine.transition import Kind, RuleState, Transition
from tradeassistd.market.price import price_from_text
from tradeassistd.market.tick import Field, Tick

MONDAY_RTH_US = int(datetime.fromisoformat("2026-11-16T10:00:00-05:00").timestamp()) * US_PER_S


def number(text: str) -> Number:
    """A literal such as `5180.25`, `1%`, `5m`."""
    from fractions import Fraction

    digits = text.rstrip("%kMBxtsmhd")
    return Number(Fraction(digits), text[len(digits) :])


def price_is(op: str, level: str) -> Compare:
    return Compare(op, Name("price"), number(level))


def crosses(op: str, *levels: str) -> Cross:
    return Cross(op, Name("price"), tuple(number(level) for level in levels))


def bars(name: str, *args: str) -> Call:
    """`sma(close, 20, 1m)` and the like: names stay names, the rest are literals."""
    return Call(name, tuple(number(arg) if arg[0].isdigit() else Name(arg) for arg in args))


def every(*items: Expression) -> Combine:
    return Combine("and", items)


def either(*items: Expression) -> Combine:
    return Combine("or", items)


@dataclass
class Market:
    """One engine and the time; every method gives the transitions it caused and keeps them in `all`."""

    rules: tuple[Rule, ...]
    now_us: int = MONDAY_RTH_US
    states: tuple[RuleState, ...] = ()
    all: list[Transition] = field(default_factory=list)
    volume: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    """Everything the engine was given, in order: the tape of this market."""
    reloads: int = 0
    rules_hash: str = ""
    silences: tuple[Silence, ...] = ()
    """Those that the start restores."""

    def __post_init__(self) -> None:
        self.engine = Engine(RuleSet(self.rules, self.rules_hash))
        self._take(Start(self._next(), self.rules_hash, self.states, self.silences))

    def image(self, symbol: str, price: str | None = None, **quote: str) -> list[Transition]:
        """The first row after a subscription: sets values and is no trade."""
        return self._row(symbol, price, None, Field.IMAGE, quote)

    def trade(
        self, symbol: str, price: str, size: int = 1, *, after_s: float = 0.0, late_s: int = 0
    ) -> list[Transition]:
        """One trade, `after_s` from now, that happened at the exchange `late_s` before it arrives."""
        self.now_us += round(after_s * US_PER_S)
        return self._row(symbol, price, size, Field.LAST | Field.VOLUME | Field.TRADE, {}, late_s)

    def none_yet(self, symbol: str) -> list[Transition]:
        """Schwab sends the zero that stands for "none yet" as the last price."""
        tick = Tick(self._next(), symbol, None, None, None, None, None, None, None, None, None, int(Field.LAST))
        return self._take(tick)

    def quote(self, symbol: str, **quote: str) -> list[Transition]:
        return self._row(symbol, None, None, Field.BID | Field.ASK, quote)

    def wait(self, seconds: int) -> list[Transition]:
        """Whole seconds pass, each with its clock event."""
        found: list[Transition] = []
        first = self.now_us // US_PER_S + 1
        for second in range(first, first + seconds):
            self.now_us = second * US_PER_S
            found += self._take(ClockTurn(self.now_us))
        return found

    def drop(self) -> list[Transition]:
        return self._take(Connection(self._next(), "backoff", "cut"))

    def resume(self, *, after_s: int = 30) -> list[Transition]:
        """The connection is back: the gap, to be followed by images."""
        from_us = self.now_us
        self.wait(after_s)
        return self._take(Gap(self._next(), from_us, self.now_us, "cut"))

    def gap(self, *symbols: str) -> list[Transition]:
        """A gap of some symbols alone, of no length."""
        return self._take(Gap(self._next(), self.now_us, self.now_us, "stale", symbols))

    def reload(self, *rules: Rule, silences: tuple[Silence, ...] = ()) -> list[Transition]:
        """Other rules, and another file of silences, from now on."""
        self.rules = rules
        self.reloads += 1
        self.engine.offer(RuleSet(rules, f"reload {self.reloads}", silences=silences))
        return self._take(RulesSwap(self._next(), f"reload {self.reloads}"))

    def acknowledge(self, rule_id: str, symbol: str = "") -> list[Transition]:
        return self._take(Ack(self._next(), rule_id, symbol))

    def silence(self, for_s: float, *, number: int = 1, **globs: Any) -> list[Transition]:
        """Somebody wants to hear nothing for so long; `rules`, `symbols` and `tags` are globs."""
        now_us = self._next()
        return self._take(Silence(now_us, now_us + round(for_s * US_PER_S), number=number, **globs))

    def end_silence(self, number: int = 1) -> list[Transition]:
        return self._take(SilenceEnd(self._next(), number))

    def facts(self, symbol: str, *, status: str = "", contract: str = "", **prices: str) -> list[Transition]:
        """Slow values of the day: open, high, low, prev_close, year_high, year_low."""
        values = {name: price_from_text(text) for name, text in prices.items()}
        return self._take(Facts(self._next(), symbol, status=status, contract=contract, **values))

    def until(self, clock: str) -> list[Transition]:
        """Whole seconds pass up to `HH:MM:SS` New York of the same day, standard time."""
        day_us = MONDAY_RTH_US - 10 * 3600 * US_PER_S
        day_us += (self.now_us - day_us) // (86_400 * US_PER_S) * 86_400 * US_PER_S
        hours, minutes, seconds = (int(part) for part in clock.split(":"))
        wanted_us = day_us + (hours * 3600 + minutes * 60 + seconds) * US_PER_S
        return self.wait((wanted_us - self.now_us // US_PER_S * US_PER_S) // US_PER_S)

    def kinds(self) -> list[str]:
        return [one.kind.value for one in self.all]

    def fired(self) -> list[Transition]:
        return [one for one in self.all if one.kind is Kind.FIRED]

    def _row(
        self, symbol: str, price: str | None, size: int | None, changed: int, quote: dict[str, str], late_s: int = 0
    ) -> list[Transition]:
        state = self.engine.symbols.get(symbol)
        before = state.tick if state else None
        last = price_from_text(price) if price is not None else (before.last if before else None)
        bid = price_from_text(quote["bid"]) if "bid" in quote else (before.bid if before else None)
        ask = price_from_text(quote["ask"]) if "ask" in quote else (before.ask if before else None)
        self.volume[symbol] = self.volume.get(symbol, 0) + (size or 0)
        if Field.IMAGE & changed:
            changed |= Field.LAST | Field.BID | Field.ASK
        now_ms = self.now_us // 1000 - late_s * 1000
        trade_ms = now_ms if size is not None else (before.trade_ms if before else None)
        return self._take(
            Tick(self._next(), symbol, last, bid, ask, 1, 1, self.volume[symbol], trade_ms, None, size, int(changed))
        )

    def _take(self, event: Event) -> list[Transition]:
        self.events.append(event)
        found = self.engine.on_event(event)
        self.all += found
        return found

    def _next(self) -> int:
        self.now_us += 1
        return self.now_us
