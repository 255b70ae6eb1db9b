"""Templates and setups: what the text of a message becomes, and that it reads as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.rule_texts import load, rule
from tradeassistd.base.yaml12 import Place, Scalar
from tradeassistd.engine.rule import Setup
from tradeassistd.engine.template import WORDS, NumberFormat, Slot, Template
from tradeassistd.rules.grammar import parse
from tradeassistd.rules.names import Origins, Scope
from tradeassistd.rules.texts import read_template


def template(text: str) -> Template | None:
    found, problems = read_template(Scalar(text, Place("f", 1, 1)), ("message",), ["/ES"], Scope(Origins()))
    assert (found is None) == bool(problems)
    return found


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", ("plain",)),
        ("{symbol}", (Slot(word="symbol"),)),
        ("{ symbol } rose", (Slot(word="symbol"), " rose")),
        ("{value:+.2%} of {level:.0f}", (Slot(word="value", format=NumberFormat(True, False, 2, True)), " of ",
                                         Slot(word="level", format=NumberFormat(False, False, 0, False)))),
        ("{price:,.2f}", (Slot(expression=parse("price"), format=NumberFormat(False, True, 2, False)),)),
        ("{price:f}", (Slot(expression=parse("price"), format=NumberFormat()),)),
        ("{volume(1m):+,.0f}", (Slot(expression=parse("volume(1m)"), format=NumberFormat(True, True, 0, False)),)),
        ("{sma(close, 20, 5m)[1]}", (Slot(expression=parse("sma(close, 20, 5m)[1]")),)),
        ("{{{symbol}}} {{x}}", ("{", Slot(word="symbol"), "} {x}")),
        ("\n two\nlines {bid} \n", ("two\nlines ", Slot(expression=parse("bid")))),
        ("{bid} {ask}", (Slot(expression=parse("bid")), " ", Slot(expression=parse("ask")))),
    ],
)  # fmt: skip
def test_a_template(text: str, parts: tuple[str | Slot, ...]) -> None:
    assert template(text) == Template(parts)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_alert(word: str) -> None:
    assert template(f"{{{word}}}") == Template((Slot(word=word),))


@given(st.text().filter(str.strip))
def test_law_text_without_slots_is_written_as_it_is(text: str) -> None:
    found = template(text.replace("{", "{{").replace("}", "}}"))
    assert found is not None
    assert found.render({}, lambda _: (None, "")) == text.strip()


@given(st.text() | st.text("{}:,.+%f price", max_size=40))
def test_any_text_is_a_template_or_problems(text: str) -> None:
    found = template(text)  # which sees that it is one of the two
    assert found is None or found.render({}, lambda _: (None, "")) is not None


def test_a_template_in_a_block_over_several_lines() -> None:
    found = rule("message: |\n  {symbol} is at {price}\n  since {since}")
    assert found.message is not None
    assert found.message.parts == (Slot(word="symbol"), " is at ", Slot(expression=parse("price")), "\nsince ",
                                   Slot(word="since"))  # fmt: skip


def test_a_template_holds_each_symbols_values() -> None:
    found = rule("values: {/ES: {r1: 5200}}\nmessage: '{price - r1:+.2f} from {r1}'", when="price > r1")
    assert found.message is not None
    first = found.message.parts[0]
    assert isinstance(first, Slot)
    assert first.expression == parse("price - r1")
    assert found.resolved(parse("price - r1"), "/ES") == parse("price - 5200")


def test_a_setup() -> None:
    setup = "{type: mean-reversion, entry: price, stop: 'price - 2 * atr(14, 5m)', target: 5300, confidence: 60%}"
    assert rule(f"setup: {setup}").setup == Setup(
        "mean-reversion",
        (
            ("entry", parse("price")),
            ("stop", parse("price - 2 * atr(14, 5m)")),
            ("target", parse("5300")),
            ("confidence", parse("60%")),
        ),
    )


@pytest.mark.parametrize(
    ("line", "column", "says"),
    [
        ("message: 'it''s {prise}'", 22, "unknown name 'prise' (did you mean price?)"),
        ('message: "\\u007bprise}"', 21, "unknown name 'prise' (did you mean price?)"),
        ("message: {}", 14, "text is due here, not a map (write one value)"),
        ("message: a {price > 1}", 23, "price > 1 is a condition, not a value (a value is due here)"),
        ("title: a {value * 2}", 15, "value stands alone in its braces (write {value}, or the expression itself)"),
    ],
)
def test_an_error_stands_at_its_character(line: str, column: int, says: str) -> None:
    (problem,) = load(line).problems
    assert (problem.place.line, problem.place.column) == (6, column)
    assert f"{problem.message} ({problem.hint})" == says
