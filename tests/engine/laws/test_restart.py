"""A stop and a start outside the session, or a reload, change nothing of what is said from then on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.stored import Stored, at_times
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars import archive
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import ClockTurn, Connection, Event, Facts, Gap, RulesSwap, Start, Stop
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import Transition
from tradeassistd.history.replay import replay
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts

POINT = 100_000_000
TRADE = int(Field.LAST | Field.VOLUME | Field.TRADE)
DAYS = ("2026-11-09", "2026-11-10", "2026-11-11", "2026-11-12", "2026-11-13", "2026-11-16", "2026-11-17", "2026-11-18")
"""Two weeks without a holiday of the stock exchange."""
OPENS = {"SPY": "09:30", "/ES": "18:00", "$SPX": "09:30"}


def instant_us(day: str, clock: str) -> int:
    return int(datetime.fromisoformat(f"{day}T{clock}-05:00").timestamp()) * US_PER_S


@cache
def rules_for(symbol: str) -> RuleSet:
    conditions = [
        "close(1m) > sma(close, 3, 1m)", "close(5m) > ema(close, 2, 5m)", "atr(3, 1m) > 1", "rsi(close, 3, 1m) > 50",
        "macd(close, 2, 3, 2, 1m).hist > 0", "bollinger(close, 3, 2, 1m).upper > 101.5", "close(1d) > 100",
        "close(1m) > highest(high, 4, 1m)[1]", "close(15m) > wma(close, 2, 15m)", "price crosses_above prev_day.high",
        "price crosses_below prev_day.low", "price crosses prev_week.close", "price > prev_week.high",
        "price > prev_day.open", "close(2m)[3] < 101", "price > opening_range(15m).high",
        "stdev(close, 4, 1m) > 1", "net_change > 0",
    ]  # fmt: skip
    if symbol != "$SPX":
        conditions += ["volume(1m) > 2x * avg(volume, 3, 1m)[1]", "rvol(1m) > 1"]
    if symbol == "/ES":
        conditions += ["price > prev_rth.high", "price > overnight.low", "price < rth.open", "close(1h, rth) > 101"]
        conditions = [text.replace("opening_range(15m)", "opening_range(15m, globex)") for text in conditions]
    lines = [f"  - {{id: r{number}, symbols: [{symbol}], when: '{text}', cooldown: 0s, at_load: fire}}"
             for number, text in enumerate(conditions)]  # fmt: skip
    lines += [f"  - {{id: close5, symbols: [{symbol}], evaluate: close(5m), when: 'close(5m) > sma(close, 2, 5m)'}}"]
    loaded = load_texts({"rules.yaml": "version: 1\nrules:\n" + "\n".join(lines)})
    assert not loaded.problems, loaded.problems
    return loaded.rule_set


@dataclass
class Life:
    """A daemon over days, which may be stopped and started; in memory, with a sparse clock."""

    symbol: str
    rule_set: RuleSet
    now_us: int
    stored: Stored = field(default_factory=Stored)
    said: list[Transition] = field(default_factory=list)
    tape: list[Event] = field(default_factory=list)
    price: int = 100
    volume: int = 0
    traded_us: int = 0

    def __post_init__(self) -> None:
        self.engine = Engine(self.rule_set)
        self.take(Start(self.next_us(), self.rule_set.hash))
        self.image()

    def next_us(self) -> int:
        self.now_us += 1
        return self.now_us

    def take(self, event: Event) -> None:
        self.tape.append(event)
        self.said += self.engine.on_event(event)

    def image(self) -> None:
        self.take(Facts(self.next_us(), self.symbol, prev_close=100 * POINT, contract="/ESZ26"))
        self.tick(None, int(Field.IMAGE | Field.LAST))
        self.tick(None, int(Field.BID))  # a running extreme has its value from before a row at the second row only

    def tick(self, size: int | None, changed: int) -> None:
        trade_ms = self.traded_us // 1000 if self.traded_us else None
        total = None if self.symbol == "$SPX" else self.volume
        last = self.price * POINT if self.traded_us else None
        self.take(Tick(self.next_us(), self.symbol, last, last, last, 1, 1, total, trade_ms, None, size, changed))

    def trade(self, at_us: int, price: int, size: int) -> None:
        self.clock(at_us)
        self.price, self.volume, self.traded_us = price, self.volume + size, at_us
        self.tick(0 if self.symbol == "$SPX" else size, TRADE)

    def clock(self, until_us: int) -> None:
        """Time passes: a second at a time where bars may close, else in one leap."""
        first = self.now_us // US_PER_S + 1
        last = until_us // US_PER_S
        for second in [*range(first, min(first + 5, last + 1)), *range(max(last - 1, first + 5), last + 1)]:
            self.now_us = second * US_PER_S
            self.take(ClockTurn(self.now_us))
        self.now_us = max(self.now_us, until_us)

    def restart(self, seconds: int, *, killed: bool) -> None:
        from_us = self.now_us
        if not killed:
            self.take(Stop(self.next_us()))
        self.stored.save(self.engine)
        self.stored.end()
        self.now_us += seconds * US_PER_S
        self.engine = Engine(self.rule_set)
        states = tuple(msgspec.structs.replace(one, sides=list(one.sides)) for one in self.stored.states.values())
        self.take(Start(self.next_us(), self.rule_set.hash, states))
        self.relive()
        self.take(Connection(self.next_us(), "live"))
        self.take(Gap(self.next_us(), from_us, self.now_us, "restart"))
        self.image()

    def relive(self) -> None:
        for one in at_times(self.stored.past(self.rule_set.rules, self.rule_set), self.now_us + 1):
            self.now_us = one.event_us
            self.take(one)

    def drop(self, seconds: int) -> None:
        """The connection is lost and comes back."""
        from_us = self.now_us
        self.take(Connection(self.next_us(), "backoff", "wire"))
        self.clock(self.now_us + seconds * US_PER_S)
        self.take(Connection(self.next_us(), "live"))
        self.take(Gap(self.next_us(), from_us, self.now_us, "wire"))
        self.image()

    def pause(self, how: str, seconds: int) -> None:
        if how in ("stop", "kill"):
            self.restart(seconds, killed=how == "kill")
        elif how == "drop":
            self.drop(seconds)

    def reload(self) -> None:
        """Other rules for a moment, and then these again: every window is made anew."""
        self.stored.save(self.engine)
        text = f"version: 1\nrules: [{{id: other, symbols: [{self.symbol}], when: price > 1000}}]"
        other = load_texts({"rules.yaml": text}).rule_set
        for rule_set in (other, self.rule_set):
            self.engine.offer(rule_set)
            if rule_set is self.rule_set:
                self.relive()
            self.take(RulesSwap(self.next_us(), rule_set.hash))


Trades = list[tuple[int, int, int]]  # (seconds after the trade before, price, size)
TRADES = st.lists(
    st.tuples(st.sampled_from([1, 7, 20, 40, 61, 130, 400]), st.integers(96, 104), st.integers(1, 9)),
    min_size=1, max_size=14,
)  # fmt: skip
PAUSES = st.sampled_from(["", "", "stop", "kill", "drop"])


def run(symbol: str, days: list[Trades], pauses: list[str], noons: list[str] | None = None) -> Life:
    """Each day its trades from the opening on; then, when the market is closed, what is written for that night.

    `noons` is what happens in the middle of the trades of each day.
    """
    rule_set = rules_for(symbol)
    opening = OPENS[symbol]
    life = Life(symbol, rule_set, instant_us(DAYS[0], opening) - 600 * US_PER_S)
    for number, (trades, pause) in enumerate(zip(days, pauses, strict=True)):
        day = DAYS[number]
        at_us = instant_us(day, opening) - 60 * US_PER_S
        life.clock(at_us + 61 * US_PER_S)  # time may leap, but not over the beginning of a session
        for place, (seconds, price, size) in enumerate(trades):
            if noons and place == len(trades) // 2:
                life.pause(noons[number], 25)
            at_us += seconds * US_PER_S
            if at_us > life.now_us:
                life.trade(at_us, price, size)
        for hours in (6.5, 11) if symbol != "/ES" else (15.51, 22, 23.1):
            life.clock(instant_us(day, opening) + round(hours * 3600) * US_PER_S)
        life.stored.save(life.engine)
        life.pause(pause, 600)
    return life


def told(life: Life) -> list[object]:
    return [
        (one.rule_id, one.kind, one.event_us // US_PER_S, one.level, one.late, one.suppressed, one.value,
         one.since_us // US_PER_S)
        for one in life.said
    ]  # fmt: skip


@settings(max_examples=25)
@given(st.data())
def test_a_night_without_the_daemon_or_the_feed_changes_nothing(data: st.DataObject) -> None:
    symbol = data.draw(st.sampled_from(["SPY", "/ES", "$SPX"]))
    # Futures days begin the evening before; Monday to Thursday, so that each is followed by another.
    count = data.draw(st.integers(2, 4))
    days = [data.draw(TRADES) for _ in range(count)]
    pauses = [data.draw(PAUSES) for _ in range(count)]
    through = run(symbol, days, [""] * count)
    paused = run(symbol, days, pauses)
    assert told(paused) == told(through)
    rule_sets = {through.rule_set.hash: through.rule_set}
    assert list(replay(paused.tape, rule_sets.__getitem__)) == paused.said


def values(life: Life) -> dict[object, list[object]]:
    """What every window of bars is, and some bars ago; and the levels of past days."""
    found: dict[object, list[object]] = {}
    state = life.engine.symbols[life.symbol]
    for (interval, session), series in state.series.items():
        for key, track in series._tracks.items():
            parts = {"macd": ("line", "hist"), "bollinger": ("upper", "mid")}.get(key[1], ("",))
            found[interval, session, key] = [track.value(back, part) for part in parts for back in range(4)]
    scopes = ["prev_day", "prev_week"] + (["prev_rth", "overnight", "rth"] if life.symbol == "/ES" else [])
    for scope in scopes:
        found[scope] = [state.day_value(scope, part) for part in ("open", "high", "low", "close")]
    return found


@settings(max_examples=25)
@given(st.data(), st.sampled_from([2, 7, 3_000]))
def test_windows_made_anew_from_memory_and_store_are_those_that_ran_on(data: st.DataObject, kept: int) -> None:
    # However few minutes memory holds: what it lacks the store has.
    symbol = data.draw(st.sampled_from(["SPY", "/ES", "$SPX"]))
    count = data.draw(st.integers(2, 4))
    days = [data.draw(TRADES) for _ in range(count)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(archive, "RECENT_BARS_MAX", kept)
        through = run(symbol, days, [""] * count)
        paused = run(symbol, days, [data.draw(PAUSES) for _ in range(count)])
        noons = [data.draw(PAUSES) for _ in range(count)]
        holed = run(symbol, days, [data.draw(PAUSES) for _ in range(count)], noons)
    kept_on = values(holed)
    holed.reload()
    assert values(holed) == kept_on
    before = values(through)
    assert values(paused) == before
    paused.reload()
    assert values(paused) == before
    through.reload()
    assert values(through) == before
