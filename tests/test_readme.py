"""The README is the product's face: its commands run, its rule and settings load. Tables: test_docs_reference.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.systemd.test_unit import INSTALL, SERVER, USER
from tradeassistd.base.paths import read_settings_file
from tradeassistd.rules.lint import INVALID, severity_of
from tradeassistd.rules.load import load_directory, load_texts
from tradeassistd.rules.testing.run import run_file

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")

# Each command of the README, and what runs it.
RUN_BY = {
    "make demo": ".ci/demo",
    "make test": ".ci/run",
    **dict.fromkeys((*INSTALL.splitlines(), *SERVER.splitlines(), *USER.splitlines()), "tests/systemd/test_unit.py"),
    "tradeassistd --config config.yaml": "tests/e2e/test_process.py",
    "tradeassist simulate --token-file token.json": "tests/e2e/test_readme_commands.py",
    "tradeassistd --config simulated.yaml": "tests/e2e/test_readme_commands.py",
    **dict.fromkeys(("tradeassist auth login", "tradeassist auth status"), "tests/e2e/test_login.py"),
    "tradeassist top": "tests/cli/test_top.py",
    "tradeassist watch": "tests/api/test_daemon.py",
    "tradeassist ack index-slide": "tests/api/test_daemon.py",
    "tradeassist snooze es-levels /ES --for 30m": "tests/e2e/test_readme_commands.py",
    "tradeassist silences": "tests/e2e/test_readme_commands.py",
    "tradeassist instruments gold": "tests/e2e/test_readme_commands.py",
    "tradeassist doctor": "tests/e2e/test_readme_commands.py",
    "tradeassist rules functions pct_change": "tests/e2e/test_readme_commands.py",
    "tradeassist rules list": "tests/e2e/test_readme_commands.py",
    "tradeassist rules show es-levels": "tests/e2e/test_readme_commands.py",
    "tradeassist rules reload --wait": "tests/e2e/test_readme_commands.py",
    "tradeassist status": "tests/e2e/test_readme_commands.py",
    "tradeassist quotes": "tests/e2e/test_readme_commands.py",
    "tradeassist alerts --limit 5": "tests/e2e/test_readme_commands.py",
    "tradeassist notify test": "tests/alerts/test_notify_command.py",
    "tradeassist rules check rules.d": "tests/e2e/test_readme_commands.py",
    "tradeassist rules test rules.d/tests": "tests/cli/test_rules_test.py",
    "tradeassist rules check rules.d --strict": "tests/cli/test_rules_check.py",
    "tradeassist rules test rules.d/tests --coverage": "tests/cli/test_rules_test.py",
    "tradeassist rules schema": "tests/cli/test_rules_schema.py",
    "tradeassist audit --since 2h": "tests/e2e/test_audit.py",
    "tradeassist backfill SPY /ES --from 2026-10-05": "tests/e2e/test_backfill_kills.py",
    "tradeassist bars /ES --interval 5m": "tests/cli/test_bars.py",
    "tradeassist history verify SPY": "tests/cli/test_history.py",
    **dict.fromkeys(("tradeassist db info", "tradeassist db prune --dry-run"), "tests/cli/test_db.py"),
    "tradeassist db backup tradeassist.tar.gz": "tests/e2e/test_restore.py",
    "tradeassist db restore tradeassist.tar.gz": "tests/e2e/test_restore.py",
    **dict.fromkeys(
        (
            "tradeassist db export bars bars.parquet --symbol /ES --from 2026-11-01",
            "tradeassist db import bars bars.csv --complete",
            "tradeassist db copies --prune",
        ),
        "tests/cli/test_db_backup.py",
    ),
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_every_command_of_the_readme_is_run_by_a_test_or_by_ci() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines() if line]
    assert sorted(commands) == sorted(RUN_BY)
    assert all((ROOT / place).exists() for place in RUN_BY.values())


def test_the_rule_at_the_top_loads() -> None:
    rule = next(block for block in blocks("yaml") if "fast-drop" in block)
    loaded = load_texts({"readme.yaml": rule})
    assert not loaded.problems
    assert loaded.rule_set.rules[0].severity == "critical"


def test_the_starter_rules_load_without_a_finding() -> None:
    loaded = load_directory(ROOT / "rules.d")
    assert (loaded.problems, loaded.warnings) == ((), ())
    symbols = {symbol for rule in loaded.rule_set.rules for symbol in rule.symbols}
    mission = {"/ES", "/NQ", "/YM", "/CL", "/GC", "$SPX", "$NDX", "$RUT", "$VIX", "$TICK", "$ADD", "$TRIN"}
    assert mission <= symbols


@pytest.mark.parametrize("name", ["schwab", "clock", "store"])
def test_the_settings_of_the_readme_are_read(name: str, tmp_path: Path) -> None:
    block = next(block for block in blocks("yaml") if block.startswith(f"{name}:"))
    file = tmp_path / "config.yaml"
    file.write_text(block, "utf-8")
    assert name in read_settings_file(file)


def test_the_unit_test_of_the_readme_passes_with_a_rule_it_would_be_for(tmp_path: Path) -> None:
    block = next(block for block in blocks("yaml") if block.startswith("# tests/slide.test.yaml"))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "slide.test.yaml").write_text(block, "utf-8")
    rules = (ROOT / "docs" / "rules.md").read_text("utf-8")
    slide = re.search(r"^```yaml\n(# slide\.yaml\n.*?)^```", rules, re.MULTILINE | re.DOTALL)
    assert slide
    (tmp_path / "slide.yaml").write_text(slide[1], "utf-8")
    assert run_file(tmp_path / "tests" / "slide.test.yaml").passed


def test_the_findings_of_the_readme_are_said_so() -> None:
    for line in re.findall(r"^(?:error|warning): .*$", README, re.MULTILINE):
        severity, code = line.partition(":")[0], line.rpartition("[")[2].removesuffix("]")
        assert severity_of("" if code == INVALID else code) == severity
    wrong = "version: 1\nrules:\n  - {id: a, symbols: [/ES], when: smaa(close) > 5}\n"
    assert "unknown function 'smaa' (did you mean sma?)" in str(load_texts({"a.yaml": wrong}).problems[0])
    doubtful = "version: 1\nrules:\n  - {id: a, symbols: [/ES], when: 'pct_change(price, 5m) > 0.5'}\n"
    (warning,) = load_texts({"a.yaml": doubtful}, lint=True).warnings
    assert f"{warning.message} ({warning.hint}) [{warning.code}]" in README


def test_the_hooks_of_the_readme_are_those_of_the_example() -> None:
    example = ROOT / "docs" / "examples" / "rules-repository" / ".pre-commit-config.yaml"
    (block,) = blocks("yml")
    assert yaml.safe_load(block) == yaml.safe_load(example.read_text("utf-8"))
