"""Writes what a market really made, before any fault, as a tick file: for whoever wants to know what was true.

The columns are those of recorded tick files (market.recorded), so it can be read, and played, like one. A row is a
change: with a price when a trade was made, with bid and ask when the quote changed; a future goes by its contract.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self, TextIO

from tradeassistd.base.errors import ConfigError
from tradeassistd.market.recorded import TICK_COLUMNS
from tradeassistd.sim.market import Batch, Change

_NS_PER_US = 1_000


class TruthLog:
    """A tick file that grows; use as `with TruthLog(path) as truth`, and hand `truth.see` to the simulator.

    Rows of a batch are in the file when `see` returns. Raises ConfigError when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file: TextIO = path.open("w", encoding="ascii", newline="\n")
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}", hint="name another file") from None
        self._file.write(",".join(TICK_COLUMNS) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def see(self, batch: Batch) -> None:
        """Write the changes of a batch."""
        rows = [row for change in batch.changes if (row := _row(change))]
        self._file.writelines(f"{batch.at_us * _NS_PER_US},{row}\n" for row in rows)
        self._file.flush()


def _row(change: Change) -> str:
    """A change as the columns behind the time; empty when neither trade nor quote is in it."""
    listing, fields = change.level_one.listing, dict(change.fields)
    layout, values = listing.layout, change.level_one.values

    def value(number: int) -> str:
        return fields.get(number) or values.get(number, "")

    has_trade, has_quote = layout.trade_ms in fields, layout.quote_ms in fields
    if not has_trade and not has_quote:
        return ""
    price = (value(layout.last), value(layout.last_size) if listing.instrument.has_volume else "")
    sides = tuple(value(number) for number in (layout.bid, layout.ask, layout.bid_size, layout.ask_size))
    trade, quote = price if has_trade else ("", ""), sides if has_quote else ("", "", "", "")
    return ",".join((listing.symbol, *trade, *quote))
