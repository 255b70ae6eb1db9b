"""A daemon that is stopped or killed anywhere, and starts again, goes on as one that was cut off for so long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Connection, Event, Gap, Relived, Start, Stop
from tradeassistd.engine.reliving import practice_us, relive
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import Kind, RuleState, Transition
from tradeassistd.history.replay import replay
from tradeassistd.market.tick import Tick
from tradeassistd.rules.load import load_texts
from tradeassistd.store.tape_past import stood

MINUTE_US = 60 * US_PER_S
HOUR_US = 60 * MINUTE_US
BEGIN_US = MONDAY_RTH_US - 30 * MINUTE_US - 5 * US_PER_S
"""Five seconds before the opening."""
LEAPS_H = (6.5, 8.5, 24.0)
"""After the opening: the close, the evening's opening of futures, the next opening; time leaps to right before each."""
DAYS = 3
SYMBOLS = ("SPY", "/ES", "$TICK")
CONDITIONS = {
    "level": "price crosses 100",
    "above": "price crosses_above 101",
    "state": "price > 101",
    "both": "price crosses 100 and sym(/ES).price > 99",
    "back": "pct_change(price, 20s) > 1%",
    "moved": "change(price, 40s) < 0",
    "top": "price crosses_above highest(price, 30s)",
    "low": "price < lowest(price, 10s) + 1",
    "vwap": "price > vwap()",
    "high": "price crosses_above day.high",
    "range": "price > opening_range(5m).low",
    "prev": "price crosses prev_day.close",
    "net": "net_change > 1",
    "volume": "day.volume > 40",
    "average": "price > sma(close, 2, 1m)",
    "own": "close(1m) > 100",
    "live": "price > highest(high, 2, 1m, live) - 1",
    "streak": "streak(close(1m) > 100, 1m) >= 2",
    "count": "count(price crosses 100, 20s) >= 2",
    "seq": "seq(price crosses_above 100, price crosses_below 100, within=1m)",
    "inside": "price enters [99, 101]",
    "reach": "price reaches 102",
    "quiet": "age > 15",
    "wide": "spread > 1",
    "year": "price > year.low",
    "open": "price > day.open",
}
"""One of each way to remember something."""
MORE = """
  - {id: held, symbols: [SPY], when: price > 100, for: 5s, keep_firing_for: 4s, repeat: [6s, 20s], on_clear: tell}
  - {id: latched, symbols: [SPY], when: price crosses_above 100, clear_when: price < 99, repeat: [9s]}
  - {id: once, symbols: [SPY, /ES], when: price crosses 100, fire: once}
  - {id: few, symbols: [SPY], when: price > 100, max_per_session: 2}
  - {id: rearmed, symbols: [SPY], when: price > 100, rearm: move 1%}
  - {id: stale, symbols: [SPY], when: price crosses 100, stale_after: 5s}
  - {id: cooled, symbols: [SPY], when: price > 101, cooldown: 25s}
  - {id: bars, symbols: [SPY], when: price > 99, fire: each_bar(1m)}
  - {id: closes, symbols: [SPY], when: 'close(1m) > sma(close, 2, 1m)', evaluate: close(1m)}
  - id: ladder
    symbols: [/ES]
    levels: [{severity: notice, when: price > 100}, {severity: critical, when: price > 102, clear_when: price < 99}]
"""


@cache
def rule_set() -> RuleSet:
    lines = [f"  - {{id: {name}, symbols: [SPY], when: '{text}'}}" for name, text in CONDITIONS.items()]
    text = "version: 1\ndefaults: {cooldown: 0s, at_load: fire}\nrules:\n" + "\n".join(lines) + MORE
    loaded = load_texts({"rules.yaml": text})
    assert not loaded.problems, loaded.problems
    return loaded.rule_set


