"""What the daemon notes about itself in main.db: accepted rule sets, the audit, its last status, its last event."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:  # the command line reads through here, and rules bring the whole expression tree
    from tradeassistd.engine.rule import RuleSet

_ACCEPTED = "accepted_rules"
_STATUS = "status"
_STATES_UNTIL = "states_until_us"
_TEXTS = """
    SELECT rules.file, rule_texts.text FROM rule_sets
    JOIN rules ON rules.set_number = rule_sets.number JOIN rule_texts ON rule_texts.number = rules.text_number
    WHERE rule_sets.hash = ? ORDER BY rules.file
"""
_MEMORY = "memory."
NEVER_US = 2**62


def put_meta(raw: sqlite3.Connection, key: str, value: str | int) -> None:
    raw.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def get_meta(raw: sqlite3.Connection, key: str) -> Any:
    """The value, or None."""
    row = raw.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None


def put_memory(raw: sqlite3.Connection, key: str, value: str) -> None:
    """Something a part of the daemon remembers over restarts."""
    put_meta(raw, _MEMORY + key, value)


def get_memory(raw: sqlite3.Connection, key: str) -> str:
    """What was put last, or empty."""
    return str(get_meta(raw, _MEMORY + key) or "")


def insert_rules(raw: sqlite3.Connection, rule_set: RuleSet, commit: str, event_us: int) -> None:
    """An accepted version of the rule set, with the git commit it came from (or none); texts it shares with another are
    there once."""
    hashes = {file: hashlib.sha256(text.encode()).digest() for file, text in rule_set.texts}
    raw.executemany(
        "INSERT OR IGNORE INTO rule_texts (hash, text) VALUES (?, ?)",
        [(hashes[file], text) for file, text in rule_set.texts],
    )
    raw.execute(
        """INSERT INTO rule_sets (hash, git_commit, event_us) VALUES (?, ?, ?)
        ON CONFLICT (hash) DO UPDATE SET git_commit = excluded.git_commit, event_us = excluded.event_us""",
        (rule_set.hash, commit, event_us),
    )
    raw.executemany(
        """INSERT OR IGNORE INTO rules (set_number, file, text_number) SELECT rule_sets.number, ?, rule_texts.number
        FROM rule_sets, rule_texts WHERE rule_sets.hash = ? AND rule_texts.hash = ?""",
        [(file, rule_set.hash, hashes[file]) for file, _ in rule_set.texts],
    )
    put_meta(raw, _ACCEPTED, rule_set.hash)


def accepted_hash(raw: sqlite3.Connection) -> str:
    """The hash of the rule set accepted last, empty before the first."""
    return str(get_meta(raw, _ACCEPTED) or "")


def select_rule_texts(raw: sqlite3.Connection, rules_hash: str = "") -> tuple[tuple[str, str], ...]:
    """(file, text) of the set with that hash, sorted; of the one accepted last when no hash is given."""
    wanted = rules_hash or get_meta(raw, _ACCEPTED)
    return tuple(raw.execute(_TEXTS, (wanted,)))


def insert_audit(raw: sqlite3.Connection, event_us: int, kind: str, body: Mapping[str, Any]) -> None:
    raw.execute(
        "INSERT INTO audit (event_us, kind, body) VALUES (?, ?, ?)",
        (event_us, kind, msgspec.json.encode(dict(body)).decode()),
    )


def select_audit(
    raw: sqlite3.Connection, limit: int, *, kinds: Collection[str] = (), since_us: int = 0, until_us: int = 2**62
) -> list[tuple[int, str, dict[str, Any]]]:
    """(event time, kind, body) of the last notes, newest first; of kinds that fit one of those globs, or of all."""
    fits = " OR ".join("kind GLOB ?" for _ in kinds)
    rows = raw.execute(
        f"""SELECT event_us, kind, body FROM audit WHERE event_us BETWEEN ? AND ? {f"AND ({fits})" if fits else ""}
            ORDER BY id DESC LIMIT ?""",
        (since_us, until_us, *kinds, limit),
    )
    return [(event_us, kind, msgspec.json.decode(body)) for event_us, kind, body in rows]


def put_status(raw: sqlite3.Connection, status: Mapping[str, Any]) -> None:
    put_meta(raw, _STATUS, msgspec.json.encode(dict(status)).decode())


def get_status(raw: sqlite3.Connection) -> dict[str, Any]:
    """The status the daemon saved last; empty when it never did."""
    text = get_meta(raw, _STATUS)
    return dict(msgspec.json.decode(text)) if text else {}


def note_states_until(raw: sqlite3.Connection, event_us: int) -> None:
    """The rule states are as of that event time; what was decided by then is stored, too."""
    if event_us > states_until_us(raw):
        put_meta(raw, _STATES_UNTIL, event_us)


def states_until_us(raw: sqlite3.Connection) -> int:
    """The event time that the rule states are as of, 0 when that was never noted."""
    return int(get_meta(raw, _STATES_UNTIL) or 0)


def decided_until_us(raw: sqlite3.Connection) -> int:
    """Up to which event time all that was decided is stored: 0 when nothing ever was, NEVER_US in a store from before
    this was noted."""
    if noted_us := states_until_us(raw):
        return noted_us
    tables = ("rule_states", "transitions")
    is_old = any(raw.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)
    return NEVER_US if is_old else 0


def last_event_us(raw: sqlite3.Connection) -> int:
    """The greatest event time in main.db, 0 when there is none."""
    columns = ("transitions.event_us", "rule_sets.event_us", "rule_states.judged_us", "audit.event_us", "gaps.event_us")
    found = 0
    for table, column in (name.split(".") for name in columns):
        (greatest,) = raw.execute(f"SELECT max({column}) FROM {table}").fetchone()
        found = max(found, greatest or 0)
    return max(found, states_until_us(raw))
