"""What a reload accepts: a bad file keeps its last good version, and takes no other file down (rules.md 6.4)."""

from __future__ import annotations

from collections.abc import Mapping

from tradeassistd.base.yaml12 import Place, Problem
from tradeassistd.rules.load import DEFAULTS, Found, Loaded, load_texts


def accept(found: Found, live: Mapping[str, str], *, allow_empty: bool = False) -> Loaded:
    """The rule set that `found` gives over `live`, the texts in force; `rejected` names the files kept as they were.

    A rejected file keeps the version it has in `live`, or is left out when it has none. Shared defaults that would make
    a file of `live` invalid are themselves rejected. No rules where there were some is refused as a whole.
    """
    texts = dict(found.texts) | {name: live[name] for name in found.unreadable if name in live}
    first = load_texts(texts, prefix=found.prefix, live=live)
    problems = [*found.problems, *first.problems]
    rejected = {*found.unreadable, *first.rejected}
    spoiled = [name for name in first.rejected if texts[name] == live.get(name)]
    if spoiled and texts.get(DEFAULTS) != live.get(DEFAULTS) and DEFAULTS not in first.rejected:
        problems = [problem for problem in problems if not _is_in(problem, found.prefix, spoiled)]
        problems.append(_spoils(found.prefix, spoiled))
        rejected = rejected - set(spoiled) | {DEFAULTS}
    loaded = first
    for _ in range(len(texts) + 1):  # a kept version may clash with another file's new one: then that one is kept too
        bad = {*loaded.rejected, *rejected} if loaded is first else set(loaded.rejected)
        if not bad:
            break
        rejected |= bad - (set(spoiled) if DEFAULTS in rejected else set())
        texts = _with_last_good(texts, live, rejected)
        loaded = load_texts(texts, prefix=found.prefix, live=live)
        problems += [problem for problem in loaded.problems if problem not in problems]
    if not loaded.rule_set.rules and live and not allow_empty:
        return _refused(found, live, problems)
    warnings = tuple(sorted([*found.warnings, *loaded.warnings]))
    return Loaded(loaded.rule_set, tuple(sorted(problems)), warnings, tuple(sorted(rejected)))


def _with_last_good(texts: Mapping[str, str], live: Mapping[str, str], rejected: set[str]) -> dict[str, str]:
    kept = {name: text for name, text in texts.items() if name not in rejected}
    return kept | {name: live[name] for name in rejected if name in live}


def _is_in(problem: Problem, prefix: str, names: list[str]) -> bool:
    return any(problem.place.file == prefix + name for name in names)


def _spoils(prefix: str, names: list[str]) -> Problem:
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return Problem(Place(prefix + DEFAULTS, 1, 1), "", f"makes {listed} invalid", "the defaults before stay in force")


def _refused(found: Found, live: Mapping[str, str], problems: list[Problem]) -> Loaded:
    kept = load_texts(live, prefix=found.prefix, live=live)
    none = Problem(Place(found.prefix, 1, 1), "", "holds no rules where there were some",
                   "reload with --allow-empty if that is meant")  # fmt: skip
    return Loaded(kept.rule_set, tuple(sorted([*problems, none])), kept.warnings, tuple(sorted(live)))
