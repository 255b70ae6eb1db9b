"""The catalogue: each line is sound, says what the exchanges say, and holds everything that was ever recorded."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import pytest

from tests.recorded import FOLDER, recorded
from tradeassistd.market import catalogue
from tradeassistd.market.catalogue import Entry, entry_of
from tradeassistd.market.instrument import Instrument, InstrumentClass, Market, instrument_in, instrument_of
from tradeassistd.market.price import PRICE_SCALE, price_from_float, price_from_text, price_text

ENTRIES = tuple(catalogue.entries())
INT64_MAX = 2**63 - 1


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.symbol)
def test_each_line_is_sound(entry: Entry) -> None:
    kind, market = InstrumentClass(entry.kind), Market(entry.market)
    by_sign = {"/": (InstrumentClass.FUTURE,), "$": (InstrumentClass.INDEX, InstrumentClass.INTERNAL)}
    assert kind in by_sign.get(entry.symbol[0], (InstrumentClass.EQUITY,))
    assert (kind is InstrumentClass.FUTURE) == (market not in (Market.NYSE, Market.VIX))
    assert entry.name and entry.name == entry.name.strip()
    assert entry.tick_size is None or entry.tick_size > 0
    assert entry.multiplier == 0 or kind is InstrumentClass.FUTURE
    if entry.plausible:
        low, high = entry.plausible
        assert -INT64_MAX < low < high < INT64_MAX
        assert low > 0 or kind is InstrumentClass.INTERNAL or market is Market.ENERGY or "yield" in entry.name
    found = instrument_of(entry.symbol)
    assert (found.symbol, found.root, found.name, found.market) == (entry.symbol, entry.symbol, entry.name, market)


@pytest.mark.parametrize("entry", [one for one in ENTRIES if one.kind == "future"], ids=lambda entry: entry.symbol)
def test_a_contract_has_the_facts_of_its_root(entry: Entry) -> None:
    root, contract = instrument_of(entry.symbol), instrument_of(f"{entry.symbol}Z26")
    assert contract.symbol == f"{entry.symbol}Z26"
    same = (contract.root, contract.tick_size, contract.multiplier, contract.plausible, contract.market, contract.name)
    assert same == (root.symbol, root.tick_size, root.multiplier, root.plausible, root.market, root.name)


# What one tick of one contract is worth in dollars, as the exchanges print it in their contract specifications.
TICK_VALUES = {
    "/ES": "12.5", "/MES": "1.25", "/NQ": "5", "/MNQ": "0.5", "/YM": "5", "/MYM": "0.5", "/RTY": "5", "/M2K": "0.5",
    "/NKD": "25", "/CL": "10", "/MCL": "1", "/QM": "12.5", "/NG": "10", "/QG": "12.5", "/HO": "4.2", "/RB": "4.2",
    "/GC": "10", "/MGC": "1", "/SI": "25", "/SIL": "5", "/HG": "12.5", "/MHG": "1.25", "/PL": "5",
    "/ZB": "31.25", "/UB": "31.25", "/ZN": "15.625", "/TN": "15.625", "/ZF": "7.8125", "/ZT": "7.8125", "/SR3": "6.25",
    "/6E": "6.25", "/6J": "6.25", "/6B": "6.25", "/6C": "5", "/6M": "5", "/M6E": "1.25", "/E7": "6.25", "/J7": "6.25",
    "/ZC": "12.5", "/ZS": "12.5", "/ZW": "12.5", "/ZL": "6", "/ZM": "10", "/XC": "1.25",
    "/LE": "10", "/HE": "10", "/GF": "12.5", "/VX": "50", "/BTC": "25", "/MBT": "0.5", "/ETH": "25", "/MET": "0.05",
    "/DX": "5", "/KC": "18.75", "/CC": "10", "/CT": "5", "/SB": "11.2", "/OJ": "7.5",
}  # fmt: skip


@pytest.mark.parametrize(("root", "dollars"), TICK_VALUES.items())
def test_a_tick_is_worth_what_the_exchange_says(root: str, dollars: str) -> None:
    found = instrument_of(root)
    assert Fraction(found.tick_size, PRICE_SCALE) * found.multiplier == Fraction(dollars)


def test_the_missions_instruments_are_all_known() -> None:
    wanted = "/ES /NQ /YM /RTY /CL /GC $SPX $NDX $RUT $VIX $TICK $ADD $TRIN SPY QQQ IWM AAPL MSFT NVDA AMZN TSLA BRK/B"
    for symbol in wanted.split():
        entry = entry_of(symbol)
        assert entry is not None and entry.tick_size and entry.plausible, symbol


@pytest.mark.parametrize(
    ("symbol", "price", "is_plausible"),
    [
        ("/CL", "-40.32", True),  # the low of 20 April 2020
        ("/CL", "5800", False),
        ("/NG", "1.52", True),
        ("$VIX", "9.14", True),
        ("$VIX", "172.59", True),  # 19 October 1987, as calculated later
        ("$VIX", "0", False),
        ("$SPX", "295.46", True),  # 1990
        ("$SPX", "6850000", False),
        ("/ES", "665.75", True),  # March 2009
        ("$TICK", "-2066", True),
        ("$TICK", "-2066000", False),
        ("$ADD", "0", True),
        ("$TRIN", "31.5", True),
        ("$UVOL", "6000000000", True),
        ("$UVOL", "900000000000", False),  # a thousand times too large, as it was seen
        ("$VOLD", "-4000000000", True),
        ("AAPL", "0.04", True),  # 1982, splits taken out
        ("SPY", "24", True),
        ("BRK/A", "812855", True),
        ("/6J", "0.0063", True),
        ("/ZQ", "100.1", True),  # below zero percent
    ],
)
def test_what_was_seen_is_plausible_and_wrong_scales_are_not(symbol: str, price: str, is_plausible: bool) -> None:
    bounds = instrument_of(symbol).plausible
    assert bounds is not None
    assert (bounds[0] <= price_from_text(price) <= bounds[1]) is is_plausible


def symbol_of(recorded_symbol: str) -> str:
    """`ESZ13` and `/ES` are `/ES`; `VIX` is `$VIX`; stocks are themselves."""
    for root in ("ES", "NQ", "GC"):
        if recorded_symbol.removeprefix("/").startswith(root) and recorded_symbol != root:
            return f"/{root}"
    return f"${recorded_symbol}" if recorded_symbol in ("VIX", "SPX") else recorded_symbol


def recorded_files() -> list[str]:
    return sorted(str(path.relative_to(FOLDER)) for kind in ("bars", "ticks") for path in FOLDER.glob(f"{kind}/*.gz"))


@pytest.mark.parametrize("name", recorded_files() or ["bars/none"])
def test_everything_recorded_is_plausible(name: str) -> None:
    seen: dict[str, list[float]] = defaultdict(list)
    with gzip.open(recorded(name), "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            columns = ("price", "bid", "ask") if "price" in row else ("low", "high")
            seen[row["symbol"]] += [float(row[column]) for column in columns if row[column]]
    assert seen
    for one, prices in seen.items():
        bounds = instrument_of(symbol_of(one)).plausible
        assert bounds is not None, one
        assert bounds[0] <= price_from_float(min(prices)) <= price_from_float(max(prices)) <= bounds[1]


def test_schwabs_own_frames_have_the_same_tick_size_and_multiplier() -> None:
    """Fields 25 and 31 of recorded images of futures."""
    seen = set()
    for line in recorded("frames/frames.jsonl").read_text("utf-8").splitlines():
        frame = json.loads(line).get("frame")
        for part in frame.get("data", []) if isinstance(frame, dict) else []:
            for item in part.get("content", []) if part.get("service") == "LEVELONE_FUTURES" else []:
                if "25" in item and "31" in item and item["key"][1:].isalnum() and item["31"]:
                    found = instrument_of(item["key"])
                    assert price_text(found.tick_size) == f"{item['25']:g}"
                    assert found.multiplier == Fraction(str(item["31"]))
                    seen.add(item["key"])
    assert "/CL" in seen


def test_what_the_catalogue_does_not_know_is_assumed() -> None:
    assert instrument_of("/XYZ") == Instrument("/XYZ", InstrumentClass.FUTURE, "/XYZ", 10**6, listed=Market.OTHER)
    assert instrument_of("XYZ") == Instrument("XYZ", InstrumentClass.EQUITY, "XYZ", 10**6)
    assert instrument_of("$XYZ") == Instrument("$XYZ", InstrumentClass.INDEX, "$XYZ", 10**6)
    assert entry_of("/ESZ26") is None


def test_an_override_of_a_root_holds_for_its_contracts_and_beside_other_symbols() -> None:
    other = Instrument("/ES", InstrumentClass.FUTURE, "/ES", 5, name="mine", listed=Market.ENERGY)
    overrides = {"/ES": other}
    contract = instrument_in(overrides, "/ESZ26")
    assert (contract.symbol, contract.root, contract.tick_size, contract.market) == ("/ESZ26", "/ES", 5, Market.ENERGY)
    spy = instrument_in(overrides, "SPY")
    assert spy == instrument_of("SPY")
    assert spy.beside("/ES") == other
    assert contract.beside("SPY") == instrument_of("SPY")
    assert instrument_of("SPY").beside("/ES") == instrument_of("/ES")
    with pytest.raises(ValueError, match="is not a symbol"):
        spy.beside("spy")


def test_the_file_ends_in_a_line_break_and_has_no_line_twice() -> None:
    lines = (Path(catalogue.__file__).with_name("catalogue.csv")).read_text("utf-8").split("\n")
    assert lines[-1] == "" and len(lines) - 2 == len(ENTRIES) == len({entry.symbol for entry in ENTRIES})
