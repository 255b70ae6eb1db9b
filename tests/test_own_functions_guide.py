"""docs/own-functions.md: its package is installed from its folder and everything the page says is run on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.e2e.harness import running, settings_for
from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import TransientError
from tradeassistd.engine.events import ClockTurn
from tradeassistd.engine.language.own import put_in_table
from tradeassistd.engine.transition import Kind
from tradeassistd.rules.build import Request, build
from tradeassistd.rules.own_functions import GROUP, find, use_installed
from tradeassistd.rules.readings import Context, Readings
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "own-functions.md").read_text("utf-8")
PACKAGE = ROOT / "tests" / "data" / "my_signals"
COMMAND_S_MAX = 60
MONDAY_US = 1_794_839_400 * 1_000_000  # 2026-11-16 09:30 New York
FIRST = """
version: 1
rules:
  - {id: in-channel, symbols: [SPY], evaluate: close(1m), at_load: fire,
     when: 'price - 1000 < channel(1, 1, 1m).mid'}
"""


def blocks(language: str) -> list[str]:
    """What stands in the code blocks of the page."""
    return [
        text for its, text in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) if its == language
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed by pip, without network."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps",
         "--no-build-isolation", "--target", folder, PACKAGE],
        check=True, timeout=COMMAND_S_MAX,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rules directory with the page's rules and unit tests."""
    folder = tmp_path_factory.mktemp("work") / "rules.d"
    (folder / "tests").mkdir(parents=True)
    rule, test = blocks("yaml")
    (folder / "hull.yaml").write_text(rule, "utf-8")
    (folder / "tests" / "hull.test.yaml").write_text(test, "utf-8")
    return folder


def run(line: str, site: Path | None, folder: Path) -> tuple[int, str]:
    """A command line of the page; gives the exit code and all it said."""
    program = Path(sys.executable).parent / "tradeassist"
    environment = {**os.environ, "PYTHONPATH": str(site or "")}
    done = subprocess.run([program, *line.split()[1:]], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=COMMAND_S_MAX, check=False)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_package_of_the_page_is_the_one_that_is_installed_here() -> None:
    (module,) = blocks("python")
    assert module == (PACKAGE / "my_signals.py").read_text("utf-8")
    shown, here = tomllib.loads(blocks("toml")[0]), tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))
    assert shown.pop("build-system") != here.pop("build-system")  # the page's needs a network once
    assert shown == here


def test_the_check_says_what_the_page_shows(site: Path, rules: Path) -> None:
    code, said = run("tradeassist rules functions --check", site, rules.parent)
    assert code == 0, said
    without_times = re.compile(r"\d+ us each")
    assert without_times.sub("", said) == without_times.sub("", blocks("")[0])


def test_the_rules_of_the_page_are_sound_and_pass_their_tests_and_are_unknown_without_the_package(
    site: Path, rules: Path
) -> None:
    code, said = run("tradeassist rules check rules.d --strict", site, rules.parent)
    assert (code, said) == (0, "3 rules on 1 symbol, 0 errors, 0 warnings\n")
    code, said = run("tradeassist rules test rules.d/tests", site, rules.parent)
    assert (code, said.splitlines()[-1]) == (0, "1 tests in 1 files: 0 failed, 0 files could not be read"), said
    code, said = run("tradeassist rules check rules.d", None, rules.parent)
    assert code == 1 and "rules.d/hull.yaml:7:35: rules[0].when: unknown function 'hull'" in said


def test_the_list_tells_where_each_function_comes_from(site: Path, rules: Path) -> None:
    code, said = run("tradeassist rules functions hull --json", site, rules.parent)
    (hull,) = json.loads(said)["functions"]
    assert code == 0 and (hull["from"], hull["entry_point"], hull["version"]) == (
        "my-signals 1.0", "my_signals:hull", "1",
    )  # fmt: skip
    code, said = run("tradeassist rules functions --json", site, rules.parent)
    origins = {one["name"]: one["from"] for one in json.loads(said)["functions"]}
    assert code == 0 and origins["sma"] == "built in" and origins["channel"] == "my-signals 1.0"
    code, said = run("tradeassist rules functions hulls", site, rules.parent)
    assert (code, said) == (1, "tradeassist: there is no function 'hulls' (did you mean hull?)\n")
    code, said = run("tradeassist rules schema", site, rules.parent)
    assert code == 0 and '"reward_risk"' in said  # no name of a let can be it


@pytest.fixture
def _in_this_process(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package's functions in the table of this process, and in reach of those it starts."""
    use_installed()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    entries = [entry for one in distributions(path=[str(site)]) for entry in one.entry_points if entry.group == GROUP]
    put_in_table(one.function for one in find(entries).functions.values())
    yield
    put_in_table(())
    sys.modules.pop("my_signals", None)


@pytest.mark.usefixtures("_in_this_process")
async def test_the_process_that_reads_big_changes_knows_the_same_functions(
    rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"hull.yaml": (rules / "hull.yaml").read_text("utf-8")}
    context = Context.of(texts, "rules.d/", False, None)
    readings, request = Readings(), Request(("hull.yaml",), texts, context, 1)
    await build(request, readings, WallClock())
    assert len(readings) == 1 and not readings.missing(["hull.yaml"], texts, context, 1)
    monkeypatch.setenv("PYTHONPATH", "")  # as when the package was uninstalled since the daemon started
    with pytest.raises(TransientError):
        await build(request, Readings(), WallClock())


@pytest.mark.usefixtures("_in_this_process")
async def test_a_daemon_fires_on_it_and_takes_a_big_change_that_uses_it(tmp_path: Path) -> None:
    many = [f"  - {{id: r{one}, symbols: [SPY], when: 'price > hull(close, {one + 4}, 1m)'}}" for one in range(150)]
    async with (
        Simulator(SyntheticMarket(3, MONDAY_US), speed=30.0) as simulator,
        running(settings_for(tmp_path, simulator, FIRST)) as watcher,
    ):
        while not any(one.rule_id == "in-channel" and one.kind is Kind.FIRED for one in watcher.transitions):
            await watcher.until(lambda event: isinstance(event, ClockTurn))
        (tmp_path / "rules.d" / "many.yaml").write_text("\n".join(["version: 1", "rules:", *many, ""]), "utf-8")
        result = await watcher.reloaded()
        assert (result.accepted, len(result.added)) == (True, 150)
        assert watcher.daemon.live is not None and not watcher.daemon.live.counters.faults
