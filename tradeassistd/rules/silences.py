"""Silences as people write them: reads `_silences.yaml`, globs, and until when a silence lasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Place,
    Problem,
    Problems,
    Scalar,
    Sequence,
    ValueProblem,
    compose,
    did_you_mean,
)
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.silences import Silence
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import NEW_YORK
from tradeassistd.rules import fields, times
from tradeassistd.rules.noting import Location, Noting

SILENCES = "_silences.yaml"
SILENCES_MAX = 500
GLOBS_MAX = 100
GLOB_MAX = 64
"""Characters of a glob."""
KEYS = MappingProxyType({
    "match": "What nobody is told of; every key must fit.",
    "until": "When it is over: a date (the end of that trading day), or a time with its zone.",
    "reason": "Why, for whoever wonders.",
})  # fmt: skip
"""Keys of a silence, each with what it means; also read by the schema and the reference."""
MATCH_KEYS = MappingProxyType({
    "rule": "A glob such as `es-*`, or a list: the rule's id fits.",
    "symbol": "A glob such as `/E*`, or a list: the symbol fits.",
    "tag": "A glob, or a list: one of the rule's tags fits.",
})  # fmt: skip
NOT_HERE = MappingProxyType({
    "severity": "a silence lies over rules, symbols and tags; quiet hours of _routes.yaml know severities",
    "channels": "a silence lies over every channel; quiet hours of _routes.yaml hold single ones",
    "from": "a silence begins when its file is read; write `active` in the rule for times of the week",
    "for": "write until: and when it is over, or use `tradeassist silence --for 2h`",
})  # fmt: skip
"""What somebody may try here, and what to do instead."""
_FOREVER = ("never", "forever", "always")
_UNTIL_HINT = "write e.g. until: 2026-12-18, or 2026-12-18 15:00 America/New_York"


@dataclass(frozen=True, slots=True)
class WrittenSilences:
    """What the file says, and where each silence and its `until` stand."""

    silences: tuple[Silence, ...] = ()
    places: tuple[tuple[Place, Place], ...] = ()

    def problems(self, rules: Iterable[Rule], now_us: int, *, lint: bool) -> Iterator[Problem]:
        """What may not be meant: one that is over by `now_us` (0: unknown), and with `lint` one over nothing."""
        listed = tuple(rules) if lint else ()
        for number, (silence, (place, until)) in enumerate(zip(self.silences, self.places, strict=True)):
            if 0 < silence.until_us <= now_us:
                yield Problem(until, f"[{number}].until", "is over: it silences nothing any more",
                              "remove it, or write a later time", "expired")  # fmt: skip
            elif lint and not any(fits_rule(silence, rule) for rule in listed):
                yield Problem(place, f"[{number}].match", "fits no rule", "look at the globs, or remove it",
                              "idle-silence")  # fmt: skip


def fits_rule(silence: Silence, rule: Rule) -> bool:
    """Whether it lies over one of the rule's symbols."""
    return any(silence.fits(rule.id, rule.tags, symbol) for symbol in rule.symbols)


def read_silences_file(name: str, text: str, prefix: str) -> WrittenSilences:
    """The silences of a `_silences.yaml`; none of one that holds nothing but comments. Raises Problems with all."""
    if not any(line.partition("#")[0].strip() for line in text.removeprefix("\ufeff").splitlines()):
        return WrittenSilences()  # what is commented out to the last line is over
    reading = _Reading()
    written = reading.file(compose(text, prefix + name))
    if reading.problems:
        raise Problems(reading.problems)
    return written


def glob(value: object) -> str:
    """One glob. Raises ValueProblem."""
    written = fields.text(value)
    if len(written) > GLOB_MAX:
        raise ValueProblem(f"longer than {GLOB_MAX} characters", hint="shorten it with *")
    if len(written.split()) != 1 or written != written.strip():
        raise ValueProblem(f"{written!r} has a blank in it", hint="write one glob such as es-*, or a list of them")
    if written.startswith("@"):
        raise ValueProblem(f"{written!r} is a watchlist", hint="list its symbols, or give the rules a tag")
    if written.count("[") != written.count("]"):
        raise ValueProblem(f"{written!r} has a bracket too few or too many", hint="write e.g. /[EN]* or '*'")
    return written


