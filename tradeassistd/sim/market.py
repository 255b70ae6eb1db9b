"""What the simulator asks of a market: changes in market time, and the state after those passed so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from tradeassistd.sim.listing import Listing

Fields = list[tuple[int, str]]
"""Field numbers with their values as JSON text."""


class LevelOne:
    """The level-one record of one instrument: what it is, and every field's value after the changes so far."""

    __slots__ = ("listing", "values")

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.values = dict(listing.still)

    def put(self, fields: Iterable[tuple[int, str]], always: Iterable[tuple[int, str]] = ()) -> Fields:
        """Store `fields` and tell which of them changed; `always` is stored and told changed or not."""
        values = self.values
        changed = [field for field in fields if values.get(field[0]) != field[1]]
        changed.extend(always)
        values.update(changed)
        return changed


class Change(NamedTuple):
    """One content item to be: the record it belongs to and the fields that changed."""

    level_one: LevelOne
    fields: Fields


class Batch(NamedTuple):
    """All changes of one millisecond, which travel in one frame. `at_us` is that millisecond, in microseconds."""

    at_us: int
    changes: list[Change]


class Market(Protocol):
    """Moves only when `step` is called; knows nothing of clients, speed or clocks."""

    @property
    def start_us(self) -> int:
        """Market time before the first change, UTC microseconds."""
        ...

    @property
    def seed(self) -> int:
        """Of what is made up before the start; a made-up market's own."""
        ...

    @property
    def symbols(self) -> list[str]:
        """Every key a client may subscribe at present."""
        ...

    def first_price(self, key: str) -> int:
        """The scaled price at which `key` stands at the start, or trades first after it; 0 when it never does."""
        ...

    def find(self, key: str) -> LevelOne | None:
        """The record a client means by `key`, or None when nothing is listed under it."""
        ...

    def next_us(self) -> int | None:
        """Market time of the next change, which may lie within its millisecond; None after the last."""
        ...

    def step(self, before_us: int) -> Batch:
        """Apply the changes of the next millisecond, as far as they come before `before_us`, and return them.

        Call only while `next_us` is not None and earlier than `before_us`.
        """
        ...
