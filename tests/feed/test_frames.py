"""Frames as they were recorded, and frames as they should not be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recorded import recorded
from tradeassistd.feed.frames import EQUITIES, FIELDS, FUTURES, FrameDecoder
from tradeassistd.market.price import price_from_float
from tradeassistd.market.quote import Change, Quote
from tradeassistd.market.tick import Field


def frame(service: str, *items: dict[str, object], timestamp: object = 1_700_000_000_000) -> str:
    return json.dumps({"data": [{"service": service, "timestamp": timestamp, "command": "SUBS", "content": items}]})


def test_every_recorded_level_one_frame_is_read_as_it_is() -> None:
    decoder, seen = FrameDecoder(), 0
    for line in recorded("frames/frames.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        raw = entry["frame"] if isinstance(entry.get("frame"), str) else json.dumps(entry.get("frame", {}))
        try:
            message = json.loads(raw)
        except ValueError:
            continue  # the one that is no JSON; see test_text_that_is_no_json
        decoded = decoder.decode(raw)
        parts = [part for part in message.get("data", ()) if part["service"] in FIELDS]
        items = [(part["service"], item) for part in parts for item in part["content"]]
        assert len(decoded.frame.changes) == len(items)
        for change, (service, item) in zip(decoded.frame.changes, items, strict=True):
            seen += 1
            assert change.symbol == item["key"]
            if entry.get("broker") == "schwab":
                for name, number in FIELDS[service].items():
                    assert getattr(change, name) == item.get(number)
    assert seen > 5


def test_the_extremes_of_the_year_are_fields_of_stocks_alone() -> None:
    items = {"key": "/ES", "19": 1.5, "20": 2.5, "year_high": 3.5, "contract": "x", "34": "/ESZ26"}
    future, stock = (FrameDecoder().decode(frame(one, items)).frame.changes[0] for one in (FUTURES, EQUITIES))
    assert (future.year_high, future.year_low, future.contract) == (None, None, "/ESZ26")
    assert (stock.year_high, stock.year_low, stock.contract) == (1.5, 2.5, None)


def test_one_odd_field_costs_only_itself() -> None:
    decoded = FrameDecoder().decode(frame(EQUITIES, {"key": "SPY", "1": "n/a", "2": 10.5}, {"key": "QQQ", "3": 4}))
    assert [(one.symbol, one.bid, one.ask, one.last) for one in decoded.frame.changes] == [
        ("SPY", None, 10.5, None),
        ("QQQ", None, None, 4),
    ]
    assert decoded.odd_items == 2


def test_an_unknown_service_is_left_out_and_counted() -> None:
    both = json.loads(frame(FUTURES, {"key": "/ES", "3": 5000.25}))
    both["data"].insert(
        0, {"service": "ACCT_ACTIVITY", "timestamp": 1, "content": [{"seq": 11, "3": "Feature not supported"}]}
    )
    decoded = FrameDecoder().decode(json.dumps(both))
    assert [one.last for one in decoded.frame.changes] == [5000.25]
    assert decoded.odd_items == 1


def test_text_that_is_no_json_is_said_to_be_none() -> None:
    with pytest.raises(json.JSONDecodeError):
        FrameDecoder().decode('{"data":[{"service":"LEVELONE_FUTURES","content":[{"key":"/GOOG","1":\ufffd}]}]}')


@pytest.mark.parametrize(
    "message", [{"notify": [{"heartbeat": "1668715930582"}]}, {"response": [{"timestamp": 1668715930582}]}]
)
def test_replies_and_notifies_pass_through_with_their_time(message: dict[str, object]) -> None:
    decoded = FrameDecoder().decode(json.dumps(message))
    assert decoded.passed == message
    assert decoded.frame.header_ms == 1668715930582


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["data", "service", "timestamp", "content", "key", "1", "3", "LEVELONE_EQUITIES"])
                | st.text(),
                inner,
            )
        ),
    )
)
def test_no_json_whatever_makes_the_decoder_raise(message: object) -> None:
    assert FrameDecoder().decode(json.dumps(message)).odd_items >= 0


def quote(*changes: Change) -> list[tuple[int | None, int | None]]:
    """(size, volume) of the tick each change makes."""
    merged = Quote(changes[0].symbol)
    ticks = [merged.merge(index, change) for index, change in enumerate(changes)]
    return [(tick.size, tick.volume) for tick in ticks]


def test_a_trade_is_a_rise_of_volume_also_at_the_same_price_and_size() -> None:
    trades = quote(
        Change("SPY", last=10, volume=100), Change("SPY", volume=200), Change("SPY", volume=300), Change("SPY", bid=9)
    )
    assert trades == [(None, 100), (100, 200), (100, 300), (None, 300)]


def test_a_fall_of_volume_sets_a_new_base_and_is_no_trade() -> None:
    assert quote(Change("SPY", last=10, volume=900), Change("SPY", volume=0), Change("SPY", volume=5)) == [
        (None, 900),
        (None, 0),
        (5, 5),
    ]


def test_an_index_is_sampled_at_each_new_value_or_trade_time() -> None:
    samples = quote(
        Change("$SPX", last=10, trade_ms=1),
        Change("$SPX", last=11),
        Change("$SPX", trade_ms=2),
        Change("$SPX", trade_ms=2),
    )
    assert [size for size, _ in samples] == [None, 0, 0, None]


def test_zero_means_none_yet_where_a_price_cannot_be_zero() -> None:
    spy, tick = Quote("SPY"), Quote("$TICK")
    assert spy.merge(1, Change("SPY", last=0, bid=0, volume=0)).last is None
    assert tick.merge(1, Change("$TICK", last=0)).last == 0
    assert Quote("/CL").merge(1, Change("/CL", last=-37.63)).last == price_from_float(-37.63)


def test_an_image_is_no_trade_even_when_it_reports_one() -> None:
    first = Quote("SPY").merge(1, Change("SPY", last=10, volume=100, trade_ms=5))
    assert first.size is None
    assert first.changed & Field.IMAGE


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1e300", "-1e300", "1e15", "NaN", "Infinity", "9" * 400, "true", '"5"', "[5]"]
)
def test_what_is_no_number_to_count_with_is_left_out_alone(number: str) -> None:
    raw = frame(EQUITIES, {"key": "SPY", "1": 1.5}).replace("1.5", f'{number}, "2": 10.5')
    decoded = FrameDecoder().decode(raw)
    assert [(one.symbol, one.bid, one.ask) for one in decoded.frame.changes] == [("SPY", None, 10.5)]
    assert decoded.odd_items == 2


@pytest.mark.parametrize(
    ("message", "symbols", "odd"),
    [
        ({"data": [{"service": EQUITIES, "timestamp": "soon", "content": [{"key": "SPY"}]}]}, ["SPY"], 1),
        ({"data": [{"service": ["LEVELONE_EQUITIES"], "content": []}]}, [], 2),
        ({"data": [5, {"service": EQUITIES, "timestamp": 7, "content": [{"key": "SPY"}]}]}, ["SPY"], 2),
        ({"data": [{"service": EQUITIES, "content": "none"}]}, [], 1),
        ({"data": [{"service": EQUITIES, "content": [{"3": 5}, "x", {"key": 5}, {"key": "QQQ"}]}]}, ["QQQ"], 4),
        ({"data": 5}, [], 1),
        ([1, 2], [], 1),
    ],
)
def test_frames_of_an_unexpected_shape_give_what_can_be_understood(
    message: object, symbols: list[str], odd: int
) -> None:
    decoded = FrameDecoder().decode(json.dumps(message))
    assert [one.symbol for one in decoded.frame.changes] == symbols
    assert decoded.odd_items == odd


@pytest.mark.parametrize("stamp", [None, "soon", "²", "", "9" * 40, 10**13, int("9" * 20), -5, 1.5, True, {}])
def test_a_time_that_is_none_is_no_time(stamp: object) -> None:
    part = {"service": FUTURES, "timestamp": stamp, "content": [{"key": "/ES", "3": 6900.25}]}
    for message in ([part], [part, part], [part, part | {"service": "NEWS"}], [part, {"content": 5}]):
        frame = FrameDecoder().decode(json.dumps({"data": message})).frame
        assert frame.header_ms == 0 and frame.changes[0].last == 6900.25
    assert FrameDecoder().decode(json.dumps({"notify": [{"heartbeat": stamp}]})).frame.header_ms == 0
    assert FrameDecoder().decode(json.dumps({"notify": stamp, "x": [stamp]})).frame.header_ms == 0
