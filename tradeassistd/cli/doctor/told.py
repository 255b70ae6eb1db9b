"""What the daemon says of itself, to whom it is asked by the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradeassistd.cli.quality import part


@dataclass(frozen=True, slots=True)
class Told:
    """What the daemon says of itself: over the API while it answers, else as it was stored last."""

    status: Mapping[str, Any]
    pid: int | None
    answers: bool = False
    hidden: str = ""
    """Why this user may not even see whether it runs."""

    @property
    def running(self) -> bool:
        return self.pid is not None

    def live(self, name: str) -> Mapping[str, Any]:
        """A part of the status of a daemon that runs; empty of one that does not: its word is old."""
        return part(self.status, name) if self.running else {}
