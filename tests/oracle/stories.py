"""Markets made by hypothesis, few prices and everything that can happen to a rule, and stories of a rule in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

from hypothesis import strategies as st

from tests.oracle.events import Event
from tests.oracle.expression import Compare, Quote
from tests.oracle.market_text import Market, instant
from tests.oracle.rule import OracleRule
from tests.oracle.rule_strategies import changed, operators, rules
from tests.oracle.value_strategies import SYMBOLS, has_book, levels

PRICES = ("99.5", "100.5", "100", "99", "101", "100.25", "102")
STARTS = ("2026-11-16 10:00:00", "2026-11-16 09:29:40", "2026-11-16 15:59:20", "2026-11-15 17:59:50")
MOMENTS = tuple(
    f"2026-11-{day} {time}"
    for day in (16, 17)
    for time in ("03:59:58", "09:29:58", "09:34:59", "15:59:58", "16:59:58", "17:59:58", "19:59:58")
)

Step = Callable[[Market], object]


@dataclass(frozen=True)
class Move_:
    """One step of a market; its text says what a failing example did."""

    name: str
    arguments: tuple[object, ...]

    def __call__(self, market: Market) -> None:
        getattr(_Steps, self.name)(market, *self.arguments)


class _Steps:
    """What the steps do."""

    @staticmethod
    def wait(market: Market, seconds: float) -> None:
        market.wait(seconds)

    @staticmethod
    def trade(market: Market, seconds: float, symbol: str, price: str, size: int) -> None:
        market.wait(seconds).trade(symbol, price, size)

    @staticmethod
    def trades(market: Market, seconds: float, symbol: str, prices: tuple[str, ...]) -> None:
        for price in prices:
            market.wait(seconds).trade(symbol, price)

    @staticmethod
    def quote(market: Market, seconds: float, symbol: str, side: str, price: str | None) -> None:
        market.wait(seconds).quote(symbol, **{side: price})

    @staticmethod
    def none_yet(market: Market, symbol: str) -> None:
        market.quote(symbol, price=None)

    @staticmethod
    def until(market: Market, text: str) -> None:
        market.until(text)

    @staticmethod
    def cut(market: Market, seconds: int, price: str) -> None:
        market.lost().wait(seconds).gap()
        _images(market, price)

    @staticmethod
    def gap(market: Market, symbol: str, price: str) -> None:
        market.gap(symbol)
        _image(market, symbol, price)

    @staticmethod
    def restart(market: Market, seconds: int, price: str) -> None:
        market.restart().wait(seconds)
        _images(market, price)

    @staticmethod
    def night(market: Market, moment: str, how: str, seconds: int, price: str) -> None:
        """At that moment the daemon, or the feed, goes away for a while."""
        market.until(moment)
        if how == "restart":
            market.restart().wait(seconds)
        else:
            market.lost().wait(seconds).gap()
        _images(market, price)

    @staticmethod
    def facts(market: Market, symbol: str, values: tuple[tuple[str, str], ...], status: str) -> None:
        market.facts(symbol, status, **dict(values))

    @staticmethod
    def roll(market: Market, contract: str, price: str) -> None:
        market.facts("/ES", contract=contract).trade("/ES", price)

    @staticmethod
    def ack(market: Market) -> None:
        market.ack("r")

    @staticmethod
    def silence(market: Market, seconds: int, symbol: str) -> None:
        market.silence("r", seconds, symbol)

    @staticmethod
    def end_silence(market: Market, number: int) -> None:
        market.end_silence(number).wait(1)

    @staticmethod
    def swap(market: Market, rules: Sequence[OracleRule]) -> None:
        market.swap(rules)


def _images(market: Market, price: str) -> None:
    for symbol in SYMBOLS:
        _image(market, symbol, price)


def _image(market: Market, symbol: str, price: str) -> None:
    if has_book(symbol):
        market.image(symbol, price=price, bid="99.5", ask="100.5")
    else:
        market.image(symbol, price=price)


def _step(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Step]:
    return st.tuples(*arguments).map(lambda found: Move_(name, found))


SYMBOL = st.sampled_from(["SPY", "SPY", "/ES", "$VIX"])
PRICE = st.sampled_from(PRICES)
SECONDS: st.SearchStrategy[float] = st.sampled_from([0, 0, 0.3, 1, 2.5, 7, 31, 62])
FACTS = st.lists(
    st.tuples(st.sampled_from(["high", "low", "prev_close", "open", "year_high", "year_low"]), PRICE),
    max_size=3, unique_by=lambda pair: pair[0],
).map(tuple)  # fmt: skip

SWAP = Move_("swap", ())
"""Stands for a reload; the rules of the first come from the story."""


@cache
def steps(symbol: str) -> st.SearchStrategy[Step]:
    """One step, most often a trade of that symbol."""
    mine = st.just(symbol)
    trade = _step("trade", SECONDS, mine, PRICE, st.integers(1, 3))
    burst = _step("trades", SECONDS, mine, st.lists(PRICE, min_size=2, max_size=6).map(tuple))
    return st.one_of(
        trade,
        burst,
        burst,
        burst,
        _step("trade", SECONDS, SYMBOL, PRICE, st.integers(1, 3)),
        _step("quote", SECONDS, st.sampled_from(["SPY", "/ES"]), st.sampled_from(["bid", "ask"]), PRICE | st.none()),
        _step("wait", SECONDS),
        _step("until", st.sampled_from(MOMENTS)),
        _step("none_yet", mine),
        _step("cut", st.sampled_from([1, 20, 70]), PRICE),
        _step("gap", SYMBOL, PRICE),
        _step("restart", st.sampled_from([0, 3]), PRICE),
        _step("facts", SYMBOL, FACTS, st.sampled_from(["", "Normal", "Halted"])),
        _step("roll", st.sampled_from(["/ESZ26", "/ESH27"]), PRICE),
        _step("ack"),
        st.just(SWAP),
    )


@dataclass(frozen=True)
class Story:
    """A rule and what happens to it."""

    rule: OracleRule
    start: str
    steps: tuple[Step, ...]

    @property
    def events(self) -> list[Event]:
        """The market as events."""
        return play(self.start, self.steps)


@st.composite
def stories(draw: st.DrawFn, size: int = 40) -> Story:
    """A rule and a market for it."""
    rule = draw(rules())
    start = draw(st.sampled_from(STARTS))
    todo = draw(st.lists(steps(rule.symbols[0]), min_size=5, max_size=size))
    if SWAP in todo:
        other = draw(changed(rule))
        sets = ((other,), (rule,), ())
        swaps = (Move_("swap", (sets[turn % 3],)) for turn in range(len(todo)))
        todo = [next(swaps) if step is SWAP else step for step in todo]
    return Story(rule, start, tuple(todo))


@st.composite
def silenced_stories(draw: st.DrawFn) -> Story:
    """A rule that fires often, silenced now and then, in a market where nearly all else may happen, too.

    What is due a part of a second before the feed is lost, or before somebody acknowledges, the oracle says at that
    event and the engine at the next row or second: with so much that is due, these are left to the other stories.
    """
    rule = draw(rules(when=st.builds(Compare, st.just(Quote("price")), operators, levels)))
    symbol = rule.symbols[0]
    silent = st.one_of(
        _step("silence", st.sampled_from([4, 45, 200]), st.sampled_from(["", symbol, "QQQ"])),
        _step("end_silence", st.integers(1, 2)),
        _step("trades", SECONDS, st.just(symbol), st.lists(PRICE, min_size=2, max_size=6).map(tuple)),
        _step("wait", SECONDS),
    )
    other = steps(symbol).filter(lambda step: cast(Move_, step).name not in ("cut", "gap", "ack", "swap"))
    todo = draw(st.lists(st.one_of(silent, silent, other), min_size=5))
    first = Move_("silence", (draw(st.sampled_from([45, 200])), ""))
    return Story(replace(rule, at_load="fire"), STARTS[0], (first, *todo))


def play(start: str, todo: Sequence[Step]) -> list[Event]:
    """The events of a market that begins with an image of each symbol."""
    market = Market(instant(start))
    _images(market, "100")
    for step in todo:
        step(market)
    return market.events


CLOSED = ("16:05:00", "17:20:00", "20:30:00")
"""When some instruments are closed, and others are not."""


@st.composite
def nights(draw: st.DrawFn) -> Story:
    """Days of trading with nights between them, in which the daemon or the feed is away, or not."""
    rule = draw(rules())
    todo: list[Step] = []
    daytime: st.SearchStrategy[Step] = steps(rule.symbols[0]).filter(_is_of_daytime)
    trading = st.lists(daytime, min_size=3, max_size=10)
    for day in (16, 17, 18):
        todo += [Move_("until", (f"2026-11-{day} {draw(st.sampled_from(['09:29:58', '15:58:58']))}",)), *draw(trading)]
        moment = f"2026-11-{day} {draw(st.sampled_from(CLOSED))}"
        gone = _step("night", st.just(moment), st.sampled_from(["restart", "lost"]), st.sampled_from([5, 900]), PRICE)
        todo.append(draw(gone | _step("until", st.just(moment))))
    return Story(rule, "2026-11-16 09:29:40", tuple(todo))


def _is_of_daytime(step: Step) -> bool:
    return isinstance(step, Move_) and step.name in ("trade", "trades", "quote", "wait", "facts")
