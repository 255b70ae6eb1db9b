"""What becomes of stored deliveries but for being sent: held ones fold, failed ones fall back, some are withdrawn.

Each function is one transaction of its caller, so that a crash leaves either all of it or nothing: a delivery that
folds or falls back is at every moment either open itself or carried by one that is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import msgspec

from tradeassistd.engine.transition import Kind, Transition
from tradeassistd.store.outbox import (
    DELIVERY_COLUMNS,
    INSERT_DELIVERY,
    OPEN,
    RANK,
    delivery_of,
    delivery_row,
    select_alert,
    select_open,
    update_delivery,
)
from tradeassistd.store.records import Alert, Decided, Delivery, Why

# A held delivery that was never handed over and carries nothing yet. One that carries others stays what it is: what a
# message says must not change between two attempts.
_FOLDABLE = f"""
    SELECT d.alert_id, d.expires_us FROM deliveries d JOIN alerts a ON a.id = d.alert_id
    WHERE d.channel = :channel AND d.state = 'pending' AND d.not_before_us > 0 AND d.not_before_us <= :now
    AND d.why IN ('{Why.QUIET}', '{Why.FALLBACK}') AND d.attempts = 0 AND d.carries = 0
    AND (d.expires_us = 0 OR d.expires_us > :now)
    ORDER BY {RANK}, d.created_us, d.alert_id"""
_FOLD = """
    UPDATE deliveries SET state = 'folded', folded_into = ?, settled_us = ?
    WHERE alert_id = ? AND channel = ? AND state = 'pending'"""
_CARRY = "UPDATE deliveries SET carries = ?, expires_us = ? WHERE alert_id = ? AND channel = ?"
# Also one that was being sent: a daemon that begins where market time is not known yet, or was set back, waits for it.
_OUTLOOK = f"""
    SELECT count(*), ifnull(min(not_before_us), 0) FROM deliveries
    WHERE channel = ? AND state IN ({OPEN}) AND not_before_us > ?"""
_GIVEN_UP = f"""
    SELECT {DELIVERY_COLUMNS} FROM deliveries
    WHERE channel = :channel AND (alert_id = :alert OR (state = 'folded' AND folded_into = :alert))
    ORDER BY alert_id = :alert DESC, created_us, alert_id"""
# A channel that has the alert already, or is about to send it, is not told twice. One that would be told later, or
# would not be told any more, is told now.
_FALL_BACK = f"""{INSERT_DELIVERY} (alert_id, channel) DO UPDATE SET
    state = 'pending', why = excluded.why, instead_of = excluded.instead_of, not_before_us = excluded.not_before_us,
    expires_us = excluded.expires_us, settled_us = 0, error = ''
    WHERE deliveries.state = 'withdrawn'
    OR (deliveries.state = 'pending' AND deliveries.attempts = 0 AND deliveries.carries = 0
        AND deliveries.not_before_us > ?)"""
_ESCALATING = "d.why = 'escalation' AND d.state IN ('pending', 'retrying')"
_OF_FIRING = """
    JOIN alerts a ON a.id = d.alert_id
    JOIN transitions t ON t.event_us = a.event_us AND t.position = a.position
    WHERE t.rule_id = :rule AND (:symbol = '' OR t.symbol = :symbol)"""
_WITHDRAW = f"""
    UPDATE deliveries SET state = 'withdrawn', settled_us = :now, error = :reason
    WHERE (alert_id, channel) IN (
        SELECT d.alert_id, d.channel FROM deliveries d INDEXED BY deliveries_escalating {_OF_FIRING} AND {_ESCALATING}
        AND (:level IS NULL OR t.level = :level) AND (t.event_us, t.position) < (:now, :position))"""
# Of an end that is told: the channels that were only to get an escalation, and it was withdrawn before it went.
_UNHEARD = """
    UPDATE deliveries SET state = 'withdrawn', settled_us = :now, error = 'nobody was told there'
    WHERE alert_id = :alert AND state = 'pending' AND channel IN (
        SELECT d.channel FROM deliveries d JOIN alerts a ON a.id = d.alert_id
        JOIN transitions t ON t.event_us = a.event_us AND t.position = a.position
        WHERE t.rule_id = :rule AND t.symbol = :symbol AND t.level = :level AND t.event_us >= :since
        AND d.alert_id <> :alert GROUP BY d.channel HAVING min(d.state = 'withdrawn' AND NOT d.maybe_repeat))"""


class Due(msgspec.Struct, frozen=True):
    """What one channel may send now, and what it has to wait for."""

    deliveries: list[tuple[Delivery, Alert]]
    """Most severe first, then oldest."""
    held: int = 0
    """Deliveries that may only be sent later."""
    next_us: int = 0
    """Market time at which the first of them may; 0 without one."""
    folded: int = 0
    """How many have just been folded into another."""


def take_due(raw: sqlite3.Connection, channel: str, now_us: int, limit: int) -> Due:
    """What the channel may send at that market time; held deliveries that are due together become one."""
    folded = _fold(raw, channel, now_us)
    held, next_us = raw.execute(_OUTLOOK, (channel, now_us)).fetchone()
    return Due(select_open(raw, channel, limit, now_us), held, next_us, folded)


def give_up(
    raw: sqlite3.Connection, delivery: Delivery, expiry_us: Callable[[str, int], int]
) -> list[tuple[Delivery, Alert]] | None:
    """Settle a delivery as failed or expired and tell its fallback channels, for it and for all that it carries.

    `expiry_us` gives for a channel when a delivery that may be sent from an instant on is noise. Gives the deliveries
    made or brought forward, with what they say; None when it was settled before, and then nothing changes.
    """
    if not update_delivery(raw, delivery):
        return None
    now_us = delivery.settled_us
    rows = raw.execute(_GIVEN_UP, {"channel": delivery.channel, "alert": delivery.alert_id}).fetchall()
    made: list[Delivery] = []
    for lost in map(delivery_of, rows):
        # What was held may come in numbers: it folds again on the other channel.
        not_before_us = now_us if lost.not_before_us and lost.why is not Why.ESCALATION else 0
        for channel in lost.fallback:
            instead = Delivery(
                lost.alert_id, channel, created_us=lost.created_us, expires_us=expiry_us(channel, now_us),
                not_before_us=not_before_us, why=Why.FALLBACK, instead_of=lost.channel,
            )  # fmt: skip
            if channel != lost.channel and _insert_fallback(raw, instead, now_us):
                made.append(instead)
    return [(one, select_alert(raw, one.alert_id)) for one in made]


def withdraw(raw: sqlite3.Connection, decided: Decided) -> None:
    """Take back the escalations of what the decision ends or acknowledges; call it once the decision is stored."""
    for position, transition in enumerate(decided.transitions):
        if transition.kind in (Kind.CLEARED, Kind.CLOSED):
            of = {"rule": transition.rule_id, "symbol": transition.symbol, "level": transition.level}
            raw.execute(_WITHDRAW, {**of, "now": decided.event_us, "position": position, "reason": "over"})
    for rule_id, symbol in decided.acked:
        of = {"rule": rule_id, "symbol": symbol, "level": None}
        raw.execute(_WITHDRAW, {**of, "now": decided.event_us, "position": 0, "reason": "acknowledged"})
    for alert in decided.alerts:
        if alert.transition.tell:
            _tell_only_who_heard(raw, alert.id, alert.transition)


def select_escalating(raw: sqlite3.Connection, rule_id: str, symbol: str) -> list[tuple[str, int, int]]:
    """(symbol, level, event time) of the rule's alerts that will escalate, of one symbol or (empty) of all."""
    rows = raw.execute(
        f"""SELECT DISTINCT t.symbol, t.level, t.event_us FROM deliveries d INDEXED BY deliveries_escalating
            {_OF_FIRING} AND {_ESCALATING} ORDER BY t.event_us, t.position""",
        {"rule": rule_id, "symbol": symbol},
    )
    return rows.fetchall()


def _fold(raw: sqlite3.Connection, channel: str, now_us: int) -> int:
    """Fold what is due into the most severe of it, which stays as long as any of them would; gives how many folded."""
    rows = raw.execute(_FOLDABLE, {"channel": channel, "now": now_us}).fetchall()
    if len(rows) < 2:
        return 0
    (carrier, _), *others = rows
    expiries_us = [expires_us for _, expires_us in rows]
    raw.executemany(_FOLD, [(carrier, now_us, alert_id, channel) for alert_id, _ in others])
    raw.execute(_CARRY, (len(others), max(expiries_us) if all(expiries_us) else 0, carrier, channel))
    return len(others)


def _insert_fallback(raw: sqlite3.Connection, instead: Delivery, now_us: int) -> bool:
    return raw.execute(_FALL_BACK, (*delivery_row(instead), now_us)).rowcount == 1


def _tell_only_who_heard(raw: sqlite3.Connection, alert_id: str, end: Transition) -> None:
    raw.execute(
        _UNHEARD,
        {"alert": alert_id, "now": end.event_us, "rule": end.rule_id, "symbol": end.symbol, "level": end.level,
         "since": end.since_us},
    )  # fmt: skip
