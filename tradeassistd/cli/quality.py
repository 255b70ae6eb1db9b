"""What the daemon's status says of the feed and of each symbol's data, in words; the same in status, top and doctor.

Every key may be missing: the status may come from another version, or from a daemon that is just starting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tradeassistd.cli.wording import clock_time, counted

PROBLEM, WARNING, NOTE = "problem", "warning", "note"
ON_LINE = ("live", "degraded")


class Remark(NamedTuple):
    """One thing to know of a symbol's data."""

    symbol: str
    weight: str
    """problem: its rules are not judged; warning: they are, with data that is not as it should be; note: all is well,
    but something was left out or is not there yet."""
    word: str
    """In one word, for a table."""
    text: str


def part(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A map within the status; empty where it is missing."""
    found = status.get(name)
    return found if isinstance(found, Mapping) else {}


def symbols_of(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The quality document of each symbol."""
    found = part(part(status, "symbols"), "quality") or part(status, "quality")
    return {symbol: one for symbol, one in sorted(found.items()) if isinstance(one, Mapping)}


def remarks(status: Mapping[str, Any]) -> list[Remark]:
    """What there is to say of any symbol, the worst first."""
    refused = part(part(status, "feed"), "refused")
    found = [Remark(symbol, PROBLEM, "refused", f"not watched: {why}") for symbol, why in sorted(refused.items())]
    for symbol, one in symbols_of(status).items():
        found += _of_symbol(symbol, one, refused=symbol in refused)
    if not symbols_of(status):
        implausible = part(part(status, "symbols"), "not_plausible")
        found += [_implausible(symbol, int(count)) for symbol, count in sorted(implausible.items())]
    weights = (PROBLEM, WARNING, NOTE)
    return sorted(found, key=lambda one: weights.index(one.weight))


def _of_symbol(symbol: str, one: Mapping[str, Any], *, refused: bool) -> list[Remark]:
    found = []
    if one.get("invalid") and not refused:
        found.append(Remark(symbol, PROBLEM, "invalid", "Schwab sends nothing for it: is it written right?"))
    if since := one.get("mute_since"):
        found.append(Remark(symbol, PROBLEM, "mute", f"mute since {_instant(since)}: it trades, and no rows come"))
    if one.get("delayed"):
        found.append(Remark(symbol, WARNING, "delayed", "delayed: Schwab says so of its data"))
    if count := int(one.get("implausible") or 0):
        found.append(_implausible(symbol, count))
    if count := int(one.get("bad_prints") or 0):
        found.append(Remark(symbol, NOTE, "bad print", f"{counted(count, 'bad print')} left out"))
    if unknown := one.get("unknown"):
        found.append(Remark(symbol, NOTE, "unknown", f"Schwab has none yet of {', '.join(map(str, unknown))}"))
    return found


def _implausible(symbol: str, count: int) -> Remark:
    return Remark(symbol, NOTE, "implausible", f"{counted(count, 'value')} left out, not plausible")


def _instant(text: object) -> str:
    try:
        return f"{clock_time(str(text))} New York"
    except ValueError:
        return str(text)
