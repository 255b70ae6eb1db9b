"""The README is the product's face: its commands run, its rule and settings load. Tables: test_docs_reference.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.systemd.test_unit import INSTALL, SERVER, USER
from tradeassistd.base.paths import read_settings_file
from tradeassistd.rules.load import load_directory, load_texts

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
    "tradeassist top": "tests/cli/test_top.py",
    "tradeassist watch": "tests/api/test_daemon.py",
    "tradeassist ack index-slide": "tests/api/test_daemon.py",
    "tradeassist rules list": "tests/e2e/test_readme_commands.py",
    "tradeassist rules show es-levels": "tests/e2e/test_readme_commands.py",
    "tradeassist rules reload --wait": "tests/e2e/test_readme_commands.py",
    "tradeassist status": "tests/e2e/test_readme_commands.py",
    "tradeassist quotes": "tests/e2e/test_readme_commands.py",
    "tradeassist alerts --limit 5": "tests/e2e/test_readme_commands.py",
    "tradeassist notify test": "tests/alerts/test_notify_command.py",
    "tradeassist rules check rules.d": "tests/e2e/test_readme_commands.py",
    "tradeassist rules test rules.d/tests": "tests/cli/test_rules_test.py",
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


@pytest.mark.parametrize("name", ["schwab", "clock"])
def test_the_settings_of_the_readme_are_read(name: str, tmp_path: Path) -> None:
    block = next(block for block in blocks("yaml") if block.startswith(f"{name}:"))
    file = tmp_path / "config.yaml"
    file.write_text(block, "utf-8")
    assert name in read_settings_file(file)
