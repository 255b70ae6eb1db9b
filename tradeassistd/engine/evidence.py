"""What an alert shows: the value that made it, both sides of every comparison, and the rule's own words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from tradeassistd.engine.conditions.leaves import Leaf
from tradeassistd.engine.conditions.values import natural
from tradeassistd.engine.texts import Texts, Words, time_text
from tradeassistd.engine.transition import Operand, Transition


class Evidence(NamedTuple):
    """The left side of the first comparison that holds, in its unit, and every comparison with its sides."""

    value: float | None
    unit: str
    operands: tuple[Operand, ...]


def gather(leaves: Iterable[Leaf]) -> Evidence:
    """The evidence as of the last look; a condition has at least one leaf."""
    first, *others = leaves
    shown = next((leaf for leaf in (first, *others) if leaf.outcome().full), first)
    operands = tuple(
        Operand(leaf.text, natural(leaf.left, leaf.unit), natural(leaf.right, leaf.unit)) for leaf in (first, *others)
    )
    return Evidence(natural(shown.left, shown.unit), str(shown.unit), operands)


def worded(made: Transition, texts: Texts, severity: str) -> Transition:
    """The alert with the rule's title and message, templates filled in, and its setup."""
    if not texts.any:
        return made
    words: Words = {
        "rule": made.rule_id, "symbol": made.symbol, "severity": severity, "level": str(made.level or ""),
        "value": made.value, "unit": made.unit, "since": time_text(made.since_us),
        "event_time": time_text(made.event_us), "late": "late" if made.late else "", "reason": made.suppressed,
    }  # fmt: skip
    return replace(made, title=texts.title(words), message=texts.message(words), setup=texts.setup())
