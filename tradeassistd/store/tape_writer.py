"""Events on their way to the tape: held in bounded memory, written in batches, so that nobody waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.base.turns import DISK_WITHIN_S, IDLE, Turns
from tradeassistd.engine.events import Event, Gap
from tradeassistd.market.session import trading_day
from tradeassistd.market.tick import Tick
from tradeassistd.store.damage import SetAside, set_aside
from tradeassistd.store.density import Density, Thinner
from tradeassistd.store.faults import DamagedError
from tradeassistd.store.tape import Tape

FLUSH_EVERY_S = 0.25
FLUSH_EVENTS = 1_000
FLUSH_EVENTS_MAX = 10_000
"""Most events of one transaction, so that a backlog does not hold up the commit of an alert."""
TAPE_BUFFERED_MAX = 100_000
"""Events held while the disk does not take them; beyond, ticks are thinned."""
RETRY_AFTER_S = 1.0

_log = structlog.get_logger(__name__)


class TapeWriter:
    """The one writer of the tapes of a directory."""

    def __init__(
        self, directory: Path, *, clock: Clock, buffered_max: int = TAPE_BUFFERED_MAX, turns: Turns | None = None,
        density: Density = Density.EVERY,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._clock = clock
        self._buffered_max = buffered_max
        self._buffer: list[Event] = []
        self._writing: list[Event] = []
        self._thinned: list[Tick] = []  # the first and the last tick dropped in the span under way
        self._density = density
        self._thinner = Thinner(density)
        self._keeps_all = density is Density.EVERY
        self.limited = ""
        """Why the tape keeps less than the settings say; empty while it does not."""
        self._tape: Tape | None = None
        self._lock = asyncio.Lock()
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._turn = (turns or Turns(clock)).join("tape")
        self._set_aside: list[SetAside] = []
        self._tell: Callable[[SetAside], None] | None = None
        self.written = 0
        self.repeated = 0
        self.thinned = 0
        self.error = ""
        """What keeps the tape from being written; empty while it is."""

    @property
    def buffered(self) -> int:
        """Events held in memory."""
        return len(self._buffer) + len(self._writing)

    @property
    def path(self) -> Path | None:
        """The tape being written."""
        return self._tape.path if self._tape else None

    def note_set_aside(self, aside: SetAside) -> None:
        """A damaged tape was put aside: it is told, at once or as soon as somebody listens."""
        _log.error("tape.damaged", tape=aside.name, kept=aside.kept, why=aside.why)
        self._set_aside.append(aside)
        if self._tell is not None:
            self.listen(self._tell)

    def listen(self, tell: Callable[[SetAside], None]) -> None:
        """`tell` hears of every damaged tape that was put aside since the store was opened, and of each to come."""
        self._tell = tell
        told, self._set_aside = self._set_aside, []
        for aside in told:
            tell(aside)

    def record(self, event: Event) -> None:
        """Put an event on the tape, as far as its density goes. Never waits; drops a tick, and only a tick, while the
        memory is full."""
        if self._keeps_all:
            self._hold(event)
        else:
            for kept in self._thinner.take(event):
                self._hold(kept)

    @property
    def density(self) -> Density:
        """What the tape keeps now."""
        return self._thinner.density

    @property
    def left_out(self) -> int:
        """Events that it did not keep, since it keeps what it does now."""
        return self._thinner.left_out

    def limit(self, density: Density, why: str) -> None:
        """Keep no more than `density` from now on, for want of room; EVERY: again what the settings say.

        What is left out in that time becomes a gap on the tape: with the next call, so call it now and then.
        """
        self._note_left_out()
        density = max(density, self._density)
        if density is not self._thinner.density:
            for event in self._thinner.rest():
                self._hold(event)
            self._thinner = Thinner(density)
            self._keeps_all = density is Density.EVERY
        self.limited = why if density > self._density else ""

    def _hold(self, event: Event) -> None:
        if len(self._buffer) + len(self._writing) >= self._buffered_max:
            if isinstance(event, Tick):
                self._thin(event)
                return
        elif self._thinned:
            self._end_thinning()
        self._buffer.append(event)
        if len(self._buffer) == 1:
            self._some.set()
        elif len(self._buffer) >= FLUSH_EVENTS:
            self._full.set()

    async def run(self) -> None:
        """Write what is recorded, each 250 ms or 1,000 events, until cancelled."""
        while True:
            self._turn(IDLE)
            await self._some.wait()
            self._turn(DISK_WITHIN_S)
            try:
                async with self._clock.deadline(FLUSH_EVERY_S):
                    await self._full.wait()
            except TimeoutError:
                pass  # a quarter of a second has passed; write what there is
            try:
                await self._flush()
            except TransientError:
                await self._clock.pause(RETRY_AFTER_S)  # _flush has logged it

    async def flush(self) -> None:
        """Write everything recorded before the call, also ticks that wait for the end of their second: what made an
        alert is on the tape. Raises TransientError: all is kept.

        Whatever keeps a tape from being written, alerts go on, and so does the daemon.
        """
        for event in self._thinner.rest():
            self._hold(event)
        await self._flush()

    async def _flush(self) -> None:
        async with self._lock:
            left = len(self._buffer)
            while left > 0:
                left -= await self._write_batch(min(left, FLUSH_EVENTS_MAX))

    async def close(self) -> None:
        """Write what is left and close the tape. Raises like `flush`; the tape is closed all the same."""
        self._note_left_out()
        for event in self._thinner.rest():
            self._hold(event)
        if self._thinned:
            self._end_thinning()
        try:
            await self._flush()
        finally:
            if self._tape is not None:
                await self._tape.close()
                self._tape = None

    async def _write_batch(self, count: int) -> int:
        """Write up to `count` events of one trading day from the head of the buffer; returns how many it took."""
        self._writing, self._buffer = self._buffer[:count], self._buffer[count:]
        try:
            tape = await self._tape_of(self._writing[0])
            batch = [event for event in self._writing if tape.holds(event)]
            self.repeated += await tape.write(batch)
        except DamagedError as error:
            self._take_back(self._writing)
            await self._begin_anew(error)
            return -1  # there is a gap before them now
        except (TransientError, FatalError) as error:
            self._take_back(self._writing)
            self._note_error(str(error))
            if isinstance(error, TransientError):
                raise
            raise TransientError(error.message, hint=error.hint) from error
        except BaseException:
            self._take_back(self._writing)  # a cancelled write may still succeed; writing it again does no harm
            raise
        self._note_error("")
        self.written += len(batch)
        if len(batch) < len(self._writing):
            self._take_back([event for event in self._writing if not tape.holds(event)])
        self._writing = []
        self._rearm()
        return len(batch)

    async def _tape_of(self, event: Event) -> Tape:
        if self._tape is not None and not self._tape.holds(event):
            closing, self._tape = self._tape, None
            await closing.close()
        if self._tape is None:
            self._tape = await Tape.open(self._directory, event.event_us, clock=self._clock, density=self._density)
        return self._tape

    async def _begin_anew(self, error: DamagedError) -> None:
        """Put the tape aside that turned out to be damaged; what is on no tape yet goes on a new one of the same day.

        Raises TransientError when that cannot be done now.
        """
        self._note_error(str(error))
        damaged, self._tape = self._tape, None
        try:
            if damaged is not None:
                await self._let_go(damaged)
            aside = await asyncio.to_thread(set_aside, error.path, error)
        except OSError as problem:
            raise TransientError(
                f"{error.path.name} is damaged, and cannot be put aside: {problem.strerror}"
            ) from problem
        first_us = self._buffer[0].event_us
        reason = f"the tape was damaged: {aside.kept}"
        self._buffer.insert(0, Gap(first_us - 1, min(trading_day(first_us)[1], first_us - 1), first_us - 1, reason))
        self.note_set_aside(aside)

    async def _let_go(self, damaged: Tape) -> None:
        try:
            await damaged.close()
        except (TransientError, FatalError) as error:
            _log.warning("tape.not_closed", tape=damaged.path.name, error=error.message)

    def _take_back(self, events: list[Event]) -> None:
        self._buffer = events + self._buffer
        self._writing = []
        self._rearm()

    def _rearm(self) -> None:
        for event, wanted in ((self._some, 1), (self._full, FLUSH_EVENTS)):
            event.set() if len(self._buffer) >= wanted else event.clear()

    def _thin(self, tick: Tick) -> None:
        if not self._thinned:
            _log.error("tape.thinning", buffered=self.buffered, error=self.error)
        self._thinned = [*self._thinned[:1], tick]
        self.thinned += 1

    def _end_thinning(self) -> None:
        first, last = self._thinned[0], self._thinned[-1]
        self._thinned = []
        # The last dropped tick's event time is free now, and the gap belongs just there.
        self._buffer.append(Gap(last.event_us, first.event_us, last.event_us, "the tape was thinned: disk too slow"))
        self._rearm()
        _log.warning("tape.thinned", from_us=first.event_us, to_us=last.event_us, ticks_so_far=self.thinned)

    def _note_left_out(self) -> None:
        """What was left out for want of room is a gap; what the settings leave out, the tape says of itself."""
        thinner = self._thinner
        if self.limited and thinner.last_us:
            # No event on the tape has the time of one that was left out.
            self._hold(Gap(thinner.last_us, thinner.first_us, thinner.last_us, f"the tape was thinned: {self.limited}"))
        thinner.forget()

    def _note_error(self, error: str) -> None:
        if error and not self.error:
            _log.error("tape.blocked", error=error, buffered=self.buffered)
        elif self.error and not error:
            _log.info("tape.resumed", buffered=self.buffered)
        self.error = error
