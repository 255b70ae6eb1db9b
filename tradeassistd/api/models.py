"""What the API answers, field by field: the OpenAPI document and docs/api.md are made from these."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A JSON object of the API; the words under a field are its documentation."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


class Open(Document):
    """A document that may hold more than is documented."""

    model_config = ConfigDict(extra="allow")


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
    """How many rows that lay on the way were merged into later ones because the engine was behind."""
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


class Quote(Document):
    """The present quote of one symbol. Prices in points, null while unknown."""

    symbol: str
    live: bool
    """Whether the feed is live for it; when not, the values are the last known."""
    last: float | None
    bid: float | None
    ask: float | None
    bid_size: int | None
    ask_size: int | None
    volume: int | None
    """Total volume of the trading day as Schwab counts it."""
    trade_time: str | None
    """Exchange time of the last trade, ISO 8601 in UTC."""
    quote_time: str | None
    """Exchange time of the last quote, ISO 8601 in UTC."""
    event_time: str
    """When the last change reached the engine, ISO 8601 in UTC."""
    event_us: int
    """The same in microseconds since the epoch."""


class RuleState(Document):
    """Where a rule stands for one symbol and level."""

    symbol: str
    level: int
    """0 without a ladder; else 1, 2, ... mildest first."""
    severity: str
    """That of the level."""
    state: Literal["ok", "pending", "firing"]
    since: str | None
    """When this pending or firing began."""
    judged: str | None
    """When its condition was last known."""
    told: str | None
    """When somebody was last told."""
    untold: bool
    """Firing, and nobody was told because something suppresses it."""
    acked: bool
    """Firing, and somebody acknowledged it: no more reminders."""
    reminded: int
    """How many reminders of this firing there were."""
    spent: bool
    """It fires `once`, and has told: raise `rev` to arm it anew."""
    silenced_until: str | None
    """A silence lies over it: until when, ISO 8601 in UTC; of several the one that ends last."""
    silence_reason: str
    """Why, as whoever wrote the silence says; empty without a silence, or without a reason."""


class RuleLevel(Document):
    """One condition of a rule, with what ends it."""

    level: int
    """0 without a ladder; else 1, 2, ... mildest first."""
    severity: str
    when: str
    """The condition in its canonical form."""
    clear_when: str
    """What ends a firing; empty: that the condition does not hold any more."""


class Rule(Document):
    """One rule in force."""

    id: str
    description: str
    tags: list[str]
    when: str
    """The condition in its canonical form; of a ladder that of the first level."""
    levels: list[RuleLevel]
    """The ladder, mildest first; without one the one condition."""
    evaluate: str
    """tick; close(5m): only when that bar closes; at(15:50): once per trading day, New York time."""
    severity: str
    mode: str
    """live, shadow (stored, nobody is told) or off."""
    session: str
    """Session word; empty: whenever the instrument trades."""
    active: list[str]
    """Times of the week outside which it is not watched; empty: always."""
    expires: str | None
    """From when on it is not judged any more, ISO 8601 in UTC."""
    expired: bool
    """That time has come."""
    for_s: int
    keep_firing_for_s: int
    """How long what ends a firing must hold before it is over."""
    cooldown_s: int
    fire: str
    """every, once, once_per_bar(5m) or each_bar(5m)."""
    max_per_session: int
    """How often it is told in one session at most; 0: no limit."""
    rearm: str
    """clear, or `move 0.5%`: how far from the last told price it must be as well."""
    repeat_s: list[int]
    """Pauses between reminders, the last one for ever; empty: none."""
    on_clear: Literal["silent", "tell"]
    at_load: Literal["quiet", "fire"]
    catch_up: Literal["report", "log"]
    stale_after_s: int
    """After how long without a row a symbol counts as unknown; 0: never."""
    setup: dict[str, str]
    """What it would trade: a type, and the expressions of entry, stop, target and confidence."""
    rev: str
    was: str
    """The id it had before."""
    notify: list[str]
    """Channels it names; empty: the settings' default."""
    file: str
    line: int
    symbols: list[str]
    states: list[RuleState]
    """One per symbol and level, in the order they are judged; none for a rule that is off."""


class Condition(Document):
    """One node of a condition as it stands now: and, or, not with its items; or a leaf, a state or an event.

    An event with items is a seq: they are its events, in order.
    """

    kind: Literal["and", "or", "not", "state", "event"]
    text: str
    outcome: bool | None
    """True, false, or null: unknown. Of an event: whether it would happen if it were judged at this moment."""
    why: str
    """Why it is unknown, what an event waits for, or when an event of a seq happened; else empty."""
    distance_pct: float | None
    """How far it is from true, in percent of the right side; 0 when true. Of `and` the furthest part counts, of `or`
    the nearest."""
    items: list[Condition]
    left: float | None
    """Left side of a leaf in `unit` (percent as a fraction)."""
    right: float | None
    """Right side: the level or bound that decides next."""
    unit: str
    distance: float | None
    """Right minus left: how far left has to go."""
    side: str
    """Of an event: where left was last seen: below, above, reached, inside, outside or none; several levels: one
    each."""


class RuleStanding(RuleState):
    """Where a rule stands for one symbol and level, down to the values."""

    due: str | None
    """When the clock next has something to say to it: `for` is over, a firing may be told, a reminder, its end."""
    why: str
    """Why it is not judged at present, or comes out unknown; empty when it is known."""
    condition: Condition


class RuleDetail(Rule):
    """One rule with the present value of every part of its condition, per symbol."""

    standings: list[RuleStanding]


