"""Silences: of what nobody is told for a while, whatever it does (rules.md 4.8).

A silence stands in `_silences.yaml`, or somebody said it to the running daemon. It changes no state: rules fire and
clear as ever, and what still fires untold when it ends is told then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

import msgspec


class Silence(msgspec.Struct, frozen=True, tag="silence"):
    """Nobody is told of what fits, from this event on until `until_us`; a snooze is one of one rule and symbol.

    `rules`, `symbols` and `tags` are globs (`*`, `?`, `[ab]`, case matters), of which one must fit; a part that is
    empty fits everything, and all parts must fit.
    """

    event_us: int
    """When it was said; 0: it stands in `_silences.yaml`."""
    until_us: int
    """The first instant at which it is over, UTC microseconds."""
    rules: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    reason: str = ""
    by: str = ""
    """Who said it."""
    number: int = 0
    """What it is ended by, unique in the store; 0: it stands in `_silences.yaml`."""

    @property
    def text(self) -> str:
        """What it lies over: rule es-*, symbol /ES."""
        parts = (("rule", self.rules), ("symbol", self.symbols), ("tag", self.tags))
        return ", ".join(f"{what} {' '.join(globs)}" for what, globs in parts if globs)

    def fits(self, rule_id: str, tags: Collection[str], symbol: str) -> bool:
        """Whether it concerns a rule of that id and those tags on that symbol."""
        return _any_fits(self.rules, (rule_id,)) and _any_fits(self.symbols, (symbol,)) and _any_fits(self.tags, tags)


class SilenceEnd(msgspec.Struct, frozen=True, tag="silence_end"):
    """Somebody ended the silence of that number before its time."""

    event_us: int
    number: int
    by: str = ""


class Silences:
    """Those in force. The event time is handed in each time: nothing here knows another clock."""

    def __init__(self, written: Iterable[Silence] = ()) -> None:
        """`written`: those of `_silences.yaml`."""
        self._written = tuple(written)
        self._said: dict[int, Silence] = {}

    def use(self, written: Iterable[Silence]) -> bool:
        """Those of another `_silences.yaml` from now on; whether they are others."""
        before, self._written = self._written, tuple(written)
        return self._written != before

    def restore(self, said: Iterable[Silence]) -> None:
        """Take up what was said before a restart."""
        self._said.update({silence.number: silence for silence in said})

    def begin(self, silence: Silence) -> None:
        """One is said; those that are over by then are forgotten."""
        self._said = {number: one for number, one in self._said.items() if silence.event_us < one.until_us}
        self._said[silence.number] = silence

    def end(self, number: int) -> None:
        """One that was said is over; one that is over already stays so."""
        self._said.pop(number, None)

    def in_force(self, now_us: int) -> tuple[Silence, ...]:
        """Those of the file in written order, then those that were said, oldest first."""
        return tuple(one for one in (*self._written, *self._said.values()) if now_us < one.until_us)

    def over(self, rule_id: str, tags: Collection[str], symbol: str, now_us: int) -> Silence | None:
        """The silence that lies over a rule and symbol; of several the one that ends last."""
        if not self._written and not self._said:
            return None
        found = [one for one in self.in_force(now_us) if one.fits(rule_id, tags, symbol)]
        return max(found, key=lambda one: one.until_us, default=None)


def _any_fits(globs: tuple[str, ...], texts: Collection[str]) -> bool:
    return not globs or any(fnmatchcase(text, glob) for glob in globs for text in texts)
