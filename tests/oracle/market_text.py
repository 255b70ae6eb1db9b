"""A market written as a list of short steps, and the events it becomes: what tests and hypothesis write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from tests.oracle.events import US_PER_S, Ack, Clock, Event, Facts, Gap, Lost, Restart, Row, Silence, SilenceEnd, Swap
from tests.oracle.hours import NEW_YORK
from tests.oracle.rule import OracleRule

SECONDS_TOLD_MAX = 100
"""A longer silence has a clock event only for its first and its last seconds, and where a session opens or closes."""
_FIRST_S, _LAST_S = 30, 3
_TURNS = ("03:15", "04:00", "09:30", "16:00", "16:15", "17:00", "18:00", "20:00")


def instant(text: str) -> int:
    """`2026-11-16 10:00:00` by the wall clock of New York, in UTC microseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * US_PER_S


def _turns(second: int) -> Iterator[int]:
    """The seconds at which sessions open or close, of the week that begins the day before."""
    day = datetime.fromtimestamp(second, NEW_YORK).date()
    for after in range(-1, 7):
        for text in _TURNS:
            yield instant(f"{day + timedelta(days=after)} {text}") // US_PER_S


@dataclass
class Market:
    """Events in the making; every method lets so much time pass first and takes an event time of its own."""

    now_us: int = field(default_factory=lambda: instant("2026-11-16 10:00:00"))
    events: list[Event] = field(default_factory=list)
    volumes: dict[str, Fraction] = field(default_factory=dict)

    def wait(self, seconds: float) -> Market:
        """Time passes, with the clock events of its whole seconds."""
        until_us = self.now_us + round(seconds * US_PER_S)
        first, last = self.now_us // US_PER_S + 1, until_us // US_PER_S
        told: Sequence[int] = range(first, last + 1)
        if len(told) > SECONDS_TOLD_MAX:
            edges = (*told[:_FIRST_S], *told[-_LAST_S:])
            told = sorted({*edges, *(turn for turn in _turns(first) if first <= turn <= last)})
        for second in told:
            self.events.append(Clock(second * US_PER_S))
            self.now_us = second * US_PER_S
        self.now_us = max(self.now_us, until_us)
        return self

    def until(self, text: str) -> Market:
        """Time passes up to an instant, if that is still to come."""
        return self.wait(max(0, instant(text) - self.now_us) / US_PER_S)

    def next_us(self) -> int:
        """An event time of its own."""
        self.now_us += 1
        return self.now_us

    def image(self, symbol: str, **fields: str | None) -> Market:
        """The first row after a subscription; `price="100"`, None is Schwab's zero."""
        values = {name: prices(fields).get(name) for name in ("price", "bid", "ask")}
        if not symbol.startswith("$"):
            values["volume"] = self.volumes.setdefault(symbol, Fraction(1000))
        self.events.append(Row(self.next_us(), symbol, values, None, self.now_us, image=True))
        return self

    def trade(self, symbol: str, price: str, size: int = 1, late_s: float = 0, **fields: str | None) -> Market:
        """A trade that happened at the exchange `late_s` before."""
        values = prices({"price": price, **fields})
        if symbol.startswith("$"):
            size = 0
        else:
            values["volume"] = self.volumes[symbol] = self.volumes.get(symbol, Fraction(1000)) + size
        at_us = self.next_us()
        exchange_us = (at_us - round(late_s * US_PER_S)) // 1000 * 1000
        self.events.append(Row(at_us, symbol, values, size, exchange_us))
        return self

    def quote(self, symbol: str, **fields: str | None) -> Market:
        """A change that is no trade."""
        self.events.append(Row(self.next_us(), symbol, prices(fields), None, self.now_us))
        return self

    def lost(self) -> Market:
        """The feed is lost."""
        self.events.append(Lost(self.next_us()))
        return self

    def gap(self, *symbols: str) -> Market:
        """The feed is back, images are to come."""
        self.events.append(Gap(self.next_us(), self.now_us, symbols))
        return self

    def facts(self, symbol: str, status: str = "", contract: str = "", **fields: str | None) -> Market:
        """Slow values."""
        self.events.append(Facts(self.next_us(), symbol, status=status, contract=contract, **prices(fields)))
        return self

    def ack(self, rule: str, symbol: str = "") -> Market:
        """Somebody has seen it."""
        self.events.append(Ack(self.next_us(), rule, symbol))
        return self

    def silence(self, rule: str, seconds: int, symbol: str = "") -> Market:
        """Somebody wants to hear nothing of a rule for so long, to the next whole second; they are numbered from 1."""
        at_us = self.next_us()
        number = 1 + sum(isinstance(event, Silence) for event in self.events)
        self.events.append(Silence(at_us, (at_us // US_PER_S + seconds + 1) * US_PER_S, number, rule, symbol))
        return self

    def end_silence(self, number: int) -> Market:
        """A silence is over before its time."""
        self.events.append(SilenceEnd(self.next_us(), number))
        return self

    def swap(self, rules: Sequence[OracleRule]) -> Market:
        """Other rules."""
        self.events.append(Swap(self.next_us(), tuple(rules)))
        return self

    def restart(self) -> Market:
        """The daemon starts again."""
        self.events.append(Restart(self.next_us()))
        return self


def prices(fields: Mapping[str, str | None]) -> dict[str, Fraction | None]:
    """Prices from their texts."""
    return {name: None if text is None else Fraction(text) for name, text in fields.items()}
