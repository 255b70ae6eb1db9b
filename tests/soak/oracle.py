"""What must have been told, from the true prices and from when the daemon says it saw nothing; nothing of the engine.

A crossing is a move from strictly one side of a level to strictly the other (rules.md 4.2). It has to be a live alert
at its own instant; over a cut (a declared gap, a closed market) it has to be one missed crossing at the first row after
it; and there must be no other alert. While a fault distorts a symbol's prices, what is told may come late, up to the
fault's end, but has to be true.

The first row after a cut ends it, whatever it changes: Schwab sends only what changed, so beside the first bid and ask
of a session yesterday's last trade is the current price (rules.md 4.1). The first trade after that is watched, and a
level it jumps is crossed live; where the first row is that trade itself, the crossing is a missed one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.soak.rules import COOLDOWN_S, Level
from tests.soak.truth import Row
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.engine.transition import Kind, Transition
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.price import price_text
from tradeassistd.market.session import trading_window_at

TOLERANCE_US = US_PER_S // 2
"""An event comes so long after its row at most: the frame's way, and the events of the same instant."""
NEVER_US = 2**62


class Span(NamedTuple):
    """Both ends included."""

    from_us: int
    to_us: int


@dataclass
class Seen:
    """What the daemon saw of a symbol: `blind` are the spans in which it saw nothing, each up to the first image after
    it; in `doubt` its prices were distorted."""

    blind: list[Span]
    doubt: list[Span]
    rows: list[int] = field(default_factory=list)
    """When its rows came, those without a trade too."""

    def event_us(self, at_us: int) -> int:
        """The event time of the row of that instant."""
        place = bisect_left(self.rows, at_us)
        return self.rows[place] if place < len(self.rows) and self.rows[place] <= at_us + TOLERANCE_US else at_us

    def first_row_us(self, from_us: int) -> int:
        """When the first row came from then on."""
        place = bisect_left(self.rows, from_us)
        return self.rows[place] if place < len(self.rows) else NEVER_US


class Step(NamedTuple):
    """One price as the daemon had to see it. `cut`: something may have happened since the step before."""

    at_us: int
    price: int
    contract: int
    cut: bool
    doubt: Span | None


class Expected(NamedTuple):
    """An alert that must be there between two instants; `kinds` are those it may have."""

    from_us: int
    to_us: int
    kinds: tuple[Kind, ...]


@dataclass
class Verdict:
    """What the oracle found; `problems` are what is wrong, and `live`, `missed` and `told` are counts."""

    problems: list[str] = field(default_factory=list)
    live: int = 0
    missed: int = 0
    told: int = 0
    suppressed: int = 0
    rows: int = 0


def steps(symbol: str, rows: Iterable[Row], seen: Seen) -> Iterator[Step]:
    """The prices that are judged: rows outside blind spans, the image after each, and what stands as the last trade at
    the first row of a session, while the symbol trades."""
    instrument = instrument_of(symbol)
    blind, doubt = iter(seen.blind), list(seen.doubt)
    span = next(blind, None)
    last: Row | None = None
    window, cut = None, True
    unjudged: list[Row] = []  # and, first, the last one that was judged

    def judged(at_us: int, price: int, contract: int) -> Iterator[Step]:
        nonlocal window, cut
        now = trading_window_at(instrument, seen.event_us(at_us))
        if now is None:
            cut = True
            return
        opening, window = now != window, now
        first_us = seen.first_row_us(now.open_us) if opening else at_us
        stood = [row for row in unjudged if row.at_us <= first_us and row.contract == contract]
        if first_us < at_us and stood:
            yield step(first_us, stood[-1].price, contract, True)
            opening = cut = False
        yield step(at_us, price, contract, cut or opening)
        del unjudged[:-1]
        cut = False

    def step(at_us: int, price: int, contract: int, cut: bool) -> Step:
        while doubt and doubt[0].to_us < at_us:
            doubt.pop(0)
        return Step(at_us, price, contract, cut, doubt[0] if doubt and doubt[0].from_us <= at_us else None)

    for row in rows:
        while span is not None and row.at_us > span.to_us:
            cut = True
            if last is not None and last.at_us <= span.to_us:
                yield from judged(span.to_us, last.price, last.contract)
            span = next(blind, None)
        last = row
        unjudged.append(row)
        if span is not None and row.at_us > span.from_us:
            continue
        yield from judged(*row)
    while span is not None and last is not None:
        cut = True
        yield from judged(span.to_us, last.price, last.contract)
        span = next(blind, None)


