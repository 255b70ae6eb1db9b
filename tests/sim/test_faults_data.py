"""What each data and market fault puts on the wire, frame by frame, on the core alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sim.clients import record
from tests.sim.floor import ALL_FIELDS, START_MS, START_US, SYMBOLS, Floor, merged
from tests.sim.test_session import equities, login, request
from tradeassistd.base.errors import ConfigError
from tradeassistd.sim.faults.kinds import KINDS, Stage
from tradeassistd.sim.faults.scenario import read_entry, read_scenario
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.streamer import Streamer
from tradeassistd.sim.synthetic import SyntheticMarket


@pytest.fixture
def floor() -> Floor:
    floor = Floor()
    floor.change("SPY", f1=600.0, f2=600.01, f3=600.0, f8=1000, f10=601, f11=599, f17=600, f34=5000, f35=5000)
    floor.change("$TICK", f3=-250, f35=5000)
    floor.change("/ES", f1=6800.0, f2=6800.25, f3=6800.25, f10=5000, f11=5000)
    floor.read()
    return floor


def test_a_silent_symbol_is_silent_alone_and_owes_what_it_kept_back(floor: Floor) -> None:
    one = floor.inject("silent, symbols: SPY")
    assert floor.change("SPY", f3=601.0, f8=1100) == []
    assert floor.change("SPY", f3=602.0) == []
    assert floor.change("/ES", f3=6801.0) == [{"key": "/ES", "3": 6801.0}]
    floor.streamer.end_fault(one)
    assert floor.items() == [{"key": "SPY", "3": 602.0, "8": 1100}]
    assert floor.change("SPY", f3=603.0) == [{"key": "SPY", "3": 603.0}]
    assert one.hits == 2


def test_a_silent_symbol_may_lack_its_image_too(floor: Floor) -> None:
    floor.inject("silent, symbols: SPY, image: false")
    floor.enter()
    keys = [item["key"] for frame in floor.images for part in frame.get("data", ()) for item in part["content"]]
    assert keys == ["$TICK", "/ES"]


def test_a_bad_print_lasts_one_frame(floor: Floor) -> None:
    floor.inject("bad_print, symbols: SPY, away: 5%")
    now_ms = START_MS + floor.second * 1000
    assert floor.items() == [{"key": "SPY", "3": 630, "35": now_ms}]
    assert floor.change("SPY", f8=1100) == [{"key": "SPY", "8": 1100, "3": 600.0, "35": 5000}]
    assert floor.change("SPY", f8=1200) == [{"key": "SPY", "8": 1200}]


def test_a_bad_print_may_have_a_quote_with_it_on_the_grid_of_prices(floor: Floor) -> None:
    floor.inject("bad_print, symbols: [/ES, $TICK], away: -1%, quote: true")
    now_ms = START_MS + floor.second * 1000
    tick, es = floor.items()
    assert tick == {"key": "$TICK", "3": -248, "35": now_ms}
    assert es == {"key": "/ES", "3": 6732.25, "11": now_ms, "1": 6732, "2": 6732.25, "10": now_ms}
    assert floor.change("/ES", f3=6800.5) == [
        {"key": "/ES", "3": 6800.5, "1": 6800.0, "2": 6800.25, "10": 5000, "11": 5000}
    ]


def test_zero_prices_come_at_once_and_go(floor: Floor) -> None:
    one = floor.inject("zero_prices, symbols: SPY, for: 10s")
    assert floor.items() == [{"key": "SPY", "1": 0, "2": 0, "3": 0}]
    assert floor.change("SPY", f3=601.0, f8=1100) == [{"key": "SPY", "3": 0, "8": 1100}]
    floor.enter()
    (spy, _), _ = (part["content"] for frame in floor.images for part in frame.get("data", ()))
    assert (spy["1"], spy["2"], spy["3"], spy["8"], spy["17"]) == (0, 0, 0, 1100, 600)
    floor.go_to(14)
    assert [item for item in floor.items() if item["key"] == "SPY"] == [
        {"key": "SPY", "1": 600.0, "2": 600.01, "3": 601.0}
    ]
    assert one.over_us == START_US + 13 * 1_000_000


@pytest.mark.parametrize(("fields", "zero"), [("last", {"3": 0}), ("quote", {"1": 0, "2": 0})])
def test_zero_prices_of_some_fields(floor: Floor, fields: str, zero: dict[str, int]) -> None:
    floor.inject(f"zero_prices, symbols: SPY, fields: {fields}")
    assert floor.items() == [{"key": "SPY", **zero}]


def test_the_days_values_start_over(floor: Floor) -> None:
    one = floor.inject("reset_prices, symbols: SPY")
    assert floor.items() == [{"key": "SPY", "10": 0, "11": 0, "17": 0}]
    assert floor.change("SPY", f10=605, f3=605) == [{"key": "SPY", "10": 0, "3": 605}]
    floor.streamer.end_fault(one)
    assert floor.items() == [{"key": "SPY", "10": 605, "11": 599, "17": 600}]
    floor.inject("reset_volume, symbols: SPY")
    assert floor.items() == [{"key": "SPY", "8": 0}]
    assert floor.change("SPY", f8=1150) == [{"key": "SPY", "8": 150}]


def test_delayed_data_say_so_in_the_image_and_lie_back(floor: Floor) -> None:
    floor.inject("delayed, symbols: SPY")
    assert floor.change("SPY", f3=601.0, f35=START_MS) == [{"key": "SPY", "3": 601.0, "35": START_MS - 900_000}]
    floor.enter()
    heads = {
        item["key"]: item["delayed"] for frame in floor.images for p in frame.get("data", ()) for item in p["content"]
    }
    assert heads == {"SPY": True, "$TICK": False, "/ES": False}


def test_times_go_back_every_second_time(floor: Floor) -> None:
    floor.inject("times_back, by: 3s")
    stamps = [floor.change("SPY", f35=START_MS + n * 1000)[0]["35"] - START_MS for n in range(4, 8)]
    assert stamps == [4000, 2000, 6000, 4000]


def test_a_skewed_clock_shows_in_every_header_and_no_field(floor: Floor) -> None:
    one = floor.inject("skew, by: -90s")
    assert floor.change("SPY", f35=START_MS) == [{"key": "SPY", "35": START_MS}]
    floor.market.coming.append((START_US + 9_000_000, "SPY", {3: 7}))
    floor.go_to(11)
    data, beat = floor.read()
    assert data["data"][0]["timestamp"] == START_MS + 9_000 - 90_000
    assert beat == {"notify": [{"heartbeat": str(START_MS + 10_000 - 90_000)}]}
    floor.streamer.receive(floor.session, json.dumps(equities("ADD", "SPY")))
    answer, image = floor.read()
    assert answer["response"][0]["timestamp"] == image["data"][0]["timestamp"] == START_MS + 11_000 - 90_000
    floor.streamer.end_fault(one)
    floor.market.coming.append((START_US + 12_000_000, "SPY", {3: 8}))
    floor.go_to(12)
    assert floor.read()[0]["data"][0]["timestamp"] == START_MS + 12_000


def test_duplicates_come_twice_and_are_the_same(floor: Floor) -> None:
    floor.inject("duplicates")
    floor.market.coming.append((START_US + 9_000_000, "SPY", {3: 7}))
    floor.go_to(9)
    first, second = floor.read()
    assert first == second


def test_swapped_frames_come_later_one_first_and_the_truth_afterwards(floor: Floor) -> None:
    one = floor.inject("swapped_frames")
    assert floor.change("SPY", f3=601.0) == []
    floor.market.coming.append((START_US + 5_000_000, "SPY", {3: 602.0}))
    floor.go_to(5)
    later, earlier = floor.read()
    assert [part["data"][0]["timestamp"] - START_MS for part in (later, earlier)] == [5000, 4000]
    assert [part["data"][0]["content"][0]["3"] for part in (later, earlier)] == [602.0, 601.0]
    floor.second = 5
    assert floor.change("/ES", f3=1.0) == []
    floor.streamer.end_fault(one)
    assert floor.items() == [{"key": "/ES", "3": 1.0}, {"key": "SPY", "3": 602.0}]


@pytest.mark.parametrize(
    ("how", "at_once", "then"),
    [("floored", [{"3": 0}], [{"3": 0}]), ("x1000", [{"3": -250_000}], [{"3": -300_000}]), ("empty", [], [])],
)
def test_internals_are_as_schwab_has_them(floor: Floor, how: str, at_once: list[Any], then: list[Any]) -> None:
    one = floor.inject(f"internals, how: {how}")
    assert floor.items() == [{"key": "$TICK", **item} for item in at_once]
    assert floor.change("$TICK", f3=-300) == [{"key": "$TICK", **item} for item in then]
    floor.enter()
    items = [item for frame in floor.images for part in frame.get("data", ()) for item in part["content"]]
    tick = next(item for item in items if item["key"] == "$TICK")
    assert tick.get("3") == (then[0]["3"] if then else None)
    assert tick.keys() == {"key", "delayed", "assetMainType"} or how != "empty"
    floor.streamer.end_fault(one)
    (back,) = floor.items()
    assert (back["key"], back["3"]) == ("$TICK", -300)


def test_a_burst_flickers_in_sizes_and_never_in_prices(floor: Floor) -> None:
    one = floor.inject("burst, symbols: SPY, factor: 50")
    real, *more = floor.change("SPY", f3=601.0, f4=7)
    assert (real, len(more)) == ({"key": "SPY", "3": 601.0, "4": 7}, 49)
    assert all(item.keys() == {"key", "4", "5", "34"} for item in more)
    assert len({(item["4"], item["5"]) for item in more}) > 40
    assert floor.change("/ES", f3=6801.0) == [{"key": "/ES", "3": 6801.0}]
    floor.streamer.end_fault(one)
    assert floor.items() == [{"key": "SPY", "4": 7, "5": 0}]


def test_a_mute_stream_says_nothing_and_may_still_beat(floor: Floor) -> None:
    one = floor.inject("mute")
    assert floor.change("SPY", f3=601.0) == []
    floor.go_to(25)
    floor.streamer.receive(floor.session, json.dumps(equities("ADD", "QQQ")))
    assert floor.read() == []
    floor.streamer.end_fault(one)
    assert floor.items() == [{"key": "SPY", "3": 601.0}]
    floor.inject("mute, heartbeats: true")
    floor.go_to(35)
    assert floor.read() == [{"notify": [{"heartbeat": str(START_MS + 30_000)}]}]


def test_a_fault_until_reconnect_ends_with_the_next_connection(floor: Floor) -> None:
    one = floor.inject("mute, until: reconnect")
    assert floor.change("SPY", f3=601.0) == []
    floor.enter()
    assert len(floor.images) == 5
    assert (one.over_us, floor.streamer.faults.is_mute) == (floor.streamer.now_us, False)


@given(
    st.lists(
        st.sampled_from([kind.name for kind in KINDS.values() if kind.stage is Stage.DATA or kind.name == "mute"])
    ),
    st.lists(
        st.tuples(st.sampled_from(SYMBOLS), st.sampled_from([1, 2, 3, 4, 5, 8]), st.integers(1, 900)), max_size=15
    ),
    st.integers(0, 15),
)
def test_when_all_faults_are_over_the_client_holds_the_truth(names: list[str], changes: Any, until: int) -> None:
    """Whatever lay over the data, what a client merged of image and changes is the market again."""
    more = {
        "silent": "symbols: SPY", "skew": "by: 5s", "bad_print": "symbols: [SPY, /ES], away: 5%",
        "internals": "how: x1000", "burst": "factor: 3",
    }  # fmt: skip
    floor = Floor()
    held = dict(merged(floor.images))
    running = []
    for number, (symbol, field, value) in enumerate(changes):
        if number < len(names):
            text = f"{names[number]}, {more[names[number]]}" if names[number] in more else names[number]
            running.append(floor.inject(text))
        if number == until:
            floor.streamer.receive(floor.session, json.dumps(equities("ADD", "SPY,$TICK", ALL_FIELDS)))
        for frame in [*floor.read(), *_frames(floor, symbol, field, value)]:
            for key, fields in merged([frame]):
                held.setdefault(key, {}).update(fields)
    for one in running:
        if one.over_us is None:
            floor.streamer.end_fault(one)
    _push(floor, "SPY")  # what a bad print owes comes with the next change
    _push(floor, "/ES")
    for frame in floor.read():
        for key, fields in merged([frame]):
            held.setdefault(key, {}).update(fields)
    for symbol, record_ in floor.market.records.items():
        key = next(key for key in (symbol, *record_.listing.keys) if key in held)
        for number in (1, 2, 3, 4, 5, 8):
            if number in record_.values:
                assert held[key][str(number)] == json.loads(record_.values[number]), (symbol, number)


def _frames(floor: Floor, symbol: str, field: int, value: int) -> list[dict[str, Any]]:
    floor.second += 1
    at_us = START_US + floor.second * 1_000_000
    fields = {field: value} if field in floor.market.records[symbol].values else {3: value}
    floor.market.coming.append((at_us, symbol, fields))
    floor.go_to(floor.second)
    return floor.read()


# --- the market itself -----------------------------------------------------------------------------------------------


def test_a_roll_changes_contract_and_level_under_the_root_and_leaves_the_old_contract() -> None:
    market = SyntheticMarket(1, START_US, ["/ES", "SPY"])
    one = Streamer(market, lambda _: True)
    session = one.connect()
    fields = request("LEVELONE_FUTURES", "SUBS", "2", keys="/ES,/ESZ26", fields="1,2,3,14,16,32,34,35")
    for asked in (login(), fields):
        one.receive(session, json.dumps({"requests": [asked]}))
    before = json.loads(session.outbox[2])["data"][0]["content"]
    assert [item["34"] for item in before] == ["/ESZ26", "/ESZ26"]
    session.outbox.clear()
    one.begin_fault(read_entry("roll, symbol: /ES, by: 2%", "x").fault)
    (item,) = json.loads(session.outbox.popleft())["data"][0]["content"]
    assert (item["key"], item["34"], "Mar-2027" in item["16"], item["32"]) == ("/ES", "/ESH27", True, True)
    assert item["3"] == pytest.approx(before[0]["3"] * 1.02, rel=2e-4)
    assert item["14"] == pytest.approx(before[0]["14"] * 1.02, rel=2e-4)
    while len(session.outbox) < 400:
        one.step()
    held = {"/ES": [], "/ESZ26": []}  # type: dict[str, list[float]]
    for frame in session.outbox:
        for part in json.loads(frame).get("data", ()):
            for change in part["content"]:
                held[change["key"]] += [change["3"]] if "3" in change else []
    assert min(held["/ES"]) > 1.015 * max(held["/ESZ26"])
    root, new, old = market.find("/ES"), market.find("/ESH27"), market.find("/ESZ26")
    assert root is new and old is not None and old.values[32] == "false"
    with pytest.raises(ConfigError, match="/ESZ26 does not roll"):
        one.begin_fault(read_entry("roll, symbol: /ESZ26", "x").fault)


def test_faults_a_market_has_no_use_for_are_refused(tmp_path: Path) -> None:
    market = RecordedMarket(record(tmp_path / "spy.csv", f"{START_MS}000000,SPY,1,1,,,,"))
    for written, told in (
        ("roll, symbol: SPY", "a recording takes its course"),
        ("silent, symbols: QQQ", "the market has no QQQ"),
        ("refresh_token_dies", "there are no tokens here"),
        ("reset, at: 2026-11-23T09:29:59", "a fault lies before the market's start"),
    ):
        with pytest.raises(ConfigError, match=told):
            Streamer(market, lambda _: True, scenario=read_scenario(f"version: 1\nfaults: [{{fault: {written}}}]", "x"))


def _push(floor: Floor, symbol: str) -> None:
    floor.second += 1
    floor.market.coming.append((START_US + floor.second * 1_000_000, symbol, {9: floor.second}))
    floor.go_to(floor.second)
