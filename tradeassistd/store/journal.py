"""What the daemon notes about itself in main.db: accepted rule sets, the audit, its last status, its last event."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:  # the command line reads through here, and rules bring the whole expression tree
    from tradeassistd.engine.rule import RuleSet

_ACCEPTED = "accepted_rules"
_STATUS = "status"


def put_meta(raw: sqlite3.Connection, key: str, value: str | int) -> None:
    raw.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def get_meta(raw: sqlite3.Connection, key: str) -> Any:
    """The value, or None."""
    row = raw.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None


def insert_rules(raw: sqlite3.Connection, rule_set: RuleSet, commit: str, event_us: int) -> None:
    """An accepted version of the rule set, with its texts and the git commit they came from (or an empty one)."""
    raw.executemany(
        "INSERT OR REPLACE INTO rules (set_hash, file, text, git_commit, event_us) VALUES (?, ?, ?, ?, ?)",
        [(rule_set.hash, file, text, commit, event_us) for file, text in rule_set.texts],
    )
    put_meta(raw, _ACCEPTED, rule_set.hash)


def select_rule_texts(raw: sqlite3.Connection, rules_hash: str = "") -> tuple[tuple[str, str], ...]:
    """(file, text) of the set with that hash, sorted; of the one accepted last when no hash is given."""
    wanted = rules_hash or get_meta(raw, _ACCEPTED)
    return tuple(raw.execute("SELECT file, text FROM rules WHERE set_hash = ? ORDER BY file", (wanted,)))


def insert_audit(raw: sqlite3.Connection, event_us: int, kind: str, body: Mapping[str, Any]) -> None:
    raw.execute(
        "INSERT INTO audit (event_us, kind, body) VALUES (?, ?, ?)",
        (event_us, kind, msgspec.json.encode(dict(body)).decode()),
    )


def select_audit(raw: sqlite3.Connection, limit: int) -> list[tuple[int, str, dict[str, Any]]]:
    """(event time, kind, body) of the last notes, newest first."""
    rows = raw.execute("SELECT event_us, kind, body FROM audit ORDER BY id DESC LIMIT ?", (limit,))
    return [(event_us, kind, msgspec.json.decode(body)) for event_us, kind, body in rows]


def put_status(raw: sqlite3.Connection, status: Mapping[str, Any]) -> None:
    put_meta(raw, _STATUS, msgspec.json.encode(dict(status)).decode())


def get_status(raw: sqlite3.Connection) -> dict[str, Any]:
    """The status the daemon saved last; empty when it never did."""
    text = get_meta(raw, _STATUS)
    return dict(msgspec.json.decode(text)) if text else {}


def last_event_us(raw: sqlite3.Connection) -> int:
    """The greatest event time in main.db, 0 when there is none."""
    columns = ("transitions.event_us", "rules.event_us", "rule_states.judged_us", "audit.event_us", "gaps.event_us")
    found = 0
    for table, column in (name.split(".") for name in columns):
        (greatest,) = raw.execute(f"SELECT max({column}) FROM {table}").fetchone()
        found = max(found, greatest or 0)
    return found
