"""What one connection sees of the market: the truth, until a data fault is at work. No I/O, no clock.

A client holds what it was sent last, so what a fault kept from it or showed it wrongly is *owed*: it goes out with the
next change of the symbol, or when the fault ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from tradeassistd.base.instant import US_PER_MS
from tradeassistd.sim.faults.board import Faults, Running
from tradeassistd.sim.faults.distort import SHOWN_AT_ONCE, concerns, distorted, far_away
from tradeassistd.sim.market import Batch, Change, Fields, LevelOne

SIZE_MAX = 900
"""Bursts show sizes up to this."""


class Lens:
    """Between a session and the market."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._owed: dict[LevelOne, set[int]] = {}
        self._held: Batch | None = None

    def see(self, batch: Batch) -> Iterable[Batch]:
        """The batches that are sent in place of a true one, in order."""
        if not self._faults.data and not self._owed:
            return (batch,)
        changes = [shown for change in batch.changes if (shown := self._shown(*change)).fields]
        seen = Batch(batch.at_us, changes)
        return self._as_ordered([seen, *self._flicker(seen)])

    def image(self, level_one: LevelOne) -> tuple[str, Fields] | None:
        """Head and fields of an image; None: there is none."""
        true = list(level_one.values.items())
        shown = self._distorted(level_one, true, image=True)
        if shown is None:
            return None
        self._note(level_one, true, shown)
        head = level_one.listing.head
        if any(one.fault.name == "delayed" and concerns(one, level_one.listing) for one in self._faults.data):
            head = head.replace('"delayed":false', '"delayed":true')
        return head, shown

    def begin(self, one: Running, records: Iterable[LevelOne], at_us: int) -> Batch:
        """What a fault shows as soon as it begins."""
        changes = []
        for level_one in records:
            fields: Fields = []
            if not concerns(one, level_one.listing):
                continue
            if one.fault.name == "bad_print":
                fields = self._bad_print(one, level_one, at_us)
            elif one.fault.name in SHOWN_AT_ONCE:
                true = list(level_one.values.items())
                now = distorted(one, level_one, true, False)
                fields = sorted(set(now) - set(true)) if now is not None else []
            if fields:
                one.hits += 1
                self._owed.setdefault(level_one, set()).update(number for number, _ in fields)
                changes.append(Change(level_one, fields))
        return Batch(at_us, changes)

    def catch_up(self, at_us: int) -> list[Batch]:
        """What is owed, as far as no fault stands in its way any more."""
        batches = []
        if self._held is not None and not self._faults.find("swapped_frames"):
            batches.append(self._held)
            for level_one, fields in self._held.changes:  # some of it may have been overtaken
                stale = {number for number, value in fields if level_one.values[number] != value}
                if stale:
                    self._owed.setdefault(level_one, set()).update(stale)
            self._held = None
        changes = [shown for level_one in list(self._owed) if (shown := self._shown(level_one, [])).fields]
        return [*batches, Batch(at_us, changes)] if changes else batches

    def _shown(self, level_one: LevelOne, fields: Fields) -> Change:
        """A change as it is shown, with what is owed as far as that may be seen."""
        own = {number for number, _ in fields}
        owed = [
            (number, level_one.values[number]) for number in sorted(self._owed.get(level_one, ())) if number not in own
        ]
        true = fields + owed
        shown = self._distorted(level_one, true, image=False)
        self._note(level_one, true, shown)
        if shown is None:
            return Change(level_one, [])
        # What is owed and still not true has been seen already.
        return Change(level_one, [one for one, real in zip(shown, true, strict=True) if one[0] in own or one == real])

    def _distorted(self, level_one: LevelOne, fields: Fields, *, image: bool) -> Fields | None:
        shown: Fields | None = fields
        for one in self._faults.data:
            if shown is not None:
                before = shown
                shown = distorted(one, level_one, shown, image)
                one.hits += shown != before
        return shown

    def _note(self, level_one: LevelOne, true: Fields, shown: Fields | None) -> None:
        held = dict(shown or ())
        wrong = {number for number, value in true if held.get(number) != value}
        self._owed.pop(level_one, None)
        if wrong:
            self._owed[level_one] = wrong

    def _bad_print(self, one: Running, level_one: LevelOne, at_us: int) -> Fields:
        layout, off, stamp = level_one.listing.layout, one.fault["away"], str(at_us // US_PER_MS)
        fields = [(layout.last, far_away(level_one, layout.last, off)), (layout.trade_ms, stamp)]
        if one.fault["quote"] and level_one.listing.instrument.has_quote:
            fields += [(number, far_away(level_one, number, off)) for number in (layout.bid, layout.ask)]
            fields.append((layout.quote_ms, stamp))
        return fields

    def _flicker(self, batch: Batch) -> list[Batch]:
        """The further frames of a burst."""
        more = []
        for one in self._faults.data:
            if one.fault.name == "burst":
                for level_one, _ in batch.changes:
                    if concerns(one, level_one.listing):
                        one.hits += 1
                        more += [
                            Batch(batch.at_us, [Change(level_one, self._sizes(one, level_one, batch.at_us))])
                            for _ in range(one.fault["factor"] - 1)
                        ]
        return more

    def _sizes(self, one: Running, level_one: LevelOne, at_us: int) -> Fields:
        layout, stamp = level_one.listing.layout, str(at_us // US_PER_MS)
        if not level_one.listing.instrument.has_quote:
            return [(layout.trade_ms, stamp)]
        sizes = (layout.bid_size, layout.ask_size)
        self._owed.setdefault(level_one, set()).update(sizes)
        return [*((number, str(one.dice.randint(1, SIZE_MAX))) for number in sizes), (layout.quote_ms, stamp)]

    def _as_ordered(self, batches: list[Batch]) -> list[Batch]:
        batches = [batch for batch in batches if batch.changes]
        for one in self._faults.data:
            if one.fault.name == "duplicates":
                batches = [twice for batch in batches for twice in (batch, batch)]
                one.hits += len(batches) // 2
            elif one.fault.name == "swapped_frames":
                batches = self._swap(one, batches)
        return batches

    def _swap(self, one: Running, batches: list[Batch]) -> list[Batch]:
        swapped: list[Batch] = []
        for batch in batches:
            if self._held is None:
                self._held = batch
            else:
                swapped += [batch, self._held]
                for level_one, fields in self._held.changes:  # the older values stand last now
                    self._owed.setdefault(level_one, set()).update(number for number, _ in fields)
                self._held = None
                one.hits += 1
        return swapped
