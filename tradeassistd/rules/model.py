"""The fields of a rule file (rules.md 2) and what each may hold.

Fields that hold expressions are `Any` here: they are read from the tree of nodes, for the places of their characters.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from tradeassistd.base.yaml12 import duration_s
from tradeassistd.engine.rule import SEVERITIES, Evaluate, Fire, Move
from tradeassistd.market.active import ActiveWindow
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules import fields
from tradeassistd.rules.times import Expires

LATER = frozenset({"chart"})
"""Keys of a rule that this version does not have yet."""
NEVER_DEFAULTS = {
    "id": "write it in each rule",
    "when": "write it in each rule",
    "levels": "write it in each rule",
    "clear_when": "write it in each rule",
    "was": "write it in the rule that was renamed",
    "values": "write it in each rule",
    "let": "write let: at the top of a rule file",
}
"""What a rule's identity, its condition or its names say cannot be said for many rules at once; and what to do."""
TEXT_FIELDS = ("description", "title", "message")
"""Fields whose text a forgotten quote would cut at ` #`."""
READ_FROM_NODES = frozenset({"when", "levels", "clear_when", "let", "values", "title", "message", "setup"})

_List = BeforeValidator(fields.list_of(fields.LIST_MAX))
_Few = BeforeValidator(fields.list_of(fields.REMINDERS_MAX))
Symbols = Annotated[tuple[Annotated[str, PlainValidator(fields.symbol_or_list)], ...], _List]
WatchedSymbols = Annotated[tuple[Annotated[str, PlainValidator(fields.symbol)], ...], _List]
Tags = Annotated[tuple[Annotated[str, PlainValidator(fields.label("tag"))], ...], _List]
Channels = Annotated[tuple[Annotated[str, PlainValidator(fields.label("channel name"))], ...], _List]
Windows = Annotated[tuple[Annotated[ActiveWindow, PlainValidator(fields.active)], ...], _Few]
Pauses = Annotated[tuple[Annotated[int, PlainValidator(fields.some_time_s)], ...], _Few]
Duration = Annotated[int | None, PlainValidator(duration_s)]


def _one_of(what: str, *known: str) -> PlainValidator:
    return PlainValidator(fields.word(what, known))


class Strict(BaseModel):
    """No key but these, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class RuleFields(Strict):
    """What a rule and `defaults` both may hold; None is not written."""

    description: Annotated[str | None, PlainValidator(fields.text_up_to(fields.TEXT_MAX))] = None
    tags: Tags | None = None
    symbols: Symbols | None = None
    evaluate: Annotated[Evaluate | None, PlainValidator(fields.evaluate)] = None
    for_: Annotated[Duration, Field(alias="for")] = None
    keep_firing_for: Duration = None
    fire: Annotated[Fire | None, PlainValidator(fields.fire)] = None
    max_per_session: Annotated[int | None, PlainValidator(fields.told_count)] = None
    rearm: Annotated[Move | None, PlainValidator(fields.rearm)] = None
    cooldown: Duration = None
    repeat: Pauses | None = None
    on_clear: Annotated[str | None, _one_of("on_clear", "silent", "tell")] = None
    severity: Annotated[str | None, _one_of("severity", *SEVERITIES)] = None
    session: Annotated[str | None, _one_of("session word", *SESSION_WORDS)] = None
    active: Windows | None = None
    stale_after: Annotated[int | None, PlainValidator(fields.some_time_s)] = None
    expires: Annotated[Expires | None, PlainValidator(fields.expires)] = None
    mode: Annotated[str | None, _one_of("mode", "live", "shadow", "off")] = None
    at_load: Annotated[str | None, _one_of("at_load", "quiet", "fire")] = None
    catch_up: Annotated[str | None, _one_of("catch_up", "report", "log")] = None
    notify: Channels | None = None
    title: Annotated[str | None, PlainValidator(fields.text_up_to(fields.TITLE_MAX))] = None
    message: Annotated[str | None, PlainValidator(fields.text_up_to(fields.TEXT_MAX))] = None
    setup: Any = None
    rev: Annotated[str | None, PlainValidator(fields.label("revision"))] = None


def keys_of(model: type[RuleFields]) -> list[str]:
    """The keys as they are written in a file (`for` is no name in Python)."""
    return [field.alias or name for name, field in model.model_fields.items()]


class RuleModel(RuleFields):
    """One entry of `rules`."""

    id: Annotated[str, PlainValidator(fields.rule_id)]
    was: Annotated[str | None, PlainValidator(fields.rule_id)] = None
    when: Any = None
    levels: Any = None
    clear_when: Any = None
    let: Any = None
    values: Any = None


class RuleFile(Strict):
    """One rule file."""

    version: Annotated[str, PlainValidator(fields.version)]
    defaults: RuleFields = Field(default_factory=RuleFields)
    let: Any = None
    rules: tuple[RuleModel, ...]


class DefaultsFile(RuleFields):
    """`_defaults.yaml`: the keys of a rule, for every rule of every file."""

    version: Annotated[str, PlainValidator(fields.version)] = fields.VERSION
