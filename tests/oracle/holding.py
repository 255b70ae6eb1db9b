"""How long something has been known to hold."""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.events import US_PER_S


@dataclass
class Held:
    """How long something has been known to hold: a stopwatch that unknown stops and a cut or its opposite sets back."""

    before_us: int = 0
    since_us: int | None = None

    def step(self, truth: bool | None, at_us: int) -> None:
        """True goes on, unknown stops, false sets back."""
        if truth is False:
            self.reset()
        elif truth is None and self.since_us is not None:
            self.before_us, self.since_us = self.before_us + at_us - self.since_us, None
        elif truth and self.since_us is None:
            self.since_us = at_us

    def reset(self) -> None:
        """Back to nothing."""
        self.before_us, self.since_us = 0, None

    def reached(self, at_us: int, for_s: int) -> bool:
        """Whether it has held so long while known."""
        return self.since_us is not None and self.before_us + at_us - self.since_us >= for_s * US_PER_S
