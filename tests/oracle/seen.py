"""What is known of one symbol after each event: its quote, its trades, its cuts, since when it was watched."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from tests.oracle.events import GRACE_US, Clock, Event, Facts, Gap, Lost, Restart, Row


class Seen(NamedTuple):
    """What is known of a symbol after an event; None is unknown.

    `cuts` counts losses, gaps, restarts and rolls, `lives` restarts and rolls alone. `rolled`: nothing has come of the
    new contract yet. `whole_from_us`: since then no gap; `watched_us`: event time of the image (or of the first row
    after a roll) that began the present stretch; `row_us`: of the last row. `facts`: since the last cut.
    """

    price: Fraction | None = None
    bid: Fraction | None = None
    ask: Fraction | None = None
    volume: Fraction | None = None
    live: bool = False
    rolled: bool = False
    cuts: int = 0
    lives: int = 0
    rolls: int = 0
    whole_from_us: int = 0
    watched_us: int = 0
    row_us: int | None = None
    facts: Facts | None = None
    facts_us: int = 0
    contract: str = ""


class Trade(NamedTuple):
    """A trade that was seen: at which event (`at`) and its time, when at the exchange, in which life, of which contract
    (after so many rolls)."""

    at: int
    at_us: int
    exchange_us: int
    price: Fraction
    size: int
    lives: int
    rolls: int


class Stretch(NamedTuple):
    """A time during which the symbol was watched without a break, [from, to)."""

    from_us: int
    to_us: int
    lives: int
    cuts: int
    rolls: int


UNSEEN = Seen()
_FOREVER_US = 2**62


class Symbol:
    """One symbol over all events: `after[i]` is what is known once event i is applied."""

    def __init__(self, symbol: str, events: Sequence[Event]) -> None:
        self.symbol = symbol
        self.after: list[Seen] = []
        self.trades: list[Trade] = []
        self.stretches: list[Stretch] = []
        self.rows: list[int] = []  # indices of its rows
        self.times = [event.at_us for event in events]
        held, before_us = UNSEEN, 0
        for index, event in enumerate(events):
            changed = held if isinstance(event, Clock) else self._apply(held, event)
            if changed.cuts != held.cuts or (changed.live and not held.live):
                self._turn(held, changed, event.at_us, before_us if isinstance(event, Restart) else event.at_us)
            held, before_us = changed, event.at_us
            self.after.append(held)
            if isinstance(event, Row) and event.symbol == symbol:
                self.rows.append(index)
                if event.size is not None and held.price is not None:
                    self.trades.append(
                        Trade(index, event.at_us, event.exchange_us, held.price, event.size, held.lives, held.rolls)
                    )

    def _turn(self, before: Seen, after: Seen, at_us: int, ended_us: int) -> None:
        """The stretch ends, a new one begins, or both."""
        if before.live and self.stretches:
            self.stretches[-1] = self.stretches[-1]._replace(to_us=ended_us)
        if after.live:
            self.stretches.append(Stretch(at_us, _FOREVER_US, after.lives, after.cuts, after.rolls))

    def _apply(self, held: Seen, event: Event) -> Seen:
        match event:
            case Row(symbol=symbol) if symbol == self.symbol:
                return self._row(held, event)
            case Lost():
                return _cut(held)
            case Gap(symbols=symbols) if not symbols or self.symbol in symbols:
                return _cut(held)._replace(whole_from_us=event.to_us)
            case Restart():
                return UNSEEN._replace(cuts=held.cuts + 1, lives=held.lives + 1, rolls=held.rolls)
            case Facts(symbol=symbol) if symbol == self.symbol:
                return self._facts(held, event)
        return held

    def _row(self, held: Seen, event: Row) -> Seen:
        if not held.live and (event.image or held.rolled):
            held = held._replace(live=True, rolled=False, watched_us=event.at_us)
        fields = event.fields
        return held._replace(
            price=fields.get("price", held.price),
            bid=fields.get("bid", held.bid),
            ask=fields.get("ask", held.ask),
            volume=fields.get("volume", held.volume),
            row_us=event.at_us,
        )

    def _facts(self, held: Seen, event: Facts) -> Seen:
        rolled = bool(event.contract and held.contract and event.contract != held.contract)
        if rolled and held.live:  # until its first row nothing is known of the new contract
            held = held._replace(live=False, rolled=True)
        if rolled:
            held = held._replace(cuts=held.cuts + 1, lives=held.lives + 1, rolls=held.rolls + 1)
            held = held._replace(whole_from_us=event.at_us)
        return held._replace(facts=event, facts_us=event.at_us, contract=event.contract or held.contract)

    def watched(self, from_us: int, to_us: int, lives: int) -> bool:
        """Whether it was watched without a break over [from, to], in that life."""
        found = bisect_right(self.stretches, from_us, key=lambda one: one.from_us)
        if not found:
            return False
        # Of two stretches that begin at one instant the later counts.
        stretch = self.stretches[found - 1]
        return stretch.lives == lives and stretch.to_us >= to_us

    def stored(self, from_us: int, to_us: int, held: Seen) -> bool:
        """Whether an earlier life of the daemon watched [from, to) of this contract without a break and kept its bars:
        a trade of the last two seconds of a stretch may be missing."""
        return any(
            one.lives < held.lives and one.rolls == held.rolls
            and one.from_us <= from_us and to_us <= one.to_us - GRACE_US
            for one in self.stretches
        )  # fmt: skip

    def rows_between(self, after_index: int, until_index: int) -> Sequence[int]:
        """Indices of its rows in (after, until]."""
        return self.rows[bisect_right(self.rows, after_index) : bisect_right(self.rows, until_index)]


def _cut(held: Seen) -> Seen:
    return held._replace(
        price=None,
        bid=None,
        ask=None,
        volume=None,
        live=False,
        rolled=False,
        cuts=held.cuts + 1,
        row_us=None,
        facts=None,
    )
