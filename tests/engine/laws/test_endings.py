"""How a firing ends: `clear_when`, `keep_firing_for`, and what arms it again (rules.md 4.7)."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.laws.samples import LEVEL, run
from tradeassistd.base.instant import US_PER_S


@dataclass
class Ending:
    """How long it goes on firing, reckoned beside the engine: `over` is what ends it, None while that is unknown."""

    keep_us: int
    kinds: list[str] = field(default_factory=list)
    firing: bool = False
    armed: bool = True
    holds: bool = False
    held_us: int = 0
    since_us: int = 0

    def time(self, now_us: int) -> None:
        if self.firing and self.since_us and self.held_us + now_us - self.since_us >= self.keep_us:
            self.clear()

    def judged(self, now_us: int, holds: bool | None, over: bool | None) -> None:
        if over is None and self.since_us:
            self.held_us, self.since_us = self.held_us + now_us - self.since_us, 0
        self.holds = self.holds if holds is None else holds
        if self.firing and over is not None:
            self.since_us = 0 if not over else self.since_us or now_us
            self.held_us = self.held_us if over else 0
            if over and not self.keep_us:
                self.clear()
        elif not self.firing and holds is not None:
            self.armed = self.armed or not holds
            if holds and self.armed:
                self.firing, self.held_us, self.since_us = True, 0, 0
                self.kinds.append("fired")

    def clear(self) -> None:
        self.firing, self.armed = False, not self.holds
        self.held_us = self.since_us = 0
        self.kinds.append("cleared")


PRICES_AND_BREAKS = st.sampled_from([98, 100, 98, 101, 101, 103, None, "gap"])
STEPS = st.lists(st.tuples(PRICES_AND_BREAKS, st.integers(0, 6)), max_size=20)


@settings(max_examples=200)
@given(STEPS, st.sampled_from([0, 0, 5]), st.sampled_from(["", "price < 99", "price > 102"]))
def test_what_ends_a_firing_holds_for_so_long_and_arms_it_when_seen_not_true(
    path: list[tuple[int | str | None, int]], keep_s: int, clear: str
) -> None:
    market = run("price > 100", [], clear=clear, keep_firing_for_s=keep_s, at_load="fire")
    model, last = Ending(keep_s * US_PER_S), None
    for step, seconds in path:
        if step == "gap":
            market.gap("SPY")
            model.time(market.now_us)
            model.held_us = model.since_us = 0
            market.image("SPY")
        elif step is None:
            market.none_yet("SPY")
            last = None
        else:
            market.trade("SPY", str(step))
            last = int(step)
        model.time(market.now_us)
        over = None if last is None else {"": last <= LEVEL, "price < 99": last < 99}.get(clear, last > 102)
        model.judged(market.now_us, None if last is None else last > LEVEL, over)
        market.wait(seconds)
        model.time(market.now_us)
        assert market.kinds() == model.kinds
