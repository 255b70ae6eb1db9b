"""Recorded sessions through the simulator, over sockets, against the oracle that was written apart from the engine."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.harness import Watcher, play
from tests.oracle.oracle import expected_alerts, expected_bars, expected_last
from tests.oracle.rules import ES, SPY, Pair, rule_file
from tests.recorded import beginning, recorded
from tradeassistd.engine.events import Gap
from tradeassistd.engine.transition import Kind
from tradeassistd.history.replay import replay
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.recorded import read_bars
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts
from tradeassistd.sim.streamer import Cut
from tradeassistd.store import queries

SPY_FILE = "ticks/SPY_20131007_trades_session.csv.gz"
ES_FILE = "ticks/ES_ESH4_20231225_globex_reopen_1h.csv.gz"
ESU4_FILE = "ticks/ES_ESU4_20240701_mbp1_4min.csv.gz"
GLOBEX_OPEN_US = 1_703_545_200_000_000
MINUTE_US = 60_000_000
# Outages of the ES hour: 45 s with a crossing inside, 5 min, 20 s.
CUTS = [Cut(GLOBEX_OPEN_US + minute * MINUTE_US, seconds) for minute, seconds in ((10, 45), (20, 300), (40, 20))]

Row = tuple[str, str, int, str, str, float | None]


def stored_alerts(state: Path, *, until_us: int) -> list[Row]:
    """What the daemon stored, without what happened after the file's last row.

    Times to the millisecond: at a connection's first millisecond its own events (start, states, gap) come before the
    rows and take a microsecond each, which the oracle knows nothing of.
    """
    return sorted(
        (one.rule_id, one.symbol, one.event_us // 1_000, one.kind.value, one.suppressed, one.value)
        for one in (stored.alert.transition for stored in queries.alerts(state, limit=100_000))
        if one.event_us <= until_us
    )


def oracle_alerts(path: Path, pairs: Sequence[Pair], cuts: Sequence[Cut] = ()) -> list[Row]:
    expected = expected_alerts(path, pairs[0].symbol, [pair.rule for pair in pairs], [(c.at_us, c.for_s) for c in cuts])
    return sorted((a.rule, a.symbol, a.event_us // 1_000, a.kind, a.suppressed or "", a.value) for a in expected)


def last_row_us(watcher: Watcher) -> int:
    return watcher.ticks[-1].event_us


def rows_of(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt") as file:
        return [line.rstrip("\n").split(",") for line in file][1:]


def check_tape_equals_file(state: Path, path: Path) -> None:
    """Tape rows, last values and day volume are the file's."""
    events = [event for tape in sorted(queries.tape_paths(state)) for event in queries.read_tape(tape)]
    ticks = [event for event in events if isinstance(event, Tick)]
    rows = rows_of(path)
    assert [tick for tick in ticks if tick.changed & Field.IMAGE] == ticks[:1]
    assert len(ticks) == len(rows) + 1  # the image before the first row
    price, volume, book = None, 0, ["", "", "", ""]
    for tick, (ts_ns, _, last, size, *quote) in zip(ticks[1:], rows, strict=True):
        if last:
            price, volume = round(float(last) * PRICE_SCALE), volume + int(size)
            assert tick.size == int(size)
            assert tick.trade_ms == int(ts_ns) // 1_000_000
        if quote[0] or quote[1]:
            book = quote
        assert (tick.last, tick.volume) == (price, volume)
        seen = [tick.bid, tick.ask, tick.bid_size, tick.ask_size]
        for value, text, scale in zip(seen, book, (PRICE_SCALE, PRICE_SCALE, 1, 1), strict=True):
            assert not text or value == round(float(text) * scale)


def check_replay_gives_the_same(state: Path, *, at_least: int = 51) -> None:
    """The tape through the engine again: the same transitions, bit for bit."""
    events = [event for tape in sorted(queries.tape_paths(state)) for event in queries.read_tape(tape)]
    again = list(replay(events, lambda digest: load_texts(dict(queries.rule_texts(state, digest))).rule_set))
    stored = queries.transitions(state)
    assert again == stored
    assert len(stored) >= at_least


