"""A new user's way: a copy of the example repository, broken in several ways, says the same words everywhere.

The schema for editors, the pre-commit hooks, `rules check`, the annotations of the workflow, `rules test`, a reload of
the daemon and its `status`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from tests.e2e.harness import PATIENCE_S, running, settings_for
from tests.e2e.test_process import ended, market, start
from tests.rules.as_an_editor import marked, read
from tests.test_examples import CHECK, EXAMPLE, RULES, TEST, entry, run, step
from tradeassistd.cli.main import app

SOUND = (EXAMPLE / RULES).read_text("utf-8")


class Slip(NamedTuple):
    """What is written for what, what is said of it and where, and what an editor marks: its path and its words."""

    right: str
    wrong: str
    at: str
    said: str
    mark: tuple[str, str] | None = None


SLIPS = (
    Slip("severity: critical", "severty: critical", "15:5",
         "rules[1].severty: unknown key 'severty' (did you mean severity?)",
         ("$.rules[1]", "Additional properties are not allowed ('severty' was unexpected)")),
    Slip("severity: critical", "severity: crtical", "15:15",
         "rules[1].severity: unknown severity 'crtical' (did you mean critical?)",
         ("$.rules[1].severity", "'crtical' is not one of ['info', 'notice', 'warning', 'critical']")),
    Slip("cooldown: 5m", "cooldown: 5", "3:41",
         "defaults.cooldown: '5' is not a duration (a duration needs a unit: 5s, 5m or 5h)",
         ("$.defaults.cooldown", "5 is not of type 'string'")),
    Slip("pct_change(price, 5m)", "pct_chnge(price, 5m)", "12:18",
         "rules[1].let.drop: unknown function 'pct_chnge' (did you mean pct_change?)"),
    Slip("symbols: [/ES]", "symbols: [ES=F]", "7:15",
         "rules[0].symbols[0]: 'ES=F' is not a symbol (write /ES)",
         ("$.rules[0].symbols[0]", "'ES=F' does not match ")),
    Slip("    when: drop <= -0.5%", "     when: drop <= -0.5%", "13:6",
         "this line does not fit the lines above it (line the keys of one map, and the dashes of one list, up under "
         "each other)"),
)  # fmt: skip
"""A key, a word, a duration, a function, a symbol, the indentation."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example, and the working directory."""
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "rules"))
    monkeypatch.chdir(folder)
    return folder


def broken(slip: Slip) -> str:
    assert SOUND.count(slip.right) == 1
    return SOUND.replace(slip.right, slip.wrong)


def tradeassist(command: str) -> tuple[int, str]:
    """A command line of this package, run in this process."""
    program, *words = command.split()
    assert program == "tradeassist"
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.output


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: str(slip.at))
def test_a_slip_is_told_with_the_same_words_by_every_command(slip: Slip, repository: Path) -> None:
    (repository / RULES).write_text(broken(slip), "utf-8")
    told = f"{RULES.as_posix()}:{slip.at}: {slip.said}"

    code, said = run(entry(CHECK), repository)
    assert (code, said.splitlines()[0]) == (1, f"error: {told} [invalid]")
    code, said = tradeassist(entry(TEST))
    assert (code, said.splitlines()[1]) == (1, f"  error: {told}")

    code, said = tradeassist(step("Check"))
    line, column = slip.at.split(":")
    where = f"::error file={RULES.as_posix()},line={line},col={column},title=error [invalid]::"
    assert (code, said.splitlines()) == (1, [where + slip.said.replace("%", "%25")])

    (found,) = json.loads(tradeassist("tradeassist rules check rules.d --json")[1])
    assert f"{found['file']}:{found['line']}:{found['column']}" == f"{RULES.as_posix()}:{slip.at}"
    assert slip.said in (f"{found['path']}: {found['message']} ({found['hint']})",
                         f"{found['message']} ({found['hint']})")  # fmt: skip


@pytest.mark.parametrize("slip", [slip for slip in SLIPS if slip.mark], ids=lambda slip: str(slip.at))
def test_an_editor_marks_what_a_schema_can_see(slip: Slip) -> None:
    assert slip.mark is not None
    (mark,) = marked(read(broken(slip)), "rules")
    path, words = slip.mark
    assert mark.json_path == path and mark.message.startswith(words)
    # It is the value, or the key in it, that `rules check` speaks of.
    assert slip.said.startswith(path.removeprefix("$."))


def test_what_is_inside_an_expression_only_check_knows() -> None:
    (slip,) = [slip for slip in SLIPS if "function" in slip.said]
    assert marked(read(broken(slip)), "rules") == []


async def test_the_daemon_says_them_too_and_goes_on_with_the_last_good_rules(repository: Path) -> None:
    async def status(is_so: Callable[[str], bool]) -> None:
        """It comes to say so: a daemon that is too busy to answer is known by what it saves once a second."""
        config, said = str(repository / "config.yaml"), ""
        async with asyncio.timeout(PATIENCE_S):
            while not said or not is_so(said):
                code, said, errors = await ended(
                    await start("-m", "tradeassistd.cli.main", "status", "--config", config)
                )
                assert code == 0, errors
                said = " ".join(said.split())  # it is wrapped at the terminal's width

    async with market() as simulator:
        settings = settings_for(repository, simulator, SOUND)
        (repository / "rules.d" / "rules.yaml").unlink()  # the example has its own
        async with running(settings) as watcher:
            for slip in SLIPS:
                (repository / RULES).write_text(broken(slip), "utf-8")
                result = await watcher.reloaded()
                told = f"{RULES.as_posix()}:{slip.at}: {slip.said}"
                assert (result.accepted, result.removed, result.problems) == (False, (), (told,))
            await status(lambda said: f"rejected: {told}" in said and "rules 2 loaded" in said)
            (repository / RULES).write_text(SOUND, "utf-8")
            assert (await watcher.reloaded()).accepted
            await status(lambda said: "rejected" not in said)
