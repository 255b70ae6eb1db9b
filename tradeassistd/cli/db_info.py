"""`tradeassist db info`: what is stored, how large it is and of when, and for how long the disk lasts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import typer

from tradeassistd.base.amounts import span_words
from tradeassistd.base.config import KeepSettings, StoreSettings, load_settings
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.cli import exit_codes
from tradeassistd.cli.view.words import size
from tradeassistd.cli.wording import counted
from tradeassistd.market.session import NEW_YORK
from tradeassistd.store.forecast import Forecast, forecast
from tradeassistd.store.room import THIN_BELOW, disk_room, min_free_of
from tradeassistd.store.sizes import Sizes, TableSize, TapeSize, sizes_of

TAPES_SHOWN = 10
_KEPT = {
    "bars": "bars", "official_bars": "bars", "gaps": "bars", "watched": "bars", "filled": "bars", "backfilled": "bars",
    "alerts": "alerts", "deliveries": "alerts", "transitions": "transitions", "rules": "rules", "rule_sets": "rules",
    "rule_texts": "rules", "audit": "audit", "silences": "audit",
}  # fmt: skip
"""By table the setting of `store.keep` that says how long."""
_LABEL = 10


def show(config: Path | None, *, as_json: bool) -> int:
    """Print it; whether the daemon runs or not. Raises like `sizes_of`, or ConfigError."""
    store = load_settings(config).store
    assert store.path is not None  # load_settings completes it
    sizes = sizes_of(store.path)
    total, free = disk_room(store.path)
    min_free = min_free_of(store.min_free, total)
    ahead = forecast(sizes, free - min_free, store.keep.tape)
    if as_json:
        typer.echo(json.dumps(_document(sizes, store, total, free, min_free, ahead), indent=2))
    else:
        typer.echo("\n".join(_lines(sizes, store, total, free, min_free, ahead)))
    return exit_codes.YES


def _lines(sizes: Sizes, store: StoreSettings, total: int, free: int, min_free: int, ahead: Forecast) -> Iterator[str]:
    yield f"{'state in':<{_LABEL}}{sizes.directory}"
    yield f"{'disk':<{_LABEL}}{size(free)} free of {size(total)}" + _limits(min_free)
    unused = f", {size(sizes.main_free)} of it free pages" if sizes.main_free else ""
    yield f"{'main.db':<{_LABEL}}{size(sizes.main)}{unused}"
    yield f"  {'table':<16}{'rows':>12}{'size':>9}  {'oldest':<17} {'newest':<17} kept"
    yield from (_table(one, store.keep) for one in sizes.tables)
    kept = span_words(store.keep.tape)
    yield f"{'tapes':<{_LABEL}}{counted(len(sizes.tapes), 'day')}, {size(sizes.tape)}; kept {kept}; " + (
        "every tick"
        if store.tape == "every"
        else "one tick a second of each symbol"
        if store.tape == "1s"
        else "no ticks"
    )
    if sizes.tapes:
        yield f"  {'day':<16}{'ticks':>12}{'size':>9}  {'first':<17} {'last':<17} keeps"
    if len(sizes.tapes) > TAPES_SHOWN:
        yield f"  ... {counted(len(sizes.tapes) - TAPES_SHOWN, 'older day')}: --json has them all"
    yield from map(_tape, sizes.tapes[-TAPES_SHOWN:])
    for number, (name, count) in enumerate(sizes.others.items()):
        yield f"{'others' if not number else '':<{_LABEL}}{name} {size(count)}"
    yield from _ahead(sizes, ahead, free, min_free)


def _limits(min_free: int) -> str:
    if not min_free:
        return "; the tape takes all of it (store.min_free is 0)"
    return f"; the tape is thinned below {size(round(THIN_BELOW * min_free))}, and stops below {size(min_free)}"


def _table(table: TableSize, keep: KeepSettings) -> str:
    kept = span_words(getattr(keep, _KEPT[table.name])) if table.name in _KEPT else ""
    if table.name == "official_bars":
        kept += f", daily {span_words(keep.daily_bars)}"
    taken = "-" if table.size is None else size(table.size)
    times = f"{_minute(table.oldest_us):<17} {_minute(table.newest_us):<17}"
    return f"  {table.name:<16}{table.rows:>12,}{taken:>9}  {times} {kept}".rstrip()


def _tape(tape: TapeSize) -> str:
    ticks = "?" if tape.ticks is None else f"{tape.ticks:,}"
    times = f"{_minute(tape.first_us):<17} {_minute(tape.last_us):<17}"
    return f"  {tape.day:<16}{ticks:>12}{size(tape.size):>9}  {times} {tape.trouble or tape.density}".rstrip()


def _ahead(sizes: Sizes, ahead: Forecast, free: int, min_free: int) -> Iterator[str]:
    if ahead.tape_a_day is None:
        yield f"{'growth':<{_LABEL}}not known yet: an hour of tape says more"
        return
    yield (f"{'growth':<{_LABEL}}{size(round(ahead.tape_a_day))} of tape a trading day, "
           f"{size(round(ahead.main_a_day))} of main.db a day")  # fmt: skip
    level = "" if ahead.tapes_level is None else f"; all tapes together come to {size(round(ahead.tapes_level))}"
    if ahead.full_in_days is None:
        yield f"{'full':<{_LABEL}}not within ten years at that rate{level}"
        return
    day = _day(sizes) + timedelta(days=ahead.full_in_days)
    then = "the tape stops" if min_free else "the disk is full"
    yield f"{'full':<{_LABEL}}{then} on {day:%Y-%m-%d}, in {counted(ahead.full_in_days, 'day')}, at that rate{level}"


def _document(
    sizes: Sizes, store: StoreSettings, total: int, free: int, min_free: int, ahead: Forecast
) -> dict[str, Any]:
    tables = [_with_times(msgspec.structs.asdict(one), ("oldest_us", "newest_us")) for one in sizes.tables]
    tapes = [_with_times(msgspec.structs.asdict(one), ("first_us", "last_us")) for one in sizes.tapes]
    full = None if ahead.full_in_days is None else f"{_day(sizes) + timedelta(days=ahead.full_in_days):%Y-%m-%d}"
    return {
        "directory": sizes.directory,
        "disk": {"total": total, "free": free, "min_free": min_free},
        "main": {"size": sizes.main, "free_pages": sizes.main_free, "tables": tables},
        "tapes": tapes, "tape_size": sizes.tape, "others": sizes.others,
        "tape": store.tape,
        "keep": {name: span_words(getattr(store.keep, name)) for name in KeepSettings.model_fields},
        "growth": {"tape_a_trading_day": _rounded(ahead.tape_a_day), "main_a_day": round(ahead.main_a_day),
                   "tapes_level": _rounded(ahead.tapes_level)},
        "full": full, "full_in_days": ahead.full_in_days,
    }  # fmt: skip


def _with_times(document: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """`oldest_us` becomes `oldest`, ISO 8601 or null."""
    times = {key.removesuffix("_us"): iso(document[key]) if document[key] else None for key in keys}
    return {key: value for key, value in document.items() if key not in keys} | times


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def _day(sizes: Sizes) -> date:
    return datetime.fromtimestamp(sizes.newest_us // US_PER_S, NEW_YORK).date()


def _minute(us: int) -> str:
    """New York wall time."""
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%Y-%m-%d %H:%M}" if us else "-"