@dataclass
class Story(Market):
    """A daemon that decides, and stores what it decided and its states only now and then; its tape it always has."""

    said: list[Transition] = field(default_factory=list)
    """What the store has."""
    stored: dict[tuple[str, str, int, str], RuleState] = field(default_factory=dict)
    saved_until_us: int = 0
    relives_from_us: int = BEGIN_US // MINUTE_US * MINUTE_US
    leaps: int = 0
    _waiting: list[tuple[int, list[Transition], list[RuleState]]] = field(default_factory=list)

    def settle(self) -> None:
        """What was decided is stored, each decision with the states it left."""
        for event_us, found, states in self._waiting:
            self._store(states, event_us)
            self.said += found
        self._waiting = []

    def save(self) -> None:
        """The house is in order."""
        self.settle()
        self._store(self.engine.take_states(), self.engine.now_us)

    def leap(self) -> None:
        """To the next hour at which a session begins or ends, if there is one of these days."""
        day, leap = divmod(self.leaps, len(LEAPS_H))
        if day < DAYS:
            self.leaps += 1
            at_us = MONDAY_RTH_US - 30 * MINUTE_US + day * 24 * HOUR_US + round(LEAPS_H[leap] * HOUR_US)
            self.now_us = max(self.now_us, at_us - 5 * US_PER_S)
            self.wait(7)

    def cut_off(self, seconds: int) -> None:
        from_us = self.now_us
        self._take(Connection(from_us + 1, "backoff", "wire"))
        self._back(from_us, seconds)

    def restart(self, seconds: int, *, killed: bool) -> None:
        from_us = self.now_us
        if not killed:
            self._take(Stop(from_us + 1))
            self.save()
        self._waiting = []
        self.engine = Engine(rule_set())
        states = tuple(msgspec.structs.replace(one, sides=list(one.sides)) for one in self.stored.values())
        start = Start(from_us + 2, rule_set().hash, states, relived=self._relived())
        self._waiting = [
            (one.event_us, one.transitions, one.states) for one in relive(self.engine, start, self._tail())
        ]
        self._take(start)
        self._back(from_us, seconds)

    def _relived(self) -> Relived:
        at_us, saved_us = self.relives_from_us, self.saved_until_us
        before = [event for event in self.events if event.event_us < at_us]
        ticks = {event.symbol: event for event in before if isinstance(event, Tick)}
        standing = stood(ticks.values(), [event for event in before if not isinstance(event, Tick)])
        first_us = next((event.event_us for event in self._tail()), at_us)
        return Relived(at_us, first_us, max(at_us, saved_us - practice_us(self.engine)), saved_us, standing.rules_hash,
                       standing.ticks, standing.facts)  # fmt: skip

    def _tail(self) -> list[Event]:
        return [event for event in self.events if event.event_us >= self.relives_from_us]

    def _back(self, from_us: int, seconds: int) -> None:
        self.now_us = from_us + 2 + seconds * US_PER_S  # behind the start
        self._take(Connection(self._next(), "live"))
        self._take(Gap(self._next(), from_us, self.now_us, "away"))

    def _store(self, states: Sequence[RuleState], until_us: int) -> None:
        for state in states:
            self.stored[state.rule_id, state.symbol, state.level, state.fingerprint] = state
        self.saved_until_us = until_us

    def _take(self, event: Event) -> list[Transition]:
        self.events.append(event)
        found = self.engine.on_event(event)
        if found:
            self._waiting.append((event.event_us, found, self.engine.take_states()))
        return found


Step = tuple[str, str, int]
PRICES = st.integers(97, 104)
MARKET: list[st.SearchStrategy[Step]] = [
    st.tuples(st.just("trade"), st.just("SPY"), PRICES),
    st.tuples(st.just("trade"), st.just("SPY"), PRICES),
    st.tuples(st.just("trade"), st.sampled_from(SYMBOLS), PRICES),
    st.tuples(st.just("quote"), st.sampled_from(SYMBOLS), PRICES),
    st.tuples(st.just("facts"), st.sampled_from(SYMBOLS), PRICES),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 3, 11, 61])),
    st.tuples(st.just("symbol gap"), st.sampled_from(SYMBOLS), st.just(0)),
    st.tuples(st.just("ack"), st.just(""), st.just(0)),
    st.tuples(st.just("leap"), st.just(""), st.just(0)),
    st.tuples(st.sampled_from(["settle", "save"]), st.just(""), st.just(0)),
    st.tuples(st.sampled_from(["stop", "kill", "kill"]), st.just(""), st.sampled_from([0, 2, 30, 100])),
]
STEPS = st.lists(st.one_of(*MARKET), max_size=50)


