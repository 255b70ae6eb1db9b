"""What is kept of one-minute bars: as a plain list of the newest ones would be, bit for bit, in a few bytes each."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.minutes import Minutes
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar
from tradeassistd.market.session import ALWAYS

MINUTE_US = 60 * US_PER_S
MOST = 5
PRICES = st.integers(-(2**62), 2**62)


def bar(number: int, price: int = 500_000_000_000, volume: int = 0, trades: int = 1) -> Bar:
    start_us = 1_700_000_040_000_000 + number * MINUTE_US
    return Bar("SPY", ARCHIVE_INTERVAL, ALWAYS, start_us, start_us + MINUTE_US, price, price + 3, price - 2, price + 1,
               volume, trades)  # fmt: skip


@given(st.lists(st.one_of(st.tuples(PRICES, st.integers(0, 2**40)), st.sampled_from(["drop", "clear", "replace"]))))
def test_it_holds_what_a_list_of_the_newest_would(steps: list[tuple[int, int] | str]) -> None:
    minutes, model = Minutes("SPY", MOST), list[Bar]()
    for number, step in enumerate(steps):
        match step:
            case "drop":
                minutes.drop_last()
                del model[-1:]
            case "clear":
                minutes.clear()
                model.clear()
            case "replace":
                model = model[::2]
                minutes.replace(model)
            case (price, volume):
                minutes.append(bar(number, price, volume))
                model = [*model, bar(number, price, volume)][-MOST:]
        assert (list(minutes), len(minutes), minutes.is_full) == (model, len(model), len(model) == MOST)
        assert minutes.last_end_us == (model[-1].end_us if model else 0)
        if model:
            assert minutes.first_end_us == model[0].end_us
    assert list(minutes) == list(minutes), "looking takes nothing"


def test_of_more_than_it_keeps_the_newest_replace() -> None:
    minutes = Minutes("SPY", MOST)
    minutes.replace(bar(number) for number in range(8))
    assert list(minutes) == [bar(number) for number in range(3, 8)]


def test_without_any_there_is_no_first() -> None:
    with pytest.raises(IndexError):
        _ = Minutes("SPY", MOST).first_end_us


def test_a_minute_takes_seventy_bytes_at_most() -> None:
    minutes = Minutes("SPY", 3_000)
    for number in range(10_000):
        minutes.append(bar(number, volume=10**6, trades=500))
    assert len(minutes) == 3_000
    assert sys.getsizeof(minutes._numbers) <= 3_000 * 70
