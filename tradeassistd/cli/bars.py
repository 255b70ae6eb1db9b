"""`tradeassist bars SYMBOL`: stored bars as candles and as a table, with what is missing between them.

Read from the store, whether or not the daemon runs: bars made of trades, and Schwab's own where nobody watched.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.cli import exit_codes, instants
from tradeassistd.cli.symbols import given_symbols, meant
from tradeassistd.cli.view.candles import CLOSED, HOLE, QUIET, Mark, chart
from tradeassistd.cli.view.look import ACCENT, BOLD, DIM, DOWN, UP, Look, look_for
from tradeassistd.cli.wording import counted, span
from tradeassistd.history.gaps import DAY_US, trading_days_back
from tradeassistd.history.minutes import Drawn, read_bars
from tradeassistd.market.bar import INTERVALS_S, Bar
from tradeassistd.market.instrument import Instrument, instrument_of
from tradeassistd.market.price import PRICE_SCALE, price_text
from tradeassistd.market.session import NEW_YORK, series_session, session_words, window_at
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.official import Span, newest_bar_us
from tradeassistd.store.reading import reading

ROWS_BESIDE_CHART = 5
"""Bars in the table below a chart."""
HEIGHT = 20
SCALE_WIDTH = 12
"""Columns that the scale of prices may take."""
QUIET_MAX = 3
"""Columns left blank at most between two bars of which nothing was traded in between."""
DAYS_LOOKED = 400
"""Without --from no older bar is looked for than that many trading days back."""


def show(
    directory: Path, symbol: str, *, interval: str, session: str, begin: str, end: str, limit: int, table: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Print the bars; exit code 1 when there are none."""
    instrument, session = _checked(symbol, interval, session)
    width = None if sys.stdout.isatty() else shutil.get_terminal_size((80, 24)).columns
    console = Console(highlight=False, width=width)
    wanted = limit or max(console.width - SCALE_WIDTH, 10)
    found = _read(directory, instrument, interval, session, begin, end, wanted)
    bars = found.bars[-wanted:]
    holes = [one for one in found.holes if _touches(instrument, session, one, bars)]
    if as_json:
        typer.echo(json.dumps(_document(instrument, interval, session, bars, holes), indent=2))
    elif bars:
        look = look_for(console.encoding)
        for line in _lines(instrument, interval, session, bars, holes, console.width, look, with_chart=not table):
            console.print(line, soft_wrap=True)
    else:
        hint = meant([symbol])
        typer.echo(f"no {interval} bars of {symbol}{hint}: `tradeassist backfill {symbol}` asks Schwab for them")
    return exit_codes.YES if bars else exit_codes.NO


def _checked(symbol: str, interval: str, session: str) -> tuple[Instrument, str]:
    """The instrument and the session of its bars. Raises typer.BadParameter."""
    if interval not in INTERVALS_S:
        raise typer.BadParameter(f"write one of {', '.join(INTERVALS_S)}", param_hint="--interval")
    given_symbols([symbol])
    instrument = instrument_of(symbol)
    if session and session not in session_words(instrument):
        words = ", ".join(session_words(instrument))
        raise typer.BadParameter(f"{symbol} has no session {session!r}: {words}", param_hint="--session")
    return instrument, session or series_session(instrument)


def _read(
    directory: Path, instrument: Instrument, interval: str, session: str, begin: str, end: str, wanted: int
) -> Drawn:
    """The bars between the two, or as many as are wanted before the end; reaching further back until there are."""
    with reading(directory / MAIN_FILE, "main") as raw:
        to_us = instants.to_us(end, newest_bar_us(raw, instrument.symbol, interval))
        first_us = instants.from_us(begin, 0)
        if end and to_us <= first_us:
            raise typer.BadParameter(f"{end} lies before {begin}", param_hint="--to")
        if begin or not to_us:
            return read_bars(raw, instrument, interval, session, first_us, to_us)
        days = 2
        while True:
            from_us = trading_days_back(to_us, days)
            found = read_bars(raw, instrument, interval, session, from_us, to_us)
            if len(found.bars) >= wanted or days >= DAYS_LOOKED:
                return found
            days *= 4


def _touches(instrument: Instrument, session: str, hole: Span, bars: Sequence[Bar]) -> bool:
    """Whether a hole belongs between the bars shown, or behind the last one, in their session."""
    if not bars or hole.to_us <= bars[0].start_us:
        return False
    return any(
        window_at(instrument, session, at_us) is not None for at_us in (hole.from_us, hole.to_us - 1)
    ) or hole.to_us - hole.from_us > DAY_US // 2  # fmt: skip


