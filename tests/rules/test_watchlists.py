"""Watchlists in `symbols`, and shared files that would make rules invalid: those are rejected themselves."""

from __future__ import annotations

import pytest

from tests.rules.rule_texts import rule
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Found, Loaded, load_texts

LISTS = "version: 1\ncore: [/ES, /NQ, SPY]\nmetals: [/GC]\n"
USES = "version: 1\nrules:\n  - {id: a, symbols: ['@core'], when: price > 1}\n"
PLAIN = "version: 1\nrules:\n  - {id: b, symbols: [/CL], when: price > 1}\n"
VALUES = (
    "version: 1\nrules:\n  - id: c\n    symbols: ['@core']\n    when: price > r\n"
    "    values: {/ES: {r: 1}, /NQ: {r: 1}, SPY: {r: 1}}\n"
)


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ("['@core']", ("/ES", "/NQ", "SPY")),
        ("[/CL, '@core', /GC]", ("/CL", "/ES", "/NQ", "SPY", "/GC")),
        ("[SPY, '@core']", ("SPY", "/ES", "/NQ")),
        ("['@core', SPY]", ("/ES", "/NQ", "SPY")),
        ("['@core', '@more', '@core']", ("/ES", "/NQ", "SPY", "QQQ")),
    ],
)
def test_symbols_come_once_and_in_order(symbols: str, expected: tuple[str, ...]) -> None:
    lists = "core: [/ES, /NQ, SPY]\nmore: [QQQ, SPY]\n"
    assert rule(symbols=symbols, watchlists=lists).symbols == expected


def test_defaults_may_name_a_watchlist() -> None:
    texts = {"_watchlists.yaml": LISTS, "_defaults.yaml": "symbols: ['@metals']\n"}
    loaded = load_texts(texts | {"a.yaml": "version: 1\nrules:\n  - {id: a, when: price > 1}\n"})
    assert loaded.problems == ()
    assert loaded.rule_set.rules[0].symbols == ("/GC",)
    assert [name for name, _ in loaded.rule_set.texts] == ["_defaults.yaml", "_watchlists.yaml", "a.yaml"]


def test_a_broken_list_file_takes_only_the_rules_that_use_it() -> None:
    loaded = load_texts({"_watchlists.yaml": "core: /ES\n", "a.yaml": USES, "b.yaml": PLAIN})
    assert [str(problem) for problem in loaded.problems] == [
        "rules.d/_watchlists.yaml:1:7: core: must be a list (write e.g. [/ES, /NQ, SPY])",
        "rules.d/a.yaml:3:23: rules[0].symbols[0]: watchlist @core cannot be read (mend _watchlists.yaml)",
    ]
    assert [one.id for one in loaded.rule_set.rules] == ["b"]


def test_a_change_of_a_list_changes_the_hash() -> None:
    one, other = (load_texts({"_watchlists.yaml": LISTS + more, "b.yaml": PLAIN}) for more in ("", "x: [SPY]\n"))
    assert one.rule_set.rules == other.rule_set.rules
    assert one.rule_set.hash != other.rule_set.hash


LIVE = {"_watchlists.yaml": LISTS, "a.yaml": USES, "b.yaml": PLAIN, "c.yaml": VALUES}


def reloaded(live: dict[str, str], changed: dict[str, str | None]) -> Loaded:
    texts = {name: text for name, text in (live | changed).items() if text is not None}
    return accept(Found(texts, "rules.d/"), live)


def says(loaded: Loaded) -> list[str]:
    return [str(problem) for problem in loaded.problems]


@pytest.mark.parametrize(
    ("lists", "problem"),
    [
        ("metals: [/GC]\n",
         "rules.d/_watchlists.yaml:1:1: makes a.yaml, c.yaml invalid: rules.d/a.yaml:3:23: rules[0].symbols[0]: "
         "unknown watchlist '@core' (add it to _watchlists.yaml; the version before stays in force)"),
        (LISTS.replace("SPY", "SPY, QQQ"),
         "rules.d/_watchlists.yaml:1:1: makes c.yaml invalid: rules.d/c.yaml:6:13: rules[0].values.QQQ: QQQ has no "
         "value 'r', which the rule uses (write QQQ: {r: …}; the version before stays in force)"),
        (None,
         "rules.d/_watchlists.yaml:1:1: is gone, which makes a.yaml, c.yaml invalid: rules.d/a.yaml:3:23: "
         "rules[0].symbols[0]: unknown watchlist '@core' (add it to _watchlists.yaml; the one before stays in force)"),
        ("core: x\n", "rules.d/_watchlists.yaml:1:7: core: must be a list (write e.g. [/ES, /NQ, SPY])"),
    ],
)  # fmt: skip
def test_lists_that_would_make_live_rules_invalid_are_rejected(lists: str | None, problem: str) -> None:
    loaded = reloaded(LIVE, {"_watchlists.yaml": lists})
    assert says(loaded) == [problem]
    assert loaded.rejected == ("_watchlists.yaml",)
    assert dict(loaded.rule_set.texts) == LIVE


