"""Transitions, alerts and their deliveries as rows of main.db."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from tradeassistd.base.errors import PermanentError
from tradeassistd.engine.transition import Kind, Operand, RuleState, State, Transition
from tradeassistd.store.records import OPEN_STATES, Alert, Decided, Delivery, DeliveryState, Why

_TRANSITION_COLUMNS = (
    "event_us, rule_id, symbol, level, fingerprint, kind, state, suppressed, value, unit, price, since_us, late, "
    "operands, tell, title, message, setup"
)
DELIVERY_COLUMNS = (
    "alert_id, channel, state, attempts, created_us, settled_us, expires_us, error, maybe_repeat, not_before_us, why, "
    "instead_of, folded_into, carries, fallback"
)
_OPERANDS = msgspec.json.Decoder(tuple[Operand, ...])
_SETUP = msgspec.json.Decoder(tuple[tuple[str, float | str | None], ...])
_CHANNELS = msgspec.json.Decoder(tuple[str, ...])
OPEN = ", ".join(f"'{state}'" for state in OPEN_STATES)

# Writing the same decision twice (a caller that tries again) changes nothing.
_INSERT_TRANSITION = (
    f"INSERT INTO transitions (position, {_TRANSITION_COLUMNS}) VALUES (?{', ?' * 18}) ON CONFLICT DO NOTHING"
)
_INSERT_ALERT = """
    INSERT INTO alerts (id, event_us, position, severity, title, text, rules_hash, description)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
INSERT_DELIVERY = f"INSERT INTO deliveries ({DELIVERY_COLUMNS}) VALUES (?{', ?' * 14}) ON CONFLICT"
# A settled delivery stays settled, whatever an old copy in somebody's memory says.
_MARK = f"""
    UPDATE deliveries SET state = ?, attempts = ?, settled_us = ?, error = ?, maybe_repeat = ?
    WHERE alert_id = ? AND channel = ? AND state IN ({OPEN})"""
_ALERT_COLUMNS = [
    *(f"a.{column}" for column in ("id", "severity", "title", "text", "rules_hash", "description")),
    *(f"t.{column}" for column in _TRANSITION_COLUMNS.split(", ")),
]
_ALERT_WIDTH = len(_ALERT_COLUMNS)
_SELECT_ALERT = f"SELECT {', '.join(_ALERT_COLUMNS)}"
_JOIN = "FROM alerts a JOIN transitions t ON t.event_us = a.event_us AND t.position = a.position"
RANK = "CASE a.severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 WHEN 'notice' THEN 2 ELSE 3 END"


class StoredAlert(msgspec.Struct, frozen=True):
    """An alert with what became of its deliveries."""

    alert: Alert
    deliveries: tuple[Delivery, ...]


def insert_decided(raw: sqlite3.Connection, decided: Decided) -> None:
    """All rows of one decision. Raises ValueError when an alert's transition is not part of it."""
    raw.executemany(_INSERT_TRANSITION, [_transition_row(*item) for item in enumerate(decided.transitions)])
    for alert in decided.alerts:
        raw.execute(_INSERT_ALERT, _alert_row(decided.transitions.index(alert.transition), alert))
    insert = f"{INSERT_DELIVERY} DO NOTHING"
    raw.executemany(insert, [delivery_row(delivery) for delivery in decided.deliveries])


def insert_imported(raw: sqlite3.Connection, position: int, alert: Alert) -> None:
    """An alert of another store, with its transition, at a position that is free at its event time."""
    raw.execute(_INSERT_TRANSITION, _transition_row(position, alert.transition))
    raw.execute(_INSERT_ALERT, _alert_row(position, alert))


def update_delivery(raw: sqlite3.Connection, delivery: Delivery) -> bool:
    """Store what became of it; False when it was settled before (or never stored), and then nothing changes."""
    settled = (
        delivery.state, delivery.attempts, delivery.settled_us, delivery.error, delivery.maybe_repeat,
        delivery.alert_id, delivery.channel,
    )  # fmt: skip
    return raw.execute(_MARK, settled).rowcount == 1


