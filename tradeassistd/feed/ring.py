"""Keeps the raw frames of the last ten minutes in memory, for looking at what Schwab really sent.

Nothing leaves it but redacted (feed.redaction), and that a few frames at a time: taking a bundle holds up no tick.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from tradeassistd.base.clock import Clock
from tradeassistd.feed.redaction import redact_frame

KEPT_S = 600.0
BYTES_MAX = 16 * 2**20
"""A busy feed fills this in less than ten minutes: then it reaches back less far."""
FRAME_CHARACTERS_MAX = 64 * 2**10
"""Of a longer frame only the beginning is kept."""
FRAME_COST_BYTES = 200
"""What a kept frame costs beside its text."""


class KeptFrame(NamedTuple):
    """One frame as it came. `at_s`: machine time."""

    at_s: float
    raw: str


class FrameRing:
    """The newest frames, bounded by age and by memory. Used on one thread."""

    def __init__(self, clock: Clock) -> None:
        self.frames_seen = 0
        self._clock = clock
        self._kept: deque[KeptFrame] = deque()
        self._bytes = 0
        self._newest_s: float | None = None

    def put(self, raw: str) -> None:
        """Keep a frame that just came; the oldest go. Never raises: it is called within schwab-py's decoder hook."""
        now_s = self._newest_s = self._clock.elapsed_s()
        self.frames_seen += 1
        if len(raw) > FRAME_CHARACTERS_MAX:
            raw = raw[:FRAME_CHARACTERS_MAX]
        self._kept.append(KeptFrame(now_s, raw))
        self._bytes += _cost(raw)
        while self._bytes > BYTES_MAX or now_s - self._kept[0].at_s > KEPT_S:
            self._bytes -= _cost(self._kept.popleft().raw)

    @property
    def newest_age_s(self) -> float | None:
        """How long ago a frame came, heartbeats included, in machine seconds; None: none has."""
        return None if self._newest_s is None else self._clock.elapsed_s() - self._newest_s

    def __len__(self) -> int:
        return len(self._kept)

    def redacted(self) -> Iterator[str]:
        """The frames that are kept now, oldest first, each one line of JSON: {"age_s": ..., "frame": ...}.

        `age_s`: machine seconds before this call. A frame is redacted when its line is asked for.
        """
        now_s = self._clock.elapsed_s()
        oldest_s = now_s - KEPT_S
        kept = [frame for frame in self._kept if frame.at_s >= oldest_s]
        return (
            json.dumps({"age_s": round(now_s - one.at_s, 3), "frame": redact_frame(one.raw)}, allow_nan=False)
            for one in kept
        )


def _cost(raw: str) -> int:
    return len(raw) + FRAME_COST_BYTES
