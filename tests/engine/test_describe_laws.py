"""How a rule stands: what is said of it is what the next judging finds, and saying it changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import asdict

from tests.engine.described import leaf, rule, standing
from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.describing.describe import describe
from tradeassistd.engine.rule import Evaluate
from tradeassistd.engine.transition import Kind
from tradeassistd.market.price import price_from_text
from tradeassistd.rules.grammar import parse

RULES = (
    rule("price > 100", "state"),
    rule("price > 100 and bid > 99", "both", at_load="fire"),
    rule("price > 101 or sym($VIX).price > 20", "either", for_s=2),
    rule("not price < 99", "negated", cooldown_s=3, at_load="fire"),
    rule("price crosses any [99, 101]", "levels"),
    rule("price crosses_above sma(close, 2, 1m)", "average"),
    rule("price enters [99, 101]", "range", session="rth"),
    rule("pct_change(price, 5s) > 1%", "fast", symbols=("SPY", "$VIX")),
    rule("close(1m) crosses_below ema(close, 2, 1m)[1]", "at close", evaluate=Evaluate("1m")),
    rule("price crosses_above 100", "price at close", evaluate=Evaluate("1m")),
    rule("price reaches any [98, 102]", "reached"),
    rule("seq(price crosses_above 100, price crosses_below 99, price reaches 101, within=5m)", "in order"),
    rule("count(price crosses 100, 1m) >= 2 and streak(price > 98, 1m) >= 1", "counted", at_load="fire"),
    rule("price crosses_above day.high or price crosses_below lowest(price, 5s)", "extremes"),
    rule("price > vwap() or close(1m, live) > highest(close, 2, 1m, live)[1]", "average of the day", stale_after_s=40),
    rule("price > opening_range(1m).high or halted or net_pct > 1%", "of the day", clear_when=parse("price < 98")),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(97, 103)),
        st.tuples(st.just("vix"), st.integers(19, 21)),
        st.tuples(st.just("quote"), st.integers(97, 103)),
        st.tuples(st.just("image"), st.integers(97, 103)),
        st.tuples(st.just("wait"), st.sampled_from([1, 3, 70])),
        st.tuples(st.just("cut"), st.just(5)),
        st.tuples(st.just("reload"), st.integers(0, len(RULES))),
    ),
    max_size=30,
)


@dataclass
class Story:
    """A market driven by steps."""

    market: Market

    def take(self, what: str, number: int) -> None:
        market = self.market
        match what:
            case "trade":
                market.trade("SPY", str(number))
            case "vix":
                market.trade("$VIX", str(number), 0)
            case "quote":
                market.quote("SPY", bid=str(number), ask=str(number + 1))
            case "image":
                market.image("SPY", str(number))
            case "wait":
                market.wait(number)
            case "cut":
                market.drop()
                market.resume(after_s=number)
            case "reload":
                market.reload(*RULES[number:], *RULES[:number][:3])

    @property
    def states(self) -> list[dict[str, Any]]:
        return [asdict(machine.state) for machine in self.market.engine.machines]


# The moments at which a look could do harm: a value that is not judged yet, and a cut that nobody has looked across.
@example([("trade", 97), ("wait", 70), ("trade", 103), ("wait", 70)])
@example([("trade", 97), ("cut", 5), ("quote", 97), ("trade", 103)])
@example([("trade", 97), ("wait", 70), ("trade", 99), ("wait", 70), ("trade", 103), ("trade", 98), ("trade", 102)])
@given(STEPS)
def test_describing_at_any_moment_changes_no_later_transition(steps: list[tuple[str, int]]) -> None:
    # From just before the opening on, so that what belongs to the session becomes known.
    seen, unseen = (Story(Market(RULES, now_us=MONDAY_RTH_US - 1830 * US_PER_S)) for _ in range(2))
    for step in steps:
        for one in RULES:
            first, again = describe(seen.market.engine, one.id), describe(seen.market.engine, one.id)
            assert first == again
        seen.take(*step)
        unseen.take(*step)
        assert seen.market.all == unseen.market.all
        assert seen.states == unseen.states
    assert [state.series.keys() for state in seen.market.engine.symbols.values()] == [
        state.series.keys() for state in unseen.market.engine.symbols.values()
    ]


@given(STEPS)
def test_what_is_said_of_a_state_is_what_was_judged(steps: list[tuple[str, int]]) -> None:
    story = Story(Market((rule("price > 100 and (bid > 99 or sym($VIX).price > 20)", "r"),)))
    for step in steps:
        if step[0] == "reload":
            continue
        story.take(*step)
        one = standing(story.market)
        if one.condition.outcome is not None and not one.why and one.judged_us:
            assert one.condition.outcome is (one.state == "firing")
        if one.condition.outcome is True:
            assert one.condition.distance_pct == 0.0


@given(STEPS)
def test_an_event_that_is_near_happens_when_its_level_is_passed(steps: list[tuple[str, int]]) -> None:
    story = Story(Market((rule("price crosses any [99, 101]"),)))
    for step in steps:
        if step[0] != "reload":
            story.take(*step)
    one = leaf(story.market)
    if one.outcome is None or one.why or one.right is None or one.distance is None:
        return
    beyond = one.right + (0.5 if one.distance > 0 else -0.5)
    told = story.market.trade("SPY", str(beyond))
    side = one.side.split(", ")[0 if one.right == 99.0 else 1]
    if side in ("below", "above") and (side == "below") == (one.distance > 0):
        # Right after a cut it is a missed one.
        assert [transition.kind in (Kind.FIRED, Kind.MISSED) for transition in told] == [True]
        assert told[0].price == price_from_text(str(beyond))
