"""The example repository of rules, and the hooks this repository offers to it: what they say is run, on a copy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rules.as_an_editor import kind_of, marked, read
from tradeassistd.rules.load import load_directory
from tradeassistd.rules.testing.run import never_true, run_file, test_files

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "rules-repository"
WORKFLOW = Path(".github/workflows/rules.yml")
RULES = Path("rules.d/index-futures.yaml")
COMMAND_S_MAX = 60
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
CONFIG: dict[str, Any] = yaml.safe_load((EXAMPLE / ".pre-commit-config.yaml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = yaml.safe_load((EXAMPLE / WORKFLOW).read_text("utf-8"))["jobs"]["rules"]["steps"]
CHECK, TEST = HOOKS
SAID = "unknown key 'severty' (did you mean severity?)"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the example."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "rules"))


@pytest.fixture
def broken(repository: Path) -> Path:
    """A copy with a key that nobody knows."""
    text = (repository / RULES).read_text("utf-8")
    assert text.count("severity: critical") == 1
    (repository / RULES).write_text(text.replace("severity: critical", "severty: critical"), "utf-8")
    return repository


def run(command: str, directory: Path) -> tuple[int, str]:
    """A command line with the `tradeassist` of this environment; gives the exit code and all it said."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command], cwd=directory, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        timeout=COMMAND_S_MAX, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def entry(hook: dict[str, Any]) -> str:
    """What pre-commit runs: no file names are passed."""
    return " ".join([hook["entry"], *hook["args"]])


def step(name: str) -> str:
    """The command of a step of the workflow."""
    (found,) = [str(one["run"]) for one in STEPS if one.get("name") == name]
    return found


def test_the_hooks_are_hooks() -> None:
    assert [hook["id"] for hook in HOOKS] == ["tradeassist-rules-check", "tradeassist-rules-test"]
    for hook in HOOKS:
        assert hook.keys() == {"id", "name", "description", "language", "entry", "args", "files", "pass_filenames"}
        assert (hook["language"], hook["pass_filenames"]) == ("python", False)


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_runs_when_a_file_of_the_rules_changes(hook: dict[str, Any]) -> None:
    files = re.compile(hook["files"])
    for path in EXAMPLE.rglob("*"):
        name = path.relative_to(EXAMPLE).as_posix()
        if path.is_file():
            assert bool(files.search(name)) is name.startswith("rules.d/"), name
    assert files.search("desk/rules.d/_watchlists.yaml") and not files.search("my-rules.d.yaml")


def test_the_example_uses_these_hooks_in_this_version() -> None:
    (source,) = CONFIG["repos"]
    assert [hook["id"] for hook in source["hooks"]] == [hook["id"] for hook in HOOKS]
    assert source["rev"] == f"v{tomllib.loads((ROOT / 'pyproject.toml').read_text('utf-8'))['project']['version']}"


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_passes_on_the_example(hook: dict[str, Any], repository: Path) -> None:
    code, said = run(entry(hook), repository)
    assert code == 0, said


def test_the_example_is_sound_and_every_condition_is_tested() -> None:
    loaded = load_directory(EXAMPLE / "rules.d")
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert len(loaded.rule_set.rules) == 2
    results = [run_file(path) for path in test_files([EXAMPLE / "rules.d" / "tests"])]
    assert results and all(result.passed for result in results)
    assert never_true(results) == []


def test_the_steps_of_the_workflow_pass(repository: Path) -> None:
    commands = [str(one["run"]) for one in STEPS if "run" in one]
    (source,) = CONFIG["repos"]  # the hooks and the workflow come from one place
    assert commands[0] == f'pip install "tradeassistd @ git+{source["repo"]}@{source["rev"]}"'
    for command in commands[1:]:
        assert command.startswith("tradeassist rules ")
        code, said = run(command, repository)
        assert code == 0, said
    upload = next(one for one in STEPS if one.get("uses", "").startswith("actions/upload-artifact"))
    assert (repository / upload["with"]["path"]).stat().st_size > 0


def test_the_workflow_runs_on_pushes_and_pull_requests_and_may_only_read() -> None:
    text = (EXAMPLE / WORKFLOW).read_text("utf-8")
    assert "on: [push, pull_request]\n" in text
    assert read(text)["permissions"] == {"contents": "read"}
    assert all("if" not in one or one["if"] == "always()" for one in STEPS)


def test_a_broken_rule_fails_everywhere_with_the_same_words(broken: Path) -> None:
    code, said = run(entry(CHECK), broken)
    assert code == 1
    assert said.startswith(f"error: rules.d/index-futures.yaml:15:5: rules[1].severty: {SAID}")
    for command in (step("Check"), step("Test"), entry(TEST)):
        code, said = run(command, broken)
        assert code == 1
        assert SAID in said, command
    (mark,) = marked(read((broken / RULES).read_text("utf-8")), "rules")
    assert (mark.json_path, mark.validator) == ("$.rules[1]", "additionalProperties")
    assert "'severty' was unexpected" in mark.message


def test_the_readme_is_short_and_what_it_says_makes_the_schemas_its_files_name(repository: Path) -> None:
    text = (EXAMPLE / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 5
    commands = re.findall(r"`([^`]+)`", text)
    for command in commands:
        if command.startswith(("tradeassist", "mkdir")):
            code, said = run(command, repository)
            assert code == 0, said
    for path in (repository / "rules.d").rglob("*.yaml"):
        first = path.read_text("utf-8").splitlines()[0]
        named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert named, path
        schema = (path.parent / named[1]).resolve()
        assert schema.name == f"{kind_of(path.name)}.schema.json"
        assert schema.read_bytes() == (ROOT / "docs" / schema.name).read_bytes()


def test_the_settings_for_vs_code_name_files_that_are_of_that_kind() -> None:
    text = (ROOT / "docs" / "rules.md").read_text("utf-8")
    block = re.search(r"^```json\n(\{\n  \"yaml.schemas\".*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block
    for schema, pattern in read(block[1])["yaml.schemas"].items():
        assert (ROOT / "docs" / Path(schema).name).is_file()
        assert Path(schema).name == f"{kind_of(Path(pattern).name)}.schema.json"
