"""Markets and rules made by hypothesis: few symbols, few prices, everything that can happen to a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any, cast

from hypothesis import strategies as st

from tests.oracle.events import US_PER_S, Event, Row
from tests.oracle.expression import (
    Apply,
    Arithmetic,
    Compare,
    Condition,
    Count,
    Cross,
    Day,
    Either,
    Every,
    Flag,
    Look,
    Move,
    Not,
    Number,
    OfBars,
    OpeningRange,
    Quote,
    Seq,
    Streak,
    Sym,
    Value,
    Vwap,
    Within,
    is_event,
    number,
)
from tests.oracle.market_text import Market, instant
from tests.oracle.rule import Distance, OracleLevel, OracleRule

SYMBOLS = ("SPY", "/ES", "$VIX")
PRICES = ("99.5", "100.5", "100", "99", "101", "100.25", "102")
STARTS = ("2026-11-16 10:00:00", "2026-11-16 09:29:40", "2026-11-16 15:59:20", "2026-11-15 17:59:50")
MOMENTS = tuple(
    f"2026-11-{day} {time}"
    for day in (16, 17)
    for time in ("03:59:58", "09:29:58", "09:34:59", "15:59:58", "16:59:58", "17:59:58", "19:59:58")
)

# --- values ----------------------------------------------------------------------------------------------------------

levels = st.sampled_from(["99.5", "100", "100.25", "100.5", "101"]).map(number)
small = st.integers(1, 3)
intervals = st.sampled_from(["1m", "1m", "2m"])
backs = st.sampled_from([0, 0, 0, 1, 2])
lives = st.sampled_from([False, False, True])
spans = st.sampled_from([5, 30, 60])


def has_book(symbol: str) -> bool:
    """Whether a symbol has a bid, an ask and sizes."""
    return not symbol.startswith("$")


@cache
def quotes(symbol: str) -> st.SearchStrategy[Quote]:
    """Live prices."""
    names = ["price", "price", "price"] + (["bid", "ask", "mid", "mark"] if has_book(symbol) else [])
    return st.sampled_from(names).map(Quote)


@cache
def sessions(symbol: str) -> st.SearchStrategy[str | None]:
    """Session words of bar values; mostly none."""
    words = {"SPY": "ext", "/ES": "rth"}
    return st.sampled_from([None, None, None, words.get(symbol)])


@st.composite
def bar_prices(draw: st.DrawFn, symbol: str) -> OfBars:
    """A bar value or an indicator in prices."""
    function = draw(
        st.sampled_from(["", "", "sma", "avg", "ema", "wma", "highest", "lowest", "stdev", "atr", "macd", "bollinger"])
    )
    field = draw(st.sampled_from(["close", "close", "high", "low", "open"]))
    n = 1 if not function else draw(small if function not in ("stdev", "bollinger") else st.integers(2, 3))
    more: tuple[Fraction, ...] = ()
    line = ""
    if function == "macd":
        n, more, line = 1, (Fraction(2), Fraction(2)), draw(st.sampled_from(["line", "signal", "hist"]))
    elif function == "bollinger":
        more, line = (Fraction(2),), draw(st.sampled_from(["upper", "mid", "lower"]))
    elif function == "atr":
        field = ""
    return OfBars(function, field, n, draw(intervals), draw(sessions(symbol)), draw(backs), draw(lives), more, line)


@cache
def days(symbol: str) -> st.SearchStrategy[Value]:
    """Day values in prices."""
    names = ["day.open", "day.high", "day.low", "prev_day.close", "prev_day.high", "rth.high", "rth.open"]
    names += ["prev_rth.low", "year.high", "year.low", "prev_week.high"]
    names += ["overnight.high", "overnight.low", "overnight.low"] if symbol.startswith("/") else []
    made: list[st.SearchStrategy[Value]] = [st.sampled_from([Day(*name.split(".")) for name in names])]
    made.append(st.builds(OpeningRange, st.sampled_from([60, 300]), st.sampled_from(["high", "low"])))
    if has_book(symbol):
        made.append(st.builds(Vwap, sessions(symbol)))
    return st.one_of(made)


@cache
def looks(symbol: str) -> st.SearchStrategy[Look]:
    """`highest(price, 30s)`."""
    names = ["price", "price"] + (["bid", "mid"] if has_book(symbol) else [])
    return st.builds(Look, st.sampled_from(["highest", "lowest"]), st.sampled_from(names), spans)


@cache
def prices(symbol: str, *, depth: int = 1) -> st.SearchStrategy[Value]:
    """Any value that is a price."""
    plain: list[st.SearchStrategy[Value]] = [
        quotes(symbol),
        quotes(symbol),
        bar_prices(symbol),
        days(symbol),
        looks(symbol),
    ]
    if depth:
        inner = prices(symbol, depth=0)
        plain.append(st.builds(Apply, st.sampled_from(["min", "max"]), st.tuples(inner, inner)))
        plain.append(st.builds(Arithmetic, st.just("*"), inner, st.sampled_from(["1.01", "0.99"]).map(number)))
        others = [one for one in SYMBOLS if one != symbol]
        plain.append(st.sampled_from(others).flatmap(lambda one: sym(one, prices(one, depth=0))))
    return st.one_of(plain)


def sym(symbol: str, inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    """A value of another symbol."""
    return st.builds(Sym, st.just(symbol), inner)


@cache
def ratios(symbol: str) -> st.SearchStrategy[Value]:
    """Any value that is a percentage."""
    made: list[st.SearchStrategy[Value]] = [
        st.builds(Look, st.just("pct_change"), st.just("price"), spans),
        st.builds(OfBars, st.just("roc"), st.just("close"), small, intervals, st.none(), backs, lives),
        st.just(Quote("net_pct")),
        st.builds(lambda level: Apply("pct_from", (Quote("price"), level)), days(symbol)),
    ]
    if has_book(symbol):
        made.append(st.just(Quote("spread_pct")))
    return st.one_of(made)


percents = st.sampled_from(["0%", "0.5%", "-0.5%", "1%", "-1%"]).map(number)


# --- conditions ------------------------------------------------------------------------------------------------------

operators = st.sampled_from(["<", "<=", ">", ">="])


@cache
def states(symbol: str) -> st.SearchStrategy[Condition]:
    """One comparison."""
    made: list[st.SearchStrategy[Condition]] = [
        st.builds(Compare, prices(symbol), operators, levels),
        st.builds(Compare, quotes(symbol), operators, levels),
        st.builds(Compare, quotes(symbol), operators, prices(symbol)),
        st.builds(Compare, ratios(symbol), operators, percents),
        st.builds(Within, prices(symbol), st.just(number("99.5")), levels, st.booleans()),
        st.builds(Flag, st.just("halted")),
        st.builds(Compare, st.just(Quote("age")), operators, st.sampled_from(["2s", "10s"]).map(_seconds)),
        st.builds(Compare, st.just(Quote("minutes_to_close")), operators, st.sampled_from(["1", "2"]).map(number)),
        st.builds(
            Compare,
            st.builds(OfBars, st.just("rsi"), st.just("close"), small, intervals, st.none(), backs, lives),
            operators,
            st.just(number("50")),
        ),
        st.builds(
            Compare,
            st.builds(
                OfBars, st.just("zscore"), st.just("close"), st.integers(2, 3), intervals, st.none(), backs, lives
            ),
            operators,
            st.just(number("0.5")),
        ),
        st.builds(
            Compare,
            st.builds(Count, simple_events(symbol), st.sampled_from([10, 30])),
            st.just(">="),
            st.sampled_from(["1", "2"]).map(number),
        ),
        st.builds(
            Compare,
            st.builds(Streak, st.builds(Compare, quotes(symbol), operators, levels), st.just("1m")),
            st.just(">="),
            st.sampled_from(["1", "2"]).map(number),
        ),
    ]
    if has_book(symbol):
        made.append(
            st.builds(
                Compare,
                st.builds(OfBars, st.just(""), st.just("volume"), st.just(1), intervals, st.none(), backs, lives),
                operators,
                st.sampled_from(["2", "5"]).map(number),
            )
        )
        made.append(
            st.builds(Compare, st.just(Day("day", "volume")), operators, st.sampled_from(["1003", "1010"]).map(number))
        )
    return st.one_of(made)


def _seconds(text: str) -> Number:
    return Number(Fraction(text[:-1]), text)


@cache
def simple_events(symbol: str) -> st.SearchStrategy[Condition]:
    """A crossing of a level."""
    kinds = st.sampled_from(["crosses", "crosses_above", "crosses_below"])
    return st.builds(Cross, quotes(symbol), kinds, levels.map(lambda level: (level,)))


@cache
def events(symbol: str) -> st.SearchStrategy[Condition]:
    """One event."""
    kinds = st.sampled_from(["crosses", "crosses_above", "crosses_below"])
    return st.one_of(
        simple_events(symbol),
        st.builds(Cross, prices(symbol), kinds, st.lists(levels, min_size=1, max_size=2, unique=True).map(tuple)),
        st.builds(Cross, quotes(symbol), kinds, prices(symbol).map(lambda level: (level,))),
        st.builds(Cross, ratios(symbol), kinds, percents.map(lambda level: (level,))),
        st.builds(
            Cross, quotes(symbol), st.just("reaches"), st.lists(levels, min_size=1, max_size=2, unique=True).map(tuple)
        ),
        st.builds(Move, quotes(symbol), st.sampled_from(["enters", "exits"]), st.just(number("99.5")), levels),
        st.builds(Seq, st.lists(simple_events(symbol), min_size=2, max_size=3).map(tuple), st.sampled_from([10, 60])),
    )


@cache
def whens(symbol: str) -> st.SearchStrategy[Condition]:
    """A whole condition: mostly one comparison."""
    two_states = st.lists(states(symbol), min_size=2, max_size=2).map(tuple)
    simple = st.builds(Compare, quotes(symbol), operators, levels)
    return st.one_of(
        simple,
        simple,
        states(symbol),
        states(symbol),
        simple_events(symbol),
        events(symbol),
        events(symbol),
        st.builds(Every, two_states),
        st.builds(Either, two_states),
        st.builds(Not, states(symbol)),
        st.builds(lambda state, event: Every((state, event)), states(symbol), events(symbol)),
        st.builds(lambda one, other: Either((one, other)), events(symbol), events(symbol)),
    )


# --- rules -----------------------------------------------------------------------------------------------------------


@st.composite
def rules(draw: st.DrawFn, identity: str = "r", when: st.SearchStrategy[Condition] | None = None) -> OracleRule:
    """A small rule over the whole language."""
    symbol = draw(st.sampled_from(SYMBOLS))
    condition = draw(whens(symbol) if when is None else when)
    event = is_event(condition)
    rule = OracleRule(
        identity,
        condition,
        draw(st.sampled_from(["tick", "tick", "tick", "tick", "close(1m)", "close(2m)"])),
        draw(st.sampled_from([0, 0, 5, 60])),
        draw(st.sampled_from(["quiet", "fire", "fire"])),
        (symbol,),
    )
    if draw(st.integers(0, 3)) == 0:
        rule = replace(rule, clear_when=draw(states(symbol)))
    if not event and rule.evaluate == "tick" and draw(st.integers(0, 5)) == 0:
        steeper = draw(states(symbol))
        rule = replace(rule, ladder=(OracleLevel(condition, rule.clear_when), OracleLevel(steeper)))
    for change in draw(st.lists(settings(rule, event=event), max_size=3)):
        rule = cast(OracleRule, replace(cast(Any, rule), **change))
    return rule


def settings(rule: OracleRule, *, event: bool) -> st.SearchStrategy[dict[str, object]]:
    """One more key of a rule."""
    words = {"SPY": ("rth", "ext"), "/ES": ("rth", "globex", "overnight")}.get(rule.symbols[0], ("rth",))
    made = [
        _one("fire", st.sampled_from(["once", "once_per_bar(1m)"] + ([] if event else ["each_bar(1m)"]))),
        _one("max_per_session", st.integers(1, 2)),
        _one(
            "rearm", st.sampled_from([Distance(Fraction(2)), Distance(Fraction(100)), Distance(Fraction(1, 2), True)])
        ),
        _one("on_clear", st.just("tell")),
        _one("session", st.sampled_from(words)),
        _one("active", st.just(((frozenset(range(5)), 590, 605),))),
        _one("expires_us", st.just(instant("2026-11-16 10:01:00"))),
        _one("stale_after_s", st.sampled_from([3, 20])),
        _one("mode", st.just("shadow")),
        _one("catch_up", st.just("log")),
    ]
    if not event:
        made.append(_one("for_s", st.sampled_from([1, 5, 20])))
    if not event or rule.clear_when:
        made.append(_one("keep_firing_for_s", st.sampled_from([2, 20])))
        made.append(_one("repeat_s", st.sampled_from([(5,), (5, 15)])))
    return st.one_of(made)


def _one(name: str, values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return values.map(lambda value: {name: value})


def changed(rule: OracleRule) -> st.SearchStrategy[OracleRule]:
    """The rule with one thing changed, as somebody who edits it would."""
    return st.one_of(
        st.just(rule),
        st.sampled_from([0, 5, 30]).map(lambda cooldown_s: replace(rule, cooldown_s=cooldown_s)),
        st.just(replace(rule, rev="2")),
        st.just(replace(rule, id="renamed", was=rule.id)),
        _one("mode", st.sampled_from(["live", "shadow", "off"])).map(lambda change: replace(cast(Any, rule), **change)),
        whens(rule.symbols[0])
        .filter(lambda when: is_event(when) == is_event(rule.when))
        .map(lambda when: replace(rule, when=when, ladder=())),
    )


# --- markets ---------------------------------------------------------------------------------------------------------

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


__all__ = ["US_PER_S", "Row", "play", "rules", "silenced_stories", "stories"]


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
