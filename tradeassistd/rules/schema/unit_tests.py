"""The schema of a `*.test.yaml` file: what each key of the models in rules/testing/model.py may hold, and says."""

from __future__ import annotations

from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.engine.transition import Kind, State
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules.model import Strict
from tradeassistd.rules.schema.shapes import (
    NUMBER_TYPES,
    Schema,
    described,
    flag,
    glob,
    list_of,
    map_of,
    number,
    one_of,
    one_or_many,
    pattern,
    rule_id,
    symbol,
    text,
    whole,
)
from tradeassistd.rules.testing.model import (
    ENDS,
    EVENTS,
    FACTS,
    NAME_MAX,
    REASONS,
    VALUE_FIELDS,
    BarsItem,
    EventItem,
    ExpectModel,
    FactsItem,
    SetItem,
    TestFileModel,
    TestModel,
    ValuesItem,
)
from tradeassistd.rules.texts import SETUP_KEYS

Keys = dict[str, tuple[str, Schema]]
"""Words and shape of each key."""

_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,8})?[kM]?"
_TIMES = "x0*[1-9][0-9]{0,5}"
_PART = rf"(?:-?{_NUMBER}(?:(?:[+-]{_NUMBER})?{_TIMES})?|_(?:{_TIMES})?)"
_OFFSET = r"(?=[0-9])(?:[0-9]{1,4}h)?(?:[0-9]{1,6}m)?(?:[0-9]{1,9}s)?"
SERIES = pattern(
    rf"\s*{_PART}(?:\s+{_PART})*\s*", "write e.g. '6000x10 5980-10x6 _x4'", "6000x10 5980-10x6 _x4", types=NUMBER_TYPES
)
OFFSET = pattern(_OFFSET, "write the time since the start: 30s, 5m, 8m30s, 1h", "30s", "5m", "8m30s")
LENGTH = pattern(rf"(?=.*[1-9]){_OFFSET}", "write at least 1s: 30s, 5m, 8m30s", "1s", "30s", "1m")
SIZE = pattern(r"\s*[0-9]{1,12}(?:\.[0-9]{1,8})?[kM]?\s*", "write a whole number such as 500 or 20k",
               types=NUMBER_TYPES)  # fmt: skip
START = pattern(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.]0+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})",
    "write e.g. 2026-11-20T10:00:00-05:00 (New York in winter; -04:00 in summer)", "2026-11-20T10:00:00-05:00",
)  # fmt: skip
_COUNT = whole(0)
_IS_GLOB = r"[*?\[]"
_SYMBOL = ("The symbol, as Schwab writes it.", symbol())
_AT = ("When, since the start.", OFFSET)

PARTS: Keys = {
    **{name: (f"The new {name.replace('_', ' ')}.", SIZE if name.endswith("size") else number())
       for name in VALUE_FIELDS},
    "size": ("Size of the trade.", SIZE),
    "halted": ("Whether trading in the symbol is halted.", flag()),
}  # fmt: skip
"""What `set` may set."""
TOLD: Keys = {
    **{name: (f"What Schwab says `{name}` is.", number()) for name in FACTS},
    "day.volume": ("What Schwab says the traded volume of the day is.", SIZE),
    "contract": ("The contract that the root of a future stands for.", symbol()),
}
"""What Schwab may say under `facts`."""
EXPECTED_SETUP: Keys = {
    name: (f"The `{name}` of the setup of the last told alert; n/a when it is unknown.",
           text() if name == "type" else {"anyOf": [number(), {"const": "n/a"}]})
    for name in SETUP_KEYS
}  # fmt: skip


def _mapped(keys: Keys) -> Schema:
    return {**map_of({name: described(*one) for name, one in keys.items()}), "minProperties": 1}


def _counts(names: tuple[str, ...], what: str) -> Schema:
    return _mapped({name: (f"How many {what} `{name}`.", _COUNT) for name in names})


