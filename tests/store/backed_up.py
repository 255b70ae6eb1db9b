"""A state directory with something of everything, its backup, and what a restore of that makes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.store.makers import FRIDAY_US, a_decision, a_tick
from tradeassistd.base.clock import ManualClock
from tradeassistd.engine.transition import RuleState, State
from tradeassistd.store.archive import Manifest
from tradeassistd.store.backup import write_backup
from tradeassistd.store.records import DeliveryState
from tradeassistd.store.restoring import Places, Restored, restore
from tradeassistd.store.writer import Store

DAY_US = 86_400_000_000
TEXTS = {
    "config.yaml": b"store: {path: state}\n",
    "rules/a.yaml": b"version: 1\nrules: []\n",
    "rules/tests/a.yaml": b"{}\n",
}
STATE = RuleState("es-levels", "/ES", 0, "f" * 16, State.FIRING, 1, 2, 3, False, [1], told_price=5)


def backed_up(directory: Path, target: Path, days: int | None = None) -> Manifest:
    return write_backup(directory, target, texts=TEXTS, blanked=("schwab.app_key",), program="9.9", made_us=FRIDAY_US,
                        days=days)  # fmt: skip


def restored(source: Path, folder: Path, *, replace: bool = False, rules: bool = True) -> Restored:
    places = Places(folder / "state", folder / "rules.d", folder / "config.yaml", (folder / "config.yaml").exists())
    return restore(source, lambda _: places, replace=replace, rules=rules, now_us=FRIDAY_US, by="anna")


async def a_state(directory: Path) -> Path:
    """Three days with an alert whose deliveries stand everywhere they can."""
    store = await Store.open(directory, clock=ManualClock(FRIDAY_US))
    for day in (2, 1, 0):
        for number in range(300):
            store.record(a_tick(FRIDAY_US - day * DAY_US + number * 1_000))
    decided = a_decision(FRIDAY_US + 1_000_000, "slack", "phone", "bell")
    await store.commit(decided, [STATE])
    deliveries = {pair[0].channel: pair[0] for pair in await store.open_deliveries()}
    sending, sent = deliveries["phone"], deliveries["bell"]
    sending.state, sent.state = DeliveryState.SENDING, DeliveryState.SENT
    assert await store.mark(sending) and await store.mark(sent)
    await store.note_audit(FRIDAY_US + 2_000_000, "ack", {"by": "anna"})
    await store.close()
    return directory


def rows(path: Path) -> dict[str, list[object]]:
    """Everything in a database but the audit."""
    raw = sqlite3.connect(path)
    try:
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: raw.execute(f"SELECT * FROM {name}").fetchall() for name in names
                if name not in ("audit", "sqlite_sequence")}  # fmt: skip
    finally:
        raw.close()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
