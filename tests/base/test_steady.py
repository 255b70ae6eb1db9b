"""Market time when the computer's clock is set: forth, back, rightly and wrongly, with and without a feed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.errors import FatalError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.steady import AHEAD_MAX_US, Notice, SteadyClock

HOUR_US = 3_600 * US_PER_S
BEGIN_US = 1_794_839_400 * US_PER_S


class Computer:
    """A computer whose clock is off by so much, beside the true time."""

    def __init__(self, off_us: int = 0) -> None:
        self.true_us, self.off_us = BEGIN_US, off_us
        self.clock = SteadyClock(lambda: self.true_us + self.off_us, lambda: self.true_us - BEGIN_US)

    def pass_s(self, seconds: float, *, feed: bool = True) -> None:
        """Time passes, with frames that carry the true time or without any."""
        for _ in range(round(seconds)):
            self.true_us += US_PER_S
            self.clock.now_us()
            if feed:
                self.clock.hear(self.true_us - 40_000)

    @property
    def ahead_us(self) -> int:
        """What market time is ahead of the true time."""
        return self.clock.now_us() - self.true_us


@pytest.mark.parametrize("by_us", [HOUR_US, -HOUR_US], ids=["forth", "back"])
def test_a_clock_that_is_set_wrongly_is_not_followed_and_told_once(by_us: int) -> None:
    computer = Computer()
    computer.pass_s(5)
    computer.off_us = by_us
    assert computer.ahead_us == 0
    computer.pass_s(300)
    assert computer.ahead_us == 0 and computer.clock.take_jump() is None
    assert computer.clock.take_notices() == [Notice("set", by_us, believed=False)]
    computer.off_us = 0
    computer.pass_s(5)
    assert computer.ahead_us == 0
    assert [one.kind for one in computer.clock.take_notices()] == ["right"]


def test_a_clock_that_is_set_forth_rightly_jumps_as_soon_as_a_frame_agrees() -> None:
    computer = Computer(-HOUR_US)
    computer.clock.hear(computer.true_us)
    computer.off_us = 0
    computer.pass_s(1)
    assert computer.ahead_us == 0
    assert computer.clock.take_jump() == (computer.true_us - HOUR_US, computer.true_us)
    assert computer.clock.take_jump() is None
    assert computer.clock.take_notices() == [Notice("set", HOUR_US)]


def test_a_clock_that_is_set_back_rightly_is_waited_for_at_half_the_pace() -> None:
    computer = Computer(HOUR_US)
    computer.pass_s(5)
    computer.off_us = 0
    computer.pass_s(1)
    ahead_us = computer.ahead_us
    assert HOUR_US - 2 * US_PER_S <= ahead_us <= HOUR_US
    computer.pass_s(600)
    assert computer.ahead_us == pytest.approx(ahead_us - 300 * US_PER_S, abs=2)
    computer.pass_s(2 * 3600)
    assert computer.ahead_us == 0


@pytest.mark.parametrize(("by_us", "ahead_us"), [(HOUR_US, HOUR_US), (-HOUR_US, 0)], ids=["forth", "back"])
def test_without_a_feed_the_new_time_is_believed_after_a_minute(by_us: int, ahead_us: int) -> None:
    computer = Computer()
    computer.pass_s(5)
    computer.off_us = by_us
    computer.pass_s(59, feed=False)
    assert computer.ahead_us == 0
    computer.pass_s(3, feed=False)
    assert computer.clock.take_notices() == [Notice("set", by_us)]
    if by_us > 0:
        assert computer.ahead_us == ahead_us
    else:
        assert -3 * US_PER_S <= computer.ahead_us < 0, "it has begun to wait"


def test_a_computer_that_is_wrong_from_the_start_is_told_and_a_simulators_market_is_not() -> None:
    computer = Computer(HOUR_US)
    computer.pass_s(55)
    assert computer.clock.take_notices() == []
    computer.pass_s(30)
    assert computer.clock.take_notices() == [Notice("wrong", HOUR_US + 40_000)]
    elsewhere = Computer(72 * HOUR_US)
    elsewhere.pass_s(300)
    assert elsewhere.clock.take_notices() == []


def test_a_store_whose_last_event_is_ahead_is_gone_on_with_and_one_of_another_year_refused() -> None:
    computer = Computer()
    computer.clock.begin_after(BEGIN_US + HOUR_US)
    computer.pass_s(100)
    assert computer.ahead_us == HOUR_US - 50 * US_PER_S
    with pytest.raises(FatalError, match=r"events up to 2026-11-17T.*says 2026-11-16T.*Set the clock right"):
        Computer().clock.begin_after(BEGIN_US + AHEAD_MAX_US + US_PER_S)
    computer = Computer()
    computer.clock.begin_after(BEGIN_US - HOUR_US)
    assert computer.ahead_us == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 0, 0, 1, 40, -40, 3_600, -3_600, 86_400 * 400]),
            st.integers(1, 5_000_000),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_market_time_never_goes_back_and_always_goes_on(story: list[tuple[int, int, bool]]) -> None:
    computer = Computer()
    before_us = computer.clock.now_us()
    for off_s, passed_us, feed in story:
        computer.off_us = off_s * US_PER_S
        computer.true_us += passed_us
        if feed:
            computer.clock.hear(computer.true_us)
        now_us = computer.clock.now_us()
        assert now_us >= before_us
        before_us = now_us
    computer.pass_s(100)
    assert computer.clock.now_us() - before_us >= 49 * US_PER_S
