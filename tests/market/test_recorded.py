"""Readers of tick and bar files: every recorded file reads through, and what is wrong is named with its line."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recorded import recorded
from tradeassistd.base.errors import ConfigError, PermanentError
from tradeassistd.market.price import price_from_text, price_text
from tradeassistd.market.recorded import (
    BAR_COLUMNS,
    TICK_COLUMNS,
    RecordedBar,
    RecordedTick,
    first_seen,
    read_bars,
    read_ticks,
)

TICK_HEADER = ",".join(TICK_COLUMNS)
BAR_HEADER = ",".join(BAR_COLUMNS)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def test_ticks_keep_every_digit_and_tell_blank_from_zero(tmp_path: Path) -> None:
    path = write(
        tmp_path / "ticks.csv",
        TICK_HEADER,
        "1643031000005001000,ESH22,4347.75,3,4347.5,4347.75,34,12",
        "1643031000005001000,ESH22,,,-0.00000001,0,,0",
    )
    assert list(read_ticks(path)) == [
        RecordedTick(1643031000005001000, "ESH22", 434_775_000_000, 3, 434_750_000_000, 434_775_000_000, 34, 12),
        RecordedTick(1643031000005001000, "ESH22", None, None, -1, 0, None, 0),
    ]


def test_gzip_reads_the_same(tmp_path: Path) -> None:
    lines = f"{TICK_HEADER}\n5,SPY,167.41,100,,,,\n"
    plain = tmp_path / "ticks.csv"
    plain.write_text(lines)
    packed = tmp_path / "ticks.csv.gz"
    packed.write_bytes(gzip.compress(lines.encode()))
    assert list(read_ticks(plain)) == list(read_ticks(packed)) != []


def test_bars_read(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.csv", BAR_HEADER, "1586815200000,/ES,2760,2766,2759.75,2763,1062")
    opened, high, low, close = (price_from_text(text) for text in ("2760", "2766", "2759.75", "2763"))
    assert list(read_bars(path)) == [RecordedBar(1586815200000, "/ES", opened, high, low, close, 1062)]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("9,SPY,1.123456789,1,,,,", "more than 8 decimal places"),
        ("9,SPY,1e5,1,,,,", "'1e5' is not a plain decimal"),
        ("9,SPY,nan,1,,,,", "'nan' is not a plain decimal"),
        ("9,SPY,1,1.5,,,,", "'1.5' is not a whole number"),
        ("9,SPY,1,-1,,,,", "'-1' is not a whole number"),
        ("9_0,SPY,1,1,,,,", "'9_0' is not a whole number"),
        ("9,,1,1,,,,", "the symbol is blank"),
        ("9,SPY,1,1,,,", "7 cells where 8 are due"),
        ("7,SPY,1,1,,,,", "time 7 lies before the row above (8)"),
    ],
)
def test_a_bad_tick_row_is_named(tmp_path: Path, line: str, what: str) -> None:
    path = write(tmp_path / "ticks.csv", TICK_HEADER, "8,SPY,1,1,,,,", line)
    rows = read_ticks(path)
    next(rows)
    with pytest.raises(PermanentError) as caught:
        next(rows)
    assert caught.value.message.startswith(f"{path}:3: ")
    assert what in caught.value.message
    assert caught.value.hint


def test_a_bad_bar_row_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.csv", BAR_HEADER, "1,SPY,1,1,1,,5")
    with pytest.raises(PermanentError, match=r"bars\.csv:2: '' is not a plain decimal"):
        list(read_bars(path))


@pytest.mark.parametrize("read", [read_ticks, read_bars, first_seen])
def test_wrong_columns_are_a_matter_of_the_settings(tmp_path: Path, read: object) -> None:
    path = write(tmp_path / "other.csv", "time,price", "1,2")
    with pytest.raises(ConfigError, match=r"other\.csv:1: the columns are 'time,price'"):
        list(read(path))  # type: ignore[operator]


def test_a_missing_file_is_a_matter_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        list(read_ticks(tmp_path / "absent.csv"))


@pytest.mark.parametrize("damage", ["cut", "no gzip"])
def test_a_damaged_gzip_is_named(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress((TICK_HEADER + "\n" + "".join(f"{n},SPY,{n}.5,1,,,,\n" for n in range(9000))).encode())
    path = tmp_path / "ticks.csv.gz"
    path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"plain text")
    with pytest.raises(PermanentError, match=r"ticks\.csv\.gz:\d+: cannot be read on"):
        list(read_ticks(path))


def test_first_seen_tells_symbols_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", TICK_HEADER, "1,B,1,1,,,,", "2,A,1,1,,,,", "3,B,1,1,,,,")
    assert list(first_seen(path).items()) == [("B", 1), ("A", 2)]


whole = st.integers(0, 10**9)
price = st.integers(-(10**15), 10**15)
tick = st.builds(
    RecordedTick,
    ts_ns=st.integers(0, 2**62),
    symbol=st.sampled_from(["SPY", "ESH4"]),
    price=st.none() | price,
    size=st.none() | whole,
    bid=st.none() | price,
    ask=st.none() | price,
    bid_size=st.none() | whole,
    ask_size=st.none() | whole,
)


@given(st.lists(tick))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[RecordedTick]) -> None:
    ticks = sorted(rows, key=lambda row: row.ts_ns)
    path = tmp_path_factory.mktemp("law") / "ticks.csv"
    write(path, TICK_HEADER, *map(_line, ticks))
    assert list(read_ticks(path)) == ticks


def _line(tick: RecordedTick) -> str:
    prices = {"price", "bid", "ask"}
    cells = tick._asdict().items()
    return ",".join("" if v is None else price_text(v) if k in prices else str(v) for k, v in cells)


def _files(folder: str) -> Iterator[Path]:
    yield from sorted(recorded(folder).glob("*.csv.gz"))


def test_every_recorded_tick_file_reads_through() -> None:
    counted = {path.name.removesuffix(".csv.gz"): sum(1 for _ in read_ticks(path)) for path in _files("ticks")}
    assert counted["ES_ESH4_20231225_globex_reopen_1h"] == 28_411
    assert counted["SPY_20131007_trades_session"] == 250_601
    assert counted["IBM_20131007_nbbo_and_trades_session"] == 133_360
    assert len(counted) >= 7


def test_every_recorded_bar_file_reads_through() -> None:
    for path in _files("bars"):
        bars = list(read_bars(path))
        assert bars, path
        assert all(bar.ts_ms > 0 for bar in bars)
