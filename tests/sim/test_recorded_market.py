"""The market that plays tick files: row by row what it makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.recorded import recorded
from tests.sim.clients import record
from tradeassistd.base.errors import ConfigError, PermanentError
from tradeassistd.market.price import price_text
from tradeassistd.market.recorded import read_ticks
from tradeassistd.sim.market import Batch
from tradeassistd.sim.recorded import RecordedMarket

ES = 1_719_878_281_218
"""A millisecond in July 2024."""


def play(market: RecordedMarket) -> list[Batch]:
    batches = []
    while market.next_us() is not None:
        batches.append(market.step(2**62))
    return batches


def items(market: RecordedMarket) -> list[dict[int, Any]]:
    """Every change as field numbers and values."""
    return [
        {number: json.loads(value) for number, value in change.fields}
        for batch in play(market)
        for change in batch.changes
    ]


def test_rows_become_items_and_a_millisecond_one_batch(tmp_path: Path) -> None:
    path = record(
        tmp_path / "es.csv",
        f"{ES}218853,ESU4,5528.75,2,5528.5,5528.75,29,6",
        f"{ES}999999,ESU4,,,5528.5,5528.75,29,4",
        f"{ES + 1}000000,ESU4,5528.75,2,5528.5,5528.75,29,4",
        f"{ES + 1}000000,ESU4,5528.75,2,5528.5,5528.75,29,4",
    )
    market = RecordedMarket(path)
    assert (market.start_us, market.next_us()) == (ES * 1000, ES * 1000 + 218)
    batches = play(market)
    assert [(batch.at_us, len(batch.changes)) for batch in batches] == [(ES * 1000, 2), ((ES + 1) * 1000, 2)]
    assert items(RecordedMarket(path)) == [
        {1: 5528.5, 2: 5528.75, 4: 29, 5: 6, 10: ES, 3: 5528.75, 9: 2, 8: 2, 11: ES},
        {5: 4, 10: ES},
        {8: 4, 10: ES + 1, 11: ES + 1},
        {8: 6, 10: ES + 1, 11: ES + 1},
    ]
    assert market.rows_passed == 4
    assert market.next_us() is None


def test_a_row_that_repeats_everything_is_still_an_item(tmp_path: Path) -> None:
    path = record(tmp_path / "q.csv", "5000000,IBM,,,180,181,1,1", "5000000,IBM,,,180,181,1,1", "5000000,IBM,,,,,,")
    assert items(RecordedMarket(path)) == [{1: 180, 2: 181, 4: 1, 5: 1, 34: 5}, {34: 5}, {34: 5}]


def test_blank_sides(tmp_path: Path) -> None:
    """One blank side is unknown, so 0; both blank leave the quote as it is."""
    path = record(
        tmp_path / "q.csv",
        "5000000,IBM,,,180,181,3,4",
        "6000000,IBM,180.5,7,,,,",
        "7000000,IBM,,,,183.63,,100",
        "8000000,IBM,,,180,,2,",
    )
    made = items(RecordedMarket(path))
    assert made[1] == {3: 180.5, 9: 7, 8: 7, 35: 6}
    assert made[2] == {1: 0, 2: 183.63, 4: 0, 5: 100, 34: 7}
    assert made[3] == {1: 180, 2: 0, 4: 2, 5: 0, 34: 8}


def test_the_image_before_the_first_row_knows_no_prices(tmp_path: Path) -> None:
    market = RecordedMarket(record(tmp_path / "es.csv", f"{ES}000000,ESU4,5528.75,2,5528.5,5528.75,29,6"))
    record_ = market.find("/ES")
    assert record_ is not None
    assert record_ is market.find("/ESU24")
    values = {number: json.loads(value) for number, value in record_.values.items()}
    assert {values[number] for number in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 18, 24)} == {0}
    assert (values[16], values[25], values[26], values[27], values[31], values[34]) == (
        "E-mini S&P 500 Index Futures,Sep-2024,ETH", 0.25, 12.5, "/ES", 50, "/ESU24",
    )  # fmt: skip
    play(market)
    assert record_.values[3] == "5528.75"


def test_several_files_are_merged_by_time_and_share_a_symbol(tmp_path: Path) -> None:
    trades = record(tmp_path / "trades.csv", f"{ES}000000,SPY,10,1,,,,", f"{ES + 2}000000,SPY,11,1,,,,")
    quotes = record(tmp_path / "quotes.csv", f"{ES}000000,SPY,,,9,10,1,1", f"{ES + 1}000000,SPY,,,9,11,1,1")
    future = record(tmp_path / "es.csv", f"{ES + 1}000000,ESU4,3,1,,,,")
    market = RecordedMarket([trades, quotes, future])
    batches = play(market)
    assert [[change.level_one.listing.symbol for change in batch.changes] for batch in batches] == [
        ["SPY", "SPY"],
        ["SPY", "/ESU24"],
        ["SPY"],
    ]
    spy = market.find("SPY")
    assert spy is not None
    assert (spy.values[8], spy.values[2]) == ("2", "11")


def test_the_root_belongs_to_the_nearest_contract(tmp_path: Path) -> None:
    later = record(tmp_path / "z.csv", f"{ES}000000,ESZ4,5600,1,,,,")
    nearer = record(tmp_path / "u.csv", f"{ES}000000,ESU4,5528,1,,,,")
    market = RecordedMarket([later, nearer])
    assert sorted(market.symbols) == ["/ES", "/ESU24", "/ESZ24"]
    assert market.find("/ES") is market.find("/ESU24") is not market.find("/ESZ24")


@pytest.mark.parametrize(
    ("as_symbol", "keys"),
    [("QQQ", ["QQQ"]), ("/NQ", ["/NQU24", "/NQ"]), ("/NQZ24", ["/NQZ24", "/NQ"]), ("$SPX", ["$SPX"])],
)
def test_as_symbol_serves_every_row_under_another_name(tmp_path: Path, as_symbol: str, keys: list[str]) -> None:
    path = record(tmp_path / "es.csv", f"{ES}000000,ESU4,5528.75,2,5528.5,5528.75,29,6")
    market = RecordedMarket(path, as_symbol=as_symbol)
    assert market.symbols == keys
    (item,) = items(market)
    if as_symbol == "$SPX":
        assert item == {3: 5528.75, 35: ES}
    else:
        assert item[3] == 5528.75


@pytest.mark.parametrize("rows", [[], ["5000000,spy!,1,1,,,,"]])
def test_what_cannot_be_played_is_refused_at_once(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        RecordedMarket(record(tmp_path / "x.csv", *rows))
    assert caught.value.hint


def test_a_bad_row_stops_the_market_with_its_place(tmp_path: Path) -> None:
    market = RecordedMarket(record(tmp_path / "x.csv", "5000000,SPY,1,1,,,,", "6000000,SPY,one,1,,,,"))
    with pytest.raises(PermanentError, match=r"x\.csv:3"):
        play(market)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ES_ESU4_20240701_mbp1_4min", "/ES"),
        ("ES_ESH22_20220124_tbt_dom_1min", "/ESH22"),
        ("ES_ESH4_20231225_globex_reopen_1h", "/ESH24"),
        ("GC_GCZ13_20131007_trades_session", "/GC"),
        ("IBM_20131007_nbbo_and_trades_session", "IBM"),
    ],
)
def test_a_recorded_file_comes_out_row_for_row(name: str, key: str) -> None:
    """Merging the items gives back each row: its price, its quote, and the sum of sizes so far."""
    path = recorded(f"ticks/{name}.csv.gz")
    market = RecordedMarket(path)
    level_one = market.find(key)
    assert level_one is not None
    layout = level_one.listing.layout
    held = dict(level_one.values)
    volume = 0
    changes = ((batch.at_us, change) for batch in play(market) for change in batch.changes)
    for row, (at_us, change) in zip(read_ticks(path), changes, strict=True):
        assert at_us == row.ts_ns // 1_000_000 * 1000
        held.update(change.fields)
        if row.price is not None:
            volume += row.size or 0
            assert (held[layout.last], held[layout.volume]) == (price_text(row.price), str(volume))
        if row.bid is not None or row.ask is not None:
            assert (held[layout.bid], held[layout.ask]) == (price_text(row.bid or 0), price_text(row.ask or 0))
            assert (held[layout.bid_size], held[layout.ask_size]) == (str(row.bid_size or 0), str(row.ask_size or 0))
