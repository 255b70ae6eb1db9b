"""What an entry of `_instruments.yaml` may hold, for editors."""

from __future__ import annotations

from tradeassistd.market.derived import LENGTH_MAX
from tradeassistd.rules.instruments import (
    ANY,
    CLASSES,
    FUTURES_MARKETS,
    INDEX_MARKETS,
    INSTRUMENTS_MAX,
    KEYS,
    NAME_MAX,
    SESSIONS,
)
from tradeassistd.rules.schema.shapes import Schema, above_zero, described, map_of, number, one_of, symbol, text


def instruments_file(version: Schema) -> Schema:
    """Facts by symbol. What fits which symbol cannot be seen here."""
    assert SHAPES.keys() == KEYS.keys()
    entry = {**map_of({key: described(KEYS[key], shape) for key, shape in SHAPES.items()}), "minProperties": 1}
    return {
        "type": "object",
        "properties": {"version": version},
        "propertyNames": {"anyOf": [{"const": "version"}, symbol()]},
        "additionalProperties": described("A symbol, or a root for futures, and what holds for it.", entry),
        "maxProperties": INSTRUMENTS_MAX + 1,
    }


def _plausible() -> Schema:
    bounds: Schema = {"type": "array", "items": number(), "minItems": 2, "maxItems": 2}
    return {"anyOf": [one_of((ANY,)), {**bounds, "examples": [[-5000, 5000]]}]}


SHAPES: dict[str, Schema] = {
    "name": text(NAME_MAX),
    "class": one_of(CLASSES),
    "market": one_of(dict.fromkeys((*FUTURES_MARKETS, *INDEX_MARKETS))),
    "session": one_of(SESSIONS),
    "tick_size": above_zero(0.25, 0.01),
    "multiplier": above_zero(50),
    "plausible": _plausible(),
    "derived": {"type": "string", "minLength": 1, "maxLength": LENGTH_MAX, "examples": ["$ADVN - $DECN"]},
}
