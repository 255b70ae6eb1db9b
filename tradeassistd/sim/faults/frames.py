"""Frames that no market makes: broken ones, ones nobody asked for, recorded ones. Text out, no I/O but one file."""

from __future__ import annotations

import json
from pathlib import Path

from tradeassistd.base.instant import US_PER_MS
from tradeassistd.base.yaml12 import ValueProblem
from tradeassistd.sim import wire

FRAMES_MAX = 10_000
AKAMAI = (
    "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n"
    "You don't have permission to access this server.<P>\nReference #18.5a1e7001.1600000000\n</BODY>\n</HTML>\n"
)
"""What stands in front of Schwab says this (protocol notes, 1)."""

_NO_NUMBER = "\ufffd"
_UNKNOWN_FUTURE = (
    {"delayed": "false"}
    | dict.fromkeys(("1", "2", "3"), _NO_NUMBER)
    | {"6": '"?"', "7": '"?"'}
    | dict.fromkeys(("12", "13", "14"), _NO_NUMBER)
    | {"15": '"?"', "16": '"Symbol not found"', "17": '"?"', "18": _NO_NUMBER, "21": '"unavailable"', "22": '"Unknown"'}
    | {"24": _NO_NUMBER, "28": '"D,D"', "33": _NO_NUMBER}
)


def malformed(form: str, at_us: int, image: str) -> str:
    """A frame that is no JSON; `image` is a good frame to cut off."""
    if form == "html":
        return AKAMAI
    if form == "cut_off":
        return image[: len(image) // 2]
    if form == "empty":
        return ""
    values = ",".join(f'"{name}":{value}' for name, value in _UNKNOWN_FUTURE.items())
    return wire.data(at_us, {"LEVELONE_FUTURES": [f'{{"key":"/GOOG",{values}}}']})


def unknown_service(service: str, at_us: int) -> str:
    """A data frame of a service that nobody subscribed."""
    item = f'{{"key":"SPY","1":{at_us // US_PER_MS},"2":"no news","seq":1}}'
    return wire.data(at_us, {wire.json_text(service)[1:-1]: [item]})


def feature_not_supported(number: int, at_us: int) -> str:
    """What an account without activity gets at half past midnight New York."""
    item = f'{{"seq":{number},"key":"Account Activity","1":"00000000","2":"","3":"Feature not supported"}}'
    return wire.data(at_us, {"ACCT_ACTIVITY": [item]})


def recorded_frames(path: object) -> tuple[str, ...]:
    """The frames of a file: a JSON object a line, with `raw` text or a `frame` that is an object. Raises ValueProblem.

    A relative path is looked up in the working directory.
    """
    if not isinstance(path, str) or not path:
        raise ValueProblem("a file name is due here", hint="write file: frames.jsonl")
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueProblem(f"cannot read {path}: {error}", hint="name a file that can be read") from None
    frames = []
    for number, line in enumerate(lines, 1):
        try:
            held = json.loads(line) if line.strip() else None
            if held is not None:
                frames.append(held["raw"] if "raw" in held else json.dumps(held["frame"], separators=(",", ":")))
        except (ValueError, KeyError, TypeError):
            hint = "write an object with raw or frame on each line"
            raise ValueProblem(f"{path}:{number} holds no frame", hint=hint) from None
    if not 1 <= len(frames) <= FRAMES_MAX:
        raise ValueProblem(f"{path} holds {len(frames)} frames", hint=f"write 1 to {FRAMES_MAX:,}")
    return tuple(frames)
