"""Rule files of one rule for the tests of this folder."""

from __future__ import annotations

from tradeassistd.engine.rule import Rule
from tradeassistd.rules.load import Loaded, load_texts

LISTS = "core: [/ES, /NQ, SPY]\n"


def load(keys: str, *, symbols: str = "[/ES]", when: str | None = "price > 1", top: str = "", **shared: str) -> Loaded:
    """A file of one rule `a`: `keys` are more lines of it, `top` those of the file; `shared` are `_name` texts."""
    condition = f"    when: {when}\n" if when is not None else ""
    lines = "".join(f"    {line}\n" for line in keys.splitlines())
    text = f"version: 1\n{top}rules:\n  - id: a\n    symbols: {symbols}\n{condition}{lines}"
    texts = {"_watchlists.yaml": LISTS} | {f"_{name}.yaml": one for name, one in shared.items()}
    return load_texts({**texts, "es.yaml": text})


def rule(
    keys: str = "", *, symbols: str = "[/ES]", when: str | None = "price > 1", top: str = "", **shared: str
) -> Rule:
    """The only rule of a sound file."""
    loaded = load(keys, symbols=symbols, when=when, top=top, **shared)
    assert loaded.problems == ()
    (only,) = loaded.rule_set.rules
    return only


def warnings(keys: str, *, symbols: str = "[/ES]", when: str | None = "price > 1", top: str = "") -> list[str]:
    """What a sound file is warned about, without the file's name."""
    loaded = load(keys, symbols=symbols, when=when, top=top)
    assert loaded.problems == ()
    return [str(warning).removeprefix("rules.d/es.yaml:") for warning in loaded.warnings]
