"""Holds what a soak left on disk against the truth: alerts, gaps, replay, deliveries, memory."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from tests.soak.memory import SLOPE_KB_MAX, slope_kb
from tests.soak.oracle import TOLERANCE_US, Seen, Span, Step, Verdict, judge, steps
from tests.soak.rules import SYMBOLS, levels
from tests.soak.truth import Truth
from tests.soak.week import Run
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.engine.events import ON_LINE, Connection, Event, Gap
from tradeassistd.engine.transition import Transition
from tradeassistd.history.replay import replay
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts
from tradeassistd.store import queries
from tradeassistd.store.tape_past import read_tapes

IMAGE_WITHIN_US = 2 * US_PER_S
DOUBT_US = 15 * US_PER_S
"""So long after a fault that distorts prices the next change of every symbol has come."""
OWN = "!tradeassist"
"""What the daemon says of itself is no transition of a rule."""
PROBLEMS_SHOWN_MAX = 40


class Taped:
    """What the tapes say of the soak's symbols."""

    def __init__(self, run: Run) -> None:
        self.gaps: list[Gap] = []
        self.on_line: list[int] = []
        self.refused: list[tuple[int, str]] = []
        self.images: dict[str, list[int]] = defaultdict(list)
        self.ticks: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
        self.last_us = 0
        for event in events(run):
            self.last_us = event.event_us
            if isinstance(event, Tick) and event.symbol in SYMBOLS:
                self.ticks[event.symbol].append((event.event_us, event.last))
                if event.changed & Field.IMAGE:
                    self.images[event.symbol].append(event.event_us)
            elif isinstance(event, Gap):
                self.gaps.append(event)
            elif isinstance(event, Connection) and event.state in ON_LINE:
                self.on_line.append(event.event_us)
                if event.state == "degraded":
                    self.refused.append((event.event_us, event.reason))

    def blind(self, symbol: str, problems: list[str]) -> list[Span]:
        """Declared gaps of the symbol, each up to the first image after it; those without an image between are one."""
        spans: list[Span] = []
        images = self.images[symbol]
        for gap in self.gaps:
            if gap.symbols and symbol not in gap.symbols:
                continue
            place, online = bisect_left(images, gap.event_us), bisect_left(self.on_line, gap.event_us)
            to_us = images[place] if place < len(images) else self.last_us
            # Images come one request after the other, until the line is said to be up.
            up_us = gap.to_us if gap.symbols or online == len(self.on_line) else self.on_line[online]
            excused = any(symbol in reason and gap.from_us <= at_us <= to_us for at_us, reason in self.refused)
            if (
                to_us - max(up_us, gap.to_us) > IMAGE_WITHIN_US
                and not excused
                and not self._next_gap_before(gap, to_us)
            ):
                problems.append(f"{symbol}: no image within 2 s of the gap that ended {iso(gap.to_us)}")
            if spans and gap.from_us <= spans[-1].to_us < gap.event_us:
                spans.append(Span(spans[-1].to_us, to_us))  # a line that went mute begins with its last row, the image
            elif spans and gap.from_us <= spans[-1].to_us:
                spans[-1] = Span(spans[-1].from_us, max(spans[-1].to_us, to_us))
            else:
                spans.append(Span(gap.from_us, to_us))
        return spans

    def _next_gap_before(self, gap: Gap, at_us: int) -> bool:
        return any(gap.event_us < other.event_us <= at_us for other in self.gaps)


def events(run: Run, from_us: int = 0) -> Iterator[Event]:
    """Every event of the tapes from an instant on, in order."""
    return read_tapes(sorted(queries.tape_paths(run.folder / "state")), from_us)


def check_all(run: Run, truth: Truth) -> Verdict:
    """Every check; `problems` of the verdict hold those of the run, too."""
    verdict = Verdict(problems=list(run.problems))
    taped = Taped(run)
    stored: dict[str, list[Transition]] = defaultdict(list)
    for one in queries.transitions(run.folder / "state"):
        stored[one.rule_id].append(one)
    for symbol in SYMBOLS:
        doubt = [Span(begin_us, over_us + DOUBT_US) for begin_us, over_us, of in sorted(run.distorted)
                 if not of or symbol in of]  # fmt: skip
        rows = [at_us for at_us, _ in taped.ticks[symbol]]
        blind = taped.blind(symbol, verdict.problems)
        seen = Seen(blind, [_to_the_image(one, blind) for one in doubt], rows)
        prices = list(steps(symbol, truth.of(symbol), seen))
        _check_rows(symbol, prices, taped, verdict)
        for level in levels():
            if level.symbol == symbol:
                judge(level, prices, stored[level.rule_id], verdict)
    _check_replay(run, verdict)
    _check_deliveries(run, verdict)
    slope = slope_kb(run)
    if slope is not None and slope > SLOPE_KB_MAX:
        verdict.problems.append(f"memory grows by {slope:.0f} KB a day")
    return verdict


def _to_the_image(doubt: Span, blind: list[Span]) -> Span:
    """What a fault hid to its end is not known before the next image when the line was down by then."""
    for span in blind:
        if span.from_us <= doubt.to_us < span.to_us:
            doubt = doubt._replace(to_us=span.to_us)
    return doubt


def _check_rows(symbol: str, prices: list[Step], taped: Taped, verdict: Verdict) -> None:
    """Every true price outside gaps and doubt is on the tape, at its time."""
    ticks = taped.ticks[symbol]
    times = [at_us for at_us, _ in ticks]
    for step in prices:
        verdict.rows += 1
        if step.doubt is not None or step.at_us > taped.last_us - US_PER_S:
            continue
        first = bisect_left(times, step.at_us - TOLERANCE_US)
        near = (last for at_us, last in ticks[first : first + 2_000] if at_us <= step.at_us + TOLERANCE_US)
        if step.price not in near:
            verdict.problems.append(f"undeclared: {symbol} {step.price} of {iso(step.at_us)} is not on the tape")


def _check_replay(run: Run, verdict: Verdict) -> None:
    state = run.folder / "state"
    again = replay(
        events(run), lambda digest: load_texts(dict(queries.rule_texts(state, digest))).rule_set, partial(events, run)
    )
    stored = [one for one in queries.transitions(state) if one.rule_id != OWN]
    count = 0
    for count, one in enumerate(again, 1):
        if count > len(stored) or one != stored[count - 1]:
            verdict.problems.append(f"replay: transition {count} is {one}, stored is {stored[count - 1 : count]}")
            return
    if count != len(stored):
        verdict.problems.append(f"replay: {count} transitions, stored are {len(stored)}")


def _check_deliveries(run: Run, verdict: Verdict) -> None:
    """Whatever was told has arrived, and once."""
    counts = queries.delivery_counts(run.folder / "state").get("desk", {})
    sent = counts.get("sent", 0)
    if left := {state: count for state, count in counts.items() if state not in ("sent", "folded") and count}:
        verdict.problems.append(f"deliveries that did not arrive: {left}")
    if sent != run.posts - run.repeats:
        verdict.problems.append(f"{sent} deliveries are stored as sent, {run.posts - run.repeats} arrived")