def until_us(text: str, symbols: tuple[str, ...], now_us: int = 0) -> int:
    """The instant that `until` names, UTC microseconds. Raises ValueProblem.

    A date is the end of that trading day: 17:00 New York when every glob of `symbols` is that of futures or indices,
    else 20:00. With `now_us` also `15:30`, the next such time of the day in New York.
    """
    if text.lower() in _FOREVER:
        raise ValueProblem("a silence has an end", hint="write a date; to keep a rule quiet, give it mode: shadow")
    if now_us and ":" in text and len(text) <= len("15:30"):
        return _next_minute_us(times.minute_of_day(text), now_us)
    ends_early = bool(symbols) and all(one.startswith(("/", "$")) for one in symbols)
    return times.expires(text).instant_us([instrument_of("/ES" if ends_early else "SPY")])


def _next_minute_us(minute: int, now_us: int) -> int:
    today = datetime.fromtimestamp(now_us // US_PER_S, NEW_YORK).replace(hour=0, minute=0, second=0)
    for day in (today, today + timedelta(days=1)):
        # Wall time, not hours since midnight: on two days of the year these differ.
        moment = (day + timedelta(days=minute // 1440)).replace(hour=minute // 60 % 24, minute=minute % 60)
        if (found_us := int(moment.timestamp()) * US_PER_S) > now_us:
            return found_us
    raise AssertionError("tomorrow is always later")


class _Reading(Noting):
    def file(self, node: Node) -> WrittenSilences:
        if not isinstance(node, Sequence):
            self._refuse(node, (), "must be a list", "begin each silence with '- match: {rule: es-*}'")
            return WrittenSilences()
        if len(node.items) > SILENCES_MAX:
            self._refuse(node, (), f"takes at most {SILENCES_MAX} silences, not {len(node.items)}", "use globs")
            return WrittenSilences()
        found = [self._silence(item, (number,)) for number, item in enumerate(node.items)]
        written = [one for one in found if one is not None]
        return WrittenSilences(tuple(silence for silence, _ in written), tuple(places for _, places in written))

    def _silence(self, node: Node, at: Location) -> tuple[Silence, tuple[Place, Place]] | None:
        before = len(self.problems)
        found = self._map(node, at, KEYS, required=("match", "until"))
        match = self._map(found["match"], (*at, "match"), MATCH_KEYS) if "match" in found else {}
        if isinstance(found.get("match"), Mapping) and not match and len(self.problems) == before:
            self._refuse(found["match"], (*at, "match"), "says nothing", "write e.g. {rule: es-*}, or {rule: '*'}")
        rules, symbols, tags = (self._globs(match.get(key), (*at, "match", key)) for key in MATCH_KEYS)
        ends_us = self._value(found, at, "until", lambda value: until_us(fields.text(value), symbols))
        reason = self._value(found, at, "reason", fields.text_up_to(fields.TEXT_MAX)) or ""
        if ends_us is None or len(self.problems) > before:
            return None
        silence = Silence(0, ends_us, rules=rules, symbols=symbols, tags=tags, reason=reason)
        return silence, (found["match"].place, found["until"].place)

    def _globs(self, node: Node | None, at: Location) -> tuple[str, ...]:
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            return self._one_glob(node, at)
        if not 1 <= len(node.items) <= GLOBS_MAX:
            hint = "use globs" if node.items else "write one, or remove the key"
            self._refuse(node, at, f"takes 1 to {GLOBS_MAX} entries, not {len(node.items)}", hint)
            return ()
        return tuple(one for n, item in enumerate(node.items) for one in self._one_glob(item, (*at, n)))

    def _one_glob(self, node: Node, at: Location) -> tuple[str, ...]:
        found = self._read(node, at, glob)
        return () if found is None else (found,)

    def _map(
        self, node: Node, at: Location, keys: Lookup[str, str], *, required: tuple[str, ...] = ()
    ) -> dict[str, Node]:
        """The values of a map by key; unknown keys and those that are missing are noted."""
        if not isinstance(node, Mapping):
            shown = f"{{{next(iter(keys))}: {node.text}}}" if isinstance(node, Scalar) and keys is MATCH_KEYS else ""
            self._refuse(node, at, "must be a map", f"write {shown or f'{next(iter(keys))}: and its value'}")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.items:
            if key.text in keys:
                found[key.text] = value
            else:
                hint = NOT_HERE.get(key.text) or did_you_mean(key.text, keys) or f"one of {' '.join(keys)}"
                if key.text in MATCH_KEYS:
                    hint = f"write it into match: {{{key.text}: ...}}"
                self._refuse(key, (*at, key.text), f"unknown key {key.text!r}", hint)
        for name in required:
            if name not in found:
                hint = _UNTIL_HINT if name == "until" else "write e.g. match: {rule: es-*}"
                self._refuse(node, at, f"{name!r} is missing", hint)
        return found
