"""A channel's own rate limit, so that a burst is spread instead of refused by the other side."""

from __future__ import annotations

from tradeassistd.base.clock import Clock


class TokenBucket:
    """Lets `burst` messages through at once and then one per `interval_s`, in machine time."""

    def __init__(self, interval_s: float, burst: int, clock: Clock) -> None:
        self._interval_s = interval_s
        self._burst = burst
        self._clock = clock
        self._free_s = clock.elapsed_s()  # when the bucket would be full again, if nothing more is taken

    async def take(self) -> None:
        """Return once one more message may be sent."""
        now_s = self._clock.elapsed_s()
        self._free_s = max(self._free_s, now_s) + self._interval_s
        wait_s = self._free_s - now_s - self._burst * self._interval_s
        if wait_s > 0:
            await self._clock.pause(wait_s)
