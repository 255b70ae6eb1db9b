"""Reads `_routes.yaml`; every mistake has its place and says what to write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Problems,
    Scalar,
    Sequence,
    ValueProblem,
    boolean,
    compose,
    did_you_mean,
)
from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.market.active import ActiveWindow, active_window_at
from tradeassistd.market.session import EVER
from tradeassistd.rules import fields
from tradeassistd.rules.noting import Location, Noting
from tradeassistd.rules.routes import CRITICAL, Escalate, Match, Quiet, Route, Routes

ROUTES = "_routes.yaml"
ROUTES_MAX = 500
GLOBS_MAX = 100
GLOB_MAX = 64
"""Characters of a glob."""
QUIET_EXAMPLE = "mon-fri 22:00-06:00 America/New_York"

TOP = MappingProxyType({
    "version": "Version of the rule language: 1.",
    "routes": "The routes in the order they are tried: the first that fits has the alert.",
    "default": "The route of alerts that no other one fits; without it they go to the settings' `notify`.",
})  # fmt: skip
"""Keys of the file, each with what it means; also read by the schema and the reference."""
KEYS = MappingProxyType({
    "match": "What an alert must be; every key must fit. Without it the route fits every alert.",
    "channels": "Channels to tell; a rule's own `notify` takes their place. Without it: the settings' `notify`.",
    "quiet": "Hours in which only some channels are told at once; the others get it as one message when the hours end.",
    "fallback": "Channels to tell when a delivery to another one failed or expired.",
    "escalate": "Channels to tell when after a while the alert is neither acknowledged nor over.",
    "continue": "`true`: routes below are looked at as well.",
})  # fmt: skip
"""Keys of a route."""
MATCH_KEYS = MappingProxyType({
    "severity": "A severity, a list of them, or `>= warning`.",
    "tag": "A glob such as `overnight*`, or a list: one of the rule's tags fits.",
    "rule": "A glob, or a list: the rule's id fits. The daemon's own messages have the id `!tradeassist`.",
    "symbol": "A glob, or a list: the symbol fits.",
})  # fmt: skip
QUIET_KEYS = MappingProxyType({
    "hours": "Times of the week, written as in `active` of a rule. A critical alert is not held, unless `match` names "
    "critical.",
    "channels": "Channels that are told at once all the same; none when left out.",
})  # fmt: skip
ESCALATE_KEYS = MappingProxyType({
    "after": "How long after the alert, at least `1s`.",
    "channels": "Channels to tell then.",
})  # fmt: skip
_OF_DEFAULT = tuple(key for key in KEYS if key not in ("match", "continue"))


def read_routes_file(name: str, text: str, prefix: str, channels: frozenset[str] | None = None) -> Routes:
    """The routes of a `_routes.yaml`. Raises Problems with everything that is wrong with it.

    `channels` are those of the settings: naming another one is an error. None: nobody knows them.
    """
    reading = _Reading(channels=channels)
    routes = reading.file(compose(text, prefix + name))
    if reading.problems:
        raise Problems(reading.problems)
    return routes


@dataclass(slots=True)
class _Reading(Noting):
    channels: frozenset[str] | None = None

    def file(self, node: Node) -> Routes:
        found = self._map(node, (), TOP, required=("version",))
        self._value(found, (), "version", fields.version)
        listed = self._list(found.get("routes"), ("routes",), ROUTES_MAX, "routes")
        routes = tuple(self._route(item, ("routes", number), KEYS) for number, item in enumerate(listed))
        default = found.get("default")
        if "routes" not in found and default is None and not self.problems:
            self._refuse(node, (), "has neither routes nor a default", "write routes: and the routes below it")
        return Routes(routes, None if default is None else self._route(default, ("default",), _OF_DEFAULT))

    def _route(self, node: Node, at: Location, keys: Iterable[str]) -> Route:
        before = len(self.problems)
        found = self._map(node, at, keys)
        if not set(found) - {"match", "continue"} and len(self.problems) == before:
            self._refuse(node, at, "says nowhere to go", "write e.g. channels: [slack]")
        channels = self._channels(found.get("channels"), (*at, "channels"))
        return Route(
            match=self._match(found["match"], (*at, "match")) if "match" in found else Match(),
            channels=channels,
            quiet=self._quiet(found["quiet"], (*at, "quiet")) if "quiet" in found else None,
            fallback=self._channels(found.get("fallback"), (*at, "fallback")),
            escalate=self._escalate(found["escalate"], (*at, "escalate"), channels) if "escalate" in found else None,
            goes_on=self._value(found, at, "continue", boolean) or False,
            line=node.place.line,
            column=node.place.column,
        )

    def _match(self, node: Node, at: Location) -> Match:
        found = self._map(node, at, MATCH_KEYS)
        if isinstance(node, Mapping) and not node.items:
            self._refuse(node, at, "says nothing", "write e.g. severity: critical, or leave match out")
        severities, names_critical = self._severities(found.get("severity"), (*at, "severity"))
        tags, rules, symbols = (self._globs(found.get(key), (*at, key)) for key in ("tag", "rule", "symbol"))
        return Match(severities, tags, rules, symbols, names_critical)

    def _severities(self, node: Node | None, at: Location) -> tuple[tuple[str, ...], bool]:
        """The severities that fit, in the order of SEVERITIES, and whether critical is named."""
        if node is None:
            return (), False
        words: list[str] = []
        named = False
        for item, where in self._one_or_more(node, at, len(SEVERITIES)):
            text = item.text if isinstance(item, Scalar) else ""
            at_least = text.startswith(">=")
            word = self._read(item, where, _severity)
            if word is None:
                continue
            named = named or word == CRITICAL
            words += SEVERITIES[SEVERITIES.index(word) :] if at_least else (word,)
        return tuple(word for word in SEVERITIES if word in words), named

    def _globs(self, node: Node | None, at: Location) -> tuple[str, ...]:
        if node is None:
            return ()
        found = (self._read(item, where, _glob) for item, where in self._one_or_more(node, at, GLOBS_MAX))
        return tuple(glob for glob in found if glob is not None)

    def _quiet(self, node: Node, at: Location) -> Quiet | None:
        found = self._map(node, at, QUIET_KEYS, required=("hours",))
        hours: list[ActiveWindow] = []
        where = (*at, "hours")
        for number, item in enumerate(self._list(found.get("hours"), where, fields.REMINDERS_MAX, "times")):
            window = self._read(item, (*where, number), fields.active)
            hours += [window] if window is not None else []
        if hours and active_window_at(tuple(hours), 0) == EVER:
            self._refuse(found["hours"], where, "leaves no hour of the week in which a held alert could go",
                         "leave some time out, or leave the channel out")  # fmt: skip
        channels = self._channels(found.get("channels"), (*at, "channels"), may_be_empty=True)
        return Quiet(tuple(hours), channels)

    def _escalate(self, node: Node, at: Location, told: tuple[str, ...]) -> Escalate:
        found = self._map(node, at, ESCALATE_KEYS, required=("after", "channels"))
        after_s = self._value(found, at, "after", fields.some_time_s)
        channels = self._channels(found.get("channels"), (*at, "channels"))
        for name in channels:
            if name in told:
                self._refuse(found["channels"], (*at, "channels"), f"{name} is told from the beginning",
                             "leave it out here, or in the channels of the route")  # fmt: skip
        return Escalate(after_s or 1, channels)

    def _channels(self, node: Node | None, at: Location, *, may_be_empty: bool = False) -> tuple[str, ...]:
        if node is None or (may_be_empty and isinstance(node, Sequence) and not node.items):
            return ()
        names: list[str] = []
        for number, item in enumerate(self._list(node, at, fields.LIST_MAX, "channels")):
            name = self._read(item, (*at, number), fields.label("channel name"))
            if name is None:
                continue
            if name in names:
                self._refuse(item, (*at, number), f"{name} is listed twice", "remove one")
            elif self.channels is not None and name not in self.channels:
                self._refuse(item, (*at, number), f"there is no channel {name!r}", _channel_hint(name, self.channels))
            names.append(name)
        return tuple(names)

    def _map(self, node: Node, at: Location, keys: Iterable[str], *, required: tuple[str, ...] = ()) -> dict[str, Node]:
        """The values of a map by key; unknown keys and those that are missing are noted."""
        known = tuple(keys)
        if not isinstance(node, Mapping):
            self._refuse(node, at, "must be a map", f"write {known[0]}: and its value")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.items:
            if key.text in known:
                found[key.text] = value
            elif key.text in KEYS:
                self._refuse(key, (*at, key.text), f"{key.text!r} cannot stand here", f"one of {' '.join(known)}")
            else:
                hint = did_you_mean(key.text, known) or f"one of {' '.join(known)}"
                self._refuse(key, (*at, key.text), f"unknown key {key.text!r}", hint)
        for name in required:
            if name not in found:
                self._refuse(node, at, f"{name!r} is missing", _MISSING[name])
        return found

    def _list(self, node: Node | None, at: Location, entries: int, what: str) -> tuple[Node, ...]:
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            hint = f"write [{node.text}]" if isinstance(node, Scalar) and node.text else "write '- ' before each item"
            self._refuse(node, at, "must be a list", hint)
            return ()
        if not 1 <= len(node.items) <= entries:
            hint = "make it shorter" if node.items else "write one, or remove the key"
            self._refuse(node, at, f"takes 1 to {entries} {what}, not {len(node.items)}", hint)
            return ()
        return node.items

    def _one_or_more(self, node: Node, at: Location, entries: int) -> list[tuple[Node, Location]]:
        if not isinstance(node, Sequence):
            return [(node, at)]
        return [(item, (*at, number)) for number, item in enumerate(self._list(node, at, entries, "entries"))]


_MISSING = {
    "version": "write version: 1",
    "hours": f"write e.g. hours: ['{QUIET_EXAMPLE}']",
    "after": "write e.g. after: 5m",
    "channels": "write e.g. channels: [phone]",
}


def _severity(value: object) -> str:
    """The severity that `critical` or `>= warning` names."""
    written = fields.text(value)
    if written.startswith(("<", ">", "=")) and not written.startswith(">="):
        raise ValueProblem(f"{written!r} is not a severity", hint="write a severity, a list of them, or '>= warning'")
    return fields.word("severity", SEVERITIES)(written.removeprefix(">=").strip())


def _glob(value: object) -> str:
    written = fields.text(value)
    if len(written) > GLOB_MAX:
        raise ValueProblem(f"longer than {GLOB_MAX} characters", hint="shorten it with *")
    if written != written.strip() or len(written.split()) != 1:
        raise ValueProblem(f"{written!r} has a blank in it", hint="write one glob such as es-*, or a list of them")
    if written.count("[") != written.count("]"):
        raise ValueProblem(f"{written!r} has a bracket too few or too many", hint="write e.g. /[EN]* or '*'")
    return written


def _channel_hint(name: str, channels: frozenset[str]) -> str:
    if not channels:
        return "the settings have none"
    return did_you_mean(name, channels) or f"the settings have {', '.join(sorted(channels))}"
