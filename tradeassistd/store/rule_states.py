"""Rule states as rows of main.db: what the engine takes up again after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from tradeassistd.engine.transition import STATE_KEPT_US, RuleState, State

_COLUMNS = (
    "rule_id", "symbol", "level", "fingerprint", "state", "judged_us", "since_us", "told_us", "untold", "sides",
    "held_us", "holding_us",
)  # fmt: skip
"""Fields that have a column each; every other field of a state is in the JSON object `more`."""
_MORE = tuple(field for field in msgspec.structs.fields(RuleState) if field.name not in _COLUMNS)
_More = msgspec.defstruct("_More", [(field.name, field.type, field.default) for field in _MORE], omit_defaults=True)
_MORE_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_More)
_NAMES = ", ".join((*_COLUMNS, "more"))
_SELECT = f"""SELECT {_NAMES} FROM rule_states WHERE judged_us >= ? OR judged_us = 0
              ORDER BY rule_id, symbol, level, fingerprint"""
_UPSERT = f"INSERT OR REPLACE INTO rule_states ({_NAMES}) VALUES (?{', ?' * len(_COLUMNS)})"


def upsert_states(raw: sqlite3.Connection, states: Sequence[RuleState]) -> None:
    """The present state of each (rule, symbol, level), over what was stored."""
    raw.executemany(_UPSERT, [_row(state) for state in states])


def select_states(raw: sqlite3.Connection) -> tuple[RuleState, ...]:
    """The stored states that are not too old to be taken up, by rule, symbol and level.

    One whose result was never known may know its sides all the same.
    """
    newest_us = raw.execute("SELECT ifnull(max(judged_us), 0) FROM rule_states").fetchone()[0]
    return tuple(_state(row) for row in raw.execute(_SELECT, (newest_us - STATE_KEPT_US,)))


def delete_old_states(raw: sqlite3.Connection) -> int:
    """Forget the states that `select_states` leaves out; gives how many there were."""
    newest_us = raw.execute("SELECT ifnull(max(judged_us), 0) FROM rule_states").fetchone()[0]
    oldest_us = newest_us - STATE_KEPT_US
    return raw.execute("DELETE FROM rule_states WHERE judged_us BETWEEN 1 AND ?", (oldest_us - 1,)).rowcount


def _row(state: RuleState) -> tuple[Any, ...]:
    more = _More(**{field.name: getattr(state, field.name) for field in _MORE})
    return (
        state.rule_id, state.symbol, state.level, state.fingerprint, state.state, state.judged_us, state.since_us,
        state.told_us, state.untold, msgspec.json.encode(state.sides).decode(), state.held_us, state.holding_us,
        msgspec.json.encode(more).decode(),
    )  # fmt: skip


def _state(row: Sequence[Any]) -> RuleState:
    (rule_id, symbol, level, fingerprint, state, judged_us, since_us, told_us, untold, sides, held_us, holding_us,
     more) = row  # fmt: skip
    return RuleState(
        rule_id, symbol, level, fingerprint, State(state), judged_us, since_us, told_us, bool(untold),
        msgspec.json.decode(sides, type=list[int]), held_us, holding_us,
        **msgspec.structs.asdict(_MORE_DECODER.decode(more)),
    )  # fmt: skip
