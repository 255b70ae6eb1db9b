"""The laws bite: each breaks on a copy of the package with one small thing wrong, and every law is shown to once."""

from __future__ import annotations

import compileall
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.engine.breaks import BREAKS, Break

EVERY = int(os.environ.get("TRADEASSIST_BITES_EVERY", "10"))
"""One break in so many is run, of the others only the place is looked up: `make bites` runs all of them."""
CHECKOUT = Path(__file__).resolve().parents[2]
LAWS = sorted((CHECKOUT / "tests" / "engine" / "laws").glob("test_*.py"))
AT_ONCE = 2
WITHIN_S = 180

PROFILE = '''
"""Makes a run of the laws repeatable and short, and proves that it runs on the copy."""
from pathlib import Path
from hypothesis import Phase, settings
import tradeassistd

settings.register_profile("bite", derandomize=True, database=None, deadline=None, phases=[Phase.generate])
settings.load_profile("bite")
assert Path(tradeassistd.__file__).resolve().is_relative_to(Path(__file__).resolve().parent), tradeassistd.__file__
'''
RUN = BREAKS[::EVERY]


class Verdict(NamedTuple):
    code: int
    said: str


def run_laws(folder: Path, *laws: str) -> Verdict:
    """pytest's exit code and words for these laws (none named: all) on the package copy in `folder`."""
    (folder / "bite_profile.py").write_text(PROFILE, "utf-8")
    tests = [f"{file}::{law}" for law in laws for file in LAWS if law in laws_of(file)] or list(map(str, LAWS))
    options = ["-q", "-x", "-c", os.devnull, "--rootdir", str(CHECKOUT), "--import-mode=importlib",
               "-p", "bite_profile", "-p", "no:cacheprovider"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=folder, timeout=WITHIN_S, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": os.pathsep.join((str(folder), str(CHECKOUT))), "PYTHONDONTWRITEBYTECODE": "1",
             "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    return Verdict(done.returncode, done.stdout + done.stderr)


def laws_of(file: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE))


def copy_package(folder: Path) -> Path:
    """A copy of the package with its bytecode, which every copy of the copy then brings with it."""
    shutil.copytree(CHECKOUT / "tradeassistd", folder / "tradeassistd", ignore=shutil.ignore_patterns("__pycache__"))
    assert compileall.compile_dir(folder / "tradeassistd", quiet=1)
    return folder


def file_of(folder: Path, broken: Break) -> Path:
    room, _, module = broken.file.rpartition("/")
    (file,) = (folder / "tradeassistd" / (room or "engine")).rglob(f"{module}.py")
    return file


def bite(whole: Path, folder: Path, broken: Break) -> Verdict:
    """Break a copy of `whole` and ask the law."""
    shutil.copytree(whole / "tradeassistd", folder / "tradeassistd")
    file = file_of(folder, broken)
    text = file.read_text("utf-8")
    file.write_text(text.replace(broken.old, broken.new), "utf-8")
    for bytecode in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        bytecode.unlink()
    return run_laws(folder, broken.law)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Verdict]]]:
    """Every break under way at once, a few at a time."""
    whole = copy_package(tmp_path_factory.mktemp("whole"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {one.what: pool.submit(bite, whole, tmp_path_factory.mktemp("broken"), one) for one in RUN}


@pytest.mark.parametrize("broken", BREAKS, ids=lambda one: re.sub(r"\W+", "-", one.what))
def test_every_break_has_its_place(broken: Break) -> None:
    text = file_of(CHECKOUT, broken).read_text("utf-8")
    assert text.count(broken.old) == 1, f"{broken.file} holds {text.count(broken.old)} times:\n{broken.old}"


@pytest.mark.parametrize("broken", RUN, ids=lambda one: re.sub(r"\W+", "-", one.what))
def test_a_broken_engine_breaks_the_law(broken: Break, verdicts: dict[str, Future[Verdict]]) -> None:
    code, said = verdicts[broken.what].result()
    assert code == 1, f"{broken.law} does not notice that {broken.what} (pytest ended with {code}):\n{said[-2_000:]}"
    assert re.search(rf"^FAILED \S+::{broken.law}\b", said, re.MULTILINE), said[-2_000:]


def test_an_unbroken_copy_keeps_the_laws(tmp_path: Path) -> None:
    code, said = run_laws(copy_package(tmp_path), *sorted({one.law for one in RUN}))
    assert code == 0, said[-2_000:]


def test_every_law_is_broken_once() -> None:
    assert set().union(*map(laws_of, LAWS)) == {one.law for one in BREAKS}
