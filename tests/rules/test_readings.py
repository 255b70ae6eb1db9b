"""A rule file is read again exactly when that could say something else; many are read by a process of their own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.alerts.fakes import HeldClock
from tests.rules.test_bad_files import BAD
from tests.rules.test_good_files import GOOD
from tests.store.waiting import until
from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.rules import build as building
from tradeassistd.rules.build import ITEMS_PER_PART, Request, build
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Found, Loaded, is_rule_file, load_texts, read_directory
from tradeassistd.rules.readings import Context, Readings

PREFIX = "rules.d/"


def file(*ids: str, more: str = "") -> str:
    rules = "".join(f"  - {{id: {one}, symbols: [/ES], when: price > 1{more}}}\n" for one in ids)
    return f"version: 1\nrules:\n{rules}"


def load(readings: Readings, texts: dict[str, str], *, now_us: int = 0, live: dict[str, str] | None = None) -> Loaded:
    return accept(Found(texts, PREFIX), live or {}, now_us=now_us, readings=readings)


def read_again(readings: Readings, texts: dict[str, str], before: Loaded, *, now_us: int = 0) -> set[str]:
    """The files of which a load makes other rules than those of `before`; what it says is what a fresh load says."""
    loaded, fresh = load(readings, texts, now_us=now_us), load_texts(texts, now_us=now_us)
    assert (loaded.rule_set, loaded.problems, loaded.warnings) == (fresh.rule_set, fresh.problems, fresh.warnings)
    old = {id(rule) for rule in before.rule_set.rules}
    return {rule.file for rule in loaded.rule_set.rules if id(rule) not in old}


def test_only_the_file_that_changed_is_read() -> None:
    texts, readings = {"a.yaml": file("a"), "b.yaml": file("b"), "c.yaml": file("c")}, Readings()
    before = load(readings, texts)
    assert read_again(readings, dict(texts), before) == set()
    assert read_again(readings, texts | {"b.yaml": file("b", "d")}, before) == {"b.yaml"}
    # the same bytes under another name are another file
    assert read_again(readings, {"a.yaml": texts["a.yaml"], "z.yaml": texts["c.yaml"]}, before) == {"z.yaml"}


@pytest.mark.parametrize("name", ["_defaults.yaml", "_watchlists.yaml", "_instruments.yaml"])
def test_a_shared_file_that_says_something_to_rules_has_all_of_them_read(name: str) -> None:
    text = {"_defaults.yaml": "severity: info\n", "_watchlists.yaml": "core: [/ES]\n",
            "_instruments.yaml": "/ES: {name: mini}\n"}[name]  # fmt: skip
    texts, readings = {"a.yaml": file("a"), "b.yaml": file("b")}, Readings()
    before = load(readings, texts)
    assert not before.problems
    assert read_again(readings, texts | {name: text}, before) == {"a.yaml", "b.yaml"}


def test_a_rule_that_expires_meanwhile_is_warned_of_though_its_file_is_the_same() -> None:
    texts, readings = {"a.yaml": file("a", more=", expires: '2026-12-18T12:00:00Z'"), "b.yaml": file("b")}, Readings()
    end_us = 1_797_595_200 * US_PER_S
    before = load(readings, texts, now_us=end_us - 5)
    assert (before.rule_set.rules[0].expires_us, before.warnings) == (end_us, ())
    assert read_again(readings, texts, before, now_us=end_us - 1) == set()
    assert read_again(readings, texts, before, now_us=end_us) == {"a.yaml"}
    assert len(load(readings, texts, now_us=end_us + 1).warnings) == 1


def test_a_broken_file_is_not_read_again_and_its_last_good_version_neither() -> None:
    live = {"a.yaml": file("a"), "b.yaml": file("b")}
    readings = Readings()
    before = load(readings, live)
    texts = live | {"b.yaml": "version: 1\nrules: nonsense\n"}
    rejected = load(readings, texts, live=live)
    assert rejected.rejected == ("b.yaml",)
    assert all(one is other for one, other in zip(rejected.rule_set.rules, before.rule_set.rules, strict=True))
    context = Context.of(texts, PREFIX, False, None)
    assert readings.missing(texts, texts, context, 0) == []
    assert load(readings, texts, live=live).problems == rejected.problems


def test_what_no_load_needs_any_more_is_forgotten() -> None:
    readings = Readings()
    for number in range(50):
        load(readings, {"a.yaml": file(f"a{number}"), "b.yaml": file("b")})
        assert len(readings) == 2


async def test_a_process_of_its_own_says_what_reading_here_says(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = dict(read_directory(GOOD).texts)
    texts |= {path.name: path.read_text("utf-8") for path in BAD.glob("*.yaml") if is_rule_file(path.name)}
    texts["long.yaml"] = file(*(f"long-{number}" for number in range(4 * ITEMS_PER_PART + 1)))
    names = tuple(filter(is_rule_file, texts))
    context = Context.of(texts, PREFIX, False, frozenset({"slack"}))
    there = Readings()
    await build(Request(names, texts, context, 5), there, WallClock())
    assert there.missing(names, texts, context, 5) == []
    with monkeypatch.context() as patched:
        patched.setattr("tradeassistd.rules.readings.read_one", _never)
        loaded = load_texts(texts, prefix=PREFIX, now_us=5, channels=frozenset({"slack"}), readings=there)
    assert loaded == load_texts(texts, prefix=PREFIX, now_us=5, channels=frozenset({"slack"}))
    assert [(rule.file, rule.line) for rule in loaded.rule_set.rules if rule.id == "long-100"] == [("long.yaml", 103)]
    assert len(loaded.rejected) >= 150


def _never(*_: object) -> None:
    raise AssertionError("it was read here")


@pytest.mark.parametrize("program", ["/bin/false", "/no/such/program"])
async def test_a_process_that_fails_or_is_not_there_is_said(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", program)
    texts = {"a.yaml": file("a")}
    request = Request(("a.yaml",), texts, Context.of(texts, PREFIX, False, None), 0)
    with pytest.raises(TransientError, match="process of their own"):
        await build(request, Readings(), WallClock())


async def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = tmp_path / "hangs"
    # The number appears at once as a whole.
    hangs.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid.tmp; mv {tmp_path}/pid.tmp {tmp_path}/pid\nexec sleep 1000\n", "utf-8"
    )
    hangs.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hangs))
    texts, clock = {"a.yaml": file("a")}, HeldClock()
    request = Request(("a.yaml",), texts, Context.of(texts, PREFIX, False, None), 0)
    ending = asyncio.create_task(build(request, Readings(), clock))
    await until((tmp_path / "pid").exists)
    assert clock.limits_s == [building.BUILD_WITHIN_S]
    clock.expire()
    with pytest.raises(TransientError):
        await ending
    pid = await asyncio.to_thread((tmp_path / "pid").read_text)
    assert not await asyncio.to_thread(Path(f"/proc/{pid.strip()}").exists)
