"""Whether the daemon does its work, and how each part of it is."""

from __future__ import annotations

from typing import Any

from tradeassistd.api.models.document import Document, Open


class Health(Document):
    """Whether the daemon does its work; HTTP status 503 when it does not."""

    healthy: bool
    """The feed is live, every rule file is in force, every channel takes messages, the tape is written."""
    problems: list[str]
    """What is wrong, in words; empty when healthy."""
    feed: str
    """State of the stream: connecting, logging_in, subscribing, live, degraded (some symbols are not watched), backoff,
    replaced (another program has the stream), auth_needed, stopped."""
    rules: int
    """Rules in force."""
    ticks: int
    """Ticks since the start."""
    alerts: int
    """Alerts since the start, suppressed ones included."""
    told: int
    """Alerts since the start that somebody was told about."""


class FeedChange(Document):
    """The connection came into a state."""

    at_us: int
    """Market time, UTC microseconds."""
    state: str
    reason: str


class FeedHealth(Open):
    """The connection to Schwab."""

    state: str
    """As in Health.feed."""
    reason: str
    """Why it is in that state, when there is a reason."""
    connections: int
    """Connections that became live since the start."""
    base_url: str
    """Where it connects to."""
    frames_queued: int
    """Frames waiting for the engine."""
    held_back: int
    """How often reading had to wait for the engine."""
    conflated: int
    """How many rows without a new price were merged into later ones because the engine was behind."""
    refused: dict[str, str]
    """Symbols that Schwab does not send, and why."""
    frames: int = 0
    """Frames since the start, heartbeats included."""
    frame_age_s: float | None = None
    """Machine seconds since the last of them; null: none has come."""
    since_us: int
    """Since when it is in that state, market time, UTC microseconds; 0: before any was known."""
    in_state_s: float
    """Machine seconds in that state."""
    spent_s: dict[str, float]
    """Machine seconds spent in each state since the start."""
    changes: list[FeedChange]
    """The last changes of state, oldest first."""


class RulesHealth(Open):
    """The rules in force."""

    directory: str
    """Where the rule files are."""
    loaded: int
    """Rules in force."""
    hash: str
    """First 12 digits of the hash of their texts."""
    problems: list[str]
    """What is wrong with the files on disk, each with its place."""


class EventsHealth(Document):
    """The WebSocket's clients."""

    clients: int
    """Connected at present; ten at most."""
    refused: int
    """Refused since the start because ten were connected."""
    cut: int
    """Cut since the start because they did not read fast enough, or did not answer a ping."""
    events: int
    """Events sent to somebody since the start, each counted once."""


class DetailedHealth(Open):
    """Everything the daemon says of itself; no secrets."""

    health: Health
    state: str
    """running, or stopped once it has said so."""
    as_of: str = ""
    """When it said so, market time; empty: before any was known."""
    version: str
    pid: int
    clock: str
    """wall, or market when time is what the feed says."""
    feed: FeedHealth
    rules: RulesHealth
    counters: dict[str, int]
    """Ticks, alerts, told alerts and rule faults since the start."""
    channels: dict[str, dict[str, Any]]
    """Per channel: deliveries by outcome, what waits, failures in a row, the last error, latencies in ms."""
    store: dict[str, Any]
    """The tape: file, rows written, buffered, thinned, its last error."""
    events: EventsHealth
