"""Notices data that stops coming while the line stays open, and never takes a quiet market for that.

A symbol that is silent in its session for longer than it usually is, or a whole feed that used to bring a row every
second, is only suspected. Schwab's REST quotes decide, asked once: when they know of a trade that the stream should
have brought and has not brought some seconds later either, it is mute; else the market is quiet, and the patience with
this silence doubles. All times are market time, which goes on with the frames, so a backlog is no silence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, Protocol

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TradeAssistError
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.base.turns import Turns
from tradeassistd.feed.connection import SENTINEL
from tradeassistd.feed.pace import Pace
from tradeassistd.feed.quality import Quality, SymbolQuality
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import NEW_YORK, Window, trading_window_at

PATIENCE_LEAST_US = 60 * US_PER_S
"""No single symbol is suspected sooner."""
USUAL_TIMES = 2
"""A silence is suspect from so many times the longest usual one."""
SPAN_US = 1_800 * US_PER_S
"""The longest silence of this span of time and the one before it is the usual one."""
FEED_PATIENCE_US = 15 * US_PER_S
"""A feed that brings a row every second is suspect from then on. It is known to be mute within 35 s of its last row,
also where market time goes on with heartbeats only, which are 10 s apart: one more for the question, one to decide."""
FEED_ASKED_MAX = 5
"""How many of the busiest symbols are asked about."""
BEHIND_US = 5 * US_PER_S
"""The stream is behind when it does not bring within this time what REST knows."""
ON_ITS_WAY_US = 2 * US_PER_S
"""However late our own clock is, a row is given this long to arrive."""
CHECK_WITHIN_S = 25.0
"""Machine time after which a check gives up because market time does not go on."""
IMAGE_WITHIN_US = 30 * US_PER_S
IMAGE_WITHIN_S = 3.0
"""A symbol without an image for both of these (market and machine time) in its session does not come."""
CHECKS_DOUBLED_MAX = 8
ASK_AGAIN_US = 60 * US_PER_S
"""Where REST could not be asked about silent symbols, it is asked again after this long: that was no answer."""
ASKED_AT_ONCE = 50
GONE_AFTER_S = 15.0
"""How long rows of a symbol may still come after nobody wants it: until the next heartbeat, and the answer to it."""
LOOK_EVERY_US = US_PER_S
LOOK_WITHIN_S = 1.0
"""It looks this often, also when market time stands still."""
TURN_WITHIN_S = 90.0
NAMED_MAX = 5
DUMB = "mute"

log = structlog.get_logger(__name__)


class Traded(NamedTuple):
    """What REST says of a symbol: exchange time of its last trade, UTC milliseconds (0: none); whether it is known."""

    trade_ms: int
    known: bool = True


Ask = Callable[[Sequence[str]], Awaitable[Mapping[str, Traded]]]


class IntakePort(Protocol):
    """What is needed of feed.intake.Intake."""

    quality: Quality

    def lose(self, symbols: Sequence[str], reason: str) -> None: ...
    def doubt(self, since_us: int) -> None: ...
    def forget(self, symbol: str) -> None: ...


class ConnectionPort(Protocol):
    """What is needed of feed.connection.ConnectionLoop."""

    refused: dict[str, str]
    unanswered: frozenset[str]

    @property
    def is_on_line(self) -> bool: ...
    def complain(self, about: str, reason: str) -> None: ...
    def add_again(self, symbols: Sequence[str]) -> None: ...
    def give_up(self, reason: str) -> None: ...


class MuteWatch:
    """Looks every second at what has come. `ask` is None where there is no REST: then nothing is ever said mute."""

    def __init__(
        self, intake: IntakePort, connection: ConnectionPort, streamed: Callable[[], Collection[str]],
        instrument_of: Callable[[str], Instrument], ask: Ask | None, say: Callable[[str, str], None], clock: Clock,
        turns: Turns | None = None,
    ) -> None:  # fmt: skip
        """`streamed` are the symbols subscribed; `say` sends a title and a text to the default channels."""
        self._intake = intake
        self._quality = intake.quality
        self._connection = connection
        self._streamed = streamed
        self._instrument_of = instrument_of
        self._ask = ask
        self._say = say
        self._clock = clock
        self._turn = (turns or Turns(clock)).join("mute")
        self._since: dict[str, tuple[int, float]] = {}
        """When each symbol was first seen subscribed on this connection: market and machine time."""
        self._gone_s: dict[str, float] = {}
        """Symbols that are not streamed any more: since when, machine time."""
        self._windows: dict[str, tuple[Window | None, int]] = {}
        """The session each symbol is in, and until when that holds."""
        self._mutes: dict[str, int] = {}
        """Mute symbols, and how many rows they had had then."""
        self._said: set[str] = set()
        """Symbols without an image that were spoken of."""
        self._pace = Pace()
        self._feed_checks = 0
        self._span_us = 0
        self._not_before_us = 0
        """No silent symbol is asked about sooner."""

    def entered(self, state: str, reason: str) -> None:
        """The connection came into a state (a listener of ConnectionLoop)."""
        if state in ("connecting", "subscribing"):
            self._since.clear()
            self._pace.begin()
            self._feed_checks = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._turn(2 * LOOK_WITHIN_S)
            await self._until(self._clock.now_us() + LOOK_EVERY_US, LOOK_WITHIN_S)
            await self.look()

    async def look(self) -> None:
        """One look at everything; asks REST when something is suspect."""
        now_us = self._clock.now_us()
        if not now_us or not self._connection.is_on_line:
            return
        if now_us - self._span_us >= SPAN_US:
            self._span_us = now_us
            for quality in self._quality.of.values():
                quality.turn_span()
        streamed = self._streamed()
        self._let_go(streamed)
        trading = [one for symbol in streamed if (one := self._trading(symbol, now_us)) is not None]
        self._hear(now_us)
        self._pace.note(self._quality.rows, self._quality.row_us, now_us)
        if trading and self._is_feed_suspect(now_us):
            await self._check_feed(trading)
            return
        missing = [one.symbol for one in trading if self._has_no_image(one, now_us)]
        if missing:
            await self._name_missing(missing)
        # Of delayed data REST may well know more without anything being wrong.
        known = [one for one in trading if one.row_us and not one.delayed]
        suspects = [one for one in known if self._silence_us(one, now_us) >= self._patience_us(one)]
        if suspects and now_us >= self._not_before_us:
            await self._check(suspects[:ASKED_AT_ONCE])

    # --- symbols ---------------------------------------------------------------------------------------------------

    def _trading(self, symbol: str, now_us: int) -> SymbolQuality | None:
        """A symbol that trades now and should come."""
        one = self._quality.symbol(symbol)
        if symbol not in self._since or (symbol in self._connection.unanswered and not one.row_us):
            self._since[symbol] = (now_us, self._clock.elapsed_s())
        window, until_us = self._windows.get(symbol, (None, 0))
        if now_us >= until_us or (window is not None and now_us < window.open_us):
            window = trading_window_at(self._instrument_of(symbol), now_us)
            minute_us = 60 * US_PER_S
            until_us = window.close_us if window is not None else now_us // minute_us * minute_us + minute_us
            self._windows[symbol] = (window, until_us)
        one.open_us = window.open_us if window is not None else 0
        return None if window is None or symbol in self._connection.refused else one

    def _let_go(self, streamed: Collection[str]) -> None:
        """Forget what is not streamed any more, once no row of it can be on its way."""
        now_s = self._clock.elapsed_s()
        for symbol in self._since.keys() - set(streamed):
            del self._since[symbol]
            self._gone_s[symbol] = now_s
            self._mutes.pop(symbol, None)
            one = self._quality.symbol(symbol)
            one.invalid, one.mute_since_us, one.row_us, one.open_us = False, 0, 0, 0
            self._complain()
        for symbol, since_s in list(self._gone_s.items()):
            if symbol in self._since or now_s - since_s >= GONE_AFTER_S:
                del self._gone_s[symbol]
                if symbol not in self._since and symbol != SENTINEL:
                    self._intake.forget(symbol)

    def _silence_us(self, one: SymbolQuality, now_us: int) -> int:
        return now_us - max(one.row_us, one.open_us, self._since[one.symbol][0])

    @staticmethod
    def _patience_us(one: SymbolQuality) -> int:
        usual_us: int = max(PATIENCE_LEAST_US, USUAL_TIMES * one.usual_us)
        return usual_us << min(one.checks, CHECKS_DOUBLED_MAX)

    async def _check(self, suspects: Sequence[SymbolQuality]) -> None:
        """Ask about silent symbols, and give what is on its way the time to arrive."""
        rows = {one.symbol: one.rows for one in suspects}
        newer = await self._newer(suspects)
        if newer is None:
            self._not_before_us = self._clock.now_us() + ASK_AGAIN_US
            return
        for one in suspects:
            if one.rows != rows[one.symbol]:
                continue
            if one.symbol not in newer:
                one.checks += 1
            else:
                self._mute(one)
        self._complain()

    async def _newer(self, suspects: Sequence[SymbolQuality]) -> set[str] | None:
        """Those of which REST knows a trade that the stream has not brought, some seconds later either.

        None when REST cannot be asked.
        """
        if self._ask is None:
            return None
        self._turn(TURN_WITHIN_S)
        known_us = {one.symbol: one.trade_ms * US_PER_MS or one.seen_us for one in suspects}
        try:
            answer = await self._ask(list(known_us))
        except TradeAssistError as error:
            log.warning("mute.not_checked", symbols=list(known_us)[:NAMED_MAX], reason=str(error))
            return None
        newer = {
            symbol: traded.trade_ms * US_PER_MS
            for symbol, traded in answer.items()
            if symbol in known_us and traded.trade_ms * US_PER_MS > known_us[symbol] + BEHIND_US
        }
        if newer:
            at_us = max(max(newer.values()) + BEHIND_US, self._clock.now_us() + ON_ITS_WAY_US)
            if not await self._until(at_us, CHECK_WITHIN_S):
                return set()
        return set(newer)

    async def _until(self, at_us: int, within_s: float) -> bool:
        """Wait for that market time, but not for ever: without frames it may stand still. Whether it came."""
        with suppress(TimeoutError):
            async with self._clock.deadline(within_s):
                await self._clock.sleep_until(at_us)
        return self._clock.now_us() >= at_us

    def _mute(self, one: SymbolQuality) -> None:
        """Nothing is known of it until it comes again; it is asked for once more."""
        first = one.symbol not in self._mutes
        since_us = one.seen_us
        self._intake.lose((one.symbol,), DUMB)
        self._mutes[one.symbol] = one.rows
        if not first:
            return
        one.mute_since_us = since_us
        self._connection.add_again((one.symbol,))
        log.warning("symbol.mute", symbol=one.symbol, since_us=since_us)
        self._say(f"No data of {one.symbol}",
                  f"Schwab's stream has brought nothing of {one.symbol} since {_clock(since_us)}, although it trades. "
                  "Rules on it are not judged until it is back; it was subscribed anew.")  # fmt: skip

    def _hear(self, now_us: int) -> None:
        """Symbols that were mute or missing, and come again. The image after the new subscription does not count."""
        back = [symbol for symbol, rows in self._mutes.items() if self._quality.symbol(symbol).rows > rows + 1]
        for symbol in back:
            one = self._quality.symbol(symbol)
            log.info("symbol.back", symbol=symbol, silent_s=(now_us - one.mute_since_us) // US_PER_S)
            one.mute_since_us = 0
            del self._mutes[symbol]
        came = [quality for quality in self._quality.of.values() if quality.invalid and quality.row_us]
        for quality in came:
            quality.invalid = False
        if back or came:
            self._complain()

    def _has_no_image(self, one: SymbolQuality, now_us: int) -> bool:
        since_us, since_s = self._since[one.symbol]
        return (
            not one.row_us
            and not one.invalid
            and one.symbol not in self._mutes
            and now_us - max(since_us, one.open_us) >= IMAGE_WITHIN_US
            and self._clock.elapsed_s() - since_s >= IMAGE_WITHIN_S
        )

    async def _name_missing(self, missing: Sequence[str]) -> None:
        """Symbols that are subscribed and never came."""
        answer: Mapping[str, Traded] = {}
        if self._ask is not None:
            self._turn(TURN_WITHIN_S)
            try:
                answer = await self._ask(missing[:ASKED_AT_ONCE])
            except TradeAssistError as error:
                log.debug("mute.not_checked", symbols=list(missing)[:NAMED_MAX], reason=str(error))
        for symbol in missing:
            one = self._quality.symbol(symbol)
            if one.row_us:
                continue
            one.invalid = True
            if symbol in self._said:
                continue
            self._said.add(symbol)
            unknown = symbol in answer and not answer[symbol].known
            why = "Schwab does not know it" if unknown else "Schwab sends nothing of it"
            log.warning("symbol.invalid", symbol=symbol, reason=why)
            self._say(f"{symbol} does not come",
                      f"{why}: it is subscribed since half a minute, in its session. Rules on it are not judged. "
                      "Look whether it is written right.")  # fmt: skip
        self._complain()

    def _complain(self) -> None:
        """What the state of the connection says of it."""
        missing = [one.symbol for one in self._quality.of.values() if one.invalid]
        self._connection.complain("mute", f"no data of {_names(self._mutes)}" if self._mutes else "")
        self._connection.complain("invalid", f"{_names(missing)} never came" if missing else "")

    # --- the whole feed --------------------------------------------------------------------------------------------

    def _is_feed_suspect(self, now_us: int) -> bool:
        """Whether a feed that used to bring a row every second is silent."""
        row_us = self._quality.row_us
        if not row_us or now_us - row_us < FEED_PATIENCE_US:
            self._feed_checks = 0
            return False
        patience_us = FEED_PATIENCE_US << min(self._feed_checks, CHECKS_DOUBLED_MAX)
        return now_us - row_us >= patience_us and self._pace.is_busy(now_us)

    async def _check_feed(self, trading: Sequence[SymbolQuality]) -> None:
        """Ask about the busiest symbols; when the stream lacks a trade of one, the connection is given up."""
        rows, since_us = self._quality.rows, self._quality.row_us
        known = [one for one in trading if one.row_us and not one.delayed]
        newer = await self._newer(sorted(known, key=lambda one: -one.rows)[:FEED_ASKED_MAX])
        if self._quality.rows != rows or not self._connection.is_on_line:
            return
        self._feed_checks += 1
        if newer:
            why = f"while {_names(newer)} trades"
        elif newer is None and self._ask is not None and self._feed_checks > 1:
            why = "and REST cannot be asked"  # twice the patience: a new connection costs less than a mute one
        else:
            return
        log.warning("feed.mute", since_us=since_us, reason=why)
        self._intake.doubt(since_us)
        self._connection.give_up(f"mute: no row since {_clock(since_us)}, {why}")


def _names(symbols: Collection[str]) -> str:
    listed = sorted(symbols)
    more = f" and {len(listed) - NAMED_MAX} more" if len(listed) > NAMED_MAX else ""
    return " ".join(listed[:NAMED_MAX]) + more


def _clock(us: int) -> str:
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%H:%M:%S} New York"
