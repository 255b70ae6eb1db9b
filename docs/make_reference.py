"""Makes the tables of the rule language in README.md and docs/rules.md: `make reference`. A test holds them to it.

A table stands between `<!-- NAME: made by make reference -->` and `<!-- end of NAME -->`; all other text is written by
hand. Meanings come from the pydantic fields, the function table and the table of lints, hours from the calendar in use.
The JSON Schemas for editors, docs/*.schema.json, are made too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from docs.translations import THINKORSWIM, TRADINGVIEW, Translation
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.language.functions import (
    BAR_FIELDS,
    BY_TIME,
    DAY_VALUES,
    FLAGS,
    FUNCTIONS,
    LOOK_BACK_QUOTES,
    QUOTES,
    Function,
    Gives,
)
from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import (
    NEW_YORK,
    SESSION_WORDS,
    Window,
    next_open,
    next_trading_open,
    session_words,
    trading_window_at,
    window_at,
)
from tradeassistd.rules import instruments, routes_file, silences
from tradeassistd.rules.lint import LINTS
from tradeassistd.rules.model import NEVER_DEFAULTS, RuleModel
from tradeassistd.rules.schema.documents import KINDS, schema_text

ROOT = Path(__file__).resolve().parents[1]
FILES = (ROOT / "README.md", ROOT / "docs" / "rules.md")
SCHEMAS = {ROOT / "docs" / f"{kind}.schema.json": kind for kind in KINDS}
"""The JSON Schema of each kind of file, for editors."""


class Key(NamedTuple):
    """How a key of a rule is written: values that load, and which of them holds when none is written."""

    values: tuple[str, ...]
    default: str = ""
    remark: str = ""
    """In the place of a default: what holds without it."""


KEYS = {
    "id": Key(("es-levels",), remark="required"),
    "description": Key(("Went through one of my levels.",)),
    "tags": Key(("[levels, overnight]",)),
    "was": Key(("es-lines",)),
    "rev": Key(("2",)),
    "symbols": Key(("[/ES, SPY, '@core']",), remark="required"),
    "values": Key(("{/ES: {r1: 6900}}",)),
    "let": Key(("{drop: 'pct_change(price, 5m)'}",)),
    "when": Key(("price > 6900",), remark="it or `levels`"),
    "levels": Key(("[{severity: warning, when: price < 6800}]",), remark="it or `when`"),
    "clear_when": Key(("price > 6910",)),
    "for": Key(("30s",), "0s"),
    "keep_firing_for": Key(("2m",), "0s"),
    "evaluate": Key(("tick", "close(5m)", "at(15:50)"), "tick"),
    "fire": Key(("every", "once", "once_per_bar(5m)", "each_bar(5m)"), "every"),
    "max_per_session": Key(("3",), remark="no limit"),
    "rearm": Key(("clear", "move 0.5%", "move 8t"), "clear"),
    "cooldown": Key(("5m",), "1m"),
    "repeat": Key(("[5m, 15m, 1h]",), remark="none"),
    "on_clear": Key(("silent", "tell"), "silent"),
    "session": Key(SESSION_WORDS, remark="when it trades"),
    "active": Key(("['mon-fri 09:45-11:30 America/New_York']",), remark="always"),
    "stale_after": Key(("30s",), remark="never"),
    "catch_up": Key(("report", "log"), "report"),
    "at_load": Key(("quiet", "fire"), "quiet"),
    "expires": Key(("2026-12-18", "2026-12-18 15:00 America/New_York"), remark="never"),
    "severity": Key(SEVERITIES, "warning"),
    "notify": Key(("[slack, phone]",), remark="the settings'"),
    "title": Key(("'{symbol} at {price:,.2f}'",)),
    "message": Key(("'{symbol} {net_pct:+.2%} on the day'",)),
    "setup": Key(("{type: breakout, entry: price, stop: price - 8t}",)),
    "mode": Key(("live", "shadow", "off"), "live"),
}
"""Every key of a rule, in the order of the table."""

INSTRUMENT_KEYS = {
    "name": ("Advancing less declining",), "class": instruments.CLASSES,
    "market": (*instruments.FUTURES_MARKETS, *instruments.INDEX_MARKETS), "session": instruments.SESSIONS,
    "tick_size": ("0.25",), "multiplier": ("50",), "plausible": ("[-5000, 5000]", "any"),
    "derived": ("$ADVN - $DECN", "'($UVOL - $DVOL) / ($UVOL + $DVOL)'"),
}  # fmt: skip
"""How each key of an entry of `_instruments.yaml` is written."""
EXAMPLES = {
    "sma": "sma(close, 20, 1m)", "avg": "avg(volume, 20, 1m)", "ema": "ema(close, 21, 5m)", "wma": "wma(close, 20, 1m)",
    "highest": "highest(high, 20, 5m)", "lowest": "lowest(low, 20, 5m)", "roc": "roc(close, 10, 5m)",
    "rsi": "rsi(close, 14, 5m)", "atr": "atr(14, 5m)", "stdev": "stdev(close, 20, 5m)",
    "zscore": "zscore(close, 20, 5m)", "macd": "macd(close, 12, 26, 9, 5m).line",
    "bollinger": "bollinger(close, 20, 2, 5m).upper", "rvol": "rvol(5m)", "vwap": "vwap()",
    "opening_range": "opening_range(15m).high", "pct_change": "pct_change(price, 5m)", "change": "change(price, 5m)",
    "pct_from": "pct_from(price, prev_day.close)", "abs": "abs(net_pct)", "min": "min(bid, close(5m))",
    "max": "max(day.high, prev_day.high)", "streak": "streak(close(5m) > open(5m), 5m)",
    "count": "count(price crosses 6900, 30m)",
    "seq": "seq(price crosses_above 6900, price crosses_below 6890, within=15m)",
}  # fmt: skip
"""How each function is written."""
BY_TIME_EXAMPLES = {"highest": "highest(price, 5m)", "lowest": "lowest(price, 5m)"}

HOURS_OF = {
    "SPY": "stocks, funds", "$SPX": "indices", "$VIX": "$VIX", "$TICK": "breadth figures",
    "/ES": "stock index futures", "/CL": "energy futures", "/GC": "metal futures", "/ZN": "rate futures",
    "/6E": "currency futures", "/ZC": "grain futures",
}  # fmt: skip
"""A symbol of each kind of hours, and what the kind is called."""
PLAIN_DAY = date(2026, 10, 14)
OTHER_DAYS = {
    date(2026, 11, 26): "Thanksgiving", date(2026, 11, 27): "the day after", date(2026, 12, 24): "Christmas Eve",
    date(2026, 12, 25): "Christmas", date(2027, 3, 26): "Good Friday",
}  # fmt: skip
OTHER_DAYS_OF = ("SPY", "$SPX", "$VIX", "/ES", "/CL", "/GC", "/ZN", "/ZC")


def filled(text: str) -> str:
    """The document with every marked table made anew. Raises ValueError for a mark that is no table's or not closed."""
    for name in re.findall(r"<!-- (.+): made by make reference -->", text):
        if name not in TABLES:
            raise ValueError(f"there is no table {name!r}")
        begin, end = f"<!-- {name}: made by make reference -->\n", f"<!-- end of {name} -->"
        before, mark, rest = text.partition(begin)
        _, closing, after = rest.partition(end)
        if not (mark and closing):
            raise ValueError(f"table {name!r} is not closed")
        table = "\n".join(TABLES[name]())
        text = f"{before}{begin}\n{table}\n\n{end}{after}"
    return text


