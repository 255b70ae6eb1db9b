"""Decodes the streamer's frames: level-one items to `Change`, by Schwab's field numbers.

The tables follow the field lists of schwab-py 1.5.1 (LevelOneEquityFields, LevelOneFuturesFields), which match
recorded frames. Typed decoding is the quick path; a frame with an odd field takes the slow one, so that one bad value
never costs a whole frame.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tradeassistd.market.quote import Change

EQUITIES, FUTURES = "LEVELONE_EQUITIES", "LEVELONE_FUTURES"

FIELDS: dict[str, dict[str, str]] = {
    EQUITIES: {
        "bid": "1", "ask": "2", "last": "3", "bid_size": "4", "ask_size": "5", "volume": "8", "high": "10",
        "low": "11", "prev_close": "12", "open": "17", "status": "32", "quote_ms": "34", "trade_ms": "35",
    },
    FUTURES: {
        "bid": "1", "ask": "2", "last": "3", "bid_size": "4", "ask_size": "5", "volume": "8", "quote_ms": "10",
        "trade_ms": "11", "high": "12", "low": "13", "prev_close": "14", "open": "18", "status": "22",
        "contract": "34",
    },
}  # fmt: skip
"""Per service: what we read, and Schwab's number for it."""
_TEXTS = ("status", "contract")
NUMBER_MAX = 1e18
TIME_DIGITS_MAX = 15


class _Service(msgspec.Struct, gc=False):
    service: str
    timestamp: int = 0
    content: msgspec.Raw = msgspec.Raw(b"[]")


class _Envelope(msgspec.Struct, gc=False):
    data: list[_Service] | None = None


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


def _item_type(service: str) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = [
        (name, str | None if name in _TEXTS else float | None, None) for name in FIELDS[service]
    ]
    return msgspec.defstruct(
        f"_{service}", [("key", str), *fields, ("delayed", bool | None, None)], rename=FIELDS[service], gc=False
    )


class FrameDecoder:
    """Turns raw text into `Decoded`."""

    def __init__(self) -> None:
        self._envelope = msgspec.json.Decoder(_Envelope)
        self._items = {service: msgspec.json.Decoder(list[_item_type(service)]) for service in FIELDS}  # type: ignore[misc]

    def decode(self, raw: str | bytes) -> Decoded:
        """Raises json.JSONDecodeError when the text is no JSON; nothing else."""
        try:
            envelope = self._envelope.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            return _slow(_plain(raw))
        if envelope.data is None:
            message = _plain(raw)
            return Decoded(Frame(_header_ms(message)), message)
        frame, odd = Frame(0), 0
        for part in envelope.data:
            frame.header_ms = max(frame.header_ms, part.timestamp)
            decoder = self._items.get(part.service)
            if decoder is None:
                odd += 1
                continue
            try:
                frame.changes += [_change(item) for item in decoder.decode(part.content)]
            except msgspec.DecodeError:
                changes, bad = _slow_items(part.service, _plain(bytes(part.content)))
                frame.changes += changes
                odd += 1 + bad
        return Decoded(frame, None, odd)


def _plain(raw: str | bytes) -> Any:
    """`raw` as Python values. Raises json.JSONDecodeError when it is no JSON; nothing else."""
    try:
        return json.loads(raw)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise json.JSONDecodeError(str(error), "", 0) from None


def _change(item: Any) -> Change:
    return Change(item.key, item.last, item.bid, item.ask, item.bid_size, item.ask_size, item.volume, item.trade_ms,
                  item.quote_ms, item.delayed, item.open, item.high, item.low, item.prev_close, item.status,
                  getattr(item, "contract", None))  # fmt: skip


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
        frame.header_ms = max(frame.header_ms, stamp if isinstance(stamp, int) else 0)
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


def _is_number(value: object) -> bool:
    """Whether a value can be a price, size or time: JSON readers also give NaN, infinities and endless digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < NUMBER_MAX


def _header_ms(message: dict[str, Any]) -> int:
    """The time a response or notify carries; heartbeats carry it as text."""
    for parts in message.values():
        for part in parts if isinstance(parts, list) else []:
            stamp = part.get("timestamp", part.get("heartbeat")) if isinstance(part, dict) else None
            text = str(stamp) if isinstance(stamp, int | str) else ""
            if text.isascii() and text.isdigit() and len(text) <= TIME_DIGITS_MAX:
                return int(text)
    return 0