def select_open(
    raw: sqlite3.Connection, channel: str | None, limit: int, due_us: int | None = None
) -> list[tuple[Delivery, Alert]]:
    """Deliveries not settled yet, most severe first, then oldest first; of one channel or of all.

    With `due_us` only those that may be sent at that market time.
    """
    columns = ", ".join(f"d.{column}" for column in DELIVERY_COLUMNS.split(", "))
    rows = raw.execute(
        f"""{_SELECT_ALERT}, {columns} {_JOIN} JOIN deliveries d ON d.alert_id = a.id
            WHERE d.state IN ({OPEN}) AND (:channel IS NULL OR d.channel = :channel)
            AND (:due IS NULL OR d.not_before_us <= :due)
            ORDER BY {RANK}, d.created_us, d.alert_id LIMIT :most""",
        {"channel": channel, "most": limit, "due": due_us},
    )
    return [(delivery_of(row[_ALERT_WIDTH:]), _alert(row[:_ALERT_WIDTH])) for row in rows]


def select_open_channels(raw: sqlite3.Connection) -> list[str]:
    """Names of the channels that have deliveries not settled yet."""
    return [name for (name,) in raw.execute(f"SELECT DISTINCT channel FROM deliveries WHERE state IN ({OPEN})")]


def select_alerts(
    raw: sqlite3.Connection, *, limit: int, rule: str = "", symbol: str = "", severity: str = "", since_us: int = 0,
    until_us: int = 2**62, include_suppressed: bool = True, before: str = "",
) -> list[StoredAlert]:  # fmt: skip
    """Alerts newest first; an empty rule, symbol or severity means any, `before` the id of the last one seen.

    Raises PermanentError when there is no alert with that id.
    """
    # Only the conditions that are asked for, so that each question finds the index that fits it.
    wanted: list[tuple[str, tuple[Any, ...]]] = []
    if before:
        last_us, position = _position_of(raw, before)
        wanted.append(("(a.event_us < ? OR a.position < ?)", (last_us, position)))
        until_us = min(until_us, last_us)
    wanted.append(("a.event_us BETWEEN ? AND ?", (since_us, until_us)))
    wanted += [(f"{column} = ?", (value,)) for column, value in
               (("t.rule_id", rule), ("t.symbol", symbol), ("a.severity", severity)) if value]  # fmt: skip
    if not include_suppressed:
        wanted.append(("t.suppressed = ''", ()))
    ordered = "t" if rule else "a"
    rows = raw.execute(
        f"""{_SELECT_ALERT} {_JOIN} WHERE {" AND ".join(condition for condition, _ in wanted)}
            ORDER BY {ordered}.event_us DESC, {ordered}.position DESC LIMIT ?""",
        (*(value for _, values in wanted for value in values), limit),
    ).fetchall()
    return [StoredAlert(alert, _deliveries_of(raw, alert.id)) for alert in map(_alert, rows)]


def _position_of(raw: sqlite3.Connection, alert_id: str) -> tuple[int, int]:
    """Where in the log an alert stands."""
    row = raw.execute("SELECT event_us, position FROM alerts WHERE id = ?", (alert_id,)).fetchone()
    if row is None:
        raise PermanentError(f"there is no alert {alert_id!r}", hint="begin again without `before`")
    return row[0], row[1]


def select_alert(raw: sqlite3.Connection, alert_id: str) -> Alert:
    """The alert with that id, which must be there."""
    return _alert(raw.execute(f"{_SELECT_ALERT} {_JOIN} WHERE a.id = ?", (alert_id,)).fetchone())


def select_carried(raw: sqlite3.Connection, delivery: Delivery, limit: int) -> tuple[int, list[Alert]]:
    """How many alerts are folded into a delivery, and the first of them: most severe, then oldest."""
    into = {"alert": delivery.alert_id, "channel": delivery.channel, "most": limit}
    where = "d.state = 'folded' AND d.folded_into = :alert AND d.channel = :channel"
    (total,) = raw.execute(f"SELECT count(*) FROM deliveries d WHERE {where}", into).fetchone()
    rows = raw.execute(
        f"""{_SELECT_ALERT} {_JOIN} JOIN deliveries d ON d.alert_id = a.id WHERE {where}
            ORDER BY {RANK}, d.created_us, d.alert_id LIMIT :most""",
        into,
    )
    return total, [_alert(row) for row in rows]


