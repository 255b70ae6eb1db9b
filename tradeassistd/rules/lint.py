"""What `rules check` warns of: the table of its findings, each with the short code it is known by.

A finding is a Problem with a code. What is wrong for certain is refused when the file is read and has the code of
INVALID; everything here may be meant, and most of the time is not.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

INVALID = "invalid"
"""The code of errors."""
WARNING, INFO = "warning", "info"


class Lint(NamedTuple):
    """One kind of finding: how much it matters, what it says, and an example that gets it."""

    severity: str
    doc: str
    example: str = ""


class Note(NamedTuple):
    """What is wrong with a part of a rule and what to write."""

    code: str
    message: str
    hint: str = ""


LINTS = MappingProxyType({
    "never-true": Lint(
        WARNING, "A comparison that no value makes true, a crossing of a level that no value gets past, a `for` longer "
        "than the session.",
        "rsi(close, 14, 5m) > 100",
    ),
    "always-true": Lint(WARNING, "A comparison that every value makes true, or an `any` that leaves none out.",
                        "spread >= 0"),
    "true-at-rest": Lint(
        WARNING, "A condition that holds as long as nothing moves, or no extreme is passed.",
        "pct_change(price, 5m) <= 0.3%",
    ),
    "skipped-bars": Lint(WARNING, "`evaluate: close(5m)` of a condition that reads nothing but shorter bars."),
    "contradiction": Lint(WARNING, "Conditions of an `all` that cannot hold together.", "price > 10 and price < 5"),
    "reversed": Lint(WARNING, "A range whose lower bound is not below its upper one.", "price inside [6900, 6800]"),
    "clears-at-once": Lint(WARNING, "A `clear_when` that holds whenever the rule begins to fire."),
    "ladder-order": Lint(WARNING, "A level that holds whenever the milder one before it does."),
    "units": Lint(WARNING, "A percentage as a plain number or of what goes through zero, an RSI as a fraction.",
                  "pct_change(price, 5m) > 1"),
    "own-window": Lint(WARNING, "The volume of a bar against an average that holds that very bar.",
                       "volume(1m) > 3x * avg(volume, 20, 1m)"),
    "long-window": Lint(
        WARNING,
        "A window of more than 3,000 minutes of trading: unknown where stored bars, backfilled ones among them, do not "
        "reach so far, and after a gap until it is filled.",
        "close(1d) > sma(close, 200, 1d)",
    ),
    "unkept-window": Lint(
        WARNING, "A window that reaches further back than `store.keep.bars`; known where there are settings.",
    ),
    "unknown-value": Lint(WARNING, "A value that the symbol never has: `year` of a future, `{level}` without `levels`.",
                          "price > year.high"),
    "implausible": Lint(WARNING, "A price that the symbol will hardly ever have.", "price > 690000"),
    "no-cooldown": Lint(WARNING, "`cooldown: 0s` on a live price, with nothing else that holds it back."),
    "outside-session": Lint(WARNING, "A time of `evaluate` or `active` at which the symbol is not watched."),
    "inherited-for": Lint(WARNING, "A `for` of the defaults that is skipped because the condition is an event."),
    "inherited-rth": Lint(WARNING, "A future that is watched only in `rth` because of the defaults."),
    "unknown-symbol": Lint(WARNING, "A future that is not in the catalogue, or an index that looks like another."),
    "bare-symbol": Lint(WARNING, "A stock that is more often meant as a future or an index: `ES`, `VIX`."),
    "one-sided": Lint(WARNING, "A `setup` whose stop and target lie on the same side of its entry."),
    "no-end": Lint(WARNING, "`on_clear: tell` on an event, which has no end."),
    "expired": Lint(WARNING, "A rule past its `expires`, a silence past its `until`, a contract that is over."),
    "spent": Lint(WARNING, "A rule with `fire: once` that has told its one alert; known where there is stored state."),
    "unknown-channel": Lint(WARNING, "A channel in `notify` that the settings do not have."),
    "unused-name": Lint(WARNING, "A name of `let` or `values` that nothing uses."),
    "was-in-use": Lint(WARNING, "`was` names a rule that is still there and keeps its state."),
    "ignored-file": Lint(WARNING, "A file whose name does not end in `.yaml`."),
    "idle-route": Lint(WARNING, "A route that no alert takes: none fits it, or routes above it have them all."),
    "no-routes": Lint(WARNING, "`_routes.yaml` is broken, so that alerts go where they would go without it."),
    "idle-silence": Lint(WARNING, "A silence that fits no rule."),
    "no-silences": Lint(WARNING, "`_silences.yaml` is broken, so that it silences nothing."),
    "no-defaults": Lint(WARNING, "`_defaults.yaml` is broken, so that no rule gets it."),
    "no-instruments": Lint(WARNING, "`_instruments.yaml` is broken, so that the built-in facts hold."),
    "text-only": Lint(INFO, "A title or message that reads a symbol or a window which no condition of the rule reads."),
    "partly-spent": Lint(INFO, "Such a rule that has told it on some symbols or levels; the others may still fire."),
    "unchecked-channels": Lint(INFO, "Channels of `_routes.yaml` that were not looked up: there were no settings."),
    "duplicate": Lint(INFO, "Two rules with the same condition on the same symbol."),
})  # fmt: skip
"""By code, in the order of the table."""


def severity_of(code: str) -> str:
    """error, warning or info."""
    return LINTS[code].severity if code in LINTS else "error"
