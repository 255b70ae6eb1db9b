"""`tradeassist rules check` beside a state directory: says which rules are spent, and leaves no trace there."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.rules.test_lint_spent import TOLD_US
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.cli.main import app
from tradeassistd.engine.transition import RuleState
from tradeassistd.rules.load import load_directory
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.writer import Store

RULES = """version: 1
rules:
  - {id: line, symbols: [/ES], when: price crosses 6900, fire: once}
  - {id: old, symbols: [/ES], when: price crosses 6950, expires: 2026-11-18}
"""
SPENT = "warning: rules.d/a.yaml:3:64: rules[0].fire: 'line' has told its one alert"
EXPIRED = "warning: rules.d/a.yaml:4:66: rules[1].expires: the rule has expired"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with settings and rules, and no state yet."""
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "a.yaml").write_text(RULES, "utf-8")
    (tmp_path / "config.yaml").write_text("clock: market\nstore: {path: state}\nrules: {dir: rules.d}\n", "utf-8")
    return tmp_path


@pytest.fixture
async def store(desk: Path) -> AsyncIterator[Store]:
    """The open store of a daemon that has told of `line`, in `state`."""
    opened = await Store.open(desk / "state", clock=ManualClock(TOLD_US))
    (line, old) = load_directory(desk / "rules.d").rule_set.rules
    await opened.save_states(
        [
            RuleState(line.id, "/ES", 0, line.fingerprint("/ES"), judged_us=TOLD_US, told_us=TOLD_US, told_count=1),
            RuleState(old.id, "/ES", 0, old.fingerprint("/ES"), judged_us=TOLD_US),
        ]
    )
    yield opened
    await opened.close()


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["rules", "check", *map(str, arguments)])


def files(directory: Path) -> dict[str, tuple[bytes, int]]:
    """What is in a directory, by name: bytes and when they were last changed."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}


async def test_a_spent_rule_is_found_beside_a_running_daemon(desk: Path, store: Store) -> None:
    before = files(desk / "state")
    result = check("--config", desk / "config.yaml")
    assert (result.exit_code, SPENT in result.output) == (0, True)
    after = files(desk / "state")
    assert after.keys() == before.keys() and f"{MAIN_FILE}-wal" in before
    # In the memory that readers and the writer share, a reader leaves its mark.
    assert {name for name in after if after[name] != before[name]} <= {f"{MAIN_FILE}-shm"}
    await store.save_states([])  # nobody holds it up


async def test_and_beside_one_that_was_stopped(desk: Path, store: Store) -> None:
    await store.close()
    before = files(desk / "state")
    assert MAIN_FILE in before and f"{MAIN_FILE}-wal" not in before
    for arguments in (("--config", desk / "config.yaml"), (desk / "rules.d", "--state", desk / "state")):
        result = check(*arguments)
        assert (result.exit_code, SPENT in result.output) == (0, True), result.output
    assert check("--config", desk / "config.yaml", "--strict").exit_code == 1
    assert files(desk / "state") == before


async def test_and_in_the_copy_of_a_state_that_was_in_use(desk: Path, store: Store) -> None:
    """What is told may stand in the log alone, and a copy often lacks its index."""
    copy = desk / "copy"
    copy.mkdir()
    for name in (MAIN_FILE, f"{MAIN_FILE}-wal"):
        shutil.copy(desk / "state" / name, copy / name)
    before = files(copy)
    assert SPENT in check(desk / "rules.d", "--state", copy).output
    assert files(copy) == before


async def test_state_is_looked_at_only_where_it_is_known(desk: Path, store: Store) -> None:
    assert SPENT not in check(desk / "rules.d").output


def test_where_there_is_no_state_none_is_made(desk: Path) -> None:
    result = check("--config", desk / "config.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert not (desk / "state").exists()
    result = check(desk / "rules.d", "--state", desk / "state")
    assert isinstance(result.exception, FatalError) and "there is no" in str(result.exception)
    assert not (desk / "state").exists()


def test_a_state_that_cannot_be_read_is_said_and_the_rules_are_checked(desk: Path) -> None:
    (desk / "state").mkdir()
    (desk / "state" / MAIN_FILE).write_bytes(b"no database" * 1000)
    result = check("--config", desk / "config.yaml")
    assert result.exit_code == 0 and "2 rules on 1 symbol" in result.stdout
    assert result.stderr.startswith("tradeassist: which rules are spent is not known: ")
    assert isinstance(check(desk / "rules.d", "--state", desk / "state").exception, FatalError)


async def test_a_rule_expires_by_the_clock_that_the_daemon_goes_by(desk: Path, store: Store) -> None:
    """With `clock: market` that is the newest time its rules were judged at, else that of the computer."""
    assert EXPIRED in check("--config", desk / "config.yaml").output
    (line, _) = load_directory(desk / "rules.d").rule_set.rules
    two_days_us = 2 * 86_400 * US_PER_S
    await store.close()
    shutil.rmtree(desk / "state")
    earlier = await Store.open(desk / "state", clock=ManualClock(TOLD_US - two_days_us))
    await earlier.save_states([RuleState(line.id, "/ES", 0, "f", judged_us=TOLD_US - two_days_us)])
    await earlier.close()
    assert EXPIRED not in check("--config", desk / "config.yaml").output


@pytest.mark.parametrize(
    ("keep", "when", "said"),
    [
        (
            "30d",
            "close(1d) > sma(close, 200, 1d)",
            "`sma(close, 200, 1d)` needs bars of 280d, and",
        ),
        ("30d", "price > highest(high, 2, 1d)[30]", "needs bars of 44d"),
        ("30d", "price > sym(SPY).highest(high, 50, 1d)", "needs bars of 70d"),
        ("30d", "close(5m) > sma(close, 200, 5m)", ""),
        ("2y", "close(1d) > sma(close, 200, 1d)", ""),
        ("forever", "close(1d) > sma(close, 200, 1d)", ""),
    ],
)
def test_a_window_of_bars_that_are_not_kept_so_long_is_found(desk: Path, keep: str, when: str, said: str) -> None:
    (desk / "rules.d" / "a.yaml").write_text(f"version: 1\nrules:\n  - {{id: a, symbols: [/ES], when: '{when}'}}\n")
    (desk / "config.yaml").write_text(
        f"clock: market\nstore: {{path: state, keep: {{bars: {keep}}}}}\nrules: {{dir: rules.d}}\n"
    )
    lines = [one for one in check("--config", desk / "config.yaml").output.splitlines() if "unkept-window" in one]
    assert len(lines) == bool(said)
    if said:
        assert lines[0].startswith("warning: rules.d/a.yaml:3:35: rules[0].when: ") and said in lines[0]
    assert "unkept-window" not in check(desk / "rules.d").output
