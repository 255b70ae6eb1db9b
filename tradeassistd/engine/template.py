"""Message templates: text with expressions in braces, and how their values are written.

`{expression[:[+][,][.N](f|%)]}`; `{{` and `}}` stand for braces. Names of the alert itself (rule, symbol, severity,
level, value, since, event_time, late, reason) are words; everything else is an expression. rules/ reads the text and
checks it; the engine has the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tradeassistd.engine.language.expression import Expression

WORDS = ("rule", "symbol", "severity", "level", "value", "since", "event_time", "late", "reason")
"""Names of the alert itself that a template may write."""
UNKNOWN = "n/a"


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """`[+][,][.N](f|%)`."""

    sign: bool = False
    grouped: bool = False
    places: int | None = None
    percent: bool = False

    def text(self, value: float) -> str:
        """The value as written; percent shows the fraction times a hundred."""
        sign, comma = "+" if self.sign else "", "," if self.grouped else ""
        places = 2 if self.places is None else self.places
        return f"{value:{sign}{comma}.{places}{'%' if self.percent else 'f'}}"


@dataclass(frozen=True, slots=True)
class Slot:
    """One pair of braces: a word of the alert, or an expression."""

    word: str = ""
    expression: Expression | None = None
    format: NumberFormat | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A text and its slots, in order."""

    parts: tuple[str | Slot, ...]

    def render(
        self, words: Mapping[str, str | float | None], value_of: Callable[[Expression], tuple[float | None, str]]
    ) -> str:
        """The text. `words` has the alert's own values; `value_of` gives an expression's value and unit.

        An unknown part is written n/a: it never delays an alert.
        """
        return "".join(part if isinstance(part, str) else _slot_text(part, words, value_of) for part in self.parts)


def plain_text(value: float | None, unit: str) -> str:
    """A value without a format of its own: a price with two to four decimals, a ratio in percent, whole volumes."""
    if value is None:
        return UNKNOWN
    match unit:
        case "price":
            text = f"{value:.4f}"
            return text[:-2] if text.endswith("00") else text.rstrip("0")
        case "ratio":
            return f"{value:.2%}"
        case "volume":
            return f"{value:,.0f}"
        case _:
            return f"{value:.4f}".rstrip("0").rstrip(".")


def _slot_text(
    slot: Slot, words: Mapping[str, str | float | None], value_of: Callable[[Expression], tuple[float | None, str]]
) -> str:
    unit = ""
    if slot.expression is not None:
        value: str | float | None
        value, unit = value_of(slot.expression)
    else:
        value = words.get(slot.word)
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value
    return slot.format.text(value) if slot.format else plain_text(value, unit or str(words.get("unit") or ""))
