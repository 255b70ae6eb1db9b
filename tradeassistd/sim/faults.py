"""The ways this Schwab can be told to misbehave."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    """Set them while it runs; each is off at first."""

    http_status: int | None = None
    """Every HTTP call is answered with this status."""
    empty_streamer_info: bool = False
    """The user preference holds no streamer, as during an outage."""
    unanswered: bool = False
    """Requests on the streamer are read and thrown away."""
    muted: bool = False
    """Nothing leaves on open streamer connections, heartbeats included; they stay open."""
