"""What the simulator writes against what Schwab wrote: recorded frames come out of its encoder equal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from schwab.streaming import StreamClient

from tests.recorded import recorded
from tradeassistd.sim import wire
from tradeassistd.sim.fields import EQUITIES, FUTURES, Equity, Future, Layout
from tradeassistd.sim.listing import listing_of

NOW_US = 1_765_081_984_668_000


def frames() -> list[dict[str, Any]]:
    """The recorded frames of Schwab's own streamer."""
    lines = recorded("frames/frames.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["frame"] for line in map(json.loads, lines) if line["broker"] == "schwab" and "frame" in line]


def test_recorded_responses_are_encoded_alike() -> None:
    parts = [frame["response"][0] for frame in frames() if "response" in frame]
    assert {part["command"] for part in parts} >= {"LOGIN", "SUBS"}
    for part in parts:
        request = wire.Request(
            part["service"], part["command"], part["requestid"], SchwabClientCorrelId=part["SchwabClientCorrelId"]
        )
        ours = wire.response(request, part["timestamp"] * 1000, part["content"]["code"], part["content"]["msg"])
        assert json.loads(ours) == {"response": [part]}
        assert list(json.loads(ours)["response"][0]) == list(part)


def test_recorded_notifies_are_encoded_alike() -> None:
    parts = [frame["notify"][0] for frame in frames() if "notify" in frame]
    assert {"heartbeat", "content"} <= {name for part in parts for name in part}
    for part in parts:
        if "heartbeat" in part:
            ours = wire.heartbeat(int(part["heartbeat"]) * 1000)
        else:
            ours = wire.notify(part["timestamp"] * 1000, part["content"]["code"], part["content"]["msg"])
        assert json.loads(ours) == {"notify": [part]}


def test_recorded_data_frames_are_encoded_alike() -> None:
    checked = 0
    for frame in frames():
        for part in frame.get("data", ()):
            if part["service"] in (EQUITIES.service, FUTURES.service):
                ours = wire.data(part["timestamp"] * 1000, {part["service"]: map(_encoded, part["content"])})
                assert json.loads(ours) == {"data": [part]}
                checked += 1
    assert checked >= 8


def _encoded(item: dict[str, Any]) -> str:
    fields = [(int(name), json.dumps(value)) for name, value in item.items() if name.isdecimal()]
    head = {name: value for name, value in item.items() if name != "key" and not name.isdecimal()}
    return wire.item(item["key"], fields, json.dumps(head)[1:-1])


def test_images_have_the_recorded_types_field_by_field() -> None:
    """A number where Schwab sends a number, text where it sends text, and the same words beside the fields."""
    checked = 0
    for frame in frames():
        for part in frame.get("data", ()):
            if part["service"] not in (EQUITIES.service, FUTURES.service):
                continue
            for item in part["content"]:
                listing = listing_of(item["key"], NOW_US)
                image = json.loads(wire.item(item["key"], listing.still.items(), listing.head))
                for name in item:
                    if name != "cusip" or "cusip" in image:
                        assert _kind(image[name]) == _kind(item[name]), (item["key"], name)
                        checked += 1
    assert checked > 60


def _kind(value: object) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


# What schwab-py calls the numbers that both services have.
COMMON = {
    "bid": "BID_PRICE",
    "ask": "ASK_PRICE",
    "last": "LAST_PRICE",
    "bid_size": "BID_SIZE",
    "ask_size": "ASK_SIZE",
    "volume": "TOTAL_VOLUME",
    "last_size": "LAST_SIZE",
    "quote_ms": "QUOTE_TIME_MILLIS",
    "trade_ms": "TRADE_TIME_MILLIS",
    "bid_ms": "BID_TIME_MILLIS",
    "ask_ms": "ASK_TIME_MILLIS",
    "high": "HIGH_PRICE",
    "low": "LOW_PRICE",
    "open": "OPEN_PRICE",
    "close": "CLOSE_PRICE",
    "net_change": "NET_CHANGE",
    "mark": "MARK",
}


@pytest.mark.parametrize(
    ("layout", "enum", "percent"),
    [
        (EQUITIES, StreamClient.LevelOneEquityFields, "NET_CHANGE_PERCENT"),
        (FUTURES, StreamClient.LevelOneFuturesFields, "FUTURE_CHANGE_PERCENT"),
    ],
)
def test_the_common_numbers_are_those_schwab_py_knows(layout: Layout, enum: Any, percent: str) -> None:
    assert {name: getattr(layout, name) for name in COMMON} == {
        name: enum[theirs].value for name, theirs in COMMON.items()
    }
    assert layout.net_percent == enum[percent].value
    assert layout.highest == max(field.value for field in enum)


def test_the_other_numbers_are_those_schwab_py_knows() -> None:
    equity, future = StreamClient.LevelOneEquityFields, StreamClient.LevelOneFuturesFields
    assert (equity.DESCRIPTION.value, equity.SECURITY_STATUS.value) == (Equity.DESCRIPTION, Equity.SECURITY_STATUS)
    assert equity.REGULAR_MARKET_LAST_PRICE.value == Equity.REGULAR_LAST
    assert equity.REGULAR_MARKET_TRADE_MILLIS.value == Equity.REGULAR_TRADE_MS
    assert (equity.HIGH_PRICE_52_WEEK.value, equity.LOW_PRICE_52_WEEK.value) == (
        Equity.HIGH_52_WEEK,
        Equity.LOW_52_WEEK,
    )
    assert (future.DESCRIPTION.value, future.SECURITY_STATUS.value) == (Future.DESCRIPTION, Future.SECURITY_STATUS)
    assert (future.TICK.value, future.FUTURE_MULTIPLIER.value) == (Future.TICK, Future.MULTIPLIER)
    assert future.FUTURE_ACTIVE_SYMBOL.value == Future.ACTIVE_SYMBOL
    assert future.FUTURE_SETTLEMENT_PRICE.value == Future.SETTLEMENT_PRICE
    assert future.FUTURE_EXPIRATION_DATE.value == Future.EXPIRATION_DATE


def test_text_is_escaped_wherever_it_comes_from() -> None:
    odd = wire.Malformed(service='A"B\\', command="\n", requestid="é", SchwabClientCorrelId="\u2028")
    part = json.loads(wire.response(odd, NOW_US, 21, 'no "such" thing'))["response"][0]
    assert (part["service"], part["command"], part["requestid"]) == ('A"B\\', "\n", "é")
    assert part["content"]["msg"] == 'no "such" thing'
