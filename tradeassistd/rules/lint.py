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


LINTS = MappingProxyType({
    "never-true": Lint(
        WARNING, "A comparison that no value makes true, or a crossing of a level that no value gets past.",
        "rsi(close, 14, 5m) > 100",
    ),
    "always-true": Lint(WARNING, "A comparison that every value makes true, or an `any` that leaves none out.",
                        "spread >= 0"),
    "contradiction": Lint(WARNING, "Conditions of an `all` that cannot hold together.", "price > 10 and price < 5"),
    "reversed": Lint(WARNING, "A range whose lower bound is above its upper one.", "price inside [6900, 6800]"),
    "units": Lint(WARNING, "A percentage written as a plain number, an RSI written as a fraction.",
                  "pct_change(price, 5m) > 1"),
    "own-window": Lint(WARNING, "The volume of a bar against an average that holds that very bar.",
                       "volume(1m) > 3x * avg(volume, 20, 1m)"),
    "long-window": Lint(
        WARNING, "A window longer than what is kept to fill it: unknown for as long after every start.",
        "close(1d) > sma(close, 200, 1d)",
    ),
    "unknown-value": Lint(WARNING, "A value that the symbol never has: `year` of a future, `{level}` without `levels`.",
                          "price > year.high"),
    "no-cooldown": Lint(WARNING, "`cooldown: 0s` on a live price, with nothing else that holds it back."),
    "outside-session": Lint(WARNING, "A time of `evaluate` or `active` at which the symbol is not watched."),
    "inherited-for": Lint(WARNING, "A `for` of the defaults that is skipped because the condition is an event."),
    "inherited-rth": Lint(WARNING, "A future that is watched only in `rth` because of the defaults."),
    "bare-symbol": Lint(WARNING, "A stock that is more often meant as a future or an index: `ES`, `VIX`."),
    "no-end": Lint(WARNING, "`on_clear: tell` on an event, which has no end."),
    "expired": Lint(WARNING, "A rule that is past its `expires`."),
    "unknown-channel": Lint(WARNING, "A channel in `notify` that the settings do not have."),
    "unused-name": Lint(WARNING, "A name of `let` or `values` that nothing uses."),
    "was-in-use": Lint(WARNING, "`was` names a rule that is still there and keeps its state."),
    "ignored-file": Lint(WARNING, "A file whose name does not end in `.yaml`."),
    "no-defaults": Lint(WARNING, "`_defaults.yaml` is broken, so that no rule gets it."),
    "duplicate": Lint(INFO, "Two rules with the same condition on the same symbol."),
})  # fmt: skip
"""By code, in the order of the table."""


def severity_of(code: str) -> str:
    """error, warning or info."""
    return LINTS[code].severity if code in LINTS else "error"
