"""The fields of a test file (rules.md 7) and what each may hold."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from tradeassistd.base.yaml12 import ValueProblem, boolean, number, whole_number
from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.engine.transition import Kind, State
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules import fields
from tradeassistd.rules.model import Strict
from tradeassistd.rules.silences import glob
from tradeassistd.rules.testing import patterns

NAME_MAX = 200
VALUE_FIELDS = ("price", "bid", "ask", "bid_size", "ask_size")
FACTS = {
    "day.open": "open",
    "day.high": "high",
    "day.low": "low",
    "prev_day.close": "prev_close",
    "settle": "prev_close",
    "year.high": "year_high",
    "year.low": "year_low",
}
"""What Schwab says of a symbol's day, by its name in the rule language."""
EVENTS = ("gap", "restart", "roll", "ack", "silence")
REASONS = ("at_load", "higher_level", "log", "mode", "spent", "rearm", "cooldown", "silence")
ENDS = ("session_end", "expired", "rule_changed", "rule_removed")
_HISTORY_HINT = "give whole bars before the start instead: {symbol: …, bars: 1d, open: …, high: …, low: …, close: …}"


def _count(value: object) -> int:
    count = whole_number(value)
    if count < 0:
        raise ValueProblem(f"{count} is less than nothing", hint="write 0 for never")
    return count


Symbol = Annotated[str, PlainValidator(fields.symbol)]
Offset = Annotated[int, PlainValidator(patterns.offset_s)]
Length = Annotated[int, PlainValidator(patterns.length_s)]
Series = Annotated[patterns.Values, PlainValidator(patterns.values)]
Count = Annotated[int | None, PlainValidator(_count)]
Text = Annotated[str | None, PlainValidator(fields.text_up_to(fields.TEXT_MAX))]


def _word(what: str, *known: str) -> PlainValidator:
    return PlainValidator(fields.word(what, known))


def _paths(value: object) -> tuple[str, ...]:
    return tuple(fields.text(one) for one in (value if isinstance(value, list) else [value]))


def _map_of(check: Callable[[str, object], Any]) -> Callable[[object], dict[str, Any]]:
    def read(value: object) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            raise ValueProblem("must be a map", hint="write {name: value}")
        return {key: check(key, one) for key, one in value.items()}

    return read


def _fact(name: str, value: object) -> Decimal | str:
    if name == "contract":
        return fields.symbol(value)
    if name == "day.volume":
        return Decimal(_size(value))
    if name not in FACTS:
        known = (*FACTS, "day.volume", "contract")
        if name.partition(".")[0] in ("prev_day", "prev_rth", "rth", "overnight", "prev_week"):
            raise ValueProblem(f"Schwab does not tell {name}", hint=_HISTORY_HINT)
        raise ValueProblem(f"unknown fact {name!r}", hint=f"one of {' '.join(known)}")
    return number(value)


def _part(name: str, value: object) -> Decimal | int | bool:
    if name == "halted":
        return boolean(value)
    if name in ("size", "bid_size", "ask_size"):
        return _size(value)
    if name in VALUE_FIELDS:
        return number(value)
    raise ValueProblem(f"{name!r} cannot be set", hint=f"one of {' '.join((*VALUE_FIELDS, 'size', 'halted'))}")


def _size(value: object) -> int:
    only = patterns.values(value)
    if len(only) != 1 or only[0] is None or only[0] != int(only[0]) or only[0] < 0:
        raise ValueProblem(f"{value!r} is not a size", hint="write a whole number such as 500 or 20k")
    return int(only[0])


def _reason(known: tuple[str, ...]) -> Callable[[str, object], int]:
    def count(name: str, value: object) -> int:
        fields.word("reason", known)(name)
        return _count(value)

    return count


def _setup(name: str, value: object) -> Decimal | str | None:
    if name == "type":
        return fields.text(value)
    return None if value == "n/a" else number(value)


def _kinds(value: object) -> tuple[str, ...]:
    known = tuple(kind.value for kind in Kind)
    return tuple(fields.word("kind", known)(one) for one in (value if isinstance(value, list) else [value]))


def is_glob(written: str) -> bool:
    """Whether it stands for more than itself."""
    return any(sign in written for sign in "*?[")


