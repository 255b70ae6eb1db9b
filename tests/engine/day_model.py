"""Day values worked out plainly from the whole list of what happened, and a maker of such lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from hypothesis import strategies as st

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import Facts
from tradeassistd.engine.symbol.symbols import SymbolState, exchange_us
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import Window, trading_window_at, window_at
from tradeassistd.market.tick import Field, Tick

MINUTE_US = 60 * US_PER_S
AHEAD_US = 2 * US_PER_S
Log = list["Tick | Facts | Cut"]


def at(text: str) -> int:
    """New York wall time of November 2026, as microseconds: "16 09:30" or "16 09:30:05.5"."""
    return int(datetime.fromisoformat(f"2026-11-{text.replace(' ', 'T')}-05:00").timestamp() * US_PER_S)


@dataclass(frozen=True)
class Cut:
    """A gap opens."""

    event_us: int


@dataclass
class Life:
    """One symbol's state beside the list of what it was given. Time is told at least every 20 minutes."""

    symbol: str
    now_us: int
    log: Log = field(default_factory=list)
    volume: int = 0
    last: int | None = None
    bid: int | None = None
    ask: int | None = None
    trade_ms: int | None = None

    def __post_init__(self) -> None:
        self.state = SymbolState(instrument_of(self.symbol))
        self.first_us = self.now_us
        self.state.turn(self.now_us)

    def wait(self, until_us: int) -> int:
        """Time goes on; gives what turned."""
        turned = 0
        while self.now_us < until_us:
            self.now_us = min(until_us, (self.now_us // MINUTE_US + 20) * MINUTE_US)
            turned |= self.state.turn(self.now_us)
        return turned

    def trade(self, price: int, size: int = 1, *, late_us: int = 0) -> Tick:
        """A trade that happened `late_us` ago."""
        self.last, self.volume, self.trade_ms = price, self.volume + size, (self.now_us + 1 - late_us) // 1000
        return self._row(Field.LAST | Field.TRADE | Field.VOLUME, size)

    def image(self, price: int | None = None, trade_ms: int | None = None) -> Tick:
        """The first row: what it tells was traded at `trade_ms`."""
        self.last, self.trade_ms = price, trade_ms
        return self._row(Field.IMAGE | Field.LAST, None)

    def quote(self, bid: int | None, ask: int | None) -> Tick:
        self.bid, self.ask = bid, ask
        return self._row(Field.BID | Field.ASK, None)

    def none_yet(self) -> Tick:
        """The last price is zero: unknown."""
        self.last = None
        return self._row(Field.LAST, None)

    def cut(self) -> None:
        self.now_us += 1
        self.state.cut(self.now_us, self.now_us)
        self.log.append(Cut(self.now_us))

    def facts(self, **values: int | None) -> bool:
        """Slow values; what is not named is unknown."""
        self.now_us += 1
        facts = Facts(self.now_us, self.symbol, **values)  # type: ignore[arg-type]
        self.state.turn(self.now_us)
        self.log.append(facts)
        return self.state.take_facts(facts)

    def _row(self, changed: int, size: int | None) -> Tick:
        self.now_us += 1
        tick = Tick(self.now_us, self.symbol, self.last, self.bid, self.ask, 1, 1, self.volume, self.trade_ms, None,
                    size, int(changed))  # fmt: skip
        self.state.turn(self.now_us)
        self.state.apply(tick)
        self.log.append(tick)
        return tick


PRICES = st.integers(95, 105)
LATE = st.sampled_from([0, 0, 0, US_PER_S, -US_PER_S, 40 * MINUTE_US])
WAITS = st.sampled_from([1, 300_000, US_PER_S, 7 * MINUTE_US, 45 * MINUTE_US, 3 * 60 * MINUTE_US, 11 * 60 * MINUTE_US])
ABOUT = st.none() | PRICES
STEPS = st.one_of(
    st.tuples(st.just("trade"), PRICES, st.integers(1, 5), LATE),
    st.tuples(st.just("trade"), PRICES, st.integers(1, 5), LATE),
    st.tuples(st.just("wait"), WAITS),
    st.tuples(st.just("edge"), st.sampled_from([-300_000, 0, 1, US_PER_S, 20 * MINUTE_US])),
    st.tuples(st.just("cut"), st.sampled_from([1, US_PER_S, 50 * MINUTE_US]), st.integers(0, 90 * 60_000)),
    st.tuples(st.just("facts"), ABOUT, ABOUT, ABOUT, ABOUT, st.none() | st.integers(103, 107), st.integers(92, 97)),
    st.tuples(st.just("quote")),
    st.tuples(st.just("none")),
)


def step(life: Life, what: tuple[object, ...]) -> None:
    """Do one drawn step."""
    match what:
        case ("trade", int(price), int(size), int(late_us)):
            life.trade(price, size, late_us=late_us)
        case ("wait", int(for_us)):
            life.wait(life.now_us + for_us)
        case ("edge", int(past_us)):
            life.wait(next_edge(life) + past_us)
        case ("cut", int(for_us), int(age_ms)):
            life.cut()
            life.wait(life.now_us + for_us)
            life.image(100, life.now_us // 1000 - age_ms)
        case ("facts", open_, high, low, prev_close, year_high, year_low):
            life.facts(open=open_, high=high, low=low, prev_close=prev_close, year_high=year_high, year_low=year_low)  # type: ignore[arg-type]
        case ("quote",):
            life.quote(99, 101)
        case ("none",):
            life.none_yet()


def next_edge(life: Life) -> int:
    """The next opening or close of a session."""
    instrument = life.state.instrument
    words = ("globex", "rth", "overnight") if life.symbol.startswith("/") else ("rth", "ext")
    at_us = life.now_us + MINUTE_US
    while True:
        at_us = (at_us // (30 * MINUTE_US) + 1) * 30 * MINUTE_US
        for word in words:
            before, after = (window_at(instrument, word, one) for one in (at_us - 1, at_us))
            if before != after:
                return at_us


@dataclass(frozen=True)
class Plain:
    """The meanings, from a list of events: slow and simple."""

    symbol: str
    first_us: int
    log: Log
    now_us: int

    def sessions(self, word: str) -> list[Window]:
        """The sessions of that word that had begun by now, also one over before the first event of its trading day."""
        instrument = instrument_of(self.symbol)
        trading = trading_window_at(instrument, self.first_us)
        from_us = trading.open_us if trading else self.first_us
        ahead = (exchange_us(tick) for tick in self.trades() if tick.event_us < exchange_us(tick))
        until_us = max(self.now_us, *ahead, 0)
        found: list[Window] = []
        steps = [*range(from_us, until_us, 30 * MINUTE_US), self.first_us, until_us]
        for at_us in sorted(steps):
            window = window_at(instrument, word, at_us)
            if window and window.open_us <= until_us and window not in found:
                found.append(window)
        return found

    def trades(self) -> Iterator[Tick]:
        return (event for event in self.log if isinstance(event, Tick) and event.is_trade)

    def of(self, window: Window) -> list[Tick]:
        """The trades of a session: by exchange time, once it had begun."""
        return [
            tick
            for tick in self.trades()
            if window.open_us <= exchange_us(tick) < window.close_us
            and (tick.event_us >= window.open_us or exchange_us(tick) - tick.event_us <= AHEAD_US)
        ]

    def upto(self, at_us: int) -> Plain:
        """What was known before that instant."""
        return Plain(self.symbol, self.first_us, [one for one in self.log if one.event_us < at_us], at_us - 1)

    def had_begun(self, window: Window, word: str, at_us: int) -> bool:
        """Whether a session had begun when something was asked for."""
        return window in self.upto(at_us + 1).sessions(word)

    def before_last_row(self) -> Plain:
        rows = [at for at, event in enumerate(self.log) if isinstance(event, Tick)]
        return Plain(self.symbol, self.first_us, self.log[: rows[-1]] if rows else [], self.now_us)

    def watching(self) -> tuple[bool, int]:
        """Whether the symbol is live, and up to which exchange time trades may have been missed."""
        live, missed_us, seen_us = False, 0, 0
        for event in self.log:
            if isinstance(event, Cut):
                live = False
            elif isinstance(event, Tick):
                if not live:
                    live, missed_us = True, max(exchange_us(event) - event.is_trade, seen_us)
                if event.is_trade:
                    seen_us = max(seen_us, exchange_us(event))
        return live, missed_us

    def whole(self, window: Window) -> bool:
        """Whether the session so far, or to its end, was watched."""
        live, missed_us = self.upto(min(self.now_us + 1, self.closed_us(window))).watching()
        return live and missed_us < window.open_us

    def closed_us(self, window: Window) -> int:
        """When a session was over: at its close, or with a trade past it that is stamped a little ahead of us."""
        ahead = (
            tick.event_us + 1
            for tick in self.trades()
            if window.close_us <= exchange_us(tick) <= tick.event_us + AHEAD_US
        )
        return min(window.close_us, *ahead, window.close_us)

    def day_word(self) -> str:
        return "globex" if self.symbol.startswith("/") else "rth"

    def said(self, window: Window, part: str) -> int | None:
        """What Schwab said of the day."""
        trading = trading_window_at(instrument_of(self.symbol), window.open_us)
        until_us = max(window.close_us, trading.close_us if trading else 0)
        closed_us = self.closed_us(window)
        carried: int | None = None
        value: int | None = None
        for event in self.log:
            if isinstance(event, Cut) and part != "open" and window.open_us <= event.event_us < closed_us:
                value = None
            if not isinstance(event, Facts):
                continue
            told: int | None = getattr(event, part)
            if event.event_us < window.open_us:
                carried = told
            elif event.event_us < until_us:
                if told is not None and told == carried:
                    told = None
                else:
                    carried = None
                if told is not None or event.event_us < closed_us:
                    value = told
        return value

    def running(self, word: str, part: str) -> int | None:
        """open, high, low or volume of the latest session of that word."""
        found = self.sessions(word)
        return self.session_value(found[-1], word == self.day_word(), part) if found else None

    def session_value(self, window: Window, is_day: bool, part: str) -> int | None:
        trades, whole = self.of(window), self.whole(window)
        said = self.said(window, part) if is_day and part != "volume" else None
        prices = [tick.last for tick in trades if tick.last is not None]
        if part == "open":
            complete = [tick for tick in trades if self.upto(tick.event_us + 1).whole(window)]
            return said if said is not None else complete[0].last if complete else None
        if part == "volume":
            if is_day and self.total(window) is not None:
                return self.total(window)
            return sum(tick.size or 0 for tick in trades) if whole and trades else None
        if not whole and said is None:
            return None
        return _pick(max if part == "high" else min, [*prices, *([said] if said is not None else [])])

    def total(self, window: Window) -> int | None:
        """Schwab's total with the last row that tells of a trade in the session."""
        value, live = None, False
        for event in self.log:
            if isinstance(event, Cut):
                live = False
            elif isinstance(event, Tick):
                image_of_it = not live and not event.is_trade and event.trade_ms is not None
                if event in self.of(window) or (
                    image_of_it and window.open_us <= exchange_us(event) < window.close_us
                    and event.event_us >= window.open_us
                ):  # fmt: skip
                    value = event.volume
                live = True
        return value

    def previous(self, word: str, part: str) -> int | None:
        """The session before the latest one, from own observation."""
        found = self.sessions(word)
        if len(found) < 2:
            return None
        earlier = Plain(self.symbol, self.first_us, [one for one in self.log if self._came_before(one, found[-1])],
                        found[-1].open_us - 1)  # fmt: skip
        window = found[-2]
        if part == "close":
            live, _ = earlier.upto(earlier.closed_us(window)).watching()
            return earlier.last_of(window) if live else None
        return earlier.session_value(window, word == self.day_word(), part) if earlier.whole(window) else None

    def last_of(self, window: Window) -> int | None:
        """The last trade of a session, unknown from a gap in it until the next trade or image of it."""
        value, live = None, False
        for event in self.log:
            if isinstance(event, Cut):
                live = False
                value = None if window.open_us <= event.event_us < self.closed_us(window) else value
            elif isinstance(event, Tick):
                inside = window.open_us <= exchange_us(event) < window.close_us and event.event_us >= window.open_us
                image_of_it = not live and not event.is_trade and event.trade_ms is not None and inside
                value = event.last if event in self.of(window) or image_of_it else value
                live = True
        return value

    def _came_before(self, event: Tick | Facts | Cut, window: Window) -> bool:
        return event.event_us < window.open_us and not (
            isinstance(event, Tick) and event.is_trade and exchange_us(event) >= window.open_us
        )


def _pick(pick: Callable[[list[int]], int], values: list[int]) -> int | None:
    return pick(values) if values else None


def live_from(symbol: str, start: str, last_trade: str = "13 15:00", price: int = 100) -> Life:
    life = Life(symbol, at(start))
    life.image(price, at(last_trade) // 1000)
    return life


def day(life: Life, *parts: str) -> list[int | None]:
    return [life.state.day_value("day", part) for part in parts]  # type: ignore[misc]
