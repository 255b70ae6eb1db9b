"""Finds the functions that installed packages bring (entry points `tradeassistd.functions`) and puts them in the table.

Whoever reads rules - the daemon, its worker process, `rules check`, `rules test`, replay - does this first and once, so
all of them know the same functions. A package that is installed later counts from the next start on.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.yaml12 import Place, Problem
from tradeassistd.engine.language.own import UserFunction, in_table, put_in_table
from tradeassistd.rules.names import name_problem

GROUP = "tradeassistd.functions"
CODE = "own-function"


@dataclass(frozen=True, slots=True)
class Provided:
    """A user's function and where it comes from."""

    function: UserFunction
    package: str
    """Name and version of the package, e.g. `my-signals 1.0`."""
    entry: str
    """What the entry point names, e.g. `my_signals:hull`."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What is installed; `problems` of what cannot be used, each of a place in its package's entry_points.txt."""

    functions: Mapping[str, Provided]
    problems: tuple[Problem, ...]


@lru_cache(maxsize=1)
def use_installed() -> Installed:
    """Put the installed functions in the table; the first call does it, once for the life of the process."""
    installed = find(entry_points(group=GROUP))
    unusable = {problem.path: problem.message for problem in installed.problems}
    put_in_table((one.function for one in installed.functions.values()), unusable)
    return installed


def find(entries: Iterable[EntryPoint]) -> Installed:
    """Import what the entry points name. One that cannot be used takes no other down."""
    found = sorted(entries, key=lambda entry: (entry.name, _package(entry)))
    times = Counter(entry.name for entry in found)
    functions: dict[str, Provided] = {}
    problems: list[Problem] = []
    for entry in found:
        try:
            if times[entry.name] > 1:
                packages = " and ".join(_package(other) for other in found if other.name == entry.name)
                raise ConfigError(f"comes from {packages}", hint="uninstall one, or give one another name")
            functions[entry.name] = Provided(_load(entry), _package(entry), entry.value)
        except ConfigError as error:
            problems.append(Problem(_place(entry), entry.name, error.message, error.hint, CODE))
    return Installed(functions, tuple(sorted(problems)))


def table_hash() -> str:
    """Stands for the user's functions in the table with their versions: equal in processes that know the same ones."""
    known = "\n".join(f"{name} {function.version}" for name, function in sorted(in_table().items()))
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _load(entry: EntryPoint) -> UserFunction:
    """The function that an entry point names. Raises ConfigError when it cannot be used."""
    if entry.name not in in_table() and (problem := name_problem(entry.name)):
        raise ConfigError(problem[0], hint=problem[1])
    try:
        with redirect_stdout(sys.stderr):  # stdout is for JSON, and for the rules that the worker process sends
            function = entry.load()
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # a user's module may raise anything; it is told as it is
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ConfigError(f"{entry.value} cannot be imported: {why}", hint="mend it, or uninstall it") from error
    if not isinstance(function, UserFunction):
        raise ConfigError(f"{entry.value} is a {type(function).__name__}, not a UserFunction",
                          hint="name a tradeassistd.functions.UserFunction in the entry point")  # fmt: skip
    if function.name != entry.name:
        raise ConfigError(f"{entry.value} is called {function.name!r}", hint="give it and its entry point one name")
    return function


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"


def _place(entry: EntryPoint) -> Place:
    """The line of the entry in the metadata of its package."""
    text = (entry.dist.read_text("entry_points.txt") if entry.dist is not None else None) or ""
    folder = f"{entry.dist.name.replace('-', '_')}-{entry.dist.version}.dist-info/" if entry.dist is not None else ""
    return Place(f"{folder}entry_points.txt", next(_lines_of(entry, text), 1), 1)


def _lines_of(entry: EntryPoint, text: str) -> Iterator[int]:
    group = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith("["):
            group = line.strip("[] \t")
        elif group == entry.group and line.partition("=")[0].strip() == entry.name:
            yield number
