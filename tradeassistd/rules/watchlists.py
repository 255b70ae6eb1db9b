"""Watchlists: `_watchlists.yaml`, and what `@core` in `symbols` stands for."""

from __future__ import annotations

from collections.abc import Mapping as Lookup
from collections.abc import Sequence as Many
from typing import NamedTuple

from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Problem,
    Problems,
    Sequence,
    ValueProblem,
    compose,
    did_you_mean,
    path_text,
    plain,
)
from tradeassistd.rules.fields import LIST_MAX, is_watchlist, symbol, version
from tradeassistd.rules.symbols import FUTURE_ROOTS

WATCHLISTS = "_watchlists.yaml"

Watchlists = Lookup[str, tuple[str, ...]]


class Listed(NamedTuple):
    """The symbols of a rule in order, each with the index of the entry it comes from; and what is wrong by index."""

    symbols: tuple[tuple[str, int], ...]
    wrong: tuple[tuple[int, str, str], ...]


def read_watchlists_file(name: str, text: str, prefix: str) -> dict[str, tuple[str, ...]]:
    """The lists of a `_watchlists.yaml` by name. Raises Problems with all of them."""
    node = compose(text, prefix + name)
    if not isinstance(node, Mapping):
        raise Problems([Problem(node.place, "", "must be a map", "write e.g. core: [/ES, /NQ, SPY]")])
    problems: list[Problem] = []
    lists: dict[str, tuple[str, ...]] = {}
    for key, value in node.items:
        if key.text == "version":
            try:
                version(plain(value))
            except ValueProblem as error:
                problems.append(Problem(value.place, key.text, error.message, error.hint))
        elif not is_watchlist(f"@{key.text}"):
            hint = "at most 64 letters, digits and . _ -" if not key.text.startswith("@") else "write it without @ here"
            problems.append(Problem(key.place, key.text, f"{key.text!r} is not a name of a watchlist", hint))
        else:
            lists[key.text] = _entries(key.text, value, problems)
    if problems:
        raise Problems(problems)
    return lists


def expand(listed: Many[str], watchlists: Watchlists | None) -> Listed:
    """The symbols that entries of `symbols` stand for; `watchlists` is None while their file is broken.

    A symbol that comes again through a watchlist is there once; one that is written twice is a mistake.
    """
    found: dict[str, int] = {}
    written: set[str] = set()
    wrong: list[tuple[int, str, str]] = []
    for number, entry in enumerate(listed):
        if not is_watchlist(entry):
            if entry in written:
                wrong.append((number, f"{entry} is listed twice", "remove one"))
            written.add(entry)
            found.setdefault(entry, number)
        elif watchlists is None:
            wrong.append((number, f"watchlist {entry} cannot be read", f"mend {WATCHLISTS}"))
        elif entry[1:] not in watchlists:
            hint = did_you_mean(entry, [f"@{name}" for name in watchlists]) or f"add it to {WATCHLISTS}"
            if entry[1:] in FUTURE_ROOTS:  # how other services write a future
                hint = f"write /{entry[1:]} for the future"
            wrong.append((number, f"unknown watchlist {entry!r}", hint))
        else:
            for one in watchlists[entry[1:]]:
                found.setdefault(one, number)
    return Listed(tuple(found.items()), tuple(wrong))


def _entries(name: str, value: Node, problems: list[Problem]) -> tuple[str, ...]:
    if not isinstance(value, Sequence):
        problems.append(Problem(value.place, name, "must be a list", "write e.g. [/ES, /NQ, SPY]"))
        return ()
    if not 1 <= len(value.items) <= LIST_MAX:
        hint = "split it" if value.items else "write one, or remove the list"
        problems.append(Problem(value.place, name, f"takes 1 to {LIST_MAX} symbols, not {len(value.items)}", hint))
        return ()
    symbols: list[str] = []
    for number, item in enumerate(value.items):
        text = plain(item)
        path = path_text((name, number))
        if text in symbols:
            problems.append(Problem(item.place, path, f"{text} is listed twice", "remove one"))
            continue
        try:
            symbols.append(symbol(text))
        except ValueProblem as error:
            problems.append(Problem(item.place, path, error.message, error.hint))
    return tuple(symbols)