def main() -> None:
    """Write both files and the schemas anew."""
    for file in FILES:
        file.write_text(filled(file.read_text("utf-8")), "utf-8")
    for file, kind in SCHEMAS.items():
        file.write_text(schema_text(kind), "utf-8")


def _fields() -> Iterator[str]:
    says = {field.alias or name: field.description for name, field in RuleModel.model_fields.items()}
    yield from _head("key", "written", "default", "meaning")
    for name, key in KEYS.items():
        default = f"`{key.default}`" if key.default else key.remark
        yield _row(f"`{name}`", ", ".join(map(_code, key.values)), default, says[name] or "")
    yield ""
    single = ", ".join(f"`{name}`" for name in NEVER_DEFAULTS)
    yield f"All but {single} may also stand in `defaults` of a file and in `_defaults.yaml`."


def _functions() -> Iterator[str]:
    yield from _head("function", "what it is", "unit", "known after")
    for name, function in FUNCTIONS.items():
        yield _function(function, EXAMPLES[name])
        if name in BY_TIME:
            yield _function(BY_TIME[name], BY_TIME_EXAMPLES[name])
    yield ""
    bars = _listed(name for name, function in FUNCTIONS.items() if function.reads_bars)
    spans = _listed(name for name, function in FUNCTIONS.items() if function.by_session)
    yield f"A session word may end the arguments of bar values, of {bars}, and of {spans}."
    yield "`live` may end those of bar values and bar functions. `[n]` behind one of these goes n bars back."
    yield f"`pct_change`, `change`, and `highest` and `lowest` over time look back on {_listed(LOOK_BACK_QUOTES)}."
    yield f"Intervals: {_listed(INTERVALS_S)}."


