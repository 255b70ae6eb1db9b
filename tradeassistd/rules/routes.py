"""Routes: which channels an alert goes to, when they are left in peace, and what happens when nobody hears.

What `_routes.yaml` says, frozen; routes_file.py reads it, alerts/routing.py makes deliveries of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.market.active import ActiveWindow, active_window_at
from tradeassistd.market.session import EVER

CRITICAL = SEVERITIES[-1]


@dataclass(frozen=True, slots=True)
class Match:
    """What an alert must be for a route to be its own; a part that is empty fits everything, all parts must fit.

    `tags`, `rules` and `symbols` are globs (`*`, `?`, `[ab]`, case matters), of which one must fit.
    """

    severities: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    names_critical: bool = False
    """The word critical is written in `severity`; `>= warning` holds it, but does not name it."""

    def fits(self, severity: str, tags: Collection[str], rule_id: str, symbol: str) -> bool:
        """Whether an alert of that severity, of a rule with those tags and that id, on that symbol fits."""
        return (
            (not self.severities or severity in self.severities)
            and _any_fits(self.rules, (rule_id,))
            and _any_fits(self.symbols, (symbol,))
            and _any_fits(self.tags, tags)
        )


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which only `channels` are told at once; deliveries to the others are held until the hours end."""

    hours: tuple[ActiveWindow, ...]
    channels: tuple[str, ...] = ()

    def until_us(self, at_us: int) -> int:
        """When the quiet hours that hold this instant end, UTC microseconds; 0 outside of them.

        Hours without an end hold nothing: a delivery must have a time at which it goes.
        """
        window = active_window_at(self.hours, at_us)
        return 0 if window is None or window == EVER else window.close_us


@dataclass(frozen=True, slots=True)
class Escalate:
    """Whom to tell when an alert is neither acknowledged nor over `after_s` seconds later."""

    after_s: int
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where alerts that fit go; without `channels`, where they would go without routes."""

    match: Match = Match()
    channels: tuple[str, ...] = ()
    quiet: Quiet | None = None
    fallback: tuple[str, ...] = ()
    """Channels that are told in the place of one that could not be."""
    escalate: Escalate | None = None
    goes_on: bool = False
    """`continue: true`: routes behind it are looked at as well."""
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    def held_until_us(self, severity: str, at_us: int) -> int:
        """Until when an alert of that instant is held for channels that quiet hours leave in peace; 0: not at all.

        A critical one never is, unless the match names critical.
        """
        if self.quiet is None or (severity == CRITICAL and not self.match.names_critical):
            return 0
        return self.quiet.until_us(at_us)

    @property
    def named(self) -> frozenset[str]:
        """Every channel it names."""
        quiet = self.quiet.channels if self.quiet else ()
        escalate = self.escalate.channels if self.escalate else ()
        return frozenset((*self.channels, *quiet, *self.fallback, *escalate))


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes in the order they are tried, and the one for alerts that none of them fits."""

    routes: tuple[Route, ...] = ()
    default: Route | None = None

    def of(self, severity: str, tags: Collection[str], rule_id: str, symbol: str) -> tuple[Route, ...]:
        """The routes of an alert: the first that fits and, while they say `continue`, those behind it that fit."""
        found = tuple(self._fitting(severity, tags, rule_id, symbol))
        return found or ((self.default,) if self.default is not None else ())

    def _fitting(self, severity: str, tags: Collection[str], rule_id: str, symbol: str) -> Iterator[Route]:
        for route in self.routes:
            if route.match.fits(severity, tags, rule_id, symbol):
                yield route
                if not route.goes_on:
                    return


def _any_fits(globs: tuple[str, ...], texts: Collection[str]) -> bool:
    return not globs or any(fnmatchcase(text, glob) for glob in globs for text in texts)
