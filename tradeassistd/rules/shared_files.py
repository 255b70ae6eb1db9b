"""The shared files of a rules directory, `_*.yaml`: one table says who reads each, in which order.

A new shared file is one entry here, one field of `Shared` for what it says, and the place that takes it from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tradeassistd.base.yaml12 import Place, Problem, Problems
from tradeassistd.rules.instruments import INSTRUMENTS, read_instruments_file
from tradeassistd.rules.routes_file import ROUTES, read_routes_file
from tradeassistd.rules.rule_file import read_defaults_file
from tradeassistd.rules.rule_reading import Shared
from tradeassistd.rules.silences import SILENCES, read_silences_file
from tradeassistd.rules.watchlists import WATCHLISTS, read_watchlists_file

DEFAULTS = "_defaults.yaml"


@dataclass(frozen=True, slots=True)
class SharedFile:
    """One shared file."""

    name: str
    read: Callable[[str, str, Shared], Shared]
    """Text, prefix of places, what the files before it said -> that and what this one says. Raises Problems."""
    broken: Callable[[Shared], Shared] = lambda shared: shared
    """What holds while the file is broken and no good version of it is known; as without the file by default."""
    missing: tuple[str, str] = ("", "")
    """Warning and its code while it is broken so."""
    for_rules: bool = True
    """Whether what it says changes how rule files are read; if so they are read again when it changes."""


def _defaults(text: str, prefix: str, shared: Shared) -> Shared:
    fields, node = read_defaults_file(DEFAULTS, text, prefix)
    return replace(shared, defaults=fields, node=node)


def _watchlists(text: str, prefix: str, shared: Shared) -> Shared:
    return replace(shared, watchlists=read_watchlists_file(WATCHLISTS, text, prefix))


def _instruments(text: str, prefix: str, shared: Shared) -> Shared:
    return replace(shared, instruments=read_instruments_file(INSTRUMENTS, text, prefix))


def _routes(text: str, prefix: str, shared: Shared) -> Shared:
    return replace(shared, routes=read_routes_file(ROUTES, text, prefix, shared.channels))


def _silences(text: str, prefix: str, shared: Shared) -> Shared:
    return replace(shared, silences=read_silences_file(SILENCES, text, prefix))


SHARED_FILES = (
    SharedFile(DEFAULTS, _defaults, missing=("no rule gets these defaults until the file is mended", "no-defaults")),
    SharedFile(WATCHLISTS, _watchlists, broken=lambda shared: replace(shared, watchlists=None)),
    SharedFile(
        INSTRUMENTS,
        _instruments,
        missing=("the built-in facts hold, and no symbol is derived, until the file is mended", "no-instruments"),
    ),
    SharedFile(
        ROUTES,
        _routes,
        missing=("alerts go where they would go without it until the file is mended", "no-routes"),
        for_rules=False,
    ),
    SharedFile(
        SILENCES,
        _silences,
        missing=("nothing is silenced by it until the file is mended", "no-silences"),
        for_rules=False,
    ),
)
"""In the order they are read."""
SHARED = tuple(one.name for one in SHARED_FILES)
"""Files that are no rule files, and not rejected for it."""
FOR_RULES = tuple(one.name for one in SHARED_FILES if one.for_rules)
"""Files that say something to every rule file."""
LATER_FILES = tuple(name for name in ("_instruments.yaml", "_routes.yaml", "_silences.yaml") if name not in SHARED)
"""Files that this version does not have yet."""


@dataclass(frozen=True, slots=True)
class SharedRead:
    """What the shared files say together."""

    shared: Shared
    problems: Mapping[str, tuple[Problem, ...]]
    """By name what is wrong with those that are rejected."""
    warnings: tuple[Problem, ...] = ()


def read_shared(texts: Mapping[str, str], prefix: str, begin: Shared) -> SharedRead:
    """Read those of the table that are among `texts`, over `begin`.

    Without one that is broken, the rules that can do without it are better than none.
    """
    shared, problems, warnings = begin, dict[str, tuple[Problem, ...]](), list[Problem]()
    for one in SHARED_FILES:
        if one.name not in texts:
            continue
        try:
            shared = one.read(texts[one.name], prefix, shared)
        except Problems as error:
            problems[one.name] = tuple(error.problems)
            shared = one.broken(shared)
            message, code = one.missing
            if message:
                warnings.append(Problem(Place(prefix + one.name, 1, 1), "", message, code=code))
    return SharedRead(shared, problems, tuple(warnings))