def test_a_sound_change_of_a_list_is_taken() -> None:
    live = {name: text for name, text in LIVE.items() if name != "c.yaml"}
    loaded = reloaded(live, {"_watchlists.yaml": "core: [QQQ]\n"})
    assert (says(loaded), loaded.rejected) == ([], ())
    assert loaded.rule_set.by_id["a"].symbols == ("QQQ",)


def test_of_two_changed_shared_files_only_the_guilty_one_is_rejected() -> None:
    loaded = reloaded(LIVE, {"_watchlists.yaml": "metals: [/GC]\n", "_defaults.yaml": "cooldown: 9m\n"})
    assert loaded.rejected == ("_watchlists.yaml",)
    assert loaded.rule_set.by_id["a"].cooldown_s == 540
    loaded = reloaded(LIVE, {"_watchlists.yaml": LISTS + "x: [SPY]\n", "_defaults.yaml": "session: globex\n"})
    assert loaded.rejected == ("_defaults.yaml",)
    assert says(loaded) == [
        "rules.d/_defaults.yaml:1:1: makes a.yaml, c.yaml invalid: rules.d/a.yaml:3:5: rules[0]: SPY has no session "
        "'globex', which the rule inherits (it has rth, ext, always; the version before stays in force)"
    ]
    assert "x: [SPY]" in dict(loaded.rule_set.texts)["_watchlists.yaml"]


def test_two_shared_files_that_are_guilty_only_together_are_both_rejected() -> None:
    live = {"_defaults.yaml": "session: rth\n", "_watchlists.yaml": "core: [SPY]\n", "a.yaml": USES}
    loaded = reloaded(live, {"_defaults.yaml": "session: globex\n", "_watchlists.yaml": "core: [/ES]\n"})
    assert loaded.problems == ()  # globex is a session of /ES
    loaded = reloaded(
        live | {"a.yaml": USES.replace("1}", "1, values: {SPY: {r: 1}}}")},
        {"_defaults.yaml": "session: ext\nmessage: '{r}'\n", "_watchlists.yaml": "core: [SPY, QQQ]\n"},
    )
    assert loaded.rejected == ("_defaults.yaml", "_watchlists.yaml")
    assert dict(loaded.rule_set.texts)["_watchlists.yaml"] == "core: [SPY]\n"


def test_a_bad_new_rule_beside_sound_new_lists_takes_nothing_else_down() -> None:
    loaded = reloaded(LIVE, {"_watchlists.yaml": LISTS + "x: [SPY]\n", "b.yaml": PLAIN.replace("price", "prise")})
    assert loaded.rejected == ("b.yaml",)
    assert dict(loaded.rule_set.texts) == LIVE | {"_watchlists.yaml": LISTS + "x: [SPY]\n"}


def test_lists_without_a_version_before_are_left_out() -> None:
    loaded = reloaded({"b.yaml": PLAIN}, {"_watchlists.yaml": "core: x\n"})
    assert loaded.rejected == ("_watchlists.yaml",)
    assert dict(loaded.rule_set.texts) == {"b.yaml": PLAIN}


def test_no_rules_where_there_were_some_is_refused_unless_meant() -> None:
    found = Found({"_watchlists.yaml": LISTS}, "rules.d/")
    loaded = accept(found, LIVE)
    assert says(loaded) == [
        "rules.d/:1:1: holds no rules where there were some (reload with --allow-empty if that is meant)"
    ]
    assert dict(loaded.rule_set.texts) == LIVE
    assert accept(found, LIVE, allow_empty=True).rule_set.rules == ()


def test_of_two_files_that_exchange_an_id_the_live_one_keeps_it() -> None:
    live = {"a.yaml": PLAIN, "b.yaml": PLAIN.replace("id: b", "id: d")}
    loaded = reloaded(live, {"a.yaml": PLAIN.replace("price", "prise"), "b.yaml": PLAIN})
    assert loaded.rejected == ("a.yaml", "b.yaml")
    assert dict(loaded.rule_set.texts) == live
