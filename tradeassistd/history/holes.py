"""Reads from the store what is missing of each symbol, and what of it is of the contract that is watched now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tradeassistd.history.gaps import joined, missing, trading_days_back
from tradeassistd.market.bar import Stretch
from tradeassistd.market.instrument import Instrument
from tradeassistd.store.bars import select_stretches, watched_until_us
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.official import Span, select_spans
from tradeassistd.store.reading import reading


class Holes(NamedTuple):
    """What is missing, as the store knew it."""

    until_us: int
    """Up to then the store knows what was watched; nothing later is looked at."""
    spans: dict[str, list[Span]]
    """By symbol, oldest first; only symbols that lack something."""
    contracts: dict[str, list[tuple[int, str]]]
    """By futures root since when it stood for which contract, oldest first."""

    def contract_of(self, span: Span) -> str | None:
        """The contract that was watched before and after the span; None where it changed within, or nobody knows.

        Schwab's bars of a root are of the contract of their time: before it was first watched nobody knows which. Empty
        for symbols that have none.
        """
        known = self.contracts.get(span.symbol)
        if not known:
            return ""
        before = [contract for from_us, contract in known if from_us <= span.from_us]
        after = [contract for from_us, contract in known if from_us > span.from_us]
        return before[-1] if before and {*before[-1:], *after[:1]} == {before[-1]} else None


def read_holes(directory: Path, instruments: Iterable[Instrument], days: int) -> Holes:
    """What is missing of the last trading `days`, the present one included, of symbols that are watched now.

    To be called in a thread.

    Raises like `reading`.
    """
    with reading(directory / MAIN_FILE, "main") as raw:
        until_us = watched_until_us(raw)
        holes = Holes(until_us, {}, {})
        if not until_us:
            return holes
        from_us = trading_days_back(until_us, days)
        for instrument in instruments:
            stretches = select_stretches(raw, instrument.symbol)
            if not stretches or stretches[-1].to_us < until_us:
                continue  # nobody watches it now: its hole has no end yet
            if spans := _holes_of(raw, instrument, stretches, from_us, until_us):
                holes.spans[instrument.symbol] = spans
            if contracts := [(one.from_us, one.contract) for one in stretches if one.contract]:
                holes.contracts[instrument.symbol] = contracts
        return holes


def _holes_of(
    raw: sqlite3.Connection, instrument: Instrument, stretches: list[Stretch], from_us: int, until_us: int
) -> list[Span]:
    told = [(one.from_us, one.to_us) for one in select_spans(raw, instrument.symbol)]
    return missing(instrument, joined([*told, *((one.from_us, one.to_us) for one in stretches)]), from_us, until_us)
