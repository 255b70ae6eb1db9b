"""Relative volume: a bar's volume against the mean of the same slot of the day in earlier sessions."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tradeassistd.engine.bars.rounding import exact
from tradeassistd.engine.language.functions import RVOL_SESSIONS, Value


class SlotVolume(NamedTuple):
    """One bar's volume, and how long after its session's opening the bar began."""

    slot_us: int
    volume: int


class RelativeVolume:
    """RVOL: 1 is as much as usual. None until enough sessions before had a whole bar in that slot.

    A session whose bar there was not whole, or in which nobody traded then, made no bar and does not count. What is
    held survives a gap: it belongs to sessions, not to a run of bars.
    """

    def __init__(self) -> None:
        self._volumes: dict[int, deque[int]] = {}

    def step(self, bar: SlotVolume) -> Value | None:
        now = self.peek(bar)
        self._volumes.setdefault(bar.slot_us, deque(maxlen=RVOL_SESSIONS[1])).append(bar.volume)
        return now

    def peek(self, bar: SlotVolume) -> Value | None:
        before = self._volumes.get(bar.slot_us, ())
        if len(before) < RVOL_SESSIONS[0]:
            return None
        total = sum(before)
        return exact(bar.volume * len(before), total) if total else None
