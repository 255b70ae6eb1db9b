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

    description: Annotated[str | None, PlainValidator(fields.text_up_to(fields.TEXT_MAX))] = Field(
        default=None, description="What the rule is for; shown with every alert."
    )
    tags: Tags | None = Field(default=None, description="Words to find rules by.")
    symbols: Symbols | None = Field(
        default=None, description="What it watches, as Schwab writes it; one state for each. `@name` is a watchlist."
    )
    evaluate: Annotated[Evaluate | None, PlainValidator(fields.evaluate)] = Field(
        default=None,
        description="When it is judged: on every change, when that bar of its own symbol closes, once a trading day.",
    )
    for_: Annotated[Duration, Field(alias="for")] = Field(
        default=None, description="How long a state must be known to hold before it fires."
    )
    keep_firing_for: Duration = Field(
        default=None, description="How long what ends a firing must hold before it clears."
    )
    fire: Annotated[Fire | None, PlainValidator(fields.fire)] = Field(
        default=None,
        description="Every rise; once for good; once in that bar; or, while it holds, again at each close of that bar.",
    )
    max_per_session: Annotated[int | None, PlainValidator(fields.told_count)] = Field(
        default=None, description="How often it is told in one session at most."
    )
    rearm: Annotated[Move | None, PlainValidator(fields.rearm)] = Field(
        default=None,
        description="Move: told again only after the price has been that far from the last told one; "
        "`reaches` must leave its level as far.",
    )
    cooldown: Duration = Field(
        default=None, description="Least time between two told alerts of one rule, symbol and level."
    )
    repeat: Pauses | None = Field(
        default=None,
        description="Reminders while a told firing goes on and nobody has acknowledged it; the last pause goes on.",
    )
    on_clear: Annotated[str | None, _one_of("on_clear", "silent", "tell")] = Field(
        default=None, description="Whether the channels that were told of a firing are told of its end."
    )
    severity: Annotated[str | None, _one_of("severity", *SEVERITIES)] = Field(
        default=None, description="How bad it is."
    )
    session: Annotated[str | None, _one_of("session word", *SESSION_WORDS)] = Field(
        default=None, description="The session it is watched in; without one, whenever the instrument trades."
    )
    active: Windows | None = Field(default=None, description="Times of the week it is watched in, inside its session.")
    stale_after: Annotated[int | None, PlainValidator(fields.some_time_s)] = Field(
        default=None, description="Values of a symbol that had no row for that long are unknown."
    )
    expires: Annotated[Expires | None, PlainValidator(fields.expires)] = Field(
        default=None, description="From when on it is not judged: the end of that trading day, or a time."
    )
    mode: Annotated[str | None, _one_of("mode", "live", "shadow", "off")] = Field(
        default=None, description="`shadow` is judged and stored, and nobody is told; `off` is not judged."
    )
    at_load: Annotated[str | None, _one_of("at_load", "quiet", "fire")] = Field(
        default=None,
        description="What the first judging of a new rule does when a state holds already: store it, or tell.",
    )
    catch_up: Annotated[str | None, _one_of("catch_up", "report", "log")] = Field(
        default=None,
        description="A crossing while nobody watched (gap, restart, closed session): tell it as missed, or only store.",
    )
    notify: Channels | None = Field(
        default=None, description="Channels to tell, in the place of the settings' `notify`."
    )
    title: Annotated[str | None, PlainValidator(fields.text_up_to(fields.TITLE_MAX))] = Field(
        default=None, description="The alert's first line, a template."
    )
    message: Annotated[str | None, PlainValidator(fields.text_up_to(fields.TEXT_MAX))] = Field(
        default=None, description="What the alert says in the place of the compared values, a template."
    )
    setup: Any = Field(
        default=None,
        description="What you would trade: `type`, `entry`, `stop`, `target`, `confidence`; worked out when it fires.",
    )
    rev: Annotated[str | None, PlainValidator(fields.label("revision"))] = Field(
        default=None, description="Another value arms the rule anew."
    )


def keys_of(model: type[RuleFields]) -> list[str]:
    """The keys as they are written in a file (`for` is no name in Python)."""
    return [field.alias or name for name, field in model.model_fields.items()]


class RuleModel(RuleFields):
    """One entry of `rules`."""

    id: Annotated[str, PlainValidator(fields.rule_id)] = Field(
        description="Name of the rule. State and history hang on it: never reuse one."
    )
    was: Annotated[str | None, PlainValidator(fields.rule_id)] = Field(
        default=None, description="The id it had before: it takes up that one's state."
    )
    when: Any = Field(default=None, description="The condition: text, or a map with one of `all`, `any`, `not`.")
    levels: Any = Field(
        default=None,
        description="A ladder in the place of `when`: a list of `severity`, `when`, `clear_when`, mildest first.",
    )
    clear_when: Any = Field(
        default=None,
        description="What ends a firing, asked only while it fires. Without it: `when` is known not to hold.",
    )
    let: Any = Field(
        default=None,
        description="Names for expressions, in a rule or at the top of a file; a name may use those above it.",
    )
    values: Any = Field(default=None, description="Numbers by name for each symbol.")


class RuleFile(Strict):
    """One rule file."""

    version: Annotated[str, PlainValidator(fields.version)]
    defaults: RuleFields = Field(default_factory=RuleFields)
    let: Any = None
    rules: tuple[RuleModel, ...]


class DefaultsFile(RuleFields):
    """`_defaults.yaml`: the keys of a rule, for every rule of every file."""

    version: Annotated[str, PlainValidator(fields.version)] = fields.VERSION