class Operand(Document):
    """One comparison at the moment of an alert."""

    text: str
    left: float | None
    right: float | None


class Delivery(Document):
    """One alert for one channel."""

    channel: str
    state: str
    """pending, sending, sent, retrying, failed, expired, folded, withdrawn."""
    attempts: int
    error: str
    """What the last attempt ran into; of one that was withdrawn, why."""
    not_before: str | None
    """When it may be sent, ISO 8601 in UTC; null: at once."""
    why: str
    """quiet: held by quiet hours; escalation: sent when nobody acknowledges and it is not over by then; fallback:
    stands in for `instead_of`; empty: none of these."""
    instead_of: str
    """Of a fallback: the channel that failed or was too late."""
    folded_into: str
    """Of a folded one: the id of the alert whose message carries it."""
    carries: int
    """How many others its message carries."""


class Alert(Document):
    """A rule fired for a symbol, still fires (a reminder), or is over (where it says to tell that)."""

    id: str
    rule: str
    symbol: str
    kind: Literal["fired", "missed", "told", "reminded", "cleared"]
    """fired; missed: a crossing while nobody watched; told: an earlier firing, told now; reminded: it still fires, and
    nobody has acknowledged it; cleared: it is over."""
    level: int
    """Of a ladder, mildest first; 0 without one."""
    severity: str
    event_time: str
    """When, ISO 8601 in UTC."""
    event_us: int
    """The same in microseconds since the epoch."""
    value: float | None
    """Left side of the first comparison that holds, in `unit` (percent as a fraction)."""
    unit: str
    price: float | None
    """Last trade of the symbol."""
    suppressed: str
    """Why nobody was told (at_load, higher_level, mode, spent, rearm, cooldown, silence, log); empty: somebody was."""
    late: bool
    """It may have become true earlier, while nobody watched."""
    since: str
    """When this firing began."""
    title: str
    text: str
    message: str
    """The rule's own message, filled in; empty when it has none."""
    setup: dict[str, float | str | None]
    """What the rule would trade, as it stood then: type, entry, stop, target, confidence; null: unknown."""
    operands: list[Operand]
    deliveries: list[Delivery]


class AlertsPage(Document):
    """Alerts, newest first."""

    alerts: list[Alert]
    next: str | None
    """Put this into `before` for the next page; null: there are no more."""


class Reloaded(Document):
    """What a reload of the rules did; HTTP status 422 when a file was rejected, 202 when not waited for."""

    accepted: bool | None
    """Nothing was wrong. A rejected file keeps its last good version. Null: not waited for."""
    hash: str
    """Hash of the texts in force."""
    added: list[str]
    """Ids of rules that are new."""
    changed: list[str]
    removed: list[str]
    problems: list[str]
    """What is wrong with the files, each with its place and a hint."""
    rejected: list[str]
    """Files that stay as they were."""


class AckedFiring(Document):
    """A firing that gets no more reminders."""

    symbol: str
    level: int
    """Of a ladder, mildest first; 0 without one."""
    since: str | None
    """When it began, ISO 8601 in UTC."""


class Acked(Document):
    """What an acknowledgement did."""

    rule: str
    event_time: str
    """When, ISO 8601 in UTC."""
    firings: list[AckedFiring]
    """What was acknowledged, also what had been before; empty: nothing fires that anybody was told about."""


class Silence(Document):
    """Nobody is told of what it lies over. Every glob list that is not empty must fit, each by one of its globs."""

    number: int | None
    """What it is ended by; null: it stands in `_silences.yaml`."""
    rule: list[str]
    """Globs of rule ids; empty: all."""
    symbol: list[str]
    tag: list[str]
    since: str | None
    """When it was said, ISO 8601 in UTC; null: it stands in `_silences.yaml`."""
    until: str
    """When it is over, ISO 8601 in UTC."""
    reason: str
    by: str
    """Who said it."""
    rules: list[str]
    """Ids of the rules in force that it lies over, with one symbol at least."""


class Backfill(Document):
    """Fetching history from Schwab: how far it is."""

    state: str
    """running, done, failed (see error), stopped."""
    symbols: list[str]
    interval: str
    from_day: str
    """The first trading day, YYYY-MM-DD."""
    to_day: str
    """The last one, included."""
    again: bool
    """Also days that were answered before."""
    by: str
    """Who asked for it."""
    since: str
    """When it began, ISO 8601 in UTC."""
    days: int
    """Days of symbols in all; 0 until they are counted."""
    done: int
    """Days that have their answer."""
    asked: int
    """Questions that Schwab answered."""
    stored: int
    """Days whose bars were stored, all or some of them new."""
    there: int
    """Days that were in the store already."""
    empty: int
    """Days of which there is nothing: closed, too old, or Schwab has no candles."""
    refused: int
    """Days that Schwab refuses to tell."""
    bars: int
    """Bars of the days that were stored."""
    waiting: str
    """Why nothing is asked just now; empty while something is."""
    error: str
    """Why it failed."""


class BackfilledDay(Document):
    """What came of one trading day of one symbol."""

    symbol: str
    day: str
    """YYYY-MM-DD."""
    outcome: str
    """stored, there, empty, refused."""
    detail: str
    """Why, where it is empty, refused or not whole."""
    bars: int
    """Bars of that day in the answer, or in the store."""
    whole: bool
    """The day is over and was answered: it is not asked for again unless that is wanted."""


class Failure(Document):
    """An answer that is none."""

    detail: Any
    """What was wrong, in words; of a query that does not fit, one entry per mistake."""
