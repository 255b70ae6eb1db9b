"""Holes that are filled in the midst of a life: windows are as if there had been none, and nothing seen moves."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.engine.market import Market
from tests.engine.test_machine import at, rule
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.archive import RECENT_BARS_MAX, Archive, Hole
from tradeassistd.engine.bars.series import BAR_GRACE_US
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import BarRow, Bars, ClockTurn, Connection, Gap
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.engine.transition import Kind
from tradeassistd.market.bar import Bar
from tradeassistd.market.instrument import instrument_of

MINUTE_US = 60 * US_PER_S
OPEN_US = at("2026-11-16 09:30")
BEGIN_US, STEP_US = OPEN_US - 5 * MINUTE_US, 5 * US_PER_S
READS = (
    "price > 1000 and sma(close, 4, 1m) > 0",
    "price > 1000 and ema(close, 6, 1m)[2] > 0",
    "price > 1000 and highest(high, 3, 5m)[1] > 0",
    "price > 1000 and atr(3, 2m) > 0",
    "price > 1000 and volume(15m, live) > 0",
    "price > 1000 and close(1m, globex) > 0",
    "price > 1000 and rsi(close, 4, 3m, overnight) > 0",
)


def rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(f"r{number}", ("/ES",), rule(text).levels[0].when, cooldown_s=0) for number, text in enumerate(READS)
    )


class Watched:
    """One life of /ES, with cuts or without; each from a step until another."""

    def __init__(self, *cuts: tuple[int, int]) -> None:
        self._begins, self._ends = {begin for begin, _ in cuts}, {end for _, end in cuts}
        self._away = False
        self.minutes: list[Bar] = []
        self.market = Market(rules(), now_us=BEGIN_US)
        self.market.image("/ES", "100")

    def step(self, number: int, price: str | None) -> None:
        """Five seconds pass, the first trade of which is at `price`, or there is none."""
        market = self.market
        if number in self._begins:
            market.drop()
            self._from_us, self._away = market.now_us, True
        if number in self._ends:
            market._take(Gap(market._next(), self._from_us, market.now_us, "cut"))
            market._take(Connection(market._next(), "live"))
            market.image("/ES", price or "100")
            self._away = False
        elif price is not None and not self._away:
            market.trade("/ES", price)
        market.now_us = BEGIN_US + (number + 1) * STEP_US
        market._take(ClockTurn(market.now_us))
        self.minutes += [bar for bar in market.engine.take_bars() if bar.interval == "1m"]

    def fill(self, minutes: list[Bar], from_us: int, until_us: int) -> None:
        self.market._take(told(minutes, from_us, until_us, self.market._next()))

    def values(self) -> dict[tuple[object, ...], list[object]]:
        """Of every track of every series its values, the newest first, and the forming bar."""
        found: dict[tuple[object, ...], list[object]] = {}
        for (interval, session), series in self.market.engine.symbols["/ES"].series.items():
            for key, track in series._tracks.items():
                found[interval, session, *key] = [track.value(back) for back in range(3)]
            found[interval, session, "forming"] = [bar_numbers(series.forming)]
        return found


def bar_numbers(bar: Bar | None) -> tuple[int, ...] | None:
    return None if bar is None else (bar.start_us, bar.end_us, bar.open, bar.high, bar.low, bar.close, bar.volume)


def told(minutes: list[Bar], from_us: int, until_us: int, event_us: int = 0, contract: str = "") -> Bars:
    rows = tuple(
        BarRow(bar.start_us, bar.end_us, bar.open, bar.high, bar.low, bar.close, bar.volume, 0)
        for bar in minutes
        if from_us <= bar.start_us and bar.end_us <= until_us
    )
    return Bars(event_us, "/ES", "1m", "always", rows, from_us, until_us, "rest", contract)


PRICES = st.lists(st.one_of(st.none(), st.integers(95, 105)), min_size=5, max_size=40)


@settings(deadline=None, max_examples=12, phases=(Phase.explicit, Phase.generate))
@given(PRICES, st.integers(13, 130), st.integers(1, 60), st.integers(0, 10))
def test_a_filled_hole_leaves_every_window_as_it_would_have_been(
    prices: list[int | None], begin: int, length: int, later: int
) -> None:
    whole, cut = Watched(), Watched((begin, begin + length))
    from_us = (BEGIN_US + begin * STEP_US - BAR_GRACE_US) // MINUTE_US * MINUTE_US
    until_us = -(-(BEGIN_US + (begin + length) * STEP_US + 1) // MINUTE_US) * MINUTE_US
    fill = (until_us - BEGIN_US) // STEP_US + 1 + later
    for number in range(fill + 120):
        price = prices[number % len(prices)]
        for one in (whole, cut):
            one.step(number, None if price is None else str(price))
        if number == fill:
            cut.fill(whole.minutes, from_us, until_us)
        if number == fill + 1 or (number > fill and number % 12 == 1):  # with the next event it is in the windows
            assert cut.values() == whole.values()


def test_without_the_fill_the_windows_are_unknown_so_the_law_above_says_something() -> None:
    whole, cut = Watched(), Watched((100, 120))
    for number in range(140):
        for one in (whole, cut):
            one.step(number, "100")
    unknown = [key for key, values in whole.values().items() if cut.values()[key] != values]
    assert len(unknown) >= len(READS)


def test_a_crossing_over_the_hole_is_missed_and_not_live_however_early_it_is_filled() -> None:
    market = Market((Rule("r", ("/ES",), rule("close(1m) crosses_above sma(close, 3, 1m)").levels[0].when),),
                    now_us=OPEN_US)  # fmt: skip
    market.image("/ES", "100")
    for price in ("100", "99", "98", "97"):
        market.trade("/ES", price, after_s=1)
        market.wait(60)
    side_known = market.engine.machines[0].state.sides
    assert side_known, "the average is known, and the close is below it"
    from_us = market.now_us // MINUTE_US * MINUTE_US
    market.drop()
    market.resume(after_s=90)
    market._take(Connection(market._next(), "live"))
    market.image("/ES", "110")
    market.wait(60)
    until_us = market.now_us // MINUTE_US * MINUTE_US
    minutes = [minute(from_us, 100 * 10**8), minute(from_us + MINUTE_US, 110 * 10**8)]
    market._take(told(minutes, from_us, until_us, market._next()))
    market.trade("/ES", "111")
    market.wait(70)
    assert [(one.kind, one.late) for one in market.all] == [(Kind.MISSED, True)]


def minute(start_us: int, price: int = 100, symbol: str = "/ES") -> Bar:
    return Bar(symbol, "1m", "always", start_us, start_us + MINUTE_US, price, price + 2, price - 1, price + 1, 5, 3)


def archive_of(*numbers: int) -> Archive:
    """Watched from minute 0 on, with these closed minutes."""
    archive = Archive(instrument_of("SPY"))
    archive.series.begin_from(OPEN_US)
    archive.resume(OPEN_US)
    for number in numbers:
        archive.keep(minute(OPEN_US + number * MINUTE_US))
    return archive


def lose(archive: Archive, from_minute: int, until_minute: int) -> None:
    archive.pause(OPEN_US + from_minute * MINUTE_US)
    archive.series.begin_from(OPEN_US + until_minute * MINUTE_US)
    archive.resume(OPEN_US + until_minute * MINUTE_US)


def span(from_minute: int, until_minute: int) -> tuple[int, int]:
    return OPEN_US + from_minute * MINUTE_US, OPEN_US + until_minute * MINUTE_US


@pytest.mark.parametrize(
    ("filled", "left"),
    [
        ((5, 10), []),
        ((4, 12), []),
        ((5, 7), [(7, 10)]),
        ((7, 10), [(5, 7)]),
        ((6, 8), [(5, 6), (8, 10)]),
        ((10, 12), [(5, 10)]),
        ((7, 7), [(5, 10)]),
    ],
)
def test_what_is_left_of_a_hole(filled: tuple[int, int], left: list[tuple[int, int]]) -> None:
    archive = archive_of(*range(5))
    lose(archive, 5, 10)
    changed = archive.fill([minute(OPEN_US + 6 * MINUTE_US)], *span(*filled))
    assert list(archive._holes) == [Hole(*span(*one)) for one in left]
    assert changed == (left != [(5, 10)])


def test_a_minute_that_was_seen_is_not_replaced_and_others_go_between_in_order() -> None:
    archive = archive_of(0, 1, 2)
    lose(archive, 2, 4)
    archive.keep(minute(OPEN_US + 4 * MINUTE_US))
    archive.fill([minute(OPEN_US + number * MINUTE_US, 7) for number in range(6)], *span(0, 5))
    held = [(bar.start_us - OPEN_US) // MINUTE_US for bar in archive._minutes]
    assert held == [0, 1, 2, 3, 4, 5][: len(held)]
    assert [bar.open for bar in archive._minutes][:5] == [100, 100, 7, 7, 100]


def test_what_reaches_back_to_before_the_beginning_moves_it_and_what_does_not_reach_it_is_ignored() -> None:
    archive = archive_of(0, 1)
    assert not archive.fill([minute(OPEN_US - 9 * MINUTE_US)], *span(-10, -5))
    assert archive.begin_us == OPEN_US
    assert archive.fill([minute(OPEN_US - 2 * MINUTE_US)], *span(-3, 0))
    assert archive.begin_us == OPEN_US - 3 * MINUTE_US
    assert next(iter(archive._minutes)).start_us == OPEN_US - 2 * MINUTE_US


def test_no_more_minutes_are_held_than_memory_is_meant_to_hold() -> None:
    archive = archive_of(0)
    many = [minute(OPEN_US - number * MINUTE_US) for number in range(RECENT_BARS_MAX + 100, 0, -1)]
    archive.fill(many, *span(-RECENT_BARS_MAX - 100, 0))
    assert len(archive._minutes) == RECENT_BARS_MAX
    assert archive.begin_us == next(iter(archive._minutes)).start_us


def test_a_hole_that_is_filled_while_nobody_watches_yet_is_a_shorter_one_later() -> None:
    archive = archive_of(*range(5))
    archive.pause(OPEN_US + 5 * MINUTE_US)
    archive.fill([], *span(5, 8))
    archive.series.begin_from(OPEN_US + 10 * MINUTE_US)
    archive.resume(OPEN_US + 10 * MINUTE_US)
    assert list(archive._holes) == [Hole(*span(8, 10))]


def test_bars_of_another_contract_are_not_taken() -> None:
    market = Market((rule("close(1m) > 0", symbols=("/ES",)),), now_us=OPEN_US)
    market.facts("/ES", contract="/ESZ26")
    market.image("/ES", "100")
    market.wait(120)
    state = market.engine.symbols["/ES"]
    for contract, held in (("/ESH27", 0), ("/ESZ26", 1)):
        minutes = [minute(OPEN_US - MINUTE_US)]
        market._take(told(minutes, OPEN_US - MINUTE_US, OPEN_US + MINUTE_US, market._next(), contract))
        assert len([*state.archive._minutes]) == held


def test_the_engine_takes_them_for_a_symbol_that_it_has_not_seen_yet() -> None:
    engine = Engine(Market(()).engine.rule_set)
    assert engine.on_event(told([minute(OPEN_US)], OPEN_US, OPEN_US + MINUTE_US, OPEN_US + 1)) == []
    assert not engine.symbols["/ES"].archive.began


def test_holes_told_one_after_another_go_into_the_windows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start after a day of short cuts brings hundreds of holes of a symbol."""
    refilled: list[str] = []
    refill = SymbolState.refill

    def counted(state: SymbolState) -> None:
        refilled.append(state.instrument.symbol)
        refill(state)

    monkeypatch.setattr(SymbolState, "refill", counted)
    whole, cut = Watched(), Watched((13, 25), (61, 73), (97, 109))
    for number in range(140):
        for one in (whole, cut):
            one.step(number, "100")
    for begin in (13, 61, 97):
        from_us = (BEGIN_US + begin * STEP_US - BAR_GRACE_US) // MINUTE_US * MINUTE_US
        cut.fill(whole.minutes, from_us, -(-(BEGIN_US + (begin + 12) * STEP_US + 1) // MINUTE_US) * MINUTE_US)
    assert refilled == []
    for one in (whole, cut):
        one.step(140, "100")
    assert refilled == ["/ES"]
    assert cut.values() == whole.values()
