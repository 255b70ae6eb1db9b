"""Read-only questions to the store for the CLI: quick to import, and answered whether the daemon runs or not."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from tradeassistd.engine.events import Gap
from tradeassistd.engine.silences import Silence
from tradeassistd.engine.transition import RuleState, Transition
from tradeassistd.market.bar import Bar
from tradeassistd.market.session import trading_day
from tradeassistd.market.tick import Tick
from tradeassistd.store import bars as bar_rows
from tradeassistd.store import journal, outbox
from tradeassistd.store.directory import MAIN_FILE, daemon_running, tape_paths
from tradeassistd.store.outbox import StoredAlert
from tradeassistd.store.reading import EmptyFileError, reading
from tradeassistd.store.rule_states import select_states
from tradeassistd.store.silences import select_silences
from tradeassistd.store.tape_files import day_of
from tradeassistd.store.tape_reading import last_ticks as ticks_of_tape
from tradeassistd.store.tape_reading import newest_ticks, read_tape

TAPES_SEARCHED_MAX = 5
"""How many trading days `last_quotes` goes back for a symbol."""

__all__ = [
    "StoredAlert", "alerts", "audit", "bars", "daemon_running", "delivery_counts", "gaps", "last_quotes", "last_ticks",
    "read_tape", "rule_states", "rule_texts", "silences", "status", "tape_paths", "transitions",
]  # fmt: skip


def status(directory: Path) -> dict[str, Any]:
    """The status the daemon saved last. Raises FatalError or TransientError, as all of these do."""
    with reading(directory / MAIN_FILE, "main") as raw:
        return journal.get_status(raw)


def last_quotes(directory: Path, symbols: Collection[str] | None = None) -> dict[str, Tick]:
    """The newest tick of each symbol by symbol, or of those asked for, from the newest tapes that have it."""
    wanted = None if symbols is None else frozenset(symbols)
    found: dict[str, Tick] = {}
    for path in tape_paths(directory)[:TAPES_SEARCHED_MAX]:
        try:
            newest = newest_ticks(path, None if wanted is None else wanted - found.keys())
        except EmptyFileError:
            continue
        found = newest | found
        if wanted is not None and wanted <= found.keys():
            break
    return dict(sorted(found.items()))


def last_ticks(directory: Path, symbol: str, *, before_us: int = 2**62, limit: int = 100) -> list[Tick]:
    """The last ticks of a symbol from before an event time, oldest first, over as many days as it takes, up to five."""
    day = trading_day(before_us)[0] if before_us < 2**62 else "9"
    found: list[Tick] = []
    for path in [one for one in tape_paths(directory) if day_of(one.name) <= day][:TAPES_SEARCHED_MAX]:
        with suppress(EmptyFileError):
            found = ticks_of_tape(path, symbol, before_us=before_us, limit=limit - len(found)) + found
        if len(found) >= limit:
            break
    return found


def alerts(
    directory: Path, *, limit: int = 50, rule: str = "", symbol: str = "", severity: str = "", since_us: int = 0,
    until_us: int = 2**62, include_suppressed: bool = True, before: str = "",
) -> list[StoredAlert]:  # fmt: skip
    """Alerts with their deliveries, newest first; `before` is the id of the last one seen, for the next page.

    Raises PermanentError when there is no alert with that id.
    """
    with reading(directory / MAIN_FILE, "main") as raw:
        return outbox.select_alerts(
            raw, limit=limit, rule=rule, symbol=symbol, severity=severity, since_us=since_us, until_us=until_us,
            include_suppressed=include_suppressed, before=before,
        )  # fmt: skip


def transitions(directory: Path, *, since_us: int = 0, until_us: int = 2**62, rule: str = "") -> list[Transition]:
    """Transitions in the order they happened."""
    with reading(directory / MAIN_FILE, "main") as raw:
        return outbox.select_transitions(raw, since_us=since_us, until_us=until_us, rule=rule)


def delivery_counts(directory: Path) -> dict[str, dict[str, int]]:
    """How many deliveries are in each state, by channel."""
    with reading(directory / MAIN_FILE, "main") as raw:
        return outbox.count_deliveries(raw)


def rule_states(directory: Path, *, untouched: bool = False) -> tuple[RuleState, ...]:
    """Every stored rule state, by rule, symbol and level; `untouched` as for `reading`."""
    with reading(directory / MAIN_FILE, "main", untouched=untouched) as raw:
        return select_states(raw)


def silences(directory: Path, now_us: int) -> tuple[Silence, ...]:
    """What somebody said to the daemon that is not over at `now_us` (market time), oldest first."""
    with reading(directory / MAIN_FILE, "main") as raw:
        return select_silences(raw, now_us)


def rule_texts(directory: Path, rules_hash: str = "") -> tuple[tuple[str, str], ...]:
    """(file, text) of the rule set with that hash, or of the one accepted last."""
    with reading(directory / MAIN_FILE, "main") as raw:
        return journal.select_rule_texts(raw, rules_hash)


def bars(
    directory: Path, symbol: str, interval: str, session: str, *, before_us: int = 2**62, limit: int = 50
) -> list[Bar]:
    """The last bars that had closed by `before_us`, oldest first."""
    with reading(directory / MAIN_FILE, "main") as raw:
        return bar_rows.select_bars(raw, symbol, interval, session, before_us=before_us, limit=limit)


def gaps(directory: Path, *, since_us: int = 0) -> list[Gap]:
    """Gaps that had not ended before that, in order."""
    with reading(directory / MAIN_FILE, "main") as raw:
        return bar_rows.select_gaps(raw, since_us=since_us)


def audit(
    directory: Path, limit: int = 50, *, kinds: Collection[str] = (), since_us: int = 0, until_us: int = 2**62
) -> list[tuple[int, str, dict[str, Any]]]:
    """(event time, kind, body) of the last notes, newest first; of kinds that fit one of those globs, or of all."""
    with reading(directory / MAIN_FILE, "main") as raw:
        return journal.select_audit(raw, limit, kinds=kinds, since_us=since_us, until_us=until_us)
