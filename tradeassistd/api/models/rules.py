"""Quotes; rules, where they stand, what a reload did, and silences over them."""

from __future__ import annotations

from typing import Literal

from tradeassistd.api.models.document import Document


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
