"""What each key of a rule may hold. Its words are those of its pydantic field."""

from __future__ import annotations

from tradeassistd.engine.language.expression import CROSS_OPS, RANGE_OPS, REACHES
from tradeassistd.engine.language.functions import FUNCTIONS
from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.engine.template import WORDS
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules import fields
from tradeassistd.rules.condition import ITEMS_MAX
from tradeassistd.rules.conditions import LEVELS_MAX
from tradeassistd.rules.grammar import LENGTH_MAX
from tradeassistd.rules.lets import NAMES_MAX
from tradeassistd.rules.model import RuleFields
from tradeassistd.rules.names import BUILT_IN
from tradeassistd.rules.schema.shapes import (
    CLOCK,
    INTERVAL,
    NAME,
    Schema,
    active,
    described,
    duration,
    expires,
    expression,
    label,
    labels,
    list_of,
    literal,
    map_of,
    names_to,
    one_of,
    pattern,
    rule_id,
    symbol,
    text,
    whole,
)

CONDITION = {"$ref": "#/$defs/condition"}
RESERVED = sorted({*BUILT_IN, *WORDS, *CROSS_OPS, *RANGE_OPS, REACHES, "and", "or", "not", "any", "all", "sym"})
"""Words that a name of one's own cannot be, beside the user's functions."""
DEFAULTS = {
    "for": "0s", "keep_firing_for": "0s", "evaluate": "tick", "fire": "every", "rearm": "clear", "cooldown": "1m",
    "on_clear": "silent", "catch_up": "report", "at_load": "quiet", "severity": "warning", "mode": "live",
}  # fmt: skip
"""What holds when a key is written nowhere."""


def condition() -> Schema:
    """Text, or a map with exactly one of all, any, not; these nest."""
    several = list_of(CONDITION, ITEMS_MAX)
    parts = {
        "all": described("Holds when all of these hold; of events at most one.", several),
        "any": described("Holds when one of these holds; events or states, not both.", several),
        "not": described("Holds when this state does not.", nested()),
    }
    tree = {**map_of(parts), "minProperties": 1, "maxProperties": 1}
    return {"anyOf": [_condition_text(), tree]}


def nested() -> Schema:
    """A condition inside of a condition. In a wrapping: draft-07 reads nothing beside a `$ref`."""
    return {"allOf": [CONDITION]}


def rule_properties(model: type[RuleFields]) -> dict[str, Schema]:
    """Every key of a rule in the model with its words, its shape, and what holds without it.

    Raises KeyError for a key without a shape here, and ValueError for a field without words.
    """
    properties: dict[str, Schema] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key == "version":
            continue
        if not field.description:
            raise ValueError(f"{key} has no description")
        default = {"default": DEFAULTS[key]} if key in DEFAULTS else {}
        properties[key] = {"description": field.description, **SHAPES[key], **default}
    return properties


def let() -> Schema:
    """Names for expressions."""
    return names_to(expression("pct_change(price, 5m)"), _own_name(), NAMES_MAX)


def _condition_text() -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": LENGTH_MAX,
            "examples": ["price > 6900", "price crosses any [6850, 6900]"]}  # fmt: skip


def _own_name() -> Schema:
    taken = sorted({*RESERVED, *FUNCTIONS})
    return {**pattern(NAME, "letters, digits and _, at most 64, not a digit first"), "not": {"enum": taken}}


def _levels() -> Schema:
    level = map_of(
        {
            "severity": described("How bad this level is; the mildest stands first.", one_of(SEVERITIES)),
            "when": described("The condition of this level: text, or a map with one of `all`, `any`, `not`.",
                              nested()),
            "clear_when": described("What ends a firing of this level, asked only while it fires.",
                                    nested()),
        },
        "severity", "when",
    )  # fmt: skip
    return list_of(level, LEVELS_MAX)


def _setup() -> Schema:
    return map_of({
        "type": described("What kind of trade it is, e.g. breakout or mean-reversion.", label("type of setup")),
        "entry": described("The price to go in at.", expression("price")),
        "stop": described("The price at which it was wrong.", expression("price - 8t")),
        "target": described("The price to get out at.", expression("vwap()")),
        "confidence": described("How sure you are, from 0 to 1.",
                                {**expression(), "minimum": 0, "maximum": 1, "examples": [0.6]}),
    })  # fmt: skip


def _evaluate() -> Schema:
    return pattern(
        rf"tick|close\(\s*(?:{INTERVAL})\s*\)|at\(\s*{CLOCK}\s*\)", "write tick, close(5m) or at(15:50)",
        "tick", *(f"close({interval})" for interval in INTERVALS_S), "at(15:50)",
    )  # fmt: skip


def _fire() -> Schema:
    return pattern(
        rf"every|once|(?:once_per_bar|each_bar)\(\s*(?:{INTERVAL})\s*\)",
        "write every, once, once_per_bar(5m) or each_bar(5m)",
        "every", "once", "once_per_bar(5m)", "each_bar(5m)",
    )  # fmt: skip


def _rearm() -> Schema:
    return pattern(
        r"clear|move +(?![0.]+[%t])[0-9]{1,9}(?:\.[0-9]{1,9})?[%t]", "write clear, move 0.5% or move 8t",
        "clear", "move 0.5%", "move 8t",
    )  # fmt: skip


SHAPES: dict[str, Schema] = {
    "id": rule_id(),
    "description": text(fields.TEXT_MAX),
    "tags": labels("tag", fields.LIST_MAX),
    "was": rule_id(),
    "rev": label("revision"),
    "symbols": list_of(symbol(watchlists=True), fields.LIST_MAX, unique=True),
    "values": {
        "type": "object",
        "propertyNames": symbol(),
        "additionalProperties": names_to(literal(), _own_name(), NAMES_MAX),
    },
    "let": let(),
    "when": nested(),
    "levels": _levels(),
    "clear_when": nested(),
    "for": duration("30s", "2m"),
    "keep_firing_for": duration("2m", "10m"),
    "evaluate": _evaluate(),
    "fire": _fire(),
    "max_per_session": whole(1, fields.TOLD_MAX),
    "rearm": _rearm(),
    "cooldown": duration("1m", "5m", "15m", "1h"),
    "repeat": {**list_of(duration("5m", "15m", "1h", some=True), fields.REMINDERS_MAX), "examples": [["5m", "1h"]]},
    "on_clear": one_of(("silent", "tell")),
    "session": one_of(SESSION_WORDS),
    "active": list_of(active(), fields.REMINDERS_MAX),
    "stale_after": duration("30s", some=True),
    "catch_up": one_of(("report", "log")),
    "at_load": one_of(("quiet", "fire")),
    "expires": expires(),
    "severity": one_of(SEVERITIES),
    "notify": labels("channel name", fields.LIST_MAX),
    "title": text(fields.TITLE_MAX),
    "message": text(fields.TEXT_MAX),
    "setup": _setup(),
    "mode": one_of(("live", "shadow", "off")),
}
