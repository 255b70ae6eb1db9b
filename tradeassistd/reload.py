"""Hot reload: the rules directory changes, the rules in force follow, and everybody can see what happened.

One task does it, so two reloads never run at once; a request during a run is one more run. Texts are stored before they
are in force, so a restart with a broken file arms the last good version, and a replay finds every rule set there was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import ConfigError, TransientError
from tradeassistd.base.yaml12 import Place, Problem
from tradeassistd.engine.rule import RuleSet
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Found, Loaded, git_commit, read_directory
from tradeassistd.rules.watch import QUIET_S, RulesWatch

REMIND_EVERY_S = 86_400.0
"""A file that stays rejected is told about again this often."""
RETRY_EVERY_S = 5.0

log = structlog.get_logger(__name__)


class RuleStore(Protocol):
    """What a reload needs of the store."""

    async def save_rules(self, rule_set: RuleSet, commit: str, *, event_us: int) -> None: ...
    async def note_audit(self, event_us: int, kind: str, body: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What a reload did. `accepted`: nothing was wrong; `changed` ids have another condition or other fields."""

    accepted: bool
    hash: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


@dataclass(slots=True)
class _Told:
    problems: tuple[str, ...] = ()
    at_s: float = 0.0


@dataclass(slots=True)
class Reloader:
    """Keeps the rules in force equal to the directory, as far as the directory is right."""

    directory: Path
    clock: Clock
    store: RuleStore
    swap: Callable[[RuleSet], int]
    """Puts a rule set in force between two events; gives the event time."""
    tell: Callable[[str, str], None]
    """Sends a message (title, text) to the default channels."""
    loaded: Loaded
    """What is in force, with what is wrong with the files on disk."""
    begun: Callable[[], None] = lambda: None
    ended: Callable[[], None] = lambda: None
    """Called around every reload that reads something new (systemd's RELOADING and READY)."""
    listeners: list[Callable[[ReloadResult], None]] = field(default_factory=list)
    """Called after every reload that read something new, accepted or not."""
    _watch: RulesWatch = field(init=False)
    _lock: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _seen: Mapping[str, str] | None = field(init=False, default=None)
    _told: _Told = field(init=False, default_factory=_Told)

    def __post_init__(self) -> None:
        self._watch = RulesWatch(self.directory, self.clock)

    async def listen(self) -> None:
        """Notice changes, until cancelled."""
        await self._watch.run()

    async def run(self) -> None:
        """Follow the directory until cancelled."""
        self._say_what_is_wrong()
        while True:
            await self._watch.stirred()
            try:
                await self.reload(only_changes=True)
            except TransientError as error:
                log.warning("rules.not_stored", reason=str(error))
                await self.clock.pause(RETRY_EVERY_S)
                self._watch.request()

    def request(self) -> None:
        """Look at the directory now (SIGHUP)."""
        self._watch.request()

    async def reload(self, *, allow_empty: bool = False, only_changes: bool = False) -> ReloadResult:
        """Read the directory and put in force what is right in it.

        With `only_changes`, bytes that were looked at before are not looked at again. Raises TransientError when the
        store cannot take the texts; then nothing has changed.
        """
        async with self._lock:
            found = await self._read()
            if only_changes and self._seen is not None and _same(found, self._seen):
                self._remind()
                return self._result(self.loaded.rule_set)
            self.begun()
            try:
                return await self._take(found, allow_empty)
            finally:
                self.ended()

    async def _take(self, found: Found, allow_empty: bool) -> ReloadResult:
        live = dict(self.loaded.rule_set.texts)
        loaded = await asyncio.to_thread(accept, found, live, allow_empty=allow_empty, now_us=self.clock.now_us())
        result = await self._put_in_force(loaded)
        self._seen = dict(found.texts)
        self._say_what_is_wrong()
        for listen in self.listeners:
            listen(result)
        return result

    async def _read(self) -> Found:
        """The directory as it is; a file counts as gone when a second look agrees, and so does the directory."""
        found = await asyncio.to_thread(_look, self.directory)
        if set(dict(self.loaded.rule_set.texts)) - set(found.texts):
            await self.clock.pause(QUIET_S)
            found = await asyncio.to_thread(_look, self.directory)
        return found

    async def _put_in_force(self, loaded: Loaded) -> ReloadResult:
        before, after = self.loaded.rule_set, loaded.rule_set
        commit = await asyncio.to_thread(git_commit, self.directory)
        event_us = 0
        if after.hash != before.hash:
            await self.store.save_rules(after, commit, event_us=self.clock.now_us())
            event_us = self.swap(after)
        self.loaded = loaded
        result = self._result(before)
        body = {"hash": after.hash, "commit": commit, "added": result.added, "changed": result.changed,
                "removed": result.removed, "rejected": result.problems}  # fmt: skip
        await self.store.note_audit(event_us or self.clock.now_us(), "rules.reload", body)
        log.info("rules.reloaded", hash=after.hash[:12], commit=commit[:12], added=len(result.added),
                 changed=len(result.changed), removed=len(result.removed), rejected=len(result.rejected))  # fmt: skip
        return result

    def _result(self, before: RuleSet) -> ReloadResult:
        """How the rules in force differ from `before`, and what is wrong with the files."""
        after, old = self.loaded.rule_set.by_id, before.by_id
        return ReloadResult(
            accepted=not self.loaded.problems,
            hash=self.loaded.rule_set.hash,
            added=tuple(sorted(after.keys() - old.keys())),
            changed=tuple(sorted(name for name in after.keys() & old.keys() if after[name] != old[name])),
            removed=tuple(sorted(old.keys() - after.keys())),
            problems=tuple(map(str, self.loaded.problems)),
            rejected=self.loaded.rejected,
        )

    def _say_what_is_wrong(self) -> None:
        """One message when files are rejected, and one when they are mended (rules.md 6.7)."""
        problems = tuple(map(str, self.loaded.problems))
        if problems == self._told.problems:
            return
        for problem in problems:
            log.error("rules.rejected", problem=problem)
        mended = not problems
        self._told = _Told(problems, self.clock.elapsed_s())
        kept = f"{len(self.loaded.rejected)} files stay as they were"
        title = "Rules are right again" if mended else f"Rules rejected: {kept}"
        self.tell(title, "Every file of the rules directory is in force." if mended else "\n".join(problems[:5]))

    def _remind(self) -> None:
        if self._told.problems and self.clock.elapsed_s() - self._told.at_s >= REMIND_EVERY_S:
            self._told = _Told()
            self._say_what_is_wrong()


def _same(found: Found, seen: Mapping[str, str]) -> bool:
    return not found.unreadable and dict(found.texts) == dict(seen)


def _look(directory: Path) -> Found:
    """The directory's texts; one that is not there holds nothing, which is then refused in its own words."""
    try:
        return read_directory(directory)
    except ConfigError as error:
        return Found({}, f"{directory.name}/", (Problem(Place(str(directory), 1, 1), "", error.message, error.hint),))
