"""A silence never changes state, only telling (rules.md 4.8)."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.laws.samples import LEVEL, rule
from tests.engine.market import Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.engine.transition import Kind, State, Transition
from tradeassistd.market.tick import Tick

Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(LEVEL - 1, LEVEL + 1)),
        st.tuples(st.just("trade"), st.just(LEVEL + 1)),
        st.tuples(st.just("wait"), st.integers(1, 12)),
        st.tuples(st.just("silence"), st.integers(1, 25)),
        st.tuples(st.just("end"), st.integers(1, 4)),
    ),
    max_size=25,
)
RULES = st.sampled_from([
    rule("price > 100", at_load="fire"), rule("price > 100", at_load="fire", repeat_s=(5,), on_clear="tell"),
    rule("price > 100", for_s=3, keep_firing_for_s=2), rule("price crosses 100", clear="price < 100"),
])  # fmt: skip


def walked(one: Rule, steps: list[Step], *, silent: bool) -> Market:
    """The market of these steps; without silences something that concerns nobody takes their event times."""
    market, number = Market((one,)), 0
    market.image("SPY", "99")
    for what, size in steps:
        match what:
            case "trade":
                market.trade("SPY", str(size))
            case "wait":
                market.wait(size)
            case "silence" if silent:
                number += 1
                market.silence(size, number=number, rules=("r",))
            case "end" if silent:
                market.end_silence(size)
            case _:
                market.acknowledge("nobody")
    return market


def moved(market: Market) -> list[tuple[int, str, str, int]]:
    """What happened to the state."""
    return [
        (one.event_us, one.kind.value, one.state.value, one.since_us)
        for one in market.all
        if one.kind not in (Kind.TOLD, Kind.REMINDED)
    ]


def expected(market: Market) -> Iterator[tuple[int, str, int]]:
    """(event time, kind, start) of everything that is told of firings, reckoned from when silences lie over the rule.

    The state comes from what the engine says of it, which is another law's.
    """
    ends: dict[int, int] = {}
    untold_us = 0
    said: dict[int, list[Transition]] = {}
    for one in market.all:
        said.setdefault(one.event_us, []).append(one)
    for event in market.events:
        now_us = event.event_us
        if isinstance(event, Silence):
            ends[event.number] = event.until_us
        elif isinstance(event, SilenceEnd):
            ends.pop(event.number, None)
        silent = any(now_us < until_us for until_us in ends.values())
        if not isinstance(event, Tick | ClockTurn):
            continue
        over = any(one.kind is Kind.CLEARED for one in said.get(now_us, ())) and isinstance(event, ClockTurn)
        if untold_us and not silent and not over:
            yield now_us, "told", untold_us
            untold_us = 0
        for one in said.get(now_us, ()):
            if one.kind is Kind.FIRED and not silent:
                yield now_us, "fired", one.since_us
            elif one.kind is Kind.FIRED:
                untold_us = one.since_us if one.state is State.FIRING else 0
            elif one.state is State.OK:
                untold_us = 0


@settings(max_examples=150)
@given(RULES, STEPS)
def test_a_silence_changes_no_state_and_what_it_kept_back_is_told_with_its_start_when_it_ends(
    one: Rule, steps: list[Step]
) -> None:
    market = walked(one, steps, silent=True)
    assert moved(market) == moved(walked(one, steps, silent=False))
    told = [
        (found.event_us, found.kind.value, found.since_us)
        for found in market.all
        if found.kind in (Kind.FIRED, Kind.TOLD) and not found.suppressed
    ]
    assert told == list(expected(market))
    unheard = [found.suppressed for found in market.all if found.kind is Kind.FIRED and found.suppressed]
    assert set(unheard) <= {"silence", "at_load"}


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from(["restart", "reload", "nothing"]))
def test_a_silence_outlives_a_restart_and_a_reload(for_s: int, wait_s: int, what: str) -> None:
    one = rule("price > 100")
    market = Market((one,))
    market.image("SPY", "99")
    market.silence(for_s)
    until_us = market.now_us + for_s * US_PER_S
    market.trade("SPY", "101")
    since_us = market.now_us
    if what == "reload":
        market.reload(rule("price > 100", severity="info"))
    elif what == "restart":
        states, said = tuple(market.engine.take_states()), market.engine.silences.in_force(market.now_us)
        market = Market((one,), market.now_us, states, silences=said)
        market.image("SPY", "101")
    found = market.wait(wait_s) + market.wait(for_s)
    assert [(told.kind, told.since_us) for told in found] == [(Kind.TOLD, since_us)]
    assert until_us <= found[0].event_us < until_us + US_PER_S