def expected(level: int, prices: Sequence[Step]) -> Iterator[tuple[Expected, bool]]:
    """The alerts of one level, and whether each must be there (else it may)."""
    side, contract = 0, prices[0].contract if prices else 0
    loose = False  # nobody knows whether the cut before a span of doubt has ended in it
    for doubted, group in _grouped(prices):
        if doubted is not None:
            before, lows = side, [step.price for step in group]
            for step in group:
                if step.contract != contract:
                    side, before, contract = 0, 0, step.contract
                side = _side(step.price, level) or side
            if min(lows) <= level <= max(lows) or (before and side != before):
                span = Expected(doubted.from_us, doubted.to_us, (Kind.FIRED, Kind.MISSED))
                yield span, bool(before and side != before)
            loose = True
            continue
        for step in group:
            if step.contract != contract:
                side, contract = 0, step.contract
            now = _side(step.price, level)
            loose = loose and not step.cut
            if now and side and now != side:
                kinds = (Kind.FIRED, Kind.MISSED) if loose else (Kind.MISSED,) if step.cut else (Kind.FIRED,)
                yield Expected(step.at_us, step.at_us + TOLERANCE_US, kinds), True
            if now:
                side, loose = now, False


def judge(level: Level, prices: Sequence[Step], alerts: Sequence[Transition], verdict: Verdict) -> None:
    """Hold the daemon's transitions of one rule against what must be."""
    told_us = -(2**62)
    unused = {one.event_us: one for one in alerts if one.kind in (Kind.FIRED, Kind.MISSED)}
    times = sorted(unused)
    for must, needed in expected(level.price, prices):
        found = []
        for at_us in times[bisect_left(times, must.from_us - TOLERANCE_US) :]:
            if at_us > must.to_us:
                break
            if at_us in unused and unused[at_us].kind in must.kinds:
                found.append(at_us)
                if must.to_us - must.from_us <= TOLERANCE_US:
                    break
        if not found and needed:
            verdict.problems.append(
                f"lost: {level.rule_id} {price_text(level.price)} crossed at {iso(must.from_us)}, "
                f"no alert of kind {'/'.join(must.kinds)}"
            )
        for at_us in found:
            one = unused.pop(at_us)
            verdict.live += one.kind is Kind.FIRED
            verdict.missed += one.kind is Kind.MISSED
    for one in unused.values():
        verdict.problems.append(f"false: {level.rule_id} {one.kind} at {iso(one.event_us)}, price {one.price}")
    for one in sorted(alerts, key=lambda one: one.event_us):
        if one.kind not in (Kind.FIRED, Kind.MISSED):
            continue
        rests = one.event_us - told_us < COOLDOWN_S * US_PER_S
        if one.suppressed != ("cooldown" if rests else ""):
            verdict.problems.append(
                f"told wrongly: {level.rule_id} at {iso(one.event_us)} is {one.suppressed or 'told'}, last told "
                f"{(one.event_us - told_us) / US_PER_S:.0f} s before"
            )
        if not one.suppressed:
            told_us = one.event_us
        verdict.told += not one.suppressed
        verdict.suppressed += bool(one.suppressed)


def _side(price: int, level: int) -> int:
    return (price > level) - (price < level)


def _grouped(prices: Sequence[Step]) -> Iterator[tuple[Span | None, list[Step]]]:
    """Steps in a row that lie in the same span of doubt, or in none."""
    group: list[Step] = []
    for step in prices:
        if group and step.doubt != group[-1].doubt:
            yield group[-1].doubt, group
            group = []
        group.append(step)
    if group:
        yield group[-1].doubt, group
