"""Minutes from the stream: recorded rows, rows that cannot be, and what was lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.recorded import recorded
from tradeassistd.feed.charts import CHART_EQUITY, CHART_FUTURES, ChartLine, ChartRow, bar_of
from tradeassistd.feed.frames import FrameDecoder
from tradeassistd.market.bar import Bar
from tradeassistd.market.price import price_from_text

AMD = {"1": 425, "2": 221.133, "3": 221.18, "4": 221.02, "5": 221.02, "6": 11730, "7": 1765307100000, "8": 20431,
       "seq": 202, "key": "AMD"}  # fmt: skip
ES = {"1": 1765307160000, "2": 6858.25, "3": 6858.75, "4": 6857.75, "5": 6858.5, "6": 897, "seq": 2224, "key": "/ES"}


def frame(service: str, *items: Any, more: tuple[Any, ...] = ()) -> str:
    part = {"service": service, "timestamp": 1765307221991, "command": "SUBS", "content": list(items)}
    return json.dumps({"data": [part, *more]})


def bars(raw: str) -> list[Bar | None]:
    return [bar_of(row) for row in FrameDecoder().decode(raw).charts]


def test_a_recorded_minute_of_a_stock_and_of_a_future() -> None:
    (stock,), (future,) = bars(frame(CHART_EQUITY, AMD)), bars(frame(CHART_FUTURES, ES))
    assert stock is not None and future is not None
    prices = [price_from_text(text) for text in ("221.133", "221.18", "221.02", "221.02")]
    assert [stock.open, stock.high, stock.low, stock.close, stock.volume] == [*prices, 11730]
    assert (stock.symbol, stock.interval, stock.session, stock.trades) == ("AMD", "1m", "always", 0)
    assert (stock.start_us, stock.end_us) == (1765307100000000, 1765307160000000)
    assert (future.close, future.volume) == (price_from_text("6858.5"), 897)


def test_every_minute_of_schwabs_recorded_frames_is_a_bar() -> None:
    seen = []
    for line in recorded("frames/frames.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("broker") == "schwab" and not isinstance(entry.get("frame"), str):
            found = bars(json.dumps(entry["frame"]))
            seen += [bar.symbol for bar in found if bar is not None]
            assert None not in found
    assert seen == ["/ES"]


def test_charts_beside_level_one_in_a_frame_cost_neither() -> None:
    quote = {"service": "LEVELONE_EQUITIES", "timestamp": 1765307222000, "content": [{"key": "SPY", "3": 500.25}]}
    decoded = FrameDecoder().decode(frame(CHART_EQUITY, AMD, more=(quote,)))
    assert [change.symbol for change in decoded.frame.changes] == ["SPY"]
    assert [row.symbol for row in decoded.charts] == ["AMD"]
    assert (decoded.frame.header_ms, decoded.odd_items) == (1765307222000, 0)


def test_one_bad_item_does_not_cost_the_others() -> None:
    decoded = FrameDecoder().decode(frame(CHART_FUTURES, ES, {**ES, "2": "n/a"}, {"2": 5}, 7, {**ES, "key": "/NQ"}))
    assert [row.symbol for row in decoded.charts] == ["/ES", "/NQ"]
    assert decoded.odd_items == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"2": 0}, {"4": 6858.6}, {"3": 6858.3}, {"6": -1}, {"1": 1765307160001}, {"1": 0}, {"1": -60000},
        {"1": 9e15}, {"2": 1e300, "3": 1e300}, {"key": "es"}, {"2": None}, {"6": 1e18},
    ],
)  # fmt: skip
def test_rows_that_cannot_be_make_no_bar(wrong: dict[str, Any]) -> None:
    assert all(bar is None for bar in bars(frame(CHART_FUTURES, {**ES, **wrong})))
    assert len(bars(frame(CHART_FUTURES, ES))) == 1


def test_zero_is_a_value_of_a_breadth_figure() -> None:
    zero = {"key": "$TICK", "2": -3, "3": 0, "4": -5, "5": 0, "6": 0, "7": 1765307100000}
    (bar,) = bars(frame(CHART_EQUITY, zero))
    assert bar is not None and (bar.high, bar.close, bar.volume) == (0, 0, 0)


def row(seq: int | None, minute: int, symbol: str = "/ES") -> ChartRow:
    return ChartRow(symbol, 2.0, 3.0, 1.0, 2.0, 5.0, 1765307160000 + minute * 60_000, seq)


def test_what_is_told_again_is_no_news_and_a_leap_of_seq_is_a_loss() -> None:
    line = ChartLine()
    assert len(line.take([row(5, 0), row(9, 0, "SPY")])) == 2
    assert line.take([row(6, 0)]) == []
    assert len(line.take([row(9, 3)])) == 1
    assert (line.rows, line.repeated, line.lost, line.odd) == (3, 1, 2, 0)
    line.begin()
    assert line.take([row(0, 3)]) == [], "the last minute comes again with a new subscription"
    assert len(line.take([row(1, 4), row(None, 5)])) == 2
    assert line.lost == 2
