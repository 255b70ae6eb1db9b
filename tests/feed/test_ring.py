"""The last raw frames, bounded by age and by memory, and redacted on their way out."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.clock import ManualClock
from tradeassistd.feed import ring as ring_module
from tradeassistd.feed.ring import BYTES_MAX, FRAME_CHARACTERS_MAX, FRAME_COST_BYTES, KEPT_S, FrameRing


def beat(number: int = 0) -> str:
    return json.dumps({"notify": [{"heartbeat": str(1_765_307_160_000 + number)}]})


def test_frames_come_out_in_order_with_their_age_and_redacted() -> None:
    clock = ManualClock()
    ring = FrameRing(clock)
    ring.put(beat(1))
    clock.pass_time(2.5)
    ring.put('{"response":[{"service":"ADMIN","SchwabClientCustomerId":"89874630"}]}')
    clock.pass_time(1)
    first, second = map(json.loads, ring.redacted())
    assert first == {"age_s": 3.5, "frame": json.loads(beat(1))}
    assert second == {"age_s": 1.0, "frame": {"response": [{"service": "ADMIN", "***": "***"}]}}
    assert ring.newest_age_s == 1.0


def test_nothing_has_come_yet() -> None:
    ring = FrameRing(ManualClock())
    assert ring.newest_age_s is None and list(ring.redacted()) == []


def test_what_is_older_than_ten_minutes_is_gone_even_when_nothing_new_comes() -> None:
    clock = ManualClock()
    ring = FrameRing(clock)
    ring.put(beat(1))
    clock.pass_time(KEPT_S)
    ring.put(beat(2))
    assert len(ring) == 2
    clock.pass_time(1)
    assert [json.loads(line)["age_s"] for line in ring.redacted()] == [1.0]
    clock.pass_time(KEPT_S)
    assert list(ring.redacted()) == []


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 3 * FRAME_CHARACTERS_MAX)), max_size=30))
def test_it_never_holds_more_than_its_bounds(frames: list[tuple[float, int]]) -> None:
    clock = ManualClock()
    ring = FrameRing(clock)
    limit = 4 * FRAME_CHARACTERS_MAX
    ring_module.BYTES_MAX = limit
    try:
        for pause_s, length in frames:
            clock.pass_time(pause_s)
            ring.put("x" * length)
            kept = list(ring._kept)
            assert sum(len(one.raw) + FRAME_COST_BYTES for one in kept) == ring._bytes <= limit
            assert clock.elapsed_s() - kept[0].at_s <= KEPT_S
            assert kept[-1].raw == "x" * min(length, FRAME_CHARACTERS_MAX)
    finally:
        ring_module.BYTES_MAX = BYTES_MAX
    assert ring.frames_seen == len(frames)


def test_frames_that_come_while_a_bundle_is_taken_do_not_disturb_it() -> None:
    ring = FrameRing(ManualClock())
    for number in range(3):
        ring.put(beat(number))
    lines = ring.redacted()
    next(lines)
    for number in range(1_000):
        ring.put(beat(number))
    assert len(list(lines)) == 2