def images(story: Story, price: int) -> None:
    for symbol in SYMBOLS:
        story.facts(symbol, prev_close="100", year_low="98", open="100", high="103", low="99")
        story.image(symbol, str(price), bid="99", ask="101")


def play(steps: Sequence[Step], *, restarts: bool, story: Story | None = None) -> Story:
    """The steps; where the daemon would stop or be killed it is cut off instead unless it `restarts`."""
    story = story or Story(rule_set().rules, now_us=BEGIN_US, rules_hash=rule_set().hash)
    images(story, 100)
    for number, (what, symbol, value) in enumerate(steps):
        match what:
            case "trade":
                story.trade(symbol, str(value), value - 96, after_s=0.3)
            case "quote":
                story.quote(symbol, bid=str(value - 1), ask=str(value + 1))
            case "facts":
                story.facts(
                    symbol, high=str(value + 2), low="97", open="100", prev_close=str(99 + value % 2), year_low="98"
                )
            case "wait":
                story.wait(value)
            case "symbol gap":
                story.gap(symbol)
                story.image(symbol, str(97 + number % 7))
            case "ack":
                story.acknowledge("held")
            case "leap":
                story.leap()
            case "settle":
                story.settle()
            case "save":
                story.save()
            case _:
                story.restart(value, killed=what == "kill") if restarts else story.cut_off(value)
                images(story, 97 + number % 7)
    story.save()
    return story


@settings(max_examples=40)
@given(STEPS)
def test_a_restart_anywhere_is_a_cut_of_that_length(steps: list[Step]) -> None:
    through, restarted = play(steps, restarts=False), play(steps, restarts=True)
    assert [plainly(one) for one in restarted.said] == [plainly(one) for one in through.said]
    assert {key: plain(one) for key, one in restarted.stored.items()} == {
        key: plain(one) for key, one in through.stored.items()
    }
    assert list(replay(restarted.events, lambda _: rule_set())) == restarted.said


def test_who_knew_nothing_for_long_before_the_kill_has_no_cut_open() -> None:
    # Quiet for so long that the rule knows nothing in all that is judged again; the store knows that it was judged.
    steps: list[Step] = [
        ("trade", "SPY", 103), ("wait", "", 61), ("wait", "", 61), ("save", "", 0), ("trade", "SPY", 97),
        ("kill", "", 2),
    ]  # fmt: skip
    through, restarted = play(steps, restarts=False), play(steps, restarts=True)
    assert (Kind.FIRED, False) in [(one.kind, one.late) for one in restarted.said if one.rule_id == "stale"]
    assert [plainly(one) for one in restarted.said] == [plainly(one) for one in through.said]


def test_a_session_of_which_nothing_has_come_yet_is_cut_off_by_its_opening_after_a_kill_too() -> None:
    # The opening lies further back than what is judged again, and the last row before it.
    steps: list[Step] = [
        ("trade", "SPY", 103), ("leap", "", 0), ("leap", "", 0), ("leap", "", 0), ("wait", "", 61), ("save", "", 0),
        ("trade", "SPY", 97), ("kill", "", 2),
    ]  # fmt: skip
    through, restarted = play(steps, restarts=False), play(steps, restarts=True)
    assert (Kind.MISSED, True) in [(one.kind, one.late) for one in restarted.said if one.rule_id == "level"]
    assert [plainly(one) for one in restarted.said] == [plainly(one) for one in through.said]