def select_recipients(raw: sqlite3.Connection, state: RuleState) -> dict[str, int]:
    """The channels that the alerts of a firing which goes on were addressed to, by name, and from when on.

    That is when an escalation is due, and 0 for every other delivery; one that was withdrawn unsent told nobody.
    """
    rows = raw.execute(
        """SELECT d.channel, min(CASE WHEN d.why = 'escalation' THEN d.not_before_us ELSE 0 END) FROM transitions t
           JOIN alerts a ON a.event_us = t.event_us AND a.position = t.position
           JOIN deliveries d ON d.alert_id = a.id
           WHERE t.rule_id = ? AND t.event_us >= ? AND t.symbol = ? AND t.level = ?
           AND NOT (d.state = 'withdrawn' AND NOT d.maybe_repeat)
           GROUP BY d.channel ORDER BY d.channel""",
        (state.rule_id, state.since_us, state.symbol, state.level),
    )
    return dict(rows.fetchall())


def select_transitions(raw: sqlite3.Connection, *, since_us: int, until_us: int, rule: str) -> list[Transition]:
    """Transitions in the order they happened, of one rule or (empty) of all."""
    rows = raw.execute(
        f"""SELECT {_TRANSITION_COLUMNS} FROM transitions
            WHERE event_us >= :since AND event_us <= :until AND (:rule = '' OR rule_id = :rule)
            ORDER BY event_us, position""",
        {"since": since_us, "until": until_us, "rule": rule},
    )
    return [_transition(row) for row in rows]


def count_deliveries(raw: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """How many deliveries are in each state, by channel."""
    counts: dict[str, dict[str, int]] = {}
    for channel, state, count in raw.execute("SELECT channel, state, count(*) FROM deliveries GROUP BY 1, 2"):
        counts.setdefault(channel, {})[state] = count
    return counts


def _deliveries_of(raw: sqlite3.Connection, alert_id: str) -> tuple[Delivery, ...]:
    rows = raw.execute(f"SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE alert_id = ? ORDER BY channel", (alert_id,))
    return tuple(delivery_of(row) for row in rows)


def _alert_row(position: int, alert: Alert) -> tuple[Any, ...]:
    return (
        alert.id, alert.transition.event_us, position, alert.severity, alert.title, alert.text, alert.rules_hash,
        alert.description,
    )  # fmt: skip


def _transition_row(position: int, transition: Transition) -> tuple[Any, ...]:
    return (
        position, transition.event_us, transition.rule_id, transition.symbol, transition.level, transition.fingerprint,
        transition.kind, transition.state, transition.suppressed, transition.value, transition.unit, transition.price,
        transition.since_us, transition.late, msgspec.json.encode(transition.operands).decode(), transition.tell,
        transition.title, transition.message, msgspec.json.encode(transition.setup).decode(),
    )  # fmt: skip


def _transition(row: Sequence[Any]) -> Transition:
    (event_us, rule_id, symbol, level, fingerprint, kind, state, suppressed, value, unit, price, since_us, late,
     operands, tell, title, message, setup) = row  # fmt: skip
    return Transition(
        event_us, rule_id, symbol, level, fingerprint, Kind(kind), State(state), suppressed, value, unit, price,
        since_us, bool(late), _OPERANDS.decode(operands), bool(tell), title, message, _SETUP.decode(setup),
    )  # fmt: skip


def _alert(row: Sequence[Any]) -> Alert:
    alert_id, severity, title, text, rules_hash, description = row[:6]
    return Alert(alert_id, _transition(row[6:]), severity, title, text, rules_hash, description)


def delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    """The values of DELIVERY_COLUMNS."""
    return (
        delivery.alert_id, delivery.channel, delivery.state, delivery.attempts, delivery.created_us,
        delivery.settled_us, delivery.expires_us, delivery.error, delivery.maybe_repeat, delivery.not_before_us,
        delivery.why, delivery.instead_of, delivery.folded_into, delivery.carries,
        msgspec.json.encode(delivery.fallback).decode(),
    )  # fmt: skip


def delivery_of(row: Sequence[Any]) -> Delivery:
    """A delivery from the values of DELIVERY_COLUMNS."""
    (alert_id, channel, state, attempts, created_us, settled_us, expires_us, error, maybe_repeat, not_before_us, why,
     instead_of, folded_into, carries, fallback) = row  # fmt: skip
    return Delivery(
        alert_id, channel, DeliveryState(state), attempts, created_us, settled_us, expires_us, error,
        bool(maybe_repeat), not_before_us, Why(why), instead_of, folded_into, carries, _CHANNELS.decode(fallback),
    )  # fmt: skip
