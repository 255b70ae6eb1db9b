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
    """Facts by symbol, those that its kind can have. Which session a symbol has cannot be seen here."""
    assert SHAPES.keys() == KEYS.keys()
    return {
        "type": "object",
        "properties": {"version": version},
        "propertyNames": {"anyOf": [{"const": "version"}, symbol()]},
        "patternProperties": {
            "^/": _entry(
                "A future, or the root of its contracts", market=one_of(FUTURES_MARKETS), **_none_of("class", "derived")
            ),
            r"^\$": _entry("An index or market internal", market=one_of(INDEX_MARKETS), **_none_of("multiplier")),
            "^[A-Z]": _entry("A stock or fund", **_none_of("class", "derived", "market", "multiplier")),
        },
        "additionalProperties": False,
        "maxProperties": INSTRUMENTS_MAX + 1,
    }


def _entry(what: str, **instead: Schema | None) -> Schema:
    """What holds for a symbol; `instead` of the usual shape of a key another one, or None: it has no such key."""
    shapes = {key: shape for key in SHAPES if (shape := instead.get(key, SHAPES[key])) is not None}
    entry = {**map_of({key: described(KEYS[key], shape) for key, shape in shapes.items()}), "minProperties": 1}
    return described(f"{what}, and what holds for it.", entry)


def _none_of(*keys: str) -> dict[str, None]:
    return dict.fromkeys(keys)


def _plausible() -> Schema:
    bounds: Schema = {"type": "array", "items": number(), "minItems": 2, "maxItems": 2}
    return {"anyOf": [one_of((ANY,)), {**bounds, "examples": [[-5000, 5000]]}]}


SHAPES: dict[str, Schema] = {
    "name": text(NAME_MAX),
    "class": one_of(CLASSES),
    "market": one_of(FUTURES_MARKETS),
    "session": one_of(SESSIONS),
    "tick_size": above_zero(0.25, 0.01),
    "multiplier": above_zero(50),
    "plausible": _plausible(),
    "derived": {"type": "string", "minLength": 1, "maxLength": LENGTH_MAX, "examples": ["$ADVN - $DECN"]},
}