def _or_glob(one: Callable[[object], str]) -> Callable[[object], str]:
    """What `one` reads, or a glob; which events take globs, test_file.py knows."""

    def read(value: object) -> str:
        return glob(value) if isinstance(value, str) and is_glob(value) else one(value)

    return read


class ValuesItem(Strict):
    """Rows of one field at even intervals."""

    symbol: Symbol
    values: Series
    every: Length
    field: Annotated[str, _word("field", *VALUE_FIELDS)] = "price"
    size: Annotated[patterns.Values | None, PlainValidator(patterns.values)] = None
    """Sizes of the trades, begun again when there are fewer than trades."""
    at: Offset = 0


class SetItem(Strict):
    """One row."""

    symbol: Symbol
    set: Annotated[dict[str, Any], PlainValidator(_map_of(_part))]
    at: Offset = 0


class BarsItem(Strict):
    """Closed bars before the start."""

    symbol: Symbol
    bars: Annotated[str, _word("bar interval", *INTERVALS_S)]
    close: Series
    open: Series | None = None
    high: Series | None = None
    low: Series | None = None
    volume: Series | None = None
    end: Offset = 0
    """How long before the start the last one ends."""
    session: Annotated[str, _word("session word", *SESSION_WORDS)] = ""


class FactsItem(Strict):
    """Schwab's slow values."""

    symbol: Symbol
    facts: Annotated[dict[str, Any], PlainValidator(_map_of(_fact))]
    at: Offset = 0


class EventItem(Strict):
    """Something that is no row."""

    event: Annotated[str, _word("event", *EVENTS)]
    at: Offset
    for_: Annotated[int, Field(alias="for"), PlainValidator(patterns.offset_s)] = 0
    symbol: Annotated[str, PlainValidator(_or_glob(fields.symbol))] = ""
    rule: Annotated[str, PlainValidator(_or_glob(fields.rule_id))] = ""
    tag: Annotated[str, PlainValidator(glob)] = ""
    contract: Annotated[str, PlainValidator(fields.symbol)] = ""


class ExpectModel(Strict):
    """What is asked of one rule; None is not written."""

    rule: Annotated[str, PlainValidator(fields.rule_id)]
    symbol: Annotated[str, PlainValidator(fields.symbol)] = ""
    level: Count = None
    at: Annotated[int | None, PlainValidator(patterns.offset_s)] = None
    fires: Count = None
    fired_at: Annotated[tuple[int, ...] | None, PlainValidator(patterns.offsets_s)] = None
    state: Annotated[str | None, _word("state", *State)] = None
    cleared_at: Annotated[tuple[int, ...] | None, PlainValidator(patterns.offsets_s)] = None
    clears: Count = None
    suppressed: Annotated[dict[str, int] | None, PlainValidator(_map_of(_reason(REASONS)))] = None
    closed: Annotated[dict[str, int] | None, PlainValidator(_map_of(_reason(ENDS)))] = None
    missed: Count = None
    reminded: Count = None
    told_ends: Count = None
    severity: Annotated[str | None, _word("severity", *SEVERITIES)] = None
    late: Annotated[bool | None, PlainValidator(boolean)] = None
    value: Annotated[Decimal | None, PlainValidator(number)] = None
    title: Text = None
    message: Text = None
    setup: Annotated[dict[str, Any] | None, PlainValidator(_map_of(_setup))] = None
    kinds: Annotated[tuple[str, ...] | None, PlainValidator(_kinds)] = None


class TestModel(Strict):
    """One entry of `tests`; `input` and `expect` are read item by item."""

    __test__ = False  # no class of pytest's

    name: Annotated[str, PlainValidator(fields.text_up_to(NAME_MAX))]
    start: Annotated[int, PlainValidator(patterns.instant_us)]
    until: Annotated[int, PlainValidator(patterns.offset_s)] = 0
    at_load: Annotated[str, _word("at_load", "quiet", "fire")] = ""
    input: Any
    expect: Any


class TestFileModel(Strict):
    """One test file."""

    __test__ = False

    version: Annotated[str, PlainValidator(fields.version)] = fields.VERSION
    rules: Annotated[tuple[str, ...], PlainValidator(_paths)]
    tests: Any