@pytest.mark.parametrize(("name", "pairs"), [(SPY_FILE, SPY), (ES_FILE, ES)], ids=["SPY", "ES"])
async def test_a_recorded_session_gives_exactly_the_oracles_alerts(
    name: str, pairs: Sequence[Pair], tmp_path: Path
) -> None:
    path = beginning(recorded(name), tmp_path)
    watcher = await play(tmp_path, path, rule_file(pairs))
    state = tmp_path / "state"
    expected = oracle_alerts(path, pairs)
    assert len(expected) > 100
    assert stored_alerts(state, until_us=last_row_us(watcher)) == expected
    check_tape_equals_file(state, path)
    last = expected_last(path)
    quote = queries.last_quotes(state)[pairs[0].symbol]
    assert last.price is not None and quote.last == last.price * PRICE_SCALE and quote.volume == last.total_volume
    check_replay_gives_the_same(state)


async def test_three_cuts_are_gaps_and_what_was_crossed_inside_is_told_as_missed(tmp_path: Path) -> None:
    path = recorded(ES_FILE)
    watcher = await play(tmp_path, path, rule_file(ES), cuts=CUTS)
    state = tmp_path / "state"
    gaps = [event for event in watcher.events if isinstance(event, Gap)]
    assert [gap.to_us for gap in gaps] == [cut.until_us for cut in CUTS]
    assert all(cut.at_us - 3_000_000 < gap.from_us < cut.at_us for gap, cut in zip(gaps, CUTS, strict=True))
    assert [(gap.from_us, gap.to_us) for gap in queries.gaps(state)] == [(gap.from_us, gap.to_us) for gap in gaps]
    assert stored_alerts(state, until_us=last_row_us(watcher)) == oracle_alerts(path, ES, CUTS)
    missed = [one for one in watcher.transitions if one.kind is Kind.MISSED and one.rule_id == "es-levels"]
    assert len(missed) == 1 and not missed[0].suppressed
    check_replay_gives_the_same(state)


async def test_bars_made_from_ticks_are_the_exchanges_own(tmp_path: Path) -> None:
    path, official = recorded(ESU4_FILE), recorded("bars/ES_NQ_databento_snippets_1m.csv.gz")
    rule = "version: 1\nrules:\n  - {id: any-level, symbols: [/ES], when: price crosses 5529}\n"
    await play(tmp_path, path, rule)
    first_us = int(rows_of(path)[0][0]) // 1_000 // MINUTE_US * MINUTE_US
    last_us = int(rows_of(path)[-1][0]) // 1_000
    wanted = [
        (bar.ts_ms * 1_000, bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in read_bars(official)
        if bar.symbol == "ESU4" and first_us <= bar.ts_ms * 1_000 <= last_us
    ]
    made = [
        (bar.start_us, bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in queries.bars(tmp_path / "state", "/ES", "1m", "always")
    ]
    assert len(wanted) == 4
    assert made == wanted


async def test_bars_of_a_whole_session_are_the_oracles(tmp_path: Path) -> None:
    path = recorded(ES_FILE)
    rule = "version: 1\nrules:\n  - {id: any-level, symbols: [/ES], when: price crosses 4810}\n"
    await play(tmp_path, path, rule)
    made = [
        (bar.start_us, bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in queries.bars(tmp_path / "state", "/ES", "1m", "always", limit=500)
    ]
    expected = [
        (bar.open_us, *(int(price * PRICE_SCALE) for price in (bar.open, bar.high, bar.low, bar.close)), bar.volume)
        for bar in expected_bars(path, "/ES", "1m")
    ]
    assert len(made) > 50
    assert made == expected[: len(made)] and len(expected) - len(made) <= 1  # the last one may still be forming
