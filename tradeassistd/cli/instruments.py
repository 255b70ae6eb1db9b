"""`tradeassist instruments`: what is known of symbols, from the catalogue and from the rules in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from tradeassistd.base.errors import ConfigError, TradeAssistError
from tradeassistd.base.yaml12 import decode
from tradeassistd.cli import exit_codes
from tradeassistd.market import catalogue
from tradeassistd.market.instrument import Instrument, InstrumentClass, instrument_in, instrument_of, is_symbol
from tradeassistd.market.price import price_text
from tradeassistd.rules.instruments import INSTRUMENTS, Instruments, read_instruments_file
from tradeassistd.store import queries
from tradeassistd.store.directory import MAIN_FILE, is_there

DASH = "-"
FILE_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One instrument as it is shown: what holds for it, and where that is from."""

    instrument: Instrument
    overridden: bool = False
    """`_instruments.yaml` says something of it."""
    formula: str = ""
    """What it is made of, when it is derived."""
    is_known: bool = True
    """The catalogue or `_instruments.yaml` has it; else its facts are what is assumed of its kind."""


def show(text: str, state: Path, config: Path | None, *, as_json: bool) -> int:
    """Print the instruments that fit `text` (all without one); exit code 1 when none is known."""
    found = list(find(text, in_force(state, config)))
    if as_json:
        typer.echo(json.dumps([_document(one) for one in found], indent=2))
    elif found:
        typer.echo("\n".join(_lines(found)))
    else:
        typer.echo(f"nothing is known of {text!r}")
    return exit_codes.YES if any(one.is_known for one in found) else exit_codes.NO


def find(text: str, said: Instruments) -> Iterator[Shown]:
    """What fits: first the symbol or root as it is written, then symbols that hold the text, and names with its words.

    A symbol that is not known is given with what is assumed of it.
    """
    formulas = {one.symbol: one.formula for one in said.derived}
    symbols = list(dict.fromkeys((*(entry.symbol for entry in catalogue.entries()), *said.overrides)))
    instruments = {symbol: instrument_in(said.overrides, symbol) for symbol in symbols}
    wanted = text.upper().strip()
    exact = [symbol for symbol in (wanted, f"/{wanted}", f"${wanted}") if symbol in instruments]
    if wanted not in instruments and is_symbol(wanted):  # a contract of a root, or nothing that is listed here
        instruments[wanted] = instrument_in(said.overrides, wanted)
        if instruments[wanted].root in symbols or not (exact or _holding(wanted, instruments, symbols)):
            exact.insert(0, wanted)
    for symbol in dict.fromkeys((*exact, *_holding(wanted, instruments, symbols))):
        one = instruments[symbol]
        overridden = symbol in said.overrides or one.root in said.overrides
        yield Shown(one, overridden, formulas.get(symbol, ""), symbol in symbols or one.root in symbols)


def in_force(state: Path, config: Path | None) -> Instruments:
    """What the `_instruments.yaml` says that the daemon accepted last; where it never ran, that of the directory.

    Raises TradeAssistError when neither can be read; without such a file it says nothing.
    """
    if is_there(state / MAIN_FILE):
        return _read(dict(queries.rule_texts(state)).get(INSTRUMENTS))
    from tradeassistd.base.config import load_settings

    directory = load_settings(config).rules.dir
    assert directory is not None  # load_settings completes it
    return _read(_text(directory / INSTRUMENTS))


def _read(text: str | None) -> Instruments:
    return Instruments() if text is None else read_instruments_file(INSTRUMENTS, text, "rules.d/")


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint="see that you may read it") from None
    if len(data) > FILE_MAX_BYTES:
        raise TradeAssistError(f"{path} is larger than {FILE_MAX_BYTES:,} bytes", hint="leave some out")
    return decode(data, str(path))


def _holding(wanted: str, instruments: Mapping[str, Instrument], symbols: Sequence[str]) -> list[str]:
    """The symbols that hold the text, or whose names have words beginning with its words.

    Those that begin with the text come first, then in listed order.
    """

    def is_named(one: str) -> bool:
        words = instruments[one].name.upper().replace("(", "").split()
        return all(any(word.startswith(part) for word in words) for part in wanted.split())

    fitting = [one for one in symbols if wanted in one or is_named(one)]
    return sorted(fitting, key=lambda one: not (one.startswith(wanted) or one[1:].startswith(wanted)))


def _document(one: Shown) -> dict[str, Any]:
    instrument = one.instrument
    bounds = instrument.plausible
    return {
        "symbol": instrument.symbol, "root": instrument.root, "name": instrument.name, "class": instrument.kind.value,
        "market": instrument.market.value, "tick_size": price_text(instrument.tick_size),
        "multiplier": _multiplier(instrument) or None,
        "plausible": [price_text(bound) for bound in bounds] if bounds else None,
        "session": instrument.session or None, "derived": one.formula or None, "overridden": one.overridden,
        "known": one.is_known,
    }  # fmt: skip


def _lines(found: Sequence[Shown]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("symbol", "name", "class", "market", "tick", "point", "plausible", "")]
    rows += [_row(one) for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(one: Shown) -> tuple[str, ...]:
    instrument = one.instrument
    bounds = " to ".join(map(price_text, instrument.plausible)) if instrument.plausible else DASH
    remarks = [
        f"= {one.formula}" if one.formula else "",
        f"session {instrument.session}" if instrument.session else "",
        _said(one),
        "tick size not known: 0.01 is assumed" if _tick_is_assumed(one) else "",
        "" if one.is_known else "not in the catalogue: this is assumed",
    ]
    return (
        instrument.symbol, instrument.name or DASH, instrument.kind.value, instrument.market.value,
        price_text(instrument.tick_size), _multiplier(instrument) or DASH, bounds, "; ".join(filter(None, remarks)),
    )  # fmt: skip


def _tick_is_assumed(one: Shown) -> bool:
    entry = catalogue.entry_of(one.instrument.root)
    built_in = entry is not None and one.instrument.tick_size == instrument_of(one.instrument.root).tick_size
    return built_in and entry is not None and entry.tick_size is None


def _said(one: Shown) -> str:
    """What `_instruments.yaml` says other than the catalogue."""
    if not one.overridden:
        return ""
    if one.formula:
        return f"from {INSTRUMENTS}"
    new, old = one.instrument, instrument_of(one.instrument.symbol)
    changed = {
        "name": new.name != old.name, "class": new.kind != old.kind, "market": new.market != old.market,
        "tick": new.tick_size != old.tick_size, "point": new.multiplier != old.multiplier,
        "plausible": new.plausible != old.plausible, "session": new.session != old.session,
    }  # fmt: skip
    return f"{', '.join(key for key, differs in changed.items() if differs) or 'as listed'} from {INSTRUMENTS}"


def _multiplier(instrument: Instrument) -> str:
    """The point value as a decimal; empty where there is none."""
    if instrument.kind is not InstrumentClass.FUTURE or not instrument.multiplier:
        return ""
    return f"{float(instrument.multiplier):.10g}"
