"""Bad rule files are refused in exact words at the exact place, whole and alone.

tests/data/rules/bad holds a small file for each way to go wrong, and beside it what is said of it, one line each. One
that begins with an underscore stands for the shared file of that name.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tradeassistd.base.yaml12 import Problems, compose
from tradeassistd.base.yaml12.compose import FAST, PURE
from tradeassistd.rules.load import load_texts

BAD = Path(__file__).parents[1] / "data" / "rules" / "bad"
LISTS = "core: [/ES, /NQ, SPY]\nindices: [$SPX, $VIX]\n"
GOOD = "version: 1\nrules:\n  - {id: good, symbols: [/ES], when: price > 1}\n"


def cases() -> list[tuple[str, str, list[str]]]:
    """Name, text and expected lines of every case."""
    return [
        (path.stem, path.read_text(encoding="utf-8"), path.with_suffix(".txt").read_text(encoding="utf-8").splitlines())
        for path in sorted(BAD.glob("*.yaml"))
    ]


CASES = cases()


def test_there_are_many_and_each_says_something() -> None:
    assert len(CASES) >= 200
    assert all(expected for _, _, expected in CASES)
    assert len(list(BAD.iterdir())) == 2 * len(CASES)


@pytest.mark.parametrize(("name", "text", "expected"), CASES, ids=[case[0] for case in CASES])
def test_bad_file(name: str, text: str, expected: list[str]) -> None:
    shared = name.startswith("_")
    file = f"_{name.split('_')[1]}.yaml" if shared else "es.yaml"
    loaded = load_texts({"_watchlists.yaml": LISTS, "good.yaml": GOOD, file: text})
    assert [str(problem) for problem in loaded.problems] == expected
    assert all(problem.hint for problem in loaded.problems), "each says what to do"
    assert loaded.rejected == (file,)
    assert [rule.id for rule in loaded.rule_set.rules] == ["good"]
    assert file not in dict(loaded.rule_set.texts)


@pytest.mark.parametrize("text", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_both_parsers_agree(text: str) -> None:
    said: list[object] = []
    for loader in (FAST, PURE):
        try:
            said.append(compose(text, "es.yaml", loader=loader))
        except Problems as error:
            said.append(error.problems)
    assert said[0] == said[1]


def rule(when: str) -> str:
    return f"version: 1\nrules:\n  - id: a\n    symbols: [/ES]\n    when: {when}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\nrules:\n\t- id: a\n", "rules.d/es.yaml:3:1: a tab (indent and align with spaces)"),
        (
            "version: 1\nrules: " + "[" * 70 + "]" * 70,
            "rules.d/es.yaml:2:72: rules[0][0][0]: is more than 64 levels deep (close the brackets, or nest less)",
        ),
        (
            rule("price > 1" + " and price > 1" * 400),
            "rules.d/es.yaml:5:11: rules[0].when: longer than 4,096 characters (split it into several rules)",
        ),
        (
            rule("(" * 65 + "price > 1" + ")" * 65),
            "rules.d/es.yaml:5:75: rules[0].when: more than 64 levels deep (split it into several rules)",
        ),
        (
            rule("\n      not: " + "-" * 62 + "price > 1"),
            "rules.d/es.yaml:6:7: rules[0].when: more than 64 levels deep (split it into several rules)",
        ),
        (
            rule("{any: [" + ", ".join(["price > 1"] * 65) + "]}"),
            "rules.d/es.yaml:5:17: rules[0].when.any: takes 1 to 64 conditions, not 65 "
            "(nest some in a list of their own)",
        ),
        (
            rule("price > 1\n    description: " + "x" * 2_001),
            "rules.d/es.yaml:6:18: rules[0].description: longer than 2,000 characters (shorten it)",
        ),
    ],
    ids=["tab", "deep_yaml", "long_expression", "deep_expression", "deep_tree", "many_conditions", "long_text"],
)
def test_beyond_a_limit(text: str, expected: str) -> None:
    loaded = load_texts({"es.yaml": text})
    assert [str(problem) for problem in loaded.problems] == [expected]
    assert loaded.rule_set.rules == ()


def test_all_problems_of_all_files_come_together_sorted_by_place() -> None:
    loaded = load_texts({
        "b.yaml": "version: 2\nrules:\n  - id: B\n    symbols: [spy, es]\n    when: smaa(close, 2, 1m) > prise\n"
                  "    severty: info\n    cooldown: 5\n",
        "a.yaml": "version: 1\nrules: [@core]\n",
        "_routes.yaml": "version: 1\nroutes: slack\n",
        "_mine.yaml": "x: y\n",
        "c.yaml": GOOD,
    })  # fmt: skip
    assert [str(problem) for problem in loaded.problems] == [
        "rules.d/_mine.yaml:1:1: is no shared file that this version knows (rule files do not begin with _; shared "
        "files are _defaults.yaml _instruments.yaml _routes.yaml _silences.yaml _watchlists.yaml)",
        "rules.d/_routes.yaml:2:9: routes: must be a list (write [slack])",
        'rules.d/a.yaml:2:9: a value cannot begin with @ (quote it, e.g. ["@core"])',
        "rules.d/b.yaml:1:10: version: unknown version '2' (write version: 1)",
        "rules.d/b.yaml:3:9: rules[0].id: 'B' is not an id of at most 64 characters a-z 0-9 . _ - (write b)",
        "rules.d/b.yaml:4:15: rules[0].symbols[0]: 'spy' is not a symbol (write SPY)",
        "rules.d/b.yaml:4:20: rules[0].symbols[1]: 'es' is not a symbol (write /ES, or ES for the stock)",
        "rules.d/b.yaml:6:5: rules[0].severty: unknown key 'severty' (did you mean severity?)",
        "rules.d/b.yaml:7:15: rules[0].cooldown: '5' is not a duration (a duration needs a unit: 5s, 5m or 5h)",
    ]
    assert loaded.rejected == ("_mine.yaml", "_routes.yaml", "a.yaml", "b.yaml")
    assert [found.id for found in loaded.rule_set.rules] == ["good"]
