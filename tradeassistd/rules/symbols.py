"""What people write for a symbol, and how Schwab writes it."""

from __future__ import annotations

import re

from tradeassistd.market.instrument import is_symbol

FUTURE_ROOTS = frozenset({
    "ES", "NQ", "RTY", "YM", "MES", "MNQ", "M2K", "MYM", "VX", "CL", "MCL", "QM", "BZ", "HO", "RB", "NG",
    "GC", "MGC", "SI", "SIL", "HG", "PL", "PA", "ZB", "ZN", "ZF", "ZT", "UB", "ZC", "ZS", "ZW", "ZL", "ZM", "HE", "LE",
    "6A", "6B", "6C", "6E", "6J", "6S", "BTC", "MBT", "ETH", "MET",
})  # fmt: skip
"""Roots of futures as they are often written without the slash."""
INDEXES = frozenset({
    "SPX", "NDX", "RUT", "VIX", "DJI", "DJX", "OEX", "XSP", "COMPX", "VXN", "RVX",
    "TICK", "ADD", "ADVN", "DECN", "TRIN", "VOLD", "UVOL", "DVOL",
})  # fmt: skip
"""Indices and market internals as they are often written without the dollar sign."""

_COMPANIES = {
    "ES": "Eversource Energy", "CL": "Colgate-Palmolive", "NG": "NovaGold Resources", "BZ": "Kanzhun",
    "PL": "Planet Labs", "HE": "Hawaiian Electric", "MET": "MetLife",
}  # fmt: skip
_ELSEWHERE = {"GSPC": "SPX", "IXIC": "COMPX", "SPX500": "SPX", "COMP": "COMPX"}
_AS_SCHWAB = "write it as Schwab does: /ES, $SPX, SPY, BRK/B"
_CONTRACT = re.compile(r"(/?)([A-Z0-9]{1,3})([FGHJKMNQUVXZ])(\d{1,4})")


def symbol_problem(text: str) -> tuple[str, str] | None:
    """What is wrong with a symbol and what to write instead, or None when it is written as Schwab writes it."""
    if not text:
        return "a symbol is missing", _AS_SCHWAB
    if text.startswith("@") and text[1:] not in FUTURE_ROOTS:
        return f"{text} is not a symbol", "a watchlist stands in `symbols` of a rule; one symbol is due here"
    if text[0] in "'\"":
        return f"{text} is not a symbol", "write it without quotes"
    contract = _CONTRACT.fullmatch(text)
    if contract and contract[2] in FUTURE_ROOTS and not (contract[1] and len(contract[4]) == 2):
        year = contract[4][-2:] if len(contract[4]) > 1 else f"2{contract[4]}"
        return f"{text} is not a symbol", f"a contract is written like /{contract[2]}{contract[3]}{year}"
    if is_symbol(text):
        return None
    if (upper := text.upper()) in FUTURE_ROOTS | INDEXES and is_symbol(upper):
        sign = "$" if upper in INDEXES else "/"
        return f"{text!r} is not a symbol", f"write {sign}{upper}, or {upper} for the stock"
    better = _as_schwab(text)
    return f"{text!r} is not a symbol", f"write {better}" if is_symbol(better) else _AS_SCHWAB


def symbol_warning(symbol: str) -> tuple[str, str] | None:
    """What is odd about a stock that is more often meant as a future or an index, and what to write; else None."""
    if symbol not in FUTURE_ROOTS | INDEXES:
        return None
    kind, meant = ("future", f"/{symbol}") if symbol in FUTURE_ROOTS else ("index", f"${symbol}")
    message = f"{symbol} is {_COMPANIES.get(symbol, 'read as a stock')}; the {kind} is {meant}"
    return message, f"write {meant}, or name {symbol} in _instruments.yaml if the stock is meant"


def _as_schwab(text: str) -> str:
    """A guess from the spellings of other services: ES=F, ES1!, CME_MINI:ES1!, ^GSPC, .SPX, $SPX.X, BRK.B, BRK-B."""
    text = text.upper().rpartition(":")[2].strip()
    if match := re.fullmatch(r"[@/]?([A-Z0-9]{1,3})(=F|[0-9]!|)", text):
        root = match[1]
        return f"/{root}" if match[2] or text[0] in "@/" or not is_symbol(root) else text
    if match := re.fullmatch(r"[$^.]?([A-Z]{1,8})(\.X)?", text):
        name = _ELSEWHERE.get(match[1], match[1])
        return f"${name}" if match[2] or text[0] in "$^." else name
    if match := re.fullmatch(r"([A-Z]{1,5})[-. ]([A-Z]{1,2})", text):
        return f"{match[1]}/{match[2]}"
    return text
