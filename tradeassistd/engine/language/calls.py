"""How a call must look before its arguments are: known, with all its arguments, none too many."""

from __future__ import annotations

from collections.abc import Sequence

from tradeassistd.base.errors import ConfigError
from tradeassistd.engine.language.arguments import ExpressionError, count_of, duration_s, function_of, unknown
from tradeassistd.engine.language.expression import Call, Expression, Number, render
from tradeassistd.engine.language.functions import DAY_VALUES, FLAGS, QUOTES, Arg, Function, Unit
from tradeassistd.engine.language.own import UNUSABLE, UserFunction
from tradeassistd.engine.language.units import names, noun, signature


def unknown_function(node: Call) -> ExpressionError:
    """The error for a call of what is no function."""
    if node.name in QUOTES or node.name in FLAGS:
        return ExpressionError(f"`{node.name}` takes no arguments", node.at, hint=f"write {node.name}")
    if node.name in DAY_VALUES:
        return ExpressionError(f"`{node.name}` takes no arguments", node.at,
                               hint=f"write {node.name}.{' or .'.join(DAY_VALUES[node.name])}")  # fmt: skip
    if node.name in UNUSABLE:
        return ExpressionError(f"function {node.name!r} is installed and cannot be used: {UNUSABLE[node.name]}",
                               node.at, hint="tradeassist rules functions")  # fmt: skip
    return unknown("function", node.name, names(), node.at, otherwise="tradeassist rules functions lists all")


def wrong_number(function: Function, node: Call, given: int) -> ExpressionError:
    """The error for a call with too few or too many arguments."""
    due = len(function.args)
    if not due:
        return ExpressionError(f"{node.name} takes nothing but a session word", node.at, hint=f"write {node.name}()")
    arguments = f"{due} or more arguments" if function.many else f"{due} argument{'' if due == 1 else 's'}"
    missing = "there are no default arguments: " if given < due else ""
    return ExpressionError(f"{node.name} takes {arguments}, not {given}", node.at,
                           hint=f"{missing}write {signature(node.name)}")  # fmt: skip


def check_own(function: Function, own: UserFunction, node: Call, units: Sequence[Unit | None]) -> None:
    """Raise ExpressionError for what a user's function refuses: counts, or a value of another unit than it takes."""
    args = node.args[: len(function.args)]
    for arg, takes, unit in zip(args, own.units, units, strict=True):
        if takes is not None and unit not in (takes, None):
            raise ExpressionError(f"{node.name} takes {noun(takes)} here, and {render(arg)} is {noun(unit)}", arg.at,
                                  hint=f"write {function.signature}")  # fmt: skip
    counts = [arg for kind, arg in zip(function.args, args, strict=True) if kind is Arg.COUNT]
    if own.reads_bars:
        try:
            own.window(tuple(map(count_of, counts)))
        except ConfigError as error:
            raise ExpressionError(error.message, (counts or [node])[0].at, hint=error.hint) from None


def check_keywords(function: Function, node: Call) -> None:
    """Raise ExpressionError for a key=value argument that is unknown, missing or no duration."""
    for key, value in node.keywords:
        if key not in function.keywords:
            near = next((f"write {known}={render(value)}" for known in function.keywords),
                        "remove it, or write the value alone, in its place")  # fmt: skip
            raise ExpressionError(f"{node.name} takes no argument {key!r}", value.at, hint=near)
        duration_s(value)
    for key in function.keywords.keys() - {written for written, _ in node.keywords}:
        last = node.args[-1] if node.args else node
        if isinstance(last, Number):
            raise ExpressionError(f"{key}= is missing", last.at, hint=f"write {key}={render(last)}")
        raise ExpressionError(f"{key}= is missing", node.at, hint=f"write {function.signature}, e.g. {key}=15m")


def has_parts(node: Expression) -> bool:
    """Whether it is a call of a function with several lines."""
    function = function_of(node) if isinstance(node, Call) else None
    return function is not None and bool(function.parts)


def parts_text(function: Function) -> str:
    """How its lines are written: `.line, .signal or .hist`."""
    *firsts, last = (f".{part}" for part in function.parts)
    return f"{', '.join(firsts)} or {last}"
