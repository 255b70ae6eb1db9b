"""The patterns of the schemas take a text exactly when the reader of that field does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tradeassistd.base.yaml12 import ValueProblem, duration_s
from tradeassistd.rules import fields
from tradeassistd.rules.names import name_problem
from tradeassistd.rules.schema import keys, shapes, unit_tests
from tradeassistd.rules.symbols import FUTURE_ROOTS, symbol_problem
from tradeassistd.rules.testing import patterns


def takes(shape: shapes.Schema, text: str) -> bool:
    return Draft202012Validator(shape).is_valid(text)


def reads(reader: Any, text: str) -> bool:
    try:
        reader(text)
    except ValueProblem:
        return False
    return True


@given(st.one_of(
    st.text("/$@ESZNQH2569.x", max_size=9),
    st.from_regex(rf"\A/?({'|'.join(sorted(FUTURE_ROOTS))})[FGHJKMNQUVXZ][0-9]{{1,4}}\Z"),
    st.from_regex(rf"\A{shapes.SYMBOL}\Z"),
))  # fmt: skip
@example("BRK/B")
@example("ESZ26")
@example("/ESZ6")
def test_a_symbol_is_taken_when_it_is_one(text: str) -> None:
    assert takes(shapes.symbol(), text) == (symbol_problem(text) is None)


READERS: list[tuple[str, Any, str, str]] = [
    ("evaluate", fields.evaluate, "close(5m)at:tick12790 ",
     rf"tick|close\( ?({shapes.INTERVAL}) ?\)|at\([012]?[0-9]:[0-9]{{2}}\)"),
    ("fire", fields.fire, "every()once_15m ",
     rf"(every|once|once_per_bar|each_bar)(\( ?({shapes.INTERVAL}|7m)? ?\))?"),
    ("rearm", fields.rearm, "clearmov 0.5%t", r"clear|moves? {0,2}[0-9]{1,2}(\.[0-9])?[%t]"),
    ("active", fields.active, "mon-fri 09:45,",
     r"(mon|fri|sat)(-sun|,tue)? {1,2}[0-2]?[0-9]:[0-6][0-9]-(24:00|9:30|25:00)( UTC| EST)?"),
    ("expires", fields.expires, "2026-1T:0Z+",
     r"2[0-9]{3}-[01][0-9]-[0-3][0-8]([T ][0-2][0-9]:[0-6][0-9] ?(Z|UTC|America/New_York|-05:00))?"),
    ("stale_after", fields.some_time_s, "0125smhd.", "0{0,3}[0-9]{0,4}[smhd]"),
    ("for", duration_s, "0125smhd.",
     "0{0,3}(74[0-9]h|744[0-9]|446[34][0-9]m|267[0-9]{4}s|26784[0-9]{2}s|[0-9]{1,8}[smhd])"),
    ("was", fields.rule_id, "ab-_.AB1 ", "[a-z0-9._-]{0,70}"),
]  # fmt: skip
SOUND = {
    "evaluate": "close(5m)", "fire": "each_bar(5m)", "rearm": "move 0.5%", "active": "sat,mon-fri 09:45-24:00 UTC",
    "expires": "2026-12-18 15:00 America/New_York", "stale_after": "30s", "for": "744h", "was": "es-levels",
}  # fmt: skip
BEYOND = r"02-29|[3-9][0-9]{6,}[smh]|[0-9]{4,}h|[0-9]{5,}m"
"""What only `rules check` sees: which years have a February 29, and what is over 31 days."""


@pytest.mark.parametrize(("key", "reader", "alphabet", "pattern"), READERS, ids=[one[0] for one in READERS])
def test_a_text_is_taken_when_its_reader_takes_it(key: str, reader: Any, alphabet: str, pattern: str) -> None:
    shape = keys.SHAPES[key].get("items", keys.SHAPES[key])
    assert takes(shape, SOUND[key]) and reads(reader, SOUND[key]) and not takes(shape, "?")

    @given(st.one_of(st.text(alphabet, max_size=12), st.from_regex(rf"\A(?:{pattern})\Z")))
    def agree(text: str) -> None:
        if not re.search(BEYOND, text):
            assert takes(shape, text) == reads(reader, text)

    agree()


@given(
    st.one_of(st.text("12x+-_kM. ", max_size=10), st.from_regex(r"\A(-?[0-9]{1,3}([+-][0-9]k?)?(x[0-9])?|_x[0-9]) ?\Z"))
)
def test_a_series_is_taken_when_it_is_one(text: str) -> None:
    assert takes(unit_tests.SERIES, text) == reads(patterns.values, text)


@given(st.one_of(st.text("018hms", max_size=8), st.from_regex(r"\A([0-9]h)?([0-9]{1,2}m)?([0-9]{1,2}s)?\Z")))
def test_an_offset_is_taken_when_it_is_one(text: str) -> None:
    if len(text) < 8:  # more would be over the 14 days a test may last
        assert takes(unit_tests.OFFSET, text) == reads(patterns.offset_s, text) or "h" in text[3:]
        assert takes(unit_tests.LENGTH, text) == reads(patterns.length_s, text) or "h" in text[3:]


@given(st.one_of(st.sampled_from(keys.RESERVED), st.text("ab1_- ", max_size=5)))
def test_a_name_of_ones_own_is_taken_when_it_is_one(name: str) -> None:
    assert takes(keys.let()["propertyNames"], name) == (name_problem(name) is None)
