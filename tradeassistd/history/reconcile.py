"""Counts in what Schwab's minutes differ from those made of trades. Nothing is put right: rules saw what they saw.

Schwab's level one is conflated, so a high between two rows, or a part of the volume, may be in its bar and not in ours;
how often and by how much is what a trader wants to know of the data the rules run on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tradeassistd.base.instant import iso
from tradeassistd.history.gaps import MINUTE_US
from tradeassistd.market.bar import Bar
from tradeassistd.market.price import PRICE_SCALE

PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume")


@dataclass(slots=True)
class FieldTally:
    """Of one field: in how many minutes it differs, and where by how much at most."""

    count: int = 0
    most: int = 0
    """Greatest difference, official less ours by absolute value: a scaled price, or a volume."""
    most_us: int = 0
    """The minute of it."""

    def note(self, difference: int, at_us: int) -> None:
        if difference:
            self.count += 1
            if abs(difference) > abs(self.most):
                self.most, self.most_us = difference, at_us


@dataclass(slots=True)
class Tally:
    """Of one symbol: minutes that both have, how many of them differ and in what; minutes that only one has."""

    compared: int = 0
    differing: int = 0
    only_ours: int = 0
    """Minutes with trades of which Schwab has no bar."""
    only_official: int = 0
    """Minutes that were watched and brought no trade, and of which Schwab has a bar."""
    fields: dict[str, FieldTally] = field(default_factory=lambda: {name: FieldTally() for name in FIELDS})

    @property
    def agrees(self) -> bool:
        """Whether no difference was found."""
        return not (self.differing or self.only_ours or self.only_official)

    def compare(self, ours: Bar, official: Bar) -> None:
        """One minute that both have."""
        self.compared += 1
        differences = [(name, getattr(official, name) - getattr(ours, name)) for name in FIELDS]
        self.differing += any(difference for _, difference in differences)
        for name, difference in differences:
            self.fields[name].note(difference, ours.start_us)

    def document(self) -> dict[str, Any]:
        """For `status`, the API and `--json`: prices in points."""
        return {
            "compared": self.compared, "differing": self.differing, "only_ours": self.only_ours,
            "only_official": self.only_official,
            "fields": {
                name: {"count": one.count, "most": one.most / (1 if name == "volume" else PRICE_SCALE),
                       "most_at": iso(one.most_us)}
                for name, one in self.fields.items() if one.count
            },
        }  # fmt: skip


def watched_minutes(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The whole minutes within spans of watching."""
    for from_us, to_us in spans:
        first_us, last_us = -(-from_us // MINUTE_US) * MINUTE_US, to_us // MINUTE_US * MINUTE_US
        if first_us < last_us:
            yield first_us, last_us


def compare(
    tally: Tally, ours: Mapping[int, Bar], official: Mapping[int, Bar], watched: Sequence[tuple[int, int]]
) -> None:
    """Every minute of the spans `watched` in which either has a bar, by the minute's start.

    `watched` are whole minutes in which all trades were seen and all official bars are known.
    """
    for start_us in sorted(ours.keys() | official.keys()):
        if not any(from_us <= start_us < to_us for from_us, to_us in watched):
            continue
        mine, theirs = ours.get(start_us), official.get(start_us)
        if mine is not None and theirs is not None:
            tally.compare(mine, theirs)
        elif mine is not None:
            tally.only_ours += 1
        else:
            tally.only_official += 1
