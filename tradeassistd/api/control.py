"""What the API asks of the daemon: a handful of callables, filled in by app.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from tradeassistd.api.models import AlertsPage, Quote, Rule, RuleDetail
from tradeassistd.api.models import Silence as SilenceDocument
from tradeassistd.engine.silences import Silence
from tradeassistd.history.backfill import Progress
from tradeassistd.history.verify import Verdict
from tradeassistd.store.transfer.files import Row
from tradeassistd.store.transfer.incoming import Taken
from tradeassistd.store.transfer.tables import Table


@dataclass(frozen=True, slots=True)
class AlertsQuery:
    """Which alerts; empty text means any. Times are UTC microseconds."""

    limit: int = 50
    rule: str = ""
    symbol: str = ""
    severity: str = ""
    since_us: int = 0
    until_us: int = 2**62
    suppressed: bool = False
    before: str = ""
    """The id of the last alert seen: the page after it."""


class ReloadResult(Protocol):
    """What a reload of the rules did (reload.ReloadResult)."""

    @property
    def accepted(self) -> bool: ...
    @property
    def hash(self) -> str: ...
    @property
    def added(self) -> Sequence[str]: ...
    @property
    def changed(self) -> Sequence[str]: ...
    @property
    def removed(self) -> Sequence[str]: ...
    @property
    def problems(self) -> Sequence[str]: ...
    @property
    def rejected(self) -> Sequence[str]: ...


class Reload(Protocol):
    """Reads the rules directory and puts in force what is right in it. Raises TransientError."""

    def __call__(self, *, allow_empty: bool = False) -> Awaitable[ReloadResult]: ...


class AckedFiring(Protocol):
    """A firing that gets no more reminders (live.AckedFiring)."""

    @property
    def symbol(self) -> str: ...
    @property
    def level(self) -> int: ...
    @property
    def since_us(self) -> int: ...


class Acknowledged(Protocol):
    """What an acknowledgement did (live.Acknowledged)."""

    @property
    def event_us(self) -> int: ...
    @property
    def firings(self) -> Sequence[AckedFiring]: ...


class Acknowledge(Protocol):
    """Ends the reminders of a rule's firings, of one symbol or (empty) of all.

    Raises PermanentError for a rule or symbol that is not there, TransientError when that may pass.
    """

    def __call__(self, rule_id: str, symbol: str, by: str) -> Awaitable[Acknowledged]: ...


class Silencing(Protocol):
    """Silences that somebody says to the daemon (silencing.Silencing).

    Both raise PermanentError when it cannot be, TransientError when that may pass.
    """

    def silence(self, wanted: Silence, until_us: Callable[[int], int]) -> Awaitable[Silence]:
        """`wanted` from now on, until the instant that `until_us` gives for now; gives what is in force."""

    def end(self, number: int, by: str) -> Awaitable[Silence]:
        """Gives the silence that was in force."""


class Backfilling(Protocol):
    """Backfills of this daemon (history.backfills.Backfiller)."""

    @property
    def progress(self) -> Progress | None:
        """Of the one under way, or of the last one."""

    def start(
        self, symbols: Sequence[str], interval: str, from_day: date | None, to_day: date | None, *, again: bool, by: str
    ) -> Awaitable[Progress]:
        """Raises UnfitError, BusyError, TransientError."""

    def stop(self, by: str) -> Awaitable[Progress]:
        """Raises PermanentError when none is under way."""


class Verify(Protocol):
    """Compares stored minutes with Schwab's (history.verify.Verifier). Raises UnfitError, TransientError."""

    def __call__(self, symbol: str, from_day: date | None, to_day: date | None) -> Awaitable[Sequence[Verdict]]: ...


class Pruned(Protocol):
    """What a removal did (store.retention.Pruned)."""

    @property
    def rows(self) -> Mapping[str, int]: ...
    @property
    def tapes(self) -> Sequence[str]: ...
    @property
    def tape_bytes(self) -> int: ...
    @property
    def before(self) -> Mapping[str, str]: ...


class Prune(Protocol):
    """Removes what is kept no longer; `keep` takes the place of the settings, each `tape=10d`.

    Raises ValueError for a `keep` that says nothing, TransientError or FatalError.
    """

    def __call__(self, keep: Sequence[str], by: str) -> Awaitable[Pruned]: ...


class Keeping(Protocol):
    """What a backup, an export and an import ask of the daemon (store.keeping.Keeping). Each raises TransientError."""

    def settle(self, kind: str, body: Mapping[str, Any]) -> Awaitable[None]:
        """Put on the disk what is on its way there, and note in the audit what for."""

    def put(self, table: Table, rows: Sequence[Row]) -> Awaitable[Taken]:
        """Raises ValueError when a row is unfit."""

    def note_import(self, spans: Sequence[tuple[str, int, int]], body: Mapping[str, Any]) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Control:
    """Everything is called on the daemon's event loop, between two events, so the answers fit together."""

    status: Callable[[], Mapping[str, Any]]
    """What `tradeassist status` shows."""
    quotes: Callable[[], list[Quote]]
    rules: Callable[[], list[Rule]]
    rule: Callable[[str], RuleDetail | None]
    alerts: Callable[[AlertsQuery], Awaitable[AlertsPage]]
    """Raises PermanentError for a `before` that is no alert, TransientError when the store is busy."""
    reload: Reload
    acknowledge: Acknowledge
    silences: Callable[[], list[SilenceDocument]]
    """Those in force: of the file, then said ones."""
    silence_document: Callable[[Silence], SilenceDocument]
    silencing: Silencing
    frames: Callable[[], Iterator[str]] = lambda: iter(())
    """The raw frames of the last minutes, redacted, oldest first, each one line of JSON (feed.ring)."""
    prune: Prune | None = None
    keeping: Keeping | None = None
    note: Callable[[str, Mapping[str, Any]], None] = lambda kind, body: None
    """Takes (kind, body) into the audit, without waiting."""
    verify: Verify | None = None
    backfills: Backfilling | None = None
    """None where there is no Schwab to ask."""
    reconnect: Callable[[], None] = lambda: None
    """Ends the wait before the next connection; does nothing while there is one."""