ITEMS: dict[type[Strict], Keys] = {
    ValuesItem: {
        "symbol": _SYMBOL,
        "values": (
            "The values, parted by blanks: `AxN` is A N times, `A+BxN` and `A-BxN` move by B, `_xN` is no row N times.",
            SERIES,
        ),
        "every": ("The time between two values.", LENGTH),
        "field": ("What has these values; `price` is a trade.", {**one_of(VALUE_FIELDS), "default": "price"}),
        "size": ("Sizes of the trades, begun again when there are fewer than trades.", SERIES),
        "at": ("When the first value comes, since the start.", OFFSET),
    },
    SetItem: {
        "symbol": _SYMBOL,
        "set": ("One row: what it changes.", _mapped(PARTS)),
        "at": _AT,
    },
    BarsItem: {
        "symbol": _SYMBOL,
        "bars": ("Closed bars before the start: their interval.", one_of(INTERVALS_S)),
        "close": ("Their last trades, oldest first.", SERIES),
        "open": ("Their first trades.", SERIES),
        "high": ("Their highest trades.", SERIES),
        "low": ("Their lowest trades.", SERIES),
        "volume": ("Their traded volumes.", SERIES),
        "end": ("How long before the start the last one ends.", OFFSET),
        "session": ("The session they are made of; without one, the symbol's own.", one_of(SESSION_WORDS)),
    },
    FactsItem: {
        "symbol": _SYMBOL,
        "facts": ("What Schwab says of the symbol's day.", _mapped(TOLD)),
        "at": _AT,
    },
    EventItem: {
        "event": ("Something that is no row.", one_of(EVENTS)),
        "at": _AT,
        "for": ("How long it lasts.", OFFSET),
        "symbol": (
            "The symbol it concerns, of a silence also a glob; all when left out.",
            {"anyOf": [symbol(), {"allOf": [glob(), {"pattern": _IS_GLOB}]}]},
        ),
        "rule": (
            "The rule it concerns; of a silence also a glob.",
            {"anyOf": [rule_id(), {"allOf": [glob(), {"pattern": _IS_GLOB}]}]},
        ),
        "tag": ("The tag of the rules that a silence concerns; also a glob.", glob()),
        "contract": ("The contract after the roll.", symbol()),
    },
}
"""The items of `input`."""
EXPECT: Keys = {
    "rule": ("The rule that is asked about.", rule_id()),
    "symbol": ("Only this symbol.", symbol()),
    "level": ("Only this level of a ladder; 1 is the mildest.", _COUNT),
    "at": ("What has happened until then, since the start; without it, until the end.", OFFSET),
    "fires": ("How often somebody is told that it fires.", _COUNT),
    "fired_at": ("When somebody is told, each time.", one_or_many(OFFSET)),
    "state": ("The state it is in.", one_of(State)),
    "cleared_at": ("When it clears, each time.", one_or_many(OFFSET)),
    "clears": ("How often it clears.", _COUNT),
    "suppressed": (
        "How many alerts nobody was told, by reason.",
        _counts(REASONS, "alerts nobody was told for"),
    ),
    "closed": ("How many firings were ended from outside, by what ended them.", _counts(ENDS, "firings were ended by")),
    "missed": ("How many crossings happened while nobody watched.", _COUNT),
    "reminded": ("How many reminders there were.", _COUNT),
    "told_ends": ("How many ends of firings were told.", _COUNT),
    "severity": ("How bad the last told alert is.", one_of(SEVERITIES)),
    "late": ("Whether the last told alert is marked late.", flag()),
    "value": ("The compared value of the last told alert.", number()),
    "title": ("The title of the last told alert.", text()),
    "message": ("The message of the last told alert.", text()),
    "setup": ("The setup of the last told alert.", _mapped(EXPECTED_SETUP)),
    "kinds": ("Everything that happened to it, in order.", one_or_many(one_of(Kind))),
}
_NOT_ASKED = {"rule", "symbol", "level", "at"}
"""Keys that say what an expectation is about, and ask nothing."""


def test_file(version: Schema) -> Schema:
    """A whole test file."""
    needs = [
        {"if": {"properties": {"event": {"const": event}}, "required": ["event"]}, "then": {"required": [key]}}
        for event, key in (("ack", "rule"), ("roll", "symbol"), ("silence", "for"))
    ]
    items = [_keyed(model, keys) for model, keys in ITEMS.items()]
    expected = {**_keyed(ExpectModel, EXPECT),
                "anyOf": [{"required": [key]} for key in EXPECT if key not in _NOT_ASKED]}  # fmt: skip
    test = _keyed(TestModel, {
        "name": ("What it shows.", text(NAME_MAX)),
        "start": ("The market time it starts at, with its zone.", START),
        "until": ("How long it lasts at least, since the start; else as long as its input.", OFFSET),
        "at_load": ("`at_load` of the rules, for this test.", one_of(("quiet", "fire"))),
        "input": ("Rows, bars before the start, what Schwab says, events; all on one clock.",
                  list_of({"anyOf": items, "allOf": needs})),
        "expect": ("What is asked; nothing else is.", list_of(expected)),
    })  # fmt: skip
    return _keyed(TestFileModel, {
        "version": ("Version of the rule language.", version),
        "rules": ("The files of the rules, from this file on, e.g. [../levels.yaml].",
                  {"anyOf": [text(), list_of(text())]}),
        "tests": ("The tests.", list_of(test)),
    })  # fmt: skip


def _keyed(model: type[Strict], keys: Keys) -> Schema:
    """The keys of a model, those without a default required. Raises KeyError for one that has no entry."""
    names = {field.alias or name: field.is_required() for name, field in model.model_fields.items()}
    return map_of({name: described(*keys[name]) for name in names}, *(name for name in names if names[name]))
