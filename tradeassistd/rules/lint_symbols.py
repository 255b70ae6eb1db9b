"""Symbols that are probably not the one that is meant: a bare `ES`, an unknown root, a contract that is over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import Problem, did_you_mean, path_text
from tradeassistd.market.catalogue import entries
from tradeassistd.market.instrument import Instrument, InstrumentClass, instrument_in
from tradeassistd.rules.instruments import Instruments
from tradeassistd.rules.lint import Note
from tradeassistd.rules.symbols import symbol_warning

_MONTHS = "FGHJKMNQUVXZ"
"""January to December, as contracts are named (CME Group)."""
_CONTRACT = re.compile(rf"(/[A-Z0-9]+?)([{_MONTHS}])(\d\d)")


def symbol_notes(instrument: Instrument, now_us: int) -> Iterator[Note]:
    """What is odd about a symbol. `now_us`: market time, 0 where nobody knows it."""
    if {instrument.symbol, instrument.root} & instrument.overrides.keys():
        return  # who says what it is means it
    if warning := symbol_warning(instrument.symbol):
        yield Note("bare-symbol", *warning)
    if not instrument.name:
        yield from _unknown(instrument)
    contract = _CONTRACT.fullmatch(instrument.symbol)
    if contract and now_us:
        year, month = 2000 + int(contract[3]), _MONTHS.index(contract[2]) + 1
        if (year, month) < _month(now_us):
            message = f"{instrument.symbol} is over: its month was {year}-{month:02}"
            yield Note("expired", message, f"write {contract[1]} for the front contract")


def component_problems(instruments: Instruments, now_us: int) -> Iterator[Problem]:
    """The same of what derived symbols are made of: one that Schwab does not have is unknown for ever."""
    for made in instruments.derived:
        formula, path = instruments.formulas[made.symbol], path_text((made.symbol, "derived"))
        for component in made.components:
            found = re.search(rf"(?<![A-Z0-9/$]){re.escape(component)}(?![A-Z0-9])", formula.text)
            place = formula.place_at(found.start() if found else 0)
            for note in symbol_notes(instrument_in(instruments.overrides, component), now_us):
                yield Problem(place, path, note.message, note.hint, note.code)


def _unknown(instrument: Instrument) -> Iterator[Note]:
    name = instrument.root[1:]
    if instrument.kind is InstrumentClass.FUTURE:
        message = f"no future {instrument.root} is known here: its tick size and hours are a guess"
        yield Note("unknown-symbol", message, _elsewhere(name) or _near(instrument.root) or "see _instruments.yaml")
    elif instrument.symbol.startswith("$") and (meant := _elsewhere(name) or _near(instrument.root)):
        yield Note("unknown-symbol", f"no index {instrument.symbol} is known here", meant)


def _elsewhere(name: str) -> str:
    """A hint when the name is known with another sign."""
    found = next((symbol for symbol in (f"${name}", f"/{name}", name) if symbol in _known()), "")
    return f"write {found}" if found else ""


def _near(symbol: str) -> str:
    """A hint when a symbol of the same sign is a slip away. Two letters are too few to be near anything."""
    sign, name = symbol[0], symbol[1:]
    known = sorted(one[1:].lower() for one in _known() if one[0] == sign)
    meant = did_you_mean(name, known) if len(name) > 2 else ""
    word = meant.removeprefix("did you mean ").removesuffix("?")
    return f"did you mean {sign}{word.upper()}?" if word else ""


@cache
def _known() -> frozenset[str]:
    return frozenset(entry.symbol for entry in entries())


def _month(now_us: int) -> tuple[int, int]:
    now = datetime.fromtimestamp(now_us // US_PER_S, UTC)
    return now.year, now.month