def test_a_count_that_was_not_known_yet_goes_on_warming_up() -> None:
    steps: list[Step] = [
        ("wait", "", 11), ("save", "", 0), ("trade", "SPY", 101), ("trade", "SPY", 99), ("trade", "SPY", 101),
        ("wait", "", 11), ("wait", "", 3), ("wait", "", 3), ("kill", "", 2),
    ]  # fmt: skip
    through, restarted = play(steps, restarts=False), play(steps, restarts=True)
    assert "count" in [one.rule_id for one in restarted.said if one.kind is Kind.FIRED]
    assert [plainly(one) for one in restarted.said] == [plainly(one) for one in through.said]


def test_what_was_counted_before_a_cut_does_not_come_back_with_a_kill() -> None:
    story = Story(rule_set().rules, now_us=BEGIN_US, rules_hash=rule_set().hash)
    images(story, 100)
    story.trade("SPY", "103", after_s=6)  # `held` counts its five seconds
    story.cut_off(0)
    story.save()
    story.wait(10)
    story.restart(2, killed=True)
    story.save()
    assert not [one for one in story.said if (one.rule_id, one.kind) == ("held", Kind.FIRED)]


def plainly(one: Transition) -> Transition:
    """Without what a firing was last held by: that is not stored, so a reminder after a restart shows what is now."""
    if one.kind not in (Kind.REMINDED, Kind.TOLD):
        return one
    return msgspec.structs.replace(one, value=None, operands=(), unit="", message="", setup=())


def plain(state: RuleState) -> RuleState:
    return msgspec.structs.replace(state, sides=list(state.sides))


OPENING: list[Step] = [
    ("trade", "SPY", 100), ("wait", "", 11), ("trade", "SPY", 104), ("wait", "", 61), ("trade", "SPY", 97),
    ("wait", "", 61), ("trade", "SPY", 99), ("wait", "", 61),
]  # fmt: skip
"""Something happens in each of the first minutes, so that reliving them in part is not reliving them whole."""


@settings(max_examples=20)
@given(STEPS, st.integers(0, 4) | st.integers(0, 200))
def test_what_is_relived_in_part_is_unknown_or_right(steps: list[Step], minute: int) -> None:
    through, restarted = (
        play([*OPENING, *steps, ("kill", "", 3)], restarts=restarts, story=Story(
            rule_set().rules, now_us=BEGIN_US, rules_hash=rule_set().hash,
            relives_from_us=BEGIN_US // MINUTE_US * MINUTE_US + minute * MINUTE_US,
        ))
        for restarts in (False, True)
    )  # fmt: skip
    known = seen_by(through)
    for place, values in seen_by(restarted).items():
        for value, right in zip(values, known[place], strict=True):
            assert value is None or value == right, place
    assert list(replay(restarted.events, lambda _: rule_set())) == restarted.said


def seen_by(story: Story) -> dict[tuple[str, str, int, str], tuple[object, object]]:
    """Both sides of every comparison as they are now, but of Schwab's year, which is seen since the first start, and of
    what is unknown whenever it is quiet."""
    return {
        (*machine.key, leaf.text): ((seen := leaf.glimpse(story.now_us)).left, seen.right)
        for machine in story.engine.machines
        for leaf in machine.leaves
        if machine.rule.id not in ("year", "stale")
    }


def test_the_stories_here_come_to_know_what_they_ask() -> None:
    # A law over stories in which nothing is known would say nothing.
    steps: list[Step] = [("wait", "", 11)]
    for price in (99, 102, 98, 103, 101, 104) * 6:
        steps += [("trade", "SPY", price), ("trade", "/ES", price), ("quote", "SPY", price), ("wait", "", 11)]
    story = play([*steps, ("leap", "", 0), ("leap", "", 0), ("leap", "", 0), ("wait", "", 3), *steps], restarts=True)
    unknown = {place for place, (left, right) in seen_by(story).items() if left is None or right is None}
    assert not unknown
    assert {one.rule_id for one in story.said if one.kind is Kind.FIRED} == {rule.id for rule in rule_set().rules}
