"""States hold, events happen and are over (rules.md 4.4)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.laws.samples import LEVEL, PRICES, rises_and_falls, run
from tests.rules.rule_texts import load
from tests.rules.rule_texts import rule as read_rule
from tradeassistd.engine.language.expression import Combine, Expression, Not
from tradeassistd.engine.language.kinds import EVENT, STATE, ExpressionError, check
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.transition import Kind, State
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.grammar import parse

STATES = ["price > 1", "price != 1", "price inside [1, 2]", "price outside [1, 2]", "halted"]
EVENTS = ["price crosses 1", "price reaches any [1, 2]", "price enters [1, 2]", "price exits [1, 2]",
          "price crosses_above 1", "seq(price crosses 1, price crosses 2, within=5m)"]  # fmt: skip
LEAVES = st.sampled_from([*STATES, *EVENTS])

# A tree as nested lists: a text, ["not", tree], or ["and" | "or", tree, tree, ...].
Shape = str | list["Shape"]
SHAPES: st.SearchStrategy[Shape] = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        below.map(lambda one: ["not", one]),
        st.builds(lambda op, items: [op, *items], st.sampled_from(["and", "or"]),
                  st.lists(below, min_size=2, max_size=3)),
    ),
    max_leaves=5,
)  # fmt: skip


def built(shape: Shape) -> Expression:
    if isinstance(shape, str):
        return parse(shape)
    op, *items = shape
    trees = tuple(map(built, items))
    return Not(trees[0]) if op == "not" else Combine(str(op), trees)


def kind_of(shape: Shape) -> str | None:
    """What rules.md says it is; None: an error."""
    if isinstance(shape, str):
        return EVENT if shape in EVENTS else STATE
    op, *items = shape
    kinds = [kind_of(item) for item in items]
    if None in kinds:
        return None
    match op, kinds.count(EVENT):
        case _, 0:
            return STATE
        case "and", 1:
            return EVENT
        case "or", events if events == len(kinds):
            return EVENT
    return None


@given(SHAPES)
def test_all_takes_one_event_any_takes_one_kind_and_not_takes_states(shape: Shape) -> None:
    try:
        found = check(built(shape), instrument_of("SPY"))
    except ExpressionError:
        assert kind_of(shape) is None
    else:
        assert found == kind_of(shape)


@given(PRICES)
def test_a_state_fires_once_per_rise_and_clears_once_per_fall(prices: list[int]) -> None:
    market = run("price > 100", prices)
    holds = [price > LEVEL for price in prices]
    assert market.kinds() == rises_and_falls(holds)
    quiet = [one.suppressed for one in market.all if one.kind is Kind.FIRED]
    assert quiet == ["at_load" if holds[0] and not index else "" for index in range(len(quiet))]


@given(PRICES)
def test_an_event_is_over_at_once(prices: list[int]) -> None:
    market = run("price crosses 100", [])
    state = market.engine.machines[0].state
    for price in prices:
        for one in market.trade("SPY", str(price)):
            assert (one.kind, one.state, one.since_us) == (Kind.FIRED, State.OK, market.now_us)
        assert (state.state, state.since_us, state.untold) == (State.OK, 0, False)


@given(PRICES)
def test_clear_when_latches_an_event_and_arms_it_again(prices: list[int]) -> None:
    market = run("price crosses 100", prices, clear="price > 102")
    expected, firing = list[str](), False
    side: bool | None = None
    for price in prices:
        now = side if price == LEVEL else price > LEVEL
        happened, side = side is not None and now != side, now
        if firing and price > 102:
            firing = False
            expected.append("cleared")
        elif happened and not firing:
            firing = True
            expected.append("fired")
    assert market.kinds() == expected
    assert (market.engine.machines[0].state.state is State.FIRING) is firing


STATE_KEYS = {"for": "5m", "repeat": "[5m]", "keep_firing_for": "3m"}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("key", STATE_KEYS)
def test_what_only_states_have_is_an_error_on_an_event_and_skipped_when_inherited(key: str, event: str) -> None:
    line = f"{key}: {STATE_KEYS[key]}"
    (problem,) = load(line, when=event).problems
    assert f".{key}:" in str(problem)
    inherited: Rule = read_rule(when=event, top=f"defaults: {{{line}}}\n")
    assert (inherited.for_s, inherited.repeat_s, inherited.keep_firing_for_s) == (0, (), 0)
    on_state = read_rule(when="price > 1", top=f"defaults: {{{line}}}\n")
    assert (on_state.for_s, on_state.repeat_s, on_state.keep_firing_for_s) != (0, (), 0)


@given(PRICES)
def test_one_event_among_states_happens_only_while_they_hold(prices: list[int]) -> None:
    market = run("price crosses 100 and price != 102", prices)
    seen = [(price, price > LEVEL) for price in prices if price != LEVEL]
    happened = [now != before and price != 102 for (_, before), (price, now) in pairwise(seen)]
    assert len(market.all) == sum(happened)