def _document(
    instrument: Instrument, interval: str, session: str, bars: Sequence[Bar], holes: Sequence[Span]
) -> dict[str, Any]:
    return {
        "symbol": instrument.symbol, "interval": interval, "session": session,
        "bars": [
            {"start": iso(bar.start_us), "end": iso(bar.end_us),
             **{name: getattr(bar, name) / PRICE_SCALE for name in ("open", "high", "low", "close")},
             "volume": bar.volume, "trades": bar.trades, "source": "ticks" if bar.trades else "schwab"}
            for bar in bars
        ],
        "missing": [{"from": iso(one.from_us), "to": iso(one.to_us)} for one in holes],
    }  # fmt: skip


def _lines(
    instrument: Instrument, interval: str, session: str, bars: Sequence[Bar], holes: Sequence[Span], width: int,
    look: Look, *, with_chart: bool,
) -> Iterable[Text]:  # fmt: skip
    places = len(price_text(instrument.tick_size).partition(".")[2])
    change = (bars[-1].close - bars[0].open) / bars[0].open if bars[0].open else 0.0
    yield Text.assemble(
        (instrument.symbol, BOLD), f" {interval} {session}  ", (price_text(bars[-1].close, places), BOLD), "  ",
        (f"{change:+.2%}", UP if change >= 0 else DOWN), (f" over {counted(len(bars), 'bar')}", DIM),
    )  # fmt: skip
    if with_chart:
        columns = _columns(instrument, interval, session, bars, holes)[-max(width - SCALE_WIDTH, 1) :]
        if any(isinstance(one, Bar) for one in columns):
            yield from chart(columns, HEIGHT, look, lambda price: price_text(_rounded(price, instrument), places))
    yield Text("")
    yield from _table(bars[-ROWS_BESIDE_CHART:] if with_chart else bars, holes, places)
    if holes:
        minutes = sum(one.to_us - one.from_us for one in holes) // US_PER_S
        yield Text.assemble(
            ("missing", ACCENT), f"  {span(minutes)} in {counted(len(holes), 'hole')}: nobody watched, and Schwab has "
            f"not been asked or did not tell; `tradeassist backfill {instrument.symbol}` asks"
        )  # fmt: skip


def _columns(
    instrument: Instrument, interval: str, session: str, bars: Sequence[Bar], holes: Sequence[Span]
) -> list[Bar | Mark]:
    """The bars with what stands between them."""
    made: list[Bar | Mark] = [bars[0]]
    length_us = INTERVALS_S[interval] * US_PER_S
    for before, after in pairwise(bars):
        if any(one.from_us < after.start_us and one.to_us > before.end_us for one in holes):
            made.append(HOLE)
        elif after.start_us > before.end_us and interval != "1d":
            window = window_at(instrument, session, before.start_us)
            if window is not None and after.start_us < window.close_us:
                made += [QUIET] * min((after.start_us - before.end_us) // length_us, QUIET_MAX)
            else:
                made.append(CLOSED)
        made.append(after)
    if any(one.to_us > bars[-1].end_us for one in holes):
        made.append(HOLE)
    return made


def _rounded(price: int, instrument: Instrument) -> int:
    tick = instrument.tick_size
    return round(price / tick) * tick


def _table(bars: Sequence[Bar], holes: Sequence[Span], places: int) -> Iterable[Text]:
    """A line for each bar, and for each hole where it lies."""
    names = "".join(f"{name:>12}" for name in ("open", "high", "low", "close"))
    yield Text(f"{'New York':<17}{names}{'volume':>14}{'trades':>9}", DIM)
    waiting = [one for one in holes if bars and one.to_us > bars[0].start_us]
    for bar in bars:
        while waiting and waiting[0].from_us < bar.start_us:
            yield _hole(waiting.pop(0))
        prices = "".join(f"{price_text(price, places):>12}" for price in (bar.open, bar.high, bar.low, bar.close))
        trades = f"{bar.trades:>9,}" if bar.trades else f"{'schwab':>9}"
        yield Text(f"{_time(bar.start_us):<17}{prices}{bar.volume:>14,}{trades}")
    yield from map(_hole, waiting)


def _hole(one: Span) -> Text:
    return Text(f"{_time(one.from_us):<17}  nothing known until {_time(one.to_us)}", DIM)


def _time(us: int) -> str:
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%Y-%m-%d %H:%M}"
