"""Finds comparisons that can never be true because a window holds the very bar it is compared with (rules.md 4.3)."""

from __future__ import annotations

from collections.abc import Iterator

from tradeassistd.engine.language.expression import Call, Compare, Cross, Expression, Name, render
from tradeassistd.engine.language.functions import BAR_FIELDS
from tradeassistd.engine.language.walk import walk

_ABOVE, _BELOW = frozenset({">", "crosses_above"}), frozenset({"<", "crosses_below"})
# No part of a bar is past the bar's own high or low; and nothing is past itself.
_WINDOWS = {"highest": "high", "lowest": "low"}


def never_true(tree: Expression) -> Iterator[tuple[str, str]]:
    """For each such comparison what is wrong with it and what to write: `close(5m) > highest(high, 20, 5m)`."""
    for node in walk(tree):
        if isinstance(node, Compare):
            sides = [(node.left, node.op, node.right), (node.right, {">": "<", "<": ">"}.get(node.op, ""), node.left)]
        elif isinstance(node, Cross):
            sides = [(node.left, node.op, right) for right in node.rights]
        else:
            continue
        for bar, op, window in sides:
            if _is_past_itself(bar, op, window):
                yield (
                    f"`{render(node)}` can never be true: the window holds that very bar",
                    f"write {render(window)}[1]",
                )


def _is_past_itself(bar: Expression, op: str, window: Expression) -> bool:
    if not isinstance(bar, Call) or bar.name not in BAR_FIELDS or not isinstance(window, Call):
        return False
    if window.name not in _WINDOWS or op not in (_ABOVE if window.name == "highest" else _BELOW):
        return False
    series = window.args[0]
    limit = bar.name if bar.name == "volume" else _WINDOWS[window.name]
    if not isinstance(series, Name) or series.name not in (bar.name, limit):
        return False
    # `highest(high, 20, 5m, rth)` and `close(5m, rth)`: the same bars when interval and session words are the same.
    return window.args[2:] == bar.args
