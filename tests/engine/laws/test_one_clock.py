"""One ordered sequence of events in, the same transitions out, bit for bit (rules.md 4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.laws.samples import DAY_US, condition, rule
from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, RulesSwap, Start
from tradeassistd.engine.rule import Evaluate, Fire, Level, Move, Rule, RuleSet
from tradeassistd.engine.silences import Silence
from tradeassistd.engine.transition import RuleState, Transition

STEPS = tuple(Level(condition(f"price > {level}"), None, "notice") for level in (100, 101, 102))
LASTING = (
    rule("price > 100", id="state", clear="price < 99", repeat_s=(5, 60), on_clear="tell", cooldown_s=20),
    rule("price > 101", id="once", fire=Fire("once")),
    rule("price > 101", id="budget", max_per_session=2, rearm=Move(Fraction(1), "%")),
    rule("price > 99", id="bar", fire=Fire("once_per_bar", "1m"), session="rth"),
    Rule("ladder", ("SPY",), STEPS[0].when, ladder=STEPS, cooldown_s=10),
    rule("price crosses any [99, 101]", id="cross"),
    rule("price reaches 102", id="reach"),
    rule("price enters [99, 101]", id="range", clear="price > 102"),
    rule("seq(price crosses 99, price crosses 101, within=1m)", id="seq"),
)
"""Everything a stored state carries over a restart: after one they go on as before when no price moved."""
PASSING = (
    rule("price > 100", id="for", for_s=4, keep_firing_for_s=6),
    rule("price crosses sma(close, 2, 1m)", id="average", symbols=("SPY", "QQQ")),
    rule("pct_change(price, 5s) > 1%", id="change"),
    rule("price > day.high", id="high"),
    rule("price > highest(price, 9s)", id="highest"),
    rule("price > vwap()", id="vwap"),
    rule("count(price crosses 100, 9s) >= 2", id="count"),
    rule("streak(close(1m) > 100, 1m) >= 2", id="streak"),
    rule("price > sym(QQQ).price", id="other", stale_after_s=30),
    rule("close(1m) > 100", id="close", evaluate=Evaluate("1m"), fire=Fire("each_bar", "1m")),
)
"""Rules on what is watched over time."""
SETS = (LASTING + PASSING, PASSING + LASTING[:4], LASTING[2:])
PRICES = st.integers(98, 103)
STEP = st.one_of(
    st.tuples(st.just("trade"), PRICES), st.tuples(st.just("trade"), PRICES), st.tuples(st.just("wait"), PRICES),
    st.tuples(st.sampled_from(["other", "quote", "unknown", "gap", "drop", "reload", "restart", "ack", "facts", "day"]),
              PRICES),
)  # fmt: skip
Step = tuple[str, int]


class Daemon(Market):
    """A market whose states are stored after every event, so that it can end and begin anew."""

    def __post_init__(self) -> None:
        self.stored: dict[tuple[str, str, int, str], RuleState] = {}
        self.sets: dict[str, tuple[Rule, ...]] = {"": self.rules}
        super().__post_init__()

    def reload(self, *rules: Rule, silences: tuple[Silence, ...] = ()) -> list[Transition]:
        self.rules_hash = f"reload {self.reloads + 1}"
        self.sets[self.rules_hash] = rules
        return super().reload(*rules, silences=silences)

    def restart(self) -> None:
        self.engine = Engine(RuleSet(self.rules, self.rules_hash))
        self._take(Start(self._next(), self.rules_hash, tuple(self.stored.values())))

    def idle(self) -> None:
        """The microsecond that a restart takes."""
        self._next()

    def _take(self, event: Event) -> list[Transition]:
        found = super()._take(event)
        for state in self.engine.take_states():
            self.stored[state.rule_id, state.symbol, state.level, state.fingerprint] = state
        return found


def play(market: Daemon, steps: Iterable[Step]) -> None:
    """One step after the other; a number says more where a step needs it."""
    for what, number in steps:
        match what:
            case "trade":
                market.trade("SPY", str(number))
            case "other":
                market.trade("QQQ", str(number))
            case "wait":
                market.wait(number - 97)
            case "quote":
                market.quote("SPY", bid=str(number - 1), ask=str(number))
            case "unknown":
                market.none_yet("SPY")
            case "gap":
                market.gap("SPY")
                market.image("SPY", str(number))
            case "drop":
                market.drop()
                market.resume(after_s=number - 97)
                market.image("SPY", str(number))
            case "reload":
                market.reload(*SETS[number % 3])
            case "restart":
                market.restart()
                market.image("SPY", str(number))
            case "ack":
                market.acknowledge("state")
            case "facts":
                market.facts("SPY", prev_close=str(number), open="100", high=str(number))
            case "day" if market.now_us < MONDAY_RTH_US + 3 * DAY_US:
                market.now_us += DAY_US


def replayed(events: Iterable[Event], sets: Mapping[str, tuple[Rule, ...]]) -> list[Transition]:
    """What engines of their own say to the tape; each start is another engine."""
    found, engine = list[Transition](), Engine(RuleSet())
    for event in events:
        if isinstance(event, Start):
            engine = Engine(RuleSet(sets[event.rules_hash], event.rules_hash))
        elif isinstance(event, RulesSwap):
            engine.offer(RuleSet(sets[event.rules_hash], event.rules_hash))
        found += engine.on_event(event)
    return found


@given(st.lists(STEP, max_size=25))
def test_a_replay_of_all_events_gives_the_same_transitions_bit_for_bit(steps: list[Step]) -> None:
    market = Daemon(SETS[0])
    market.image("SPY", "100")
    tape = [msgspec.json.encode(event) for event in market.events]
    play(market, steps)
    tape += [msgspec.json.encode(event) for event in market.events[len(tape) :]]
    events = [msgspec.json.decode(one, type=type(event)) for one, event in zip(tape, market.events, strict=True)]
    assert msgspec.json.encode(replayed(events, market.sets)) == msgspec.json.encode(market.all)


CALM = st.tuples(st.sampled_from(["trade"] * 4 + ["wait", "wait", "ack", "ack", "quote", "day", "unknown"]), PRICES)


def said(transitions: Iterable[Transition]) -> list[tuple[object, ...]]:
    """All of them but what a restart declares: the first of a symbol may be late, and evidence is not stored."""
    return [
        (one.event_us, one.rule_id, one.level, one.kind, one.state, one.suppressed, one.since_us, one.tell)
        for one in transitions
    ]


@given(st.lists(CALM, max_size=12), PRICES, st.integers(0, 9), st.lists(CALM, max_size=12))
def test_a_replay_cut_at_any_event_goes_on_from_the_stored_states(
    before: list[Step], last: int, silent_s: int, after: list[Step]
) -> None:
    # Schwab's first row after a restart says what stands, and it is what stood before.
    plain, cut = Daemon(LASTING), Daemon(LASTING)
    for market, pause in ((plain, plain.idle), (cut, cut.restart)):
        market.image("SPY", "100")
        play(market, [*before, ("trade", last)])
        pause()
        market.wait(silent_s)
        market.image("SPY", str(last))
        play(market, after)
    assert said(cut.all) == said(plain.all)
    assert cut.stored == {key: as_seen_by(cut.stored[key], state) for key, state in plain.stored.items()}


def as_seen_by(cut: RuleState, plain: RuleState) -> RuleState:
    """What the clock tells before Schwab's first row has no price yet to measure `rearm` from."""
    return replace(plain, told_price=None) if cut.told_price is None and cut.told_us else plain


@given(st.lists(STEP, max_size=12), st.lists(STEP, max_size=12))
def test_what_one_engine_saw_leaves_nothing_behind_for_the_next(before: list[Step], steps: list[Step]) -> None:
    first, second = Daemon(SETS[0]), Daemon(SETS[0])
    for market, other in ((first, []), (second, before)):
        beside = Daemon(SETS[1])
        beside.image("SPY", "101")
        play(beside, other)
        market.image("SPY", "100")
        play(market, steps)
    assert first.all == second.all
