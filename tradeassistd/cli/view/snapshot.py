"""What the live view shows, as plain frozen values: sources make it, the drawing reads it and nothing else.

Prices are scaled integers (market.price), times UTC microseconds of the market, ages and latencies machine time.
"""

from __future__ import annotations

from dataclasses import dataclass

RUNNING, STARTING, STOPPED = "running", "starting", "stopped"
"""What the daemon does."""
OK, PENDING, FIRING = "ok", "pending", "firing"
WARMING, UNKNOWN, CLOSED, OFF, EXPIRED = "warming", "unknown", "closed", "off", "expired"
"""Where a rule stands; `closed` is out of its session."""


@dataclass(frozen=True, slots=True)
class Feed:
    """The connection to Schwab."""

    state: str = ""
    """connecting, subscribing, live, backoff, ...; empty before the daemon has said."""
    reason: str = ""
    age_s: float | None = None
    """How long ago the feed last brought anything."""
    ticks_per_s: float | None = None
    in_state_s: float | None = None
    """How long it has been in that state."""
    frame_age_s: float | None = None
    """How long ago the last frame came, heartbeats included; None where the daemon does not say."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One symbol now."""

    symbol: str
    tick_size: int
    """Its smallest move: says how many decimals a price is written with."""
    last: int | None = None
    bid: int | None = None
    ask: int | None = None
    volume: int | None = None
    reference: int | None = None
    """What the change is counted from: the previous close, or else the session's open. None: there is no change."""
    recent: tuple[int, ...] = ()
    """A price of each of the last minutes, oldest first."""
    remark: str = ""
    """What is wrong with its data, in a word: mute, invalid, refused, delayed."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a rule is from firing."""

    closeness: float | None
    """0 far away ... 1 its condition holds; None where far has no measure."""
    text: str = ""
    """In the rule's own measure, e.g. `0.12%`, `4.25`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule over all of its symbols."""

    id: str
    symbols: tuple[str, ...]
    state: str = UNKNOWN
    symbol: str = ""
    """The symbol that is nearest to firing, or fires; state and distance are its own."""
    severity: str = "warning"
    """Of a ladder that of the level that fires, else of the first."""
    description: str = ""
    distance: Distance | None = None
    told: int = 0
    """Alerts told this trading day."""
    told_us: int = 0
    """When the last of them was; 0: none."""
    shadow: bool = False
    """Evaluated and stored, told to nobody."""
    level: int = 0
    """The highest level of its ladder that fires; 0: none, or it has no ladder."""
    steps: int = 0
    """How many levels its ladder has."""
    spent: bool = False
    """It fires once, and has told for every symbol."""
    silenced: bool = False
    """A silence lies over the symbol that fires or waits, else over all of its symbols."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery of an alert."""

    channel: str
    state: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert that was told."""

    at_us: int
    severity: str
    symbol: str
    rule: str
    price: str = ""
    """The last trade, as it was told."""
    words: str = ""
    """What happened, in words."""
    remark: str = ""
    """missed, late, still firing, over; empty when it was told as it happened."""
    description: str = ""
    deliveries: tuple[Sent, ...] = ()
    fresh: bool = False
    """It came a moment ago."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where alerts go, since the daemon started."""

    name: str
    sent: int = 0
    waiting: int = 0
    failed: int = 0
    error: str = ""
    p50_ms: float | None = None
    """From decided to sent."""
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole picture at one instant."""

    program: str = "tradeassist"
    note: str = ""
    """One line that says what the reader is looking at."""
    hint: str = ""
    """What the reader can do: keys."""
    daemon: str = STARTING
    now_us: int = 0
    """Market time; 0 while it is not known."""
    speed: float | None = None
    """Market seconds per second, where that is not 1."""
    paused: bool = False
    feed: Feed = Feed()
    quotes: tuple[Quote, ...] = ()
    rules: tuple[Rule, ...] = ()
    alerts: tuple[Alert, ...] = ()
    """Newest first."""
    channels: tuple[Channel, ...] = ()
    ticks: int = 0
    told: int = 0
    """Alerts told since the daemon started."""
    tape_rows: int = 0
    stored_bytes: int = 0
    free_bytes: int | None = None
    troubles: tuple[str, ...] = ()
    """What somebody should look at: rejected rule files, a tape that cannot be written."""
