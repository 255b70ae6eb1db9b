"""The schema of `_silences.yaml`; its words are those of rules/silences.py."""

from __future__ import annotations

from tradeassistd.rules.schema.shapes import Schema, described, expires, glob, list_of, map_of, text
from tradeassistd.rules.silences import GLOBS_MAX, KEYS, MATCH_KEYS, SILENCES_MAX


def silences_file() -> Schema:
    """A list of silences. Whether one is over, and what it fits, cannot be seen here."""
    globs = {"anyOf": [glob(), list_of(glob(), GLOBS_MAX)]}
    match = {**map_of({key: described(words, globs) for key, words in MATCH_KEYS.items()}), "minProperties": 1}
    shapes = {"match": match, "until": expires(), "reason": text()}
    silence = map_of({key: described(words, shapes[key]) for key, words in KEYS.items()}, "match", "until")
    return {"type": "array", "items": silence, "maxItems": SILENCES_MAX}
