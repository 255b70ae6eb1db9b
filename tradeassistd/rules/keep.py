"""What a reload accepts: a bad file keeps its last good version, and takes no other file down (rules.md 6.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from tradeassistd.base.yaml12 import Place, Problem
from tradeassistd.rules.load import Found, Loaded, load_texts
from tradeassistd.rules.readings import Readings
from tradeassistd.rules.shared_files import FOR_RULES, SHARED


def accept(
    found: Found, live: Mapping[str, str], *, allow_empty: bool = False, now_us: int = 0,
    channels: frozenset[str] | None = None, readings: Readings | None = None,
) -> Loaded:  # fmt: skip
    """The rule set that `found` gives over `live`, the texts in force; `rejected` names the files kept as they were.

    A rejected file keeps the version it has in `live`, or is left out when it has none. A shared file (defaults,
    watchlists) that would make a file of `live` invalid is itself rejected, also when that is by its being gone. No
    rules where there were some is refused as a whole. `now_us` is market time, to warn of what has expired; `channels`
    are the channels of the settings, None where they are not known. `readings` are those of the load before; afterwards
    they hold what this one needed and no more.
    """
    readings = Readings() if readings is None else readings
    try:
        return _accept(found, live, allow_empty, partial(
            load_texts, prefix=found.prefix, live=live, now_us=now_us, channels=channels, readings=readings
        ))  # fmt: skip
    finally:
        readings.keep_used()


def _accept(found: Found, live: Mapping[str, str], allow_empty: bool, load: partial[Loaded]) -> Loaded:
    texts = dict(found.texts) | {name: live[name] for name in found.unreadable if name in live}
    problems, rejected = [*found.problems], {*found.unreadable}
    loaded = load(texts)
    if broken := [name for name in SHARED if name in loaded.rejected]:
        problems += _of(loaded.problems, found.prefix, broken)
        rejected |= {*broken}
        texts = _with_last_good(texts, live, rejected)
        loaded = load(texts)
    if spoilers := _spoilers(load, texts, live, loaded):
        problems += [
            _spoils(found.prefix, name, spoiled, _of(loaded.problems, found.prefix, spoiled), name in texts)
            for name, spoiled in spoilers
        ]
        rejected |= {name for name, _ in spoilers}
        texts = _with_last_good(texts, live, rejected)
        loaded = load(texts)
    for _ in range(len(texts) + 1):  # a kept version may clash with another file's new one: then that one is kept too
        problems += [problem for problem in loaded.problems if problem not in problems]
        if not loaded.rejected:
            break
        rejected |= set(loaded.rejected)
        kept = _with_last_good(texts, live, rejected)
        if kept == texts:
            break  # the last good version is none any more: a channel of its routes is gone from the settings, say
        texts = kept
        loaded = load(texts)
    if not loaded.rule_set.rules and not allow_empty and (kept_all := load(live)).rule_set.rules:
        return _refused(found, live, problems, kept_all)
    warnings = tuple(sorted([*found.warnings, *loaded.warnings]))
    return Loaded(loaded.rule_set, tuple(sorted(problems)), warnings, tuple(sorted(rejected)), loaded.routes)


def _with_last_good(texts: Mapping[str, str], live: Mapping[str, str], rejected: Iterable[str]) -> dict[str, str]:
    names = set(rejected)
    kept = {name: text for name, text in texts.items() if name not in names}
    return kept | {name: live[name] for name in names if name in live}


def _spoilers(
    load: partial[Loaded], texts: Mapping[str, str], live: Mapping[str, str], loaded: Loaded
) -> list[tuple[str, list[str]]]:
    """The shared files whose change makes files of `live` invalid that did not change themselves, and which."""
    spoiled = [name for name in loaded.rejected if name not in SHARED and texts[name] == live.get(name)]
    changed = [name for name in FOR_RULES if texts.get(name) != live.get(name)]
    if not spoiled or not changed:
        return []
    mended = {
        name: [one for one in spoiled if one not in load(_with_last_good(texts, live, [name])).rejected]
        for name in changed
    }
    alone = [(name, names) for name, names in mended.items() if names]
    return alone or [(name, spoiled) for name in changed]  # none of them alone does it: all of them together do


def _of(problems: Iterable[Problem], prefix: str, names: list[str]) -> list[Problem]:
    return [problem for problem in problems if any(problem.place.file == prefix + name for name in names)]


def _spoils(prefix: str, shared: str, names: list[str], errors: list[Problem], is_there: bool) -> Problem:
    """What is wrong with a shared file is what is wrong in the files it spoils: the first of it is said."""
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    what = "makes" if is_there else "is gone, which makes"
    first = min(errors)
    hint = "; ".join(filter(None, (first.hint, f"the {'version' if is_there else 'one'} before stays in force")))
    return Problem(Place(prefix + shared, 1, 1), "", f"{what} {listed} invalid: {replace(first, hint='')}", hint)


def _refused(found: Found, live: Mapping[str, str], problems: list[Problem], kept: Loaded) -> Loaded:
    none = Problem(Place(found.prefix, 1, 1), "", "holds no rules where there were some",
                   "reload with --allow-empty if that is meant")  # fmt: skip
    return Loaded(kept.rule_set, tuple(sorted([*problems, none])), kept.warnings, tuple(sorted(live)),
                  kept.routes)  # fmt: skip
