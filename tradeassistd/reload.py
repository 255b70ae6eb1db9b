"""Hot reload: the rules directory changes, the rules in force follow, and everybody can see what happened.

One task does it, so two reloads never run at once; a request during a run is one more run. Texts are stored before they
are in force, so a restart with a broken file arms the last good version, and a replay finds every rule set there was.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import ConfigError, TransientError
from tradeassistd.base.yaml12 import Place, Problem
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.rules.build import Request, build
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Found, Loaded, git_commit, is_rule_file, read_directory
from tradeassistd.rules.readings import Context, Readings
from tradeassistd.rules.routes import Routes
from tradeassistd.rules.watch import QUIET_S, SETTLE_WITHIN_S, RulesWatch

REMIND_EVERY_S = 86_400.0
"""A file that stays rejected is told about again this often."""
RETRY_EVERY_S = 5.0
SAME_FOR_S = 0.1
"""Two looks so far apart must find the same before it counts: nobody is in the middle of writing a file."""
RULES_IN_THREAD_MAX = 100
"""More changed rules than these are read in a process of their own (rules.md 6.4)."""

log = structlog.get_logger(__name__)


class RuleStore(Protocol):
    """What a reload needs of the store."""

    async def save_rules(self, rule_set: RuleSet, commit: str, *, event_us: int) -> None: ...
    async def note_audit(self, event_us: int, kind: str, body: Mapping[str, Any]) -> None: ...


async def _nothing(rule_set: RuleSet) -> None:
    """Rules that need nothing loaded."""


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
    swap: Callable[[RuleSet, Routes | None], int]
    """Puts a rule set and its routes in force between two events; gives the event time."""
    tell: Callable[[str, str], None]
    """Sends a message (title, text) to the default channels."""
    loaded: Loaded
    """What is in force, with what is wrong with the files on disk."""
    channels: frozenset[str] | None = None
    """The channels of the settings, which routes may name; None: any."""
    readings: Readings = field(default_factory=Readings)
    """What the files in force say, so that only those that change are read."""
    prepare: Callable[[RuleSet], Awaitable[None]] = _nothing
    """Called right before a swap: what the new rules read is loaded."""
    begun: Callable[[], None] = lambda: None
    ended: Callable[[], None] = lambda: None
    """Called around every reload that reads something new (systemd's RELOADING and READY)."""
    listeners: list[Callable[[ReloadResult], None]] = field(default_factory=list)
    """Called after every reload that read something new, accepted or not."""
    _watch: RulesWatch = field(init=False)
    _lock: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _seen: Found | None = field(init=False, default=None)
    _told: _Told = field(init=False, default_factory=_Told)
    _unnoted: list[tuple[int, dict[str, Any]]] = field(init=False, default_factory=list)
    """Audit rows that the store could not take: one at most, for nothing is read before it has it."""

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
                await self.reload()
            except TransientError as error:
                log.warning("rules.not_stored", reason=str(error))
                await self.clock.pause(RETRY_EVERY_S)
                self._watch.request()

    def request(self) -> None:
        """Look at the directory now (SIGHUP)."""
        self._watch.request()

    async def reload(self, *, allow_empty: bool = False) -> ReloadResult:
        """Read the directory and put in force what is right in it; bytes that were looked at before change nothing.

        Raises TransientError when the store cannot take the texts; then nothing has changed. When it takes them and
        then cannot take the audit row, that is raised, too; the row is stored before anything is read again.
        """
        async with self._lock:
            await self._note()
            found = await self._read()
            if not allow_empty and self._seen is not None and _same(found, self._seen):
                self._remind()
                return await asyncio.to_thread(_result, self.loaded.rule_set, self.loaded)
            self.begun()
            try:
                return await self._take(found, allow_empty)
            finally:
                self.ended()

    async def _take(self, found: Found, allow_empty: bool) -> ReloadResult:
        before, now_us = self.loaded.rule_set, self.clock.now_us()
        await self._build(found, now_us)
        loaded, result = await asyncio.to_thread(self._accepted, found, before, allow_empty, now_us)
        if self._seen is None and loaded.rule_set.hash == before.hash and not (loaded.problems or self.loaded.problems):
            self._seen = found  # the first look finds what the start has put in force
            return result
        await self._put_in_force(loaded, result)
        self._seen = found
        self._say_what_is_wrong()
        for listen in self.listeners:
            listen(result)
        await self._note()
        return result

    async def _build(self, found: Found, now_us: int) -> None:
        """Have many changed rules read in a process of their own; a few are read in a thread, with everything else."""
        context = Context.of(found.texts, found.prefix, lint=False, channels=self.channels)
        files = [name for name in found.texts if is_rule_file(name)]
        names = await asyncio.to_thread(self.readings.missing, files, found.texts, context, now_us)
        # What is not read yet cannot be counted: every rule has a line with an id.
        if sum(found.texts[name].count("id:") for name in names) <= RULES_IN_THREAD_MAX:
            return
        try:
            await build(Request(tuple(names), found.texts, context, now_us), self.readings, self.clock)
        except TransientError as error:
            log.warning("rules.read_here", reason=str(error))  # ticks may be late, but the rules are right

    def _accepted(self, found: Found, before: RuleSet, allow_empty: bool, now_us: int) -> tuple[Loaded, ReloadResult]:
        """Off the event loop: what is accepted, and how it differs from what is in force."""
        loaded = accept(found, dict(before.texts), allow_empty=allow_empty, now_us=now_us, channels=self.channels,
                        readings=self.readings)  # fmt: skip
        loaded = replace(loaded, rule_set=_with_same_objects(loaded.rule_set, before))
        return loaded, _result(before, loaded)

    async def _read(self) -> Found:
        """The directory as it is. What is new counts when a second look agrees; a file that is gone, and so the
        directory, when that look comes after a longer time."""
        found = await asyncio.to_thread(_look, self.directory)
        end_s = self.clock.elapsed_s() + SETTLE_WITHIN_S
        while not (self._seen is not None and _same(found, self._seen)) and self.clock.elapsed_s() < end_s:
            are_gone = set(dict(self.loaded.rule_set.texts)) - set(found.texts)
            await self.clock.pause(QUIET_S if are_gone else SAME_FOR_S)
            before, found = found, await asyncio.to_thread(_look, self.directory)
            if _same(found, before):
                break
        return found

    async def _put_in_force(self, loaded: Loaded, result: ReloadResult) -> None:
        after = loaded.rule_set
        commit = await asyncio.to_thread(git_commit, self.directory)
        event_us = 0
        if after.hash != self.loaded.rule_set.hash:
            await self.store.save_rules(after, commit, event_us=self.clock.now_us())
            await self.prepare(after)
            event_us = self.swap(after, loaded.routes)
            gc.freeze()  # the new rules live long, too
        self.loaded = loaded
        body = {"hash": after.hash, "commit": commit, "added": result.added, "changed": result.changed,
                "removed": result.removed, "rejected": result.problems}  # fmt: skip
        self._unnoted.append((event_us or self.clock.now_us(), body))
        log.info("rules.reloaded", hash=after.hash[:12], commit=commit[:12], added=len(result.added),
                 changed=len(result.changed), removed=len(result.removed), rejected=len(result.rejected))  # fmt: skip

    async def _note(self) -> None:
        """Store what the audit does not have yet. Raises TransientError when the store is busy."""
        while self._unnoted:
            event_us, body = self._unnoted[0]
            await self.store.note_audit(event_us, "rules.reload", body)
            self._unnoted.pop(0)

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


def _result(before: RuleSet, loaded: Loaded) -> ReloadResult:
    """How rules differ from those before, and what is wrong with the files."""
    after, old = loaded.rule_set.by_id, before.by_id
    both = after.keys() & old.keys()
    return ReloadResult(
        accepted=not loaded.problems,
        hash=loaded.rule_set.hash,
        added=tuple(sorted(after.keys() - old.keys())),
        changed=tuple(sorted(name for name in both if after[name] is not old[name] and after[name] != old[name])),
        removed=tuple(sorted(old.keys() - after.keys())),
        problems=tuple(map(str, loaded.problems)),
        rejected=loaded.rejected,
    )


def _with_same_objects(after: RuleSet, before: RuleSet) -> RuleSet:
    """The rule set with the very rules of `before` where they are the same: the swap then leaves them alone."""
    old = before.by_id
    return replace(after, rules=tuple(_same_object(old.get(rule.id), rule) for rule in after.rules))


def _same_object(old: Rule | None, rule: Rule) -> Rule:
    # Where it stands is no part of equality, but is shown.
    return old if old == rule and (old.file, old.line) == (rule.file, rule.line) else rule


def _same(found: Found, seen: Found) -> bool:
    """Whether a look found what the one before did."""
    return (found.texts, found.unreadable, found.problems) == (seen.texts, seen.unreadable, seen.problems)


def _look(directory: Path) -> Found:
    """The directory's texts; one that is not there holds nothing, which is then refused in its own words."""
    try:
        return read_directory(directory)
    except ConfigError as error:
        return Found({}, f"{directory.name}/", (Problem(Place(str(directory), 1, 1), "", error.message, error.hint),))
