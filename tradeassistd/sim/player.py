"""Moves a streamer: waits until the next event is due, lets it happen, hands the frames over, and so on to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tradeassistd.base.clock import Clock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.sim.streamer import HEARTBEAT_US, Streamer

SIGN_OF_LIFE_S = HEARTBEAT_US / US_PER_S
"""Machine seconds between heartbeats while the market has not started and its own time stands still."""


class Player:
    """Lets market time pass at `speed` times machine time; None: as fast as `deliver` takes what happened.

    The market starts when somebody listens (`Streamer.is_wanted`). At a speed it then runs on whoever listens; without
    one it waits whenever nobody does. Should a fault that has an end, or an answer that is late, be what keeps the
    client from listening, time passes meanwhile: at the speed there is, else as it passes for everybody.

    `deliver` carries away what the streamer put out and returns when it is handed over. Whoever changes what the
    streamer knows of clients sets `changed`.
    """

    def __init__(
        self, streamer: Streamer, clock: Clock, speed: float | None, deliver: Callable[[], Awaitable[None]]
    ) -> None:
        self.changed = asyncio.Event()
        self.finished = asyncio.Event()
        self._streamer = streamer
        self._clock = clock
        self._speed = speed
        self._deliver = deliver
        self._held: tuple[float, int] | None = None  # since when, in machine time, somebody is kept waiting until when
        self._origin: tuple[float, int] | None = None  # machine and market time of one moment; None while it stands

    def market_us(self) -> int:
        """Market time at this moment of machine time."""
        if self._origin is None or self._speed is None:
            return self._streamer.now_us
        from_s, from_us = self._origin
        return from_us + round((self._clock.elapsed_s() - from_s) * self._speed * US_PER_S)

    async def run(self) -> None:
        """Play to the end and beyond: after the last change there are still heartbeats."""
        await self._listener()
        self._set_going()
        while True:
            if self._speed is None and not self._streamer.in_cut:
                await self._listener()
            if self._streamer.is_over and not self.finished.is_set():
                self._finish()
            if self._speed is not None:
                await self._until_due(self._speed)
            self._streamer.step()
            while self._speed is None and self._streamer.is_cut:  # it is over before anybody can come back
                self._streamer.step()
            await self._deliver()
            # Neither a send nor a pause that is not needed gives way to the reading tasks, so do it here.
            await asyncio.sleep(0)

    async def _listener(self) -> None:
        """Return once somebody listens and has been handed the answer and the image."""
        while not self._streamer.is_wanted:
            self.changed.clear()
            held_s = self._held_s()
            if self._speed is None and held_s is None:
                await self.changed.wait()
                continue
            waits = [held_s] if held_s is not None else []
            if self._speed is not None:
                waits.append(SIGN_OF_LIFE_S)
            try:
                async with self._clock.deadline(max(0.0, min(waits))):
                    await self.changed.wait()
            except TimeoutError:
                if (left_s := self._held_s()) is not None and left_s <= 0:
                    self._pass_over()
                else:
                    self._streamer.beat()
                await self._deliver()
        self._held = None
        await self._deliver()

    def _held_s(self) -> float | None:
        """Machine seconds until what keeps the client waiting is over; None when nothing does."""
        until_us = self._streamer.held_until_us()
        if until_us is None:
            self._held = None
            return None
        if self._held is None or self._held[1] != until_us:
            self._held = (self._clock.elapsed_s(), until_us)
        due_s = (until_us - self._streamer.now_us) / US_PER_S / (self._speed or 1.0)
        return due_s - (self._clock.elapsed_s() - self._held[0])

    def _pass_over(self) -> None:
        """Let market time go on to the end of what keeps the client waiting."""
        assert self._held is not None
        until_us = self._held[1]
        while (next_us := self._streamer.next_us()) is not None and next_us <= until_us:
            self._streamer.step()
        self._held = None

    async def _until_due(self, speed: float) -> None:
        """Wait for the next event. Never sleeps past the heartbeat of a client that comes meanwhile."""
        while True:
            due_us = self._streamer.next_us()
            if due_us is None:
                self.changed.clear()
                await self.changed.wait()
                continue
            left_s = (due_us - self.market_us()) / US_PER_S / speed
            if left_s <= 0:
                return
            await self._clock.pause(min(left_s, SIGN_OF_LIFE_S / speed))

    def _set_going(self) -> None:
        self._origin = (self._clock.elapsed_s(), self._streamer.now_us)

    def _finish(self) -> None:
        self.finished.set()
        if self._speed is None:
            # Nothing is left to go fast through; in real time the client keeps hearing heartbeats.
            self._speed = 1.0
            self._set_going()