def _function(function: Function, example: str) -> str:
    parts = "".join(f" `.{part}`" for part in function.parts if not example.endswith(f".{part}"))
    says = " ".join((function.doc, *(f"`.{part}`: {_lower(one.doc)}" for part, one in function.parts.items())))
    units = {Gives.ARGUMENT: "of its argument", Gives.EVENT: "event"}
    warm_up = "" if function.warm_up == "none" else function.warm_up
    return _row(f"`{example}`{parts}", says, units.get(function.gives, function.gives), warm_up)


def _names() -> Iterator[str]:
    yield from _head("name", "what it is", "unit")
    for name, (unit, doc) in QUOTES.items():
        yield _row(f"`{name}`", doc, str(unit))
    for name, doc in FLAGS.items():
        yield _row(f"`{name}`", doc, "state")
    for scope, parts in DAY_VALUES.items():
        for part, (unit, doc) in parts.items():
            yield _row(f"`{scope}.{part}`", doc, str(unit))
    for name, (unit, doc) in BAR_FIELDS.items():
        yield _row(f"`{name}(5m)`", doc, str(unit))


def _short_names() -> Iterator[str]:
    yield f"- Live: {_listed(QUOTES)}; the state {_listed(FLAGS)}."
    yield f"- Days: {_listed(f'{scope}.{part}' for scope, parts in DAY_VALUES.items() for part in parts)}."
    yield f"- Bars: {_listed(f'{name}(5m)' for name in BAR_FIELDS)}."


def _tradingview() -> Iterator[str]:
    yield from _translated("TradingView", TRADINGVIEW)


def _thinkorswim() -> Iterator[str]:
    yield from _translated("thinkScript", THINKORSWIM)


def _translated(whose: str, lines: Iterable[Translation]) -> Iterator[str]:
    yield from _head(f"in {whose} you write", "here you write", "remark")
    for line in lines:
        theirs = f"`{line.theirs}`" if whose == "thinkScript" else line.theirs
        remark = ", or ".join(filter(None, (line.remark, line.also and _code(line.also))))
        yield _row(theirs, "<br>".join(map(_code, (f"when: {line.when}", *line.keys.splitlines()))), remark)


