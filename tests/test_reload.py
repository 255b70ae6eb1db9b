"""The reloader by itself: what it stores, tells and leaves alone, with times that move only when a test says so."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import TransientError
from tradeassistd.engine.rule import RuleSet
from tradeassistd.reload import REMIND_EVERY_S, RULES_IN_THREAD_MAX, SAME_FOR_S, Reloader, ReloadResult
from tradeassistd.rules.load import FILE_MAX_BYTES, load_directory
from tradeassistd.rules.routes import Routes
from tradeassistd.rules.watch import QUIET_S, SETTLE_WITHIN_S

NOW_US = 1_794_841_200_000_000


class HeardClock(ManualClock):
    """Machine time that flies: a pause is over at once, and `during` happens in it."""

    def __init__(self, start_us: int) -> None:
        super().__init__(start_us)
        self.paused_s: list[float] = []
        self.during: Callable[[], None] = lambda: None

    async def pause(self, seconds: float) -> None:
        self.paused_s.append(seconds)
        self.during()
        self.pass_time(seconds)
        await asyncio.sleep(0)


class Books:
    """A store that keeps everything in lists; while it is `busy` it takes nothing."""

    def __init__(self) -> None:
        self.saved: list[str] = []
        self.audit: list[tuple[int, str, dict[str, Any]]] = []
        self.busy = False
        self.no_audit = False

    async def save_rules(self, rule_set: RuleSet, commit: str, *, event_us: int) -> None:
        if self.busy:
            raise TransientError("the disk is busy")
        self.saved.append(rule_set.hash)

    async def note_audit(self, event_us: int, kind: str, body: Mapping[str, Any]) -> None:
        if self.busy or self.no_audit:
            raise TransientError("the disk is busy")
        self.audit.append((event_us, kind, dict(body)))


class Daemon:
    """A reloader over a directory, and all that comes of it."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder, self.clock, self.books = folder / "rules.d", HeardClock(NOW_US), Books()
        self.folder.mkdir()
        self.write(**files)
        self.swaps: list[RuleSet] = []
        self.said: list[tuple[str, str]] = []
        self.notified: list[str] = []
        self.reloader = Reloader(
            self.folder, self.clock, self.books, self._swap, lambda *said: self.said.append(said),
            load_directory(self.folder), begun=lambda: self.notified.append("begun"),
            ended=lambda: self.notified.append("ended"),
        )  # fmt: skip

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.yaml").write_text(text, "utf-8")

    def seen(self) -> tuple[int, ...]:
        """How much has come of reloads so far."""
        books = self.books
        return len(books.saved), len(books.audit), len(self.swaps), len(self.said), len(self.notified)

    def _swap(self, rule_set: RuleSet, _: Routes | None) -> int:
        self.swaps.append(rule_set)
        return NOW_US + len(self.swaps)


def file(*ids: str, when: str = "price > 1") -> str:
    rules = "".join(f"  - {{id: {one}, symbols: [/ES], when: {when}}}\n" for one in ids)
    return f"version: 1\nrules:\n{rules}"


async def test_bytes_that_were_looked_at_before_touch_nothing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"), broken="version: 1\nrules: none\n")
    daemon.write(more="x" * (FILE_MAX_BYTES + 1))  # cannot even be read
    first = await daemon.reloader.reload()
    assert set(first.rejected) == {"broken.yaml", "more.yaml"}
    before, rules = daemon.seen(), daemon.reloader.loaded.rule_set
    for _ in range(3):
        again = await daemon.reloader.reload()
        assert (again.accepted, again.problems, again.rejected) == (False, first.problems, first.rejected)
        assert (again.added, again.changed, again.removed) == ((), (), ())
    assert daemon.seen() == before
    assert daemon.reloader.loaded.rule_set is rules


