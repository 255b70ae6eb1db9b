"""Whatever a rule file holds, loading it ends, soon, in rules or in problems at places of that file; never in a crash.

And whichever of PyYAML's two parsers reads it, the same is said.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.rules.test_rules_md import EXAMPLES
from tradeassistd.base.yaml12 import Node, Problem, Problems, compose
from tradeassistd.base.yaml12.compose import FAST, PURE, Loader
from tradeassistd.engine.language.expression import render
from tradeassistd.rules.grammar import parse
from tradeassistd.rules.lint import LINTS
from tradeassistd.rules.load import load_texts

DATA = Path(__file__).parents[1] / "data" / "rules"
FILES = [EXAMPLES, *(path.read_text("utf-8") for path in sorted(DATA.glob("*/*.yaml")))]
LISTS = "core: [/ES, /NQ, SPY]\n"
CHUNKS = st.sampled_from([
    "", " ", "\n", "  ", "\n    ", "- ", ": ", ":", ",", "[", "]", "{", "}", "'", '"', "#", " #", "@", "&a ", "*a",
    "!", "%", "|", ">", "?", "? ", "\\", "~", "price", "crosses", "reaches any [", "5200", "5m", "@core",
    "{price:.2f}", "{", "}}", "let: {a: bid}", "\n    when: ", "levels:", "not: ", "0", "-", "--- ", "...", "\t",
    "\x00", "\ufeff", "é", "😀", "\r\n",
])  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """One of the files with a few pieces cut out, doubled, swapped for others or put in."""
    text = draw(st.sampled_from(FILES))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 12)))
        middle = draw(CHUNKS | st.just(text[begin:end] * 2) | st.text(max_size=3))
        text = text[:begin] + middle + text[end:]
    return text


def check(text: str) -> None:
    texts = {"es.yaml": text, "_watchlists.yaml": LISTS}
    loaded = load_texts(texts, lint=True, channels=frozenset())
    assert loaded.problems or not loaded.rejected
    assert loaded.rule_set == load_texts(texts).rule_set
    assert all(problem.code in LINTS and problem.place.line >= 1 for problem in loaded.warnings)
    lines = text.removeprefix("\ufeff").split("\n")
    for problem in loaded.problems:
        assert problem.place.file == "rules.d/es.yaml"
        assert 1 <= problem.place.line <= len(lines) + 1
        assert problem.message
    for rule in loaded.rule_set.rules:
        for level in rule.levels:
            assert parse(render(level.when)) == level.when
        for symbol in rule.symbols:
            assert rule.fingerprint(symbol, rule.numbers[-1])


@given(mutated())
@settings(max_examples=600, deadline=None)
def test_mutated_files(text: str) -> None:
    check(text)


@given(st.text() | st.lists(CHUNKS, max_size=40).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text(text: str) -> None:
    check(text)


FIELDS = st.sampled_from([
    "when", "levels", "clear_when", "let", "values", "message", "title", "setup", "symbols", "evaluate", "fire",
    "rearm", "repeat", "expires", "active", "stale_after", "max_per_session", "for", "was", "rev", "tags",
])  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(
        ["price > 1", "price crosses 5", "a", "/ES", "5m", "{price}", "@core", "2026-12-18", "", "mon 09:30-10:00"]
    )
    | st.text("ab>:{}[]0159.,%tm()@/ -", max_size=12),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["severity", "when", "all", "any", "not", "a", "/ES", "type", "stop"]), below)
    ),
    max_leaves=8,
)


def written(value: object) -> str:
    """A value in flow style, each text quoted."""
    match value:
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{written(key)}: {written(one)}" for key, one in value.items()) + "}"
        case _:
            return "'" + str(value).replace("'", "''") + "'"


@given(st.dictionaries(FIELDS, VALUES, max_size=5), st.dictionaries(FIELDS, VALUES, max_size=2))
@settings(max_examples=400, deadline=None)
def test_any_values_of_any_fields(fields: dict[str, object], defaults: dict[str, object]) -> None:
    own = {"id": "a", "symbols": ["/ES", "SPY"], "when": "price > 1"} | fields
    check(f"version: 1\ndefaults: {written(defaults)}\nrules:\n  - {written(own)}\n")


def said(text: str, loader: Loader) -> Node | tuple[Problem, ...]:
    try:
        return compose(text, "es.yaml", loader=loader)
    except Problems as error:
        return error.problems


@given(mutated())
@example("rules: [{id: a, message: gone?}]")
@example("a: &a [1, !1, 1]\nb: [*a, *a]\n")
@example("rules:\n  - message: |#x\n      gone\n")
@example("rules:\n  - symbols: [/ES, ]\n    when:    \n  -   \n  - \n")
@settings(max_examples=600, deadline=None)
def test_law_both_parsers_say_the_same_of_broken_files(text: str) -> None:
    assert said(text, FAST) == said(text, PURE)


@pytest.mark.parametrize("text", FILES)
def test_both_parsers_say_the_same_of_every_file(text: str) -> None:
    assert said(text, FAST) == said(text, PURE)


def test_a_large_file_loads_in_little_time() -> None:
    rules = EXAMPLES.split("rules:\n")[1]
    text = "version: 1\nrules:\n" + "".join(rules.replace("id: ", f"id: n{number}-") for number in range(60))
    before = time.process_time()
    loaded = load_texts({"es.yaml": text, "_watchlists.yaml": LISTS})
    assert loaded.problems == ()
    assert len(loaded.rule_set.rules) == 360
    assert time.process_time() - before < 10