def _hours() -> Iterator[str]:
    words = [word for word in SESSION_WORDS if word != "always"]
    yield from _head("New York time", *(f"`{word}`" for word in words), "no word: it trades")
    for symbol, kind in HOURS_OF.items():
        own = session_words(instrument_of(symbol))
        hours = (_hours_text(symbol, word, PLAIN_DAY) if word in own else "-" for word in words)
        yield _row(f"{kind}: {_code(symbol)}" if kind != symbol else _code(symbol), *hours,
                   _hours_text(symbol, "", PLAIN_DAY))  # fmt: skip


def _other_days() -> Iterator[str]:
    yield from _head("", *(f"{day} {name}" for day, name in OTHER_DAYS.items()))
    for symbol in OTHER_DAYS_OF:
        for word in session_words(instrument_of(symbol)):
            if word not in ("always", "overnight") and (word != "rth" or symbol in ("SPY", "$SPX", "/ES", "/CL")):
                yield _row(f"{_code(symbol)} `{word}`", *(_hours_text(symbol, word, day) for day in OTHER_DAYS))
        if symbol == "$VIX":
            yield _row("`$VIX` no word", *(_hours_text(symbol, "", day) for day in OTHER_DAYS))


def _hours_text(symbol: str, word: str, day: date) -> str:
    window = _window_of(symbol, word, day)
    if window is None:
        return "closed"
    opens, closes = (datetime.fromtimestamp(us // US_PER_S, NEW_YORK) for us in window)
    return f"{opens:%H:%M}-{closes:%H:%M}"


def _window_of(symbol: str, word: str, day: date) -> Window | None:
    """The session that closes on that day, as the engine finds it."""
    instrument = instrument_of(symbol)
    noon_before = datetime(day.year, day.month, day.day, 12, tzinfo=NEW_YORK) - timedelta(days=1)
    after_us = int(noon_before.timestamp()) * US_PER_S
    while True:
        after_us = next_open(instrument, word, after_us) if word else next_trading_open(instrument, after_us)
        window = window_at(instrument, word, after_us) if word else trading_window_at(instrument, after_us)
        assert window is not None  # it has just opened
        closes = datetime.fromtimestamp(window.close_us // US_PER_S, NEW_YORK).date()
        if closes >= day:
            return window if closes == day else None


def _lints() -> Iterator[str]:
    yield from _head("code", "says", "example", "severity")
    for code, lint in LINTS.items():
        yield _row(_code(code), lint.doc, lint.example and _code(lint.example), lint.severity)


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + "---|" * len(names)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _code(text: str) -> str:
    return f"`{text}`"


def _listed(names: Iterable[str]) -> str:
    return " ".join(map(_code, names))


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _instrument_keys() -> Iterator[str]:
    yield from _head("key", "written", "meaning")
    for key, says in instruments.KEYS.items():
        yield _row(_code(key), ", ".join(map(_code, INSTRUMENT_KEYS[key])), says)


def _route_keys() -> Iterator[str]:
    yield "| key | meaning |"
    yield "|---|---|"
    parts = {"match": routes_file.MATCH_KEYS, "quiet": routes_file.QUIET_KEYS, "escalate": routes_file.ESCALATE_KEYS}
    for key, words in routes_file.KEYS.items():
        yield f"| `{key}` | {words} |"
        for inner, meaning in parts.get(key, {}).items():
            yield f"| `{key}.{inner}` | {meaning} |"


def _silence_keys() -> Iterator[str]:
    yield from _head("key", "meaning")
    for key, words in silences.KEYS.items():
        yield _row(_code(key), words)
        for inner, meaning in silences.MATCH_KEYS.items() if key == "match" else ():
            yield _row(_code(f"match.{inner}"), meaning)


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "keys": _fields,
    "functions": _functions,
    "names": _short_names,
    "names and meanings": _names,
    "tradingview": _tradingview,
    "thinkorswim": _thinkorswim,
    "hours": _hours,
    "other days": _other_days,
    "lints": _lints,
    "instrument keys": _instrument_keys,
    "route keys": _route_keys,
    "silence keys": _silence_keys,
}

if __name__ == "__main__":
    main()
