"""A watched feed, and a REST that knows the truth: what was traded, stream or no stream."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.feed.mute import MuteWatch, Traded
from tradeassistd.feed.quality import Quality
from tradeassistd.market.instrument import instrument_of

TUESDAY_US = 1_699_973_999 * US_PER_S  # 2023-11-14 09:59:59 New York
NIGHT_US = TUESDAY_US + 12 * 3600 * US_PER_S
SATURDAY_US = TUESDAY_US + 4 * 86_400 * US_PER_S


class Feed:
    """Stands for intake and connection, and for a REST that knows the truth: what was traded, stream or no stream."""

    def __init__(self, start_us: int, *symbols: str) -> None:
        self.clock = ManualClock(start_us)
        self.streamed = symbols
        self.forgotten: list[str] = []
        self.quality = Quality()
        self.refused: dict[str, str] = {}
        self.unanswered: frozenset[str] = frozenset()
        self.is_on_line = True
        self.traded_us: dict[str, list[int]] = {symbol: [] for symbol in symbols}
        self.fails = False
        self.unknown: tuple[str, ...] = ()
        self.asked: list[tuple[str, ...]] = []
        self.said: list[str] = []
        self.lost: list[tuple[int, str]] = []
        self.again: list[str] = []
        self.gave_up: list[tuple[int, str]] = []
        self.complaints: dict[str, str] = {}
        self.doubted_us = 0
        self.watch = MuteWatch(
            self,
            self,
            lambda: self.streamed,
            instrument_of,
            self.ask,
            lambda title, _: self.said.append(title),
            self.clock,
        )
        self._look: asyncio.Task[None] | None = None

    @property
    def quiet(self) -> bool:
        """Whether nobody was told or given anything."""
        return not (self.said or self.lost or self.gave_up or any(self.complaints.values()))

    async def ask(self, symbols: Sequence[str]) -> Mapping[str, Traded]:
        self.asked.append(tuple(symbols))
        await asyncio.sleep(0)
        if self.fails:
            raise TransientError("503")
        now_us = self.clock.now_us()
        found = {}
        for symbol in symbols:
            times = self.traded_us[symbol]
            count = bisect_right(times, now_us)
            found[symbol] = Traded(times[count - 1] // US_PER_MS if count else 0, known=symbol not in self.unknown)
        return found

    def complain(self, about: str, reason: str) -> None:
        self.complaints[about] = reason

    def add_again(self, symbols: Sequence[str]) -> None:
        self.again += symbols

    def give_up(self, reason: str) -> None:
        self.gave_up.append((self.clock.now_us(), reason))
        self.is_on_line = False

    def lose(self, symbols: Sequence[str], reason: str) -> None:
        for symbol in symbols:
            self.lost.append((self.clock.now_us(), symbol))
            self.quality.symbol(symbol).row_us = 0

    def forget(self, symbol: str) -> None:
        self.forgotten.append(symbol)

    def doubt(self, since_us: int) -> None:
        self.doubted_us = since_us

    def trade(self, symbol: str, *, arrives: bool = True, at_us: int = 0) -> None:
        """A trade now, and its row."""
        at_us = at_us or self.clock.now_us()
        self.traded_us[symbol].append(at_us)
        if arrives:
            self.row(symbol, at_us)

    def row(self, symbol: str, trade_us: int = 0) -> None:
        now_us = self.clock.now_us()
        self.quality.symbol(symbol).row(now_us, trade_us // US_PER_MS or None)
        self.quality.rows += 1
        self.quality.row_us = now_us

    async def second(self, to_us: int = 0) -> None:
        """Market and machine time go on, and somebody looks."""
        before_us = self.clock.now_us()
        self.clock.advance(to_us or before_us + US_PER_S)
        self.clock.pass_time((self.clock.now_us() - before_us) / US_PER_S)
        await asyncio.sleep(0)
        if self._look is None or self._look.done():
            if self._look is not None:
                self._look.result()
            self._look = asyncio.create_task(self.watch.look())
        for _ in range(4):
            if not self._look.done():
                await asyncio.sleep(0)

    async def seconds(self, count: int, *symbols: str, every: int = 1, arrives: bool = True) -> None:
        """So many seconds, in each `every`th of which the symbols trade."""
        for number in range(count):
            await self.second()
            if number % every == 0:
                for symbol in symbols:
                    self.trade(symbol, arrives=arrives)


async def begun(*symbols: str, start_us: int = TUESDAY_US) -> Feed:
    """All symbols come, and trade every third second for five minutes: fewer rows than make a busy feed."""
    feed = Feed(start_us, *symbols)
    await feed.seconds(301, *symbols, every=3)
    assert feed.quiet and not feed.asked
    return feed
