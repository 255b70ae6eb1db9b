"""The transitions of a test as lines of text: what did happen, for a trader who reads why a test failed."""

from __future__ import annotations

from collections.abc import Sequence

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.template import plain_text
from tradeassistd.engine.transition import Operand, Transition
from tradeassistd.market.price import price_text
from tradeassistd.rules.testing.patterns import offset_text

LINES_MAX = 40
"""Longer timelines are cut in the middle."""


def timeline(happened: Sequence[Transition], start_us: int) -> list[str]:
    """One line per transition: time since the start, symbol and price, rule, what, why."""
    if not happened:
        return ["nothing happened"]
    lines = [_line(one, start_us) for one in happened]
    if len(lines) <= LINES_MAX:
        return lines
    half = LINES_MAX // 2
    return [*lines[:half], f"… {len(lines) - 2 * half} more …", *lines[-half:]]


def _line(one: Transition, start_us: int) -> str:
    offset = offset_text((one.event_us - start_us) // US_PER_S)
    price = "no price" if one.price is None else price_text(one.price, 2)
    level = f" level {one.level}" if one.level else ""
    what = one.kind.value + (f" ({one.suppressed})" if one.suppressed else "") + (" late" if one.late else "")
    why = "; ".join(_operand(operand, one.unit) for operand in one.operands)
    return f"{offset:>9}  {one.symbol} {price}  {one.rule_id}{level}: {what}, now {one.state.value}  {why}".rstrip()


def _operand(operand: Operand, unit: str) -> str:
    return f"{operand.text} [{plain_text(operand.left, unit)} | {plain_text(operand.right, unit)}]"
