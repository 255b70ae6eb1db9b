"""Decodes the streamer's frames: level-one items to `Change`, by Schwab's field numbers, minutes to `ChartRow`.

The tables follow the field lists of schwab-py 1.5.1 (LevelOneEquityFields, LevelOneFuturesFields), which match
recorded frames. Typed decoding of the whole frame in one go is the quick path; one with another service or an odd field
is taken apart, first into services and then into items, so that one bad value never costs a whole frame.
"""

from __future__ import annotations

import functools
import json
import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import msgspec

from tradeassistd.feed.charts import CHART_FIELDS, ChartRow
from tradeassistd.market.quote import Change

EQUITIES, FUTURES = "LEVELONE_EQUITIES", "LEVELONE_FUTURES"

FIELDS: dict[str, dict[str, str]] = {
    EQUITIES: {
        "bid": "1", "ask": "2", "last": "3", "bid_size": "4", "ask_size": "5", "volume": "8", "high": "10",
        "low": "11", "prev_close": "12", "open": "17", "year_high": "19", "year_low": "20", "status": "32",
        "quote_ms": "34", "trade_ms": "35",
    },
    FUTURES: {
        "bid": "1", "ask": "2", "last": "3", "bid_size": "4", "ask_size": "5", "volume": "8", "quote_ms": "10",
        "trade_ms": "11", "high": "12", "low": "13", "prev_close": "14", "open": "18", "status": "22",
        "contract": "34",
    },
}  # fmt: skip
"""Per service: what we read, and Schwab's number for it."""
_TEXTS = ("status", "contract")
_NOT_EVERYWHERE = ("contract", "year_high", "year_low")
"""What one service has and another has not; a name that none sends keeps them apart there."""
NUMBER_MAX = 1e15
"""No price, size or time of Schwab's is near it, and sums of what is below stay storable."""
TIME_MAX_MS = 10**13
"""Year 2286: a time beyond is none, and would take a market's clock with it."""


_Number = Annotated[float, msgspec.Meta(gt=-NUMBER_MAX, lt=NUMBER_MAX)]


class _Service(msgspec.Struct, gc=False):
    service: str
    timestamp: int = 0
    content: msgspec.Raw = msgspec.Raw(b"[]")


class _Envelope(msgspec.Struct, gc=False):
    data: list[_Service] | None = None


class _Part(msgspec.Struct, gc=False):
    """One service of a frame, its items decoded; the types by service are made from it."""

    timestamp: int = 0
    content: list[Any] = []


@dataclass(slots=True)
class Frame:
    """One frame in order of arrival. `header_ms` is its time, UTC milliseconds (0: it carried none)."""

    header_ms: int
    changes: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class Decoded:
    """What a raw frame was: a data frame (`frame`), else `passed` on to schwab-py as a parsed message."""

    frame: Frame
    passed: dict[str, Any] | None = None
    odd_items: int = 0
    """Items or services that were left out or read the slow way."""
    charts: list[ChartRow] = field(default_factory=list)
    """Minutes as Schwab tells them; they are no events."""


def _item_type(service: str) -> type[Change]:
    """`Change` as that service writes it, so that no item is copied."""
    names = {"symbol": "key", **{name: f"-{name}" for name in _NOT_EVERYWHERE}, **FIELDS[service]}
    fields: list[tuple[str, Any, Any]] = [
        (name, str | None if name in _TEXTS else _Number | None, None) for name in names if name != "symbol"
    ]
    kind = msgspec.defstruct(f"_{service}", [("symbol", str), *fields], bases=(Change,), rename=names, gc=False)
    return cast(type[Change], kind)


def _chart_type(service: str) -> type[ChartRow]:
    """`ChartRow` as that service writes it."""
    names = {"symbol": "key", **CHART_FIELDS[service]}
    fields: list[tuple[str, Any, Any]] = [(name, _Number | None, None) for name in names if name != "symbol"]
    kind = msgspec.defstruct(f"_{service}", [("symbol", str), *fields], bases=(ChartRow,), rename=names, gc=False)
    return cast(type[ChartRow], kind)


def _frame_type(items: dict[str, type[Change]]) -> Any:
    """A whole frame; what it is made of is only known here."""
    kinds: list[Any] = [
        msgspec.defstruct(
            f"_{service}_PART", [("content", list[item], [])], bases=(_Part,), tag_field="service", tag=service,  # type: ignore[valid-type]
            gc=False,
        )
        for service, item in items.items()
    ]  # fmt: skip
    part: Any = functools.reduce(operator.or_, kinds)
    return msgspec.defstruct("_Frame", [("data", list[part] | None, None)], gc=False)


