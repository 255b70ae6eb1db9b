"""Event times, clock seconds and gaps: the same frames always give the same events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.clock import ManualClock, MarketClock, WallClock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn, Connection, Event, Facts, Gap, Start
from tradeassistd.engine.rule import RuleSet
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.intake import TURNS_MAX, Intake
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.quote import Change
from tradeassistd.market.tick import Tick

T0 = 1_700_000_000_000  # ms, a whole second


def intake(last_us: int = 0, known_us: int = 0) -> Intake:
    return Intake(MarketClock(), Start(0, "hash"), last_us=last_us, last_known_us=known_us)


def feed(taker: Intake, *entries: Frame | ConnectionChange) -> list[Event]:
    events: list[Event] = []
    for entry in entries:
        events += taker.frame(entry) if isinstance(entry, Frame) else taker.connection(entry)
    return events


def row(after_ms: int, price: float, symbol: str = "SPY") -> Frame:
    return Frame(T0 + after_ms, [Change(symbol, last=price)])


def test_nothing_has_a_time_before_the_first_frame_says_what_time_it_is() -> None:
    taker = intake()
    assert feed(taker, ConnectionChange("connecting"), ConnectionChange("logging_in")) == []
    events = feed(taker, Frame(T0))
    assert [type(event) for event in events] == [Start, Connection, Connection]
    assert events[0].event_us == T0 * 1000


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=30))
def test_event_times_increase_and_every_whole_second_is_told_once(steps_ms: list[int]) -> None:
    at, frames = 0, []
    for step in steps_ms:
        at += step
        frames.append(row(at, 10 + at % 7))
    events = feed(intake(), *frames)
    times = [event.event_us for event in events]
    assert times == sorted(set(times))
    seconds = [event.event_us // US_PER_S for event in events if isinstance(event, ClockTurn)]
    first = T0 // 1000 + 1 if steps_ms[0] >= 0 else 0
    started = next(event.event_us for event in events if isinstance(event, Start))
    assert seconds == list(range(started // US_PER_S + 1, (T0 + at) // 1000 + 1))
    assert first <= started // US_PER_S + 1


def test_rows_of_one_millisecond_keep_their_order_one_microsecond_apart() -> None:
    events = feed(intake(), Frame(T0, [Change("SPY", last=100), Change("SPY", last=101), Change("SPY", last=102)]))
    ticks = [event for event in events if isinstance(event, Tick)]
    assert [tick.event_us - ticks[0].event_us for tick in ticks] == [0, 1, 2]


def test_a_lost_connection_is_one_gap_from_the_last_frame_to_the_first() -> None:
    taker = intake()
    feed(taker, ConnectionChange("live"), row(0, 10), Frame(T0 + 1_500))
    events = feed(
        taker, ConnectionChange("backoff", "reset"), ConnectionChange("live"), Frame(T0 + 9_000), row(9_200, 11)
    )
    gaps = [event for event in events if isinstance(event, Gap)]
    assert [(gap.from_us, gap.to_us, gap.reason) for gap in gaps] == [
        ((T0 + 1_500) * 1000, (T0 + 9_200) * 1000, "reset")
    ]
    tick = events[-1]
    assert isinstance(tick, Tick) and tick.is_image and tick.event_us > gaps[0].event_us
    assert not [event for event in feed(taker, row(9_300, 12)) if isinstance(event, Gap)]


def test_a_restart_is_a_gap_from_what_the_tape_last_knew() -> None:
    taker = intake(last_us=(T0 - 5_000) * 1000, known_us=(T0 - 6_000) * 1000)
    gaps = [event for event in feed(taker, row(0, 10)) if isinstance(event, Gap)]
    assert [(gap.from_us, gap.reason) for gap in gaps] == [((T0 - 6_000) * 1000, "restart")]


def test_a_week_without_frames_does_not_make_a_second_by_second_week() -> None:
    taker = intake()
    feed(taker, row(0, 10))
    events = feed(taker, row((TURNS_MAX + 10) * 1000, 11))
    assert sum(isinstance(event, ClockTurn) for event in events) == 1


def test_slow_facts_follow_their_tick_and_only_when_they_move() -> None:
    taker = intake()
    events = feed(
        taker,
        Frame(T0, [Change("SPY", last=10, prev_close=9.5)]),
        Frame(T0 + 1, [Change("SPY", last=10, prev_close=9.5)]),
    )
    facts = [event for event in events if isinstance(event, Facts)]
    assert len(facts) == 1 and facts[0].prev_close == 950_000_000


def test_the_extremes_of_the_year_come_with_the_facts_and_a_zero_is_none_yet() -> None:
    frames = [
        Frame(T0, [Change("SPY", last=10, year_high=12.5, year_low=8)]),
        Frame(T0 + 1, [Change("SPY", year_low=0)]),
    ]
    facts = [event for event in feed(intake(), *frames) if isinstance(event, Facts)]
    assert [(one.year_high, one.year_low) for one in facts] == [(1_250_000_000, 800_000_000), (1_250_000_000, None)]


def test_slow_values_come_before_an_image_and_a_new_contract_and_after_any_other_row() -> None:
    events = feed(
        intake(),
        Frame(T0, [Change("/ES", last=10, high=11, contract="/ESZ26")]),
        Frame(T0 + 1, [Change("/ES", last=12, high=12)]),
        Frame(T0 + 2, [Change("/ES", last=12, high=13, contract="/ESZ26")]),
        Frame(T0 + 3, [Change("/ES", last=15, contract="/ESH27")]),
    )
    kinds = [type(event) for event in events if isinstance(event, Facts | Tick)]
    assert kinds == [Facts, Tick, Tick, Facts, Tick, Facts, Facts, Tick]
    assert [event.contract for event in events if isinstance(event, Facts)] == ["/ESZ26"] * 3 + ["/ESH27"]


def test_a_key_that_is_no_symbol_is_left_out() -> None:
    assert not [
        event for event in feed(intake(), Frame(T0, [Change("not a symbol", last=1)])) if isinstance(event, Tick)
    ]


def test_a_mute_line_is_a_gap_from_its_last_frame_however_many_seconds_the_clock_told() -> None:
    clock = ManualClock(T0 * 1000)
    taker = Intake(clock, Start(0, "hash"), last_us=0, last_known_us=0)
    feed(taker, ConnectionChange("live"), row(0, 10))
    clock.advance((T0 + 7_000) * 1000)
    feed(taker, Frame(T0 + 7_000))
    for second in range(8, 43):  # 35 s without a frame: only the clock's own turns
        clock.advance((T0 + second * 1000) * 1000)
        feed(taker, Frame(0))
    events = feed(taker, ConnectionChange("backoff", "no answer while live"), row(43_000, 11))
    gaps = [(event.from_us, event.to_us) for event in events if isinstance(event, Gap)]
    assert gaps == [((T0 + 7_000) * 1000, (T0 + 43_000) * 1000)]


def test_a_row_before_anybody_knows_the_time_is_left_out_and_nothing_comes_before_the_start() -> None:
    taker = intake()
    assert feed(taker, Frame(0, [Change("SPY", last=1)])) == []
    events = feed(taker, row(0, 10))
    assert isinstance(events[0], Start)
    assert events[-1].event_us > events[0].event_us == T0 * 1000


def test_a_wall_clock_that_is_set_back_stops_no_event_and_repeats_no_second() -> None:
    class Wall(WallClock):
        """Shows what it is told to."""

        at_us = T0 * 1000

        def now_us(self) -> int:
            return self.at_us

    clock = Wall()
    taker = Intake(clock, Start(0, "hash"), last_us=0, last_known_us=0)
    events = feed(taker, row(0, 100))
    clock.at_us += 5 * US_PER_S
    events += feed(taker, row(5_000, 101))
    clock.at_us -= 3 * US_PER_S
    events += feed(taker, row(2_000, 102))
    clock.at_us += 4 * US_PER_S
    events += feed(taker, row(6_000, 103))
    times = [event.event_us for event in events]
    assert times == sorted(set(times))
    assert [event.event_us // US_PER_S - T0 // 1000 for event in events if isinstance(event, ClockTurn)] == [
        1, 2, 3, 4, 5, 6,
    ]  # fmt: skip
    assert [tick.last for tick in events if isinstance(tick, Tick)] == [price * 10**8 for price in (100, 101, 102, 103)]


def test_the_time_of_something_that_is_no_frame_comes_from_the_same_line() -> None:
    taker = intake()
    feed(taker, row(0, 10))
    last_us = taker.last_us
    assert taker.now_us() == last_us + 1 == taker.last_us


def test_two_losses_before_the_next_row_are_one_gap_and_say_the_last_reason() -> None:
    taker = intake()
    feed(taker, ConnectionChange("live"), row(0, 10))
    events = feed(
        taker, ConnectionChange("backoff", "reset"), ConnectionChange("connecting"), ConnectionChange("live"),
        Frame(T0 + 2_000), ConnectionChange("backoff"), ConnectionChange("live"), row(4_000, 11),
    )  # fmt: skip
    gaps = [(event.from_us, event.to_us, event.reason) for event in events if isinstance(event, Gap)]
    assert gaps == [(T0 * 1000, (T0 + 4_000) * 1000, "reset")]


def test_rules_that_change_before_anything_has_a_time_are_the_ones_it_starts_with() -> None:
    taker = intake()
    assert not taker.begun
    taker.begin_with(RuleSet(hash="newer"))
    (start, *_) = feed(taker, row(0, 10))
    assert isinstance(start, Start) and start.rules_hash == "newer"
    assert taker.begun
    taker.begin_with(RuleSet(hash="too late"))
    assert not [event for event in feed(taker, row(10, 10)) if isinstance(event, Start)]
