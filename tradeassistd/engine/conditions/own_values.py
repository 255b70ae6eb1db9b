"""A user's function of present values as a value of a condition."""

from __future__ import annotations

from tradeassistd.engine.bars.own_windows import exact_in
from tradeassistd.engine.conditions.values import ValueOf, natural
from tradeassistd.engine.language.functions import Unit, Value
from tradeassistd.engine.language.own import OwnFunctionError, UserFunction


def own_value(function: UserFunction, arguments: tuple[tuple[ValueOf, Unit], ...], unit: Unit) -> ValueOf:
    """What the function makes of these values, each handed over in its natural unit; unknown while one of them is.

    It is called when one of them has moved. Reading the value raises OwnFunctionError as long as the function did.
    """
    before: tuple[float, ...] | None = None
    result: Value | OwnFunctionError | None = None

    def value() -> Value | None:
        nonlocal before, result
        given: list[float] = []
        for value_of, its in arguments:
            number = natural(value_of(), its)
            if number is None:
                return None
            given.append(number)
        if (now := tuple(given)) != before:
            before = now
            try:
                result = exact_in(unit, function.call(*now)[0])
            except OwnFunctionError as error:
                result = error
        if isinstance(result, OwnFunctionError):
            raise result.with_traceback(None)
        return result

    return value
