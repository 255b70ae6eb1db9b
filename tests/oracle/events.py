"""The plain events a market is made of: what the oracle reads instead of files or frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.oracle.rule import OracleRule

US_PER_S = 1_000_000
GRACE_US = 2 * US_PER_S
"""A bar closes so long after its end when no trade closes it before."""
FIELDS = ("price", "bid", "ask", "volume")


@dataclass(frozen=True, slots=True)
class Row:
    """One change of a symbol's quote.

    `fields` holds what changed (of FIELDS); None is Schwab's zero, "none yet". `size` makes the row a trade at
    `exchange_us` (0: a sample of an index). `image`: the first row after a subscription, whole and never a trade.
    """

    at_us: int
    symbol: str
    fields: Mapping[str, Fraction | None]
    size: int | None = None
    exchange_us: int = 0
    image: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """A whole second."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The feed is lost: nothing is known of any symbol until its next image."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing was seen of `symbols` (none named: of all) up to `to_us`; each is known again from its next image on.

    `timeless`: it takes no event time and nothing is judged at it (a cut of a recorded file).
    """

    at_us: int
    to_us: int
    symbols: tuple[str, ...] = ()
    timeless: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Slow values of a symbol's day; another `contract` than before is a roll."""

    at_us: int
    symbol: str
    open: Fraction | None = None
    high: Fraction | None = None
    low: Fraction | None = None
    prev_close: Fraction | None = None
    status: str = ""
    contract: str = ""
    year_high: Fraction | None = None
    year_low: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """A person has seen the rule's firings (symbol empty: of all symbols)."""

    at_us: int
    rule: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of the rule (symbol empty: on any symbol) from now on until `until_us`."""

    at_us: int
    until_us: int
    number: int
    rule: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class SilenceEnd:
    """The silence of that number is over before its time."""

    at_us: int
    number: int


@dataclass(frozen=True, slots=True)
class Swap:
    """Other rules from now on."""

    at_us: int
    rules: Sequence[OracleRule] = field(default=())


@dataclass(frozen=True, slots=True)
class Restart:
    """The daemon stops and starts again with the same rules: what was seen is lost, what was stored is not."""

    at_us: int


Event = Row | Clock | Lost | Gap | Facts | Ack | Silence | SilenceEnd | Swap | Restart