async def test_only_what_changed_is_another_object_and_every_change_is_in_the_audit(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a", "b"), b=file("c"), c=file("gone"))
    await daemon.reloader.reload()
    old = daemon.reloader.loaded.rule_set.by_id
    daemon.write(
        b=file("c", "d", when="price > 2"), bad="version: 1\nrules:\n  - {id: e, symbols: [/ES], when: price >}\n"
    )
    (daemon.folder / "c.yaml").unlink()
    result = await daemon.reloader.reload()
    assert (result.added, result.changed, result.removed) == (("d",), ("c",), ("gone",))
    new = daemon.reloader.loaded.rule_set
    assert new.by_id["a"] is old["a"] and new.by_id["b"] is old["b"]
    event_us, kind, body = daemon.books.audit[-1]
    assert (event_us, kind) == (NOW_US + len(daemon.swaps), "rules.reload")
    assert {key: body[key] for key in ("hash", "added", "changed", "removed")} == {
        "hash": new.hash, "added": ("d",), "changed": ("c",), "removed": ("gone",),
    }  # fmt: skip
    (rejected,) = body["rejected"]
    assert rejected.startswith("rules.d/bad.yaml:3:")
    assert daemon.books.saved[-1] == new.hash == daemon.swaps[-1].hash
    assert daemon.notified[-2:] == ["begun", "ended"]


async def test_rules_that_only_moved_to_another_line_are_shown_there(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a", "b"))
    await daemon.reloader.reload()
    daemon.write(a=f"# a comment\n{file('a', 'b')}")
    result = await daemon.reloader.reload()
    assert (result.added, result.changed, result.removed) == ((), (), ())
    assert [rule.line for rule in daemon.swaps[-1].rules] == [4, 5]


async def test_more_than_a_hundred_changed_rules_are_read_elsewhere_and_are_the_same_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was read here")

    daemon = Daemon(tmp_path, a=file("a"))
    await daemon.reloader.reload()
    ids = [f"rule-{number}" for number in range(RULES_IN_THREAD_MAX + 1)]
    with monkeypatch.context() as patched:
        patched.setattr("tradeassistd.rules.readings.read_one", never)
        daemon.write(b=file(*ids))
        result = await daemon.reloader.reload()
    assert sorted(result.added) == sorted(ids)
    assert daemon.swaps[-1] == load_directory(daemon.folder).rule_set
    # without such a process the rules come all the same
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    daemon.write(b=file(*ids, when="price > 3"))
    assert sorted((await daemon.reloader.reload()).changed) == sorted(ids)
    assert daemon.swaps[-1] == load_directory(daemon.folder).rule_set


async def test_what_the_store_cannot_take_is_not_in_force_and_comes_with_the_next_look(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"))
    await daemon.reloader.reload()
    before, daemon.books.busy = daemon.reloader.loaded, True
    daemon.write(a=file("a", "b"))
    with pytest.raises(TransientError):
        await daemon.reloader.reload()
    assert daemon.reloader.loaded is before and not daemon.swaps
    assert daemon.notified[-1] == "ended"
    daemon.books.busy = False
    assert (await daemon.reloader.reload()).added == ("b",)
    assert len(daemon.swaps) == 1


async def test_a_rejected_file_is_told_once_then_daily_and_when_it_is_mended(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"), b=file("b"))
    await daemon.reloader.reload()
    assert daemon.said == []
    daemon.write(b="version: 1\nrules:\n  - {id: b, symbols: [/ES], when: price >}\n")
    await daemon.reloader.reload()
    ((title, text),) = daemon.said
    assert title == "Rules rejected: 1 files stay as they were"
    assert text.startswith("rules.d/b.yaml:3:")
    for days, told in ((0.0, 1), (0.99, 1), (0.02, 2), (0.98, 2), (0.03, 3)):
        daemon.clock.pass_time(days * REMIND_EVERY_S)
        await daemon.reloader.reload()
        assert len(daemon.said) == told
    assert daemon.said == [(title, text)] * 3
    audit = len(daemon.books.audit)
    daemon.write(b=file("b"))
    await daemon.reloader.reload()
    assert daemon.said[3:] == [("Rules are right again", "Every file of the rules directory is in force.")]
    assert len(daemon.books.audit) == audit + 1
    daemon.clock.pass_time(2 * REMIND_EVERY_S)
    await daemon.reloader.reload()
    assert len(daemon.said) == 4


async def test_no_rules_where_there_were_some_needs_to_be_meant(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"))
    await daemon.reloader.reload()
    daemon.write(a="version: 1\nrules: []\n")
    refused = await daemon.reloader.reload()
    assert not refused.accepted and not daemon.swaps
    meant = await daemon.reloader.reload(allow_empty=True)  # though the bytes were looked at before
    assert meant.removed == ("a",)
    assert daemon.swaps[-1].rules == ()
    daemon.write(a="version: 1\nrules: []  # still none\n")
    assert (await daemon.reloader.reload()).accepted  # there were none


async def test_the_first_look_that_finds_what_the_start_found_says_nothing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"))
    results: list[ReloadResult] = []
    daemon.reloader.listeners.append(results.append)
    for _ in range(2):
        assert (await daemon.reloader.reload()).accepted
    assert (daemon.books.saved, daemon.books.audit, daemon.swaps, results) == ([], [], [], [])
    daemon.write(a=file("b"))
    await daemon.reloader.reload()
    assert [(one.added, one.removed) for one in results] == [(("b",), ("a",))]


async def test_what_was_changed_before_the_first_look_is_in_force_after_it(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"))
    daemon.write(a=file("a", "b"))
    assert (await daemon.reloader.reload()).added == ("b",)
    assert len(daemon.books.audit) == len(daemon.swaps) == 1


async def test_a_file_counts_as_gone_when_a_second_look_agrees(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"), b=file("b"))
    await daemon.reloader.reload()
    (daemon.folder / "b.yaml").unlink()
    daemon.clock.paused_s.clear()
    daemon.clock.during = lambda: daemon.write(b=file("b"))
    assert (await daemon.reloader.reload()).accepted
    assert (daemon.clock.paused_s, daemon.swaps) == ([QUIET_S], [])
    (daemon.folder / "b.yaml").unlink()
    daemon.clock.during = lambda: None
    assert (await daemon.reloader.reload()).removed == ("b",)


async def test_half_a_file_does_not_count_though_it_would_be_a_file(tmp_path: Path) -> None:
    whole = file("a", "b", "c")
    daemon = Daemon(tmp_path, a=whole)
    await daemon.reloader.reload()
    daemon.clock.paused_s.clear()
    whole = whole.replace("price > 1", "price > 2")
    pieces = [whole[: whole.index(f"  - {{id: {one}")] for one in "bc"] + [whole]
    daemon.write(a=pieces.pop(0))  # with a alone: it stands for itself
    daemon.clock.during = lambda: daemon.write(a=pieces.pop(0) if pieces else whole)
    result = await daemon.reloader.reload()
    assert (result.changed, result.removed) == (("a", "b", "c"), ())
    assert len(daemon.swaps) == 1
    assert daemon.clock.paused_s[-2:] == [SAME_FOR_S, SAME_FOR_S]


async def test_a_file_that_is_written_for_ever_is_read_after_all(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"))
    await daemon.reloader.reload()
    daemon.clock.paused_s.clear()
    daemon.clock.during = lambda: daemon.write(a=file(f"a{len(daemon.clock.paused_s)}"))
    daemon.write(a=file("a0"))
    result = await daemon.reloader.reload()
    looks = len(daemon.clock.paused_s)
    assert result.added == (f"a{looks}",)
    assert abs(sum(daemon.clock.paused_s) - SETTLE_WITHIN_S) <= SAME_FOR_S


async def test_an_audit_row_that_the_store_cannot_take_comes_with_the_next_look_and_once(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"))
    daemon.books.no_audit = True
    daemon.write(a=file("a", "b"))
    for _ in range(3):
        with pytest.raises(TransientError):
            await daemon.reloader.reload()
    assert [set(one.by_id) for one in daemon.swaps] == [{"a", "b"}]
    daemon.books.no_audit = False
    for _ in range(2):
        await daemon.reloader.reload()
    assert [body["added"] for _, _, body in daemon.books.audit] == [("b",)]
    assert daemon.books.audit[0][0] == NOW_US + 1
    assert len(daemon.swaps) == 1


async def test_requests_during_a_run_are_one_more_run(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, a=file("a"))
    results: asyncio.Queue[ReloadResult] = asyncio.Queue()
    daemon.reloader.listeners.append(results.put_nowait)
    prepared, go_on = asyncio.Event(), asyncio.Event()

    async def prepare(_: RuleSet) -> None:
        prepared.set()
        await go_on.wait()

    daemon.reloader.prepare = prepare
    running = asyncio.create_task(daemon.reloader.run())
    try:
        async with asyncio.timeout(60):
            daemon.write(a=file("b"))
            daemon.reloader.request()
            await prepared.wait()  # in the middle of a run
            for name in "cdef":
                daemon.write(a=file(name))
                daemon.reloader.request()
            go_on.set()
            assert (await results.get()).added == ("b",)
            assert (await results.get()).added == ("f",)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert results.empty()
    assert [set(one.by_id) for one in daemon.swaps] == [{"b"}, {"f"}]


async def test_of_two_files_with_one_id_the_one_that_has_a_live_version_wins(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, m=file("a"))
    for new in ("b", "z"):  # whatever their names
        daemon.write(**{"m": file("a", when=f"price > {ord(new)}"), new: file("a", when="price > 9")})
        result = await daemon.reloader.reload()
        assert (result.rejected, result.changed) == ((f"{new}.yaml",), ("a",))
        assert "id 'a' is used in two files (the first is rules.d/m.yaml:3:" in result.problems[0]
        (rule,) = daemon.swaps[-1].rules
        assert rule.file.endswith("m.yaml")
        (daemon.folder / f"{new}.yaml").unlink()
        assert (await daemon.reloader.reload()).accepted
    # an id that moves: the file it comes to has to wait until the other has let it go
    daemon.write(b=file("a", "b"))
    assert (await daemon.reloader.reload()).rejected == ("b.yaml",)
    daemon.write(m=file("c"))
    result = await daemon.reloader.reload()
    assert (result.accepted, result.added) == (True, ("b", "c"))


@pytest.mark.parametrize("loop", ["file", "directory"])
async def test_a_link_that_leads_to_itself_is_told_and_takes_nothing_down(tmp_path: Path, loop: str) -> None:
    daemon = Daemon(tmp_path, a=file("a"))
    await daemon.reloader.reload()
    if loop == "file":
        (daemon.folder / "b.yaml").symlink_to("b.yaml")
    else:
        daemon.folder.rename(tmp_path / "away")
        daemon.folder.symlink_to(daemon.folder.name)
    result = await daemon.reloader.reload()
    assert not result.accepted and not result.removed
    assert ("is not a file (remove it, or mend the link)" if loop == "file" else "cannot be read") in result.problems[0]
    assert set(daemon.reloader.loaded.rule_set.by_id) == {"a"}
