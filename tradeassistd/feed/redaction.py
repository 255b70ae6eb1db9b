"""Takes everything out of a raw frame that is not known to be harmless, so that it may leave this machine.

What may stay is listed, not what must go: Schwab may send a secret or an account number anywhere. Market data of the
level-one and chart services stays as it came; of the rest the structure, codes, times and plain words.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tradeassistd.market.instrument import is_symbol

MASK = "***"
TEXT_MAX = 2_000
"""Longest text of a frame that is no JSON, and of a message in one that is."""
ITEMS_MAX = 2_000
"""Most items kept of one list."""
QUOTE_SERVICES = ("LEVELONE_EQUITIES", "LEVELONE_FUTURES", "CHART_EQUITY", "CHART_FUTURES")
_SERVICES = (*QUOTE_SERVICES, "ADMIN", "ACCT_ACTIVITY")
_COMMANDS = ("LOGIN", "LOGOUT", "SUBS", "ADD", "UNSUBS", "VIEW")
_KINDS = ("data", "response", "notify", "snapshot")
_ITEM_WORDS = ("assetMainType", "assetSubType")
_NUMBER_MAX = 10**15
_SMALL_MAX = 1_000
"""Codes and numbers of requests are below; account numbers are far beyond."""
_SEQUENCE_MAX = 1_000_000
_INSTANTS_MS = range(10**12, 10**13)
"""Schwab's times, 2001 to 2286 in milliseconds: longer than any account number."""
_DIGITS_MAX = 3
_WORD_MAX = 20
_RUN_MAX = 40
_GROUPED_DIGITS = re.compile(r"\d(?:[^A-Za-z0-9]*\d){4,}")
_RUN = re.compile(r"[^\s,;:\"'{}\[\]()]+")
_WORD = re.compile(rf"[A-Z]?[a-z]{{0,{_WORD_MAX}}}|[A-Z]{{1,{_WORD_MAX}}}|\d{{1,{_DIGITS_MAX}}}")


def redact_frame(raw: str) -> dict[str, Any]:
    """A raw frame as JSON values without secrets; never raises, whatever it is.

    A frame that is no JSON object comes as {"unreadable": its text, only words and short numbers left}.
    """
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return {"unreadable": plain_text(raw)}
    if not isinstance(message, dict):
        return {"unreadable": MASK}
    return {kind if kind in _KINDS else MASK: _parts(kind, parts) for kind, parts in message.items()}


def plain_text(text: str) -> str:
    """`text` with only what looks like words and short numbers; the rest is masked run by run."""
    kept = _RUN.sub(lambda found: found[0] if _is_plain(found[0]) else MASK, text[:TEXT_MAX])
    return _GROUPED_DIGITS.sub(MASK, kept)  # an account number in groups of a few digits


def _is_plain(run: str) -> bool:
    """Whether a run of characters without a space is words: tokens mix cases and digits, or are long."""
    if run == MASK:
        return True
    if not run.isascii() or len(run) > _RUN_MAX or "\\" in run or sum(map(str.isdigit, run)) > _DIGITS_MAX:
        return False
    return all(_WORD.fullmatch(chunk) for chunk in re.split(r"[^A-Za-z0-9]", run))


def _parts(kind: str, parts: object) -> object:
    if kind not in _KINDS or not isinstance(parts, list):
        return MASK
    return [_part(kind, part) for part in parts[:ITEMS_MAX]]


def _part(kind: str, part: object) -> object:
    if not isinstance(part, dict):
        return MASK
    made: dict[str, object] = {}
    for name, value in part.items():
        match name:
            case "service":
                made[name] = value if value in _SERVICES else MASK
            case "command":
                made[name] = value if value in _COMMANDS else MASK
            case "timestamp" | "heartbeat":
                made[name] = value if _is_instant(value) else MASK
            case "requestid":
                made[name] = value if _is_below(value, _SMALL_MAX) else MASK
            case "content":
                made[name] = _content(kind, part.get("service"), value)
            case _:
                made[MASK] = MASK
    return made


def _content(kind: str, service: object, content: object) -> object:
    if isinstance(content, dict):
        return {name: _said(name, value) for name, value in content.items() if name in ("code", "msg")}
    if kind in ("data", "snapshot") and service in QUOTE_SERVICES and isinstance(content, list):
        return [_item(item) for item in content[:ITEMS_MAX]]
    return MASK


def _said(name: str, value: object) -> object:
    if name == "code":
        return value if _is_below(value, _SMALL_MAX) else MASK
    return plain_text(value) if isinstance(value, str) else MASK


def _item(item: object) -> object:
    """One symbol's row: numbered fields as they came, its own few names, and nothing else."""
    if not isinstance(item, dict):
        return MASK
    made: dict[str, object] = {}
    for name, value in item.items():
        if name == "key":
            made[name] = _symbol(value)
        elif (name == "delayed" and isinstance(value, bool)) or (name == "seq" and _is_below(value, _SEQUENCE_MAX)):
            made[name] = value
        elif name in _ITEM_WORDS and isinstance(value, str):
            made[name] = plain_text(value)
        elif name.isascii() and name.isdigit() and len(name) <= 2:
            made[name] = _field(value)
        else:
            made[MASK] = MASK
    return made


def _field(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if math.isfinite(value) and abs(value) < _NUMBER_MAX else MASK
    if isinstance(value, str):
        return value if _symbol(value) == value else plain_text(value)
    return MASK


def _symbol(value: object) -> str:
    """A symbol as it is; a name that only digits follow its first letter is none that anybody watches."""
    known = isinstance(value, str) and is_symbol(value) and sum(map(str.isdigit, value)) <= _DIGITS_MAX
    return str(value) if known else MASK


def _is_instant(value: object) -> bool:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text.isascii() and text.isdigit() and len(text) == 13 and int(text) in _INSTANTS_MS


def _is_below(value: object, limit: int) -> bool:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text.isascii() and text.isdigit() and len(text) <= 7 and int(text) < limit