class FrameDecoder:
    """Turns raw text into `Decoded`."""

    def __init__(self) -> None:
        items = {service: _item_type(service) for service in FIELDS}
        charts = {service: _chart_type(service) for service in CHART_FIELDS}
        self._frame = msgspec.json.Decoder(_frame_type(items))
        self._envelope = msgspec.json.Decoder(_Envelope)
        self._items = {service: msgspec.json.Decoder(list[item]) for service, item in items.items()}  # type: ignore[valid-type]
        self._charts = {service: msgspec.json.Decoder(list[item]) for service, item in charts.items()}  # type: ignore[valid-type]

    def decode(self, raw: str | bytes) -> Decoded:
        """Raises json.JSONDecodeError when the text is no JSON; nothing else."""
        try:
            parts: list[_Part] | None = self._frame.decode(raw).data
        except (msgspec.DecodeError, RecursionError):
            return self._by_service(raw)
        if parts is None:
            message = _plain(raw)
            return Decoded(Frame(_header_ms(message)), message)
        if len(parts) == 1:
            return Decoded(Frame(_instant_ms(parts[0].timestamp), parts[0].content))
        frame = Frame(0)
        for part in parts:
            frame.header_ms = max(frame.header_ms, _instant_ms(part.timestamp))
            frame.changes += part.content
        return Decoded(frame)

    def _by_service(self, raw: str | bytes) -> Decoded:
        """Take a frame that is not wholly as expected service by service."""
        try:
            envelope = self._envelope.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            return _slow(_plain(raw))
        if envelope.data is None:
            message = _plain(raw)
            return Decoded(Frame(_header_ms(message)), message)
        frame, charts, odd = Frame(0), list[ChartRow](), 0
        for part in envelope.data:
            frame.header_ms = max(frame.header_ms, _instant_ms(part.timestamp))
            if part.service in self._charts:
                rows, bad = self._chart_rows(part)
                charts += rows
                odd += bad
                continue
            decoder = self._items.get(part.service)
            if decoder is None:
                odd += 1
                continue
            try:
                frame.changes += decoder.decode(part.content)
            except msgspec.DecodeError:
                changes, bad = _slow_items(part.service, _plain(bytes(part.content)))
                frame.changes += changes
                odd += 1 + bad
        return Decoded(frame, None, odd, charts)

    def _chart_rows(self, part: _Service) -> tuple[list[ChartRow], int]:
        """The minutes of a part, and how many of its items make no sense."""
        try:
            return self._charts[part.service].decode(part.content), 0
        except msgspec.DecodeError:
            return _slow_charts(part.service, _plain(bytes(part.content)))


def _plain(raw: str | bytes) -> Any:
    """`raw` as Python values. Raises json.JSONDecodeError when it is no JSON; nothing else."""
    try:
        return json.loads(raw)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise json.JSONDecodeError(str(error), "", 0) from None


def _slow(message: Any) -> Decoded:
    """A frame whose envelope is not as expected: take what can be understood, count the rest."""
    if not isinstance(message, dict) or "data" not in message:
        return Decoded(Frame(0), message if isinstance(message, dict) else {}, 1)
    frame, odd = Frame(0), 1
    parts = message["data"] if isinstance(message["data"], list) else []
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("service"), str) or part["service"] not in FIELDS:
            odd += 1
            continue
        stamp = part.get("timestamp")
        frame.header_ms = max(frame.header_ms, _instant_ms(stamp) if type(stamp) is int else 0)
        changes, bad = _slow_items(part["service"], part.get("content"))
        frame.changes += changes
        odd += bad
    return Decoded(frame, None, odd)


def _slow_items(service: str, content: Any) -> tuple[list[Change], int]:
    changes, bad = [], 0
    for item in content if isinstance(content, list) else []:
        if not isinstance(item, dict) or not isinstance(item.get("key"), str):
            bad += 1
            continue
        change = Change(item["key"])
        for name, number in FIELDS[service].items():
            value = item.get(number)
            if isinstance(value, str) if name in _TEXTS else _is_number(value):
                setattr(change, name, value)
            elif value is not None:
                bad += 1
        changes.append(change)
    return changes, bad


def _slow_charts(service: str, content: Any) -> tuple[list[ChartRow], int]:
    rows, bad = [], 0
    for item in content if isinstance(content, list) else []:
        values = [item.get(number) for number in CHART_FIELDS[service].values()] if isinstance(item, dict) else []
        if not values or not isinstance(item.get("key"), str) or not all(map(_is_number, values)):
            bad += 1
            continue
        seq = item.get("seq")
        row = ChartRow(item["key"], seq=seq if isinstance(seq, int) else None)
        for name, value in zip(CHART_FIELDS[service], values, strict=True):
            setattr(row, name, value)
        rows.append(row)
    return rows, bad


def _is_number(value: object) -> bool:
    """Whether a value can be a price, size or time: JSON readers also give NaN, infinities and endless digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < NUMBER_MAX


def _header_ms(message: dict[str, Any]) -> int:
    """The time a response or notify carries; heartbeats carry it as text."""
    for parts in message.values():
        for part in parts if isinstance(parts, list) else []:
            stamp = part.get("timestamp", part.get("heartbeat")) if isinstance(part, dict) else None
            text = str(stamp) if isinstance(stamp, int | str) else ""
            if text.isascii() and text.isdigit() and len(text) <= len(str(TIME_MAX_MS)):
                return _instant_ms(int(text))
    return 0


def _instant_ms(stamp: int) -> int:
    """A frame's time, 0 when it is none."""
    return stamp if 0 <= stamp < TIME_MAX_MS else 0
