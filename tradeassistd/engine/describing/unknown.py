"""Why a value is unknown, in words: warming, no bid yet, feed not live, before the first trade, division by zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from datetime import datetime

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.engine.bars.series import BarSeries
from tradeassistd.engine.conditions.counting import Count, Streak
from tradeassistd.engine.conditions.sources import EXTREMES, RUNNING
from tradeassistd.engine.describing.progress import watched_s
from tradeassistd.engine.describing.warming import warming_text
from tradeassistd.engine.language.arguments import (
    bar_arguments,
    duration_s,
    interval_of,
    is_by_time,
    other_instrument,
    track_key,
)
from tradeassistd.engine.language.expression import (
    Arithmetic,
    Attribute,
    Call,
    Combine,
    Compare,
    Cross,
    Expression,
    Index,
    InRange,
    Name,
    Negative,
    Not,
    Other,
    render,
)
from tradeassistd.engine.language.functions import BAR_FIELDS, DAY_VALUES, FLAGS, FUNCTIONS, RVOL_SESSIONS, Arg
from tradeassistd.engine.language.own import in_table
from tradeassistd.engine.language.walk import parts, walk
from tradeassistd.engine.needs import bars_needed
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.engine.symbol.watch import NEVER_US, Anchored
from tradeassistd.market.session import NEW_YORK, series_session

_NEEDS = {"price": ("trade",), "mark": ("trade",), "bid": ("bid",), "ask": ("ask",)}
_NET = ("net_change", "net_pct")
_NEXT = "known from the next session on"


class Unknowns:
    """Finds the reasons in what the engine knows of the symbols; it only reads."""

    def __init__(
        self,
        symbols: Mapping[str, SymbolState],
        symbol: str,
        watchers: Mapping[str, Count | Streak],
        now_us: int,
        stale_after_s: int = 0,
    ) -> None:
        """`symbol` is whose rule it is: reasons on another symbol name it. `watchers`: see engine.progress."""
        self._symbols = symbols
        self._symbol = symbol
        self._watchers = watchers
        self._now_us = now_us
        self._stale_after_s = stale_after_s
        self._before = False

    def why(self, leaf: Expression) -> str:
        """Why a comparison or flag is unknown: every reason once."""
        reasons = dict.fromkeys(self._of_condition(leaf, self._symbol))
        if not reasons:  # a running extreme may be compared as it was before the last row
            earlier = copy(self)
            earlier._before = True
            reasons = dict.fromkeys(earlier._of_condition(leaf, self._symbol))
        # Everything it reads is known, and it is not: nothing else makes an unknown.
        own = [node.name for node in walk(leaf) if isinstance(node, Call) and node.name in in_table()]
        return "; ".join(reasons) or (f"{own[0]} says it is unknown" if own else "division by zero")

    def _of_condition(self, node: Expression, symbol: str) -> Iterator[str]:
        match node:
            case Compare():
                sides: tuple[Expression, ...] = (node.left, node.right)
            case Cross():
                sides = (node.left, *node.rights)
            case InRange():
                sides = (node.left, node.low, node.high)
            case Combine() | Not():
                for item in parts(node):
                    yield from self._of_condition(item, symbol)
                return
            case _:
                sides = (node,)
        for side in sides:
            yield from self._of(side, symbol)

    def _of(self, node: Expression, symbol: str) -> Iterator[str]:
        """The reasons of one value or flag of `symbol`."""
        match node:
            case Other():
                yield from self._of(node.inner, other_instrument(node).symbol)
            case Negative():
                yield from self._of(node.operand, symbol)
            case Arithmetic():
                yield from self._of(node.left, symbol)
                yield from self._of(node.right, symbol)
            case Call(name="count" | "streak"):
                yield from self._watched(node, symbol)
            case Call(name=name, args=args) if name in FUNCTIONS and Arg.VALUE in FUNCTIONS[name].args:
                for arg in args:
                    yield from self._of(arg, symbol)
            case Name() | Attribute() | Index() | Call():
                state = self._symbols.get(symbol)
                found = "no quote yet" if state is None else self._read(node, state)
                if found:
                    yield found if symbol == self._symbol else f"{symbol}: {found}"

    def _read(self, node: Name | Attribute | Index | Call, state: SymbolState) -> str:
        """Why what is read of one symbol is unknown, "" when it is known."""
        if self._stale_after_s and state.stale(state.now_us, self._stale_after_s * US_PER_S):
            seconds = (state.now_us - state.row_us) // US_PER_S
            return f"stale: no row for {seconds} s" if state.row_us else "no quote yet"
        match node:
            case Name(name=name) if name in FLAGS:
                return self._feed(state) or ("" if state.flag(name) is not None else f"Schwab has not said if {name}")
            case Name():
                return self._quote(node.name, state)
            case Attribute(base=Name(name=scope)) if scope in DAY_VALUES:
                return self._day_value(scope, node.name, state)
            case Attribute(base=Call(name="opening_range") as call):
                return self._opening_range(call, node.name, state)
            case Call(name="pct_change" | "change"):
                return self._look_back(node, state)
            case Call(name="vwap"):
                return self._vwap(node, state)
            case Call() if is_by_time(node):
                return self._look_back(node, state) or self._extreme(node, state)
        return self._bars(node, state)

    def _feed(self, state: SymbolState) -> str:
        if state.tick is None:
            return "no quote yet"
        return "" if state.live else "feed not live"

    def _quote(self, name: str, state: SymbolState) -> str:
        if state.value(name) is not None:
            return ""
        tick = state.tick
        if name == "settle":
            return "no settlement yet"
        if tick is None or not state.live:
            return self._feed(state)
        if name == "minutes_to_close":
            return "outside its session"
        if name in _NET and tick.last is not None and state.day_value("prev_day", "close") is None:
            return "no close of the day before yet"
        have = {"trade": tick.last, "bid": tick.bid, "ask": tick.ask}
        needs = ("trade",) if name in _NET else _NEEDS.get(name, ("bid", "ask"))
        missing = [part for part in needs if have[part] is None]
        return f"no {' and no '.join(missing)} yet" if missing else "division by zero"

    def _day_value(self, scope: str, part: str, state: SymbolState) -> str:
        if state.day_value(scope, part) is not None:
            first = self._before and scope in RUNNING and state.day_value(scope, part, before=True) is None
            return f"no {scope}.{part} before this row yet" if first else ""
        if scope == "prev_day" and part == "close":
            return "no close of the day before yet"
        if scope.startswith("prev_"):
            return f"the {scope.removeprefix('prev_')} before was not watched whole"
        if feed := self._feed(state):
            return feed
        if scope == "year":
            return f"Schwab has not said the year's {part} yet"
        open_us = state.anchor(scope)
        if not open_us:
            return "before its first session"
        tick = state.tick
        if tick is not None and tick.trade_ms is not None and tick.trade_ms * US_PER_MS < open_us:
            return "before the session's first trade"
        return f"not watched from the session's open; {_NEXT}"

    def _vwap(self, node: Call, state: SymbolState) -> str:
        average = state.vwap(bar_arguments(node, state.instrument).session)  # the rule has asked for it: it is there
        if average.value() is not None:
            return ""
        return self._feed(state) or self._partly(average) or "before the session's first trade"

    def _opening_range(self, node: Call, part: str, state: SymbolState) -> str:
        args, session, _ = bar_arguments(node, state.instrument)
        seconds = duration_s(args[0])
        opening = state.opening_range(seconds, session or "rth")  # the rule has asked for it: it is there
        if opening.value(part) is not None:
            return ""
        if why := self._feed(state) or self._partly(opening):
            return why
        end_us = opening.span.open_us + seconds * US_PER_S
        if self._now_us < end_us + US_PER_S:
            return f"opening range until {_time_text(end_us)}"
        return "opening range is closing" if not opening.span.over and opening.due_us != NEVER_US else "nothing traded"

    def _partly(self, one: Anchored) -> str:
        """Why what belongs to a session was not watched whole, "" when it was."""
        open_us = one.span.open_us
        if not open_us:
            return "before its first session"
        if one.whole:
            return ""
        missed_us = one.watch.missed_us
        if open_us <= missed_us < NEVER_US:
            return f"trades until {_time_text(missed_us)} were missed; {_NEXT}"
        return f"asked for after the session's open; {_NEXT}"

    def _look_back(self, node: Call, state: SymbolState) -> str:
        quote, seconds = node.args[0], duration_s(node.args[1])
        if not isinstance(quote, Name):
            return ""
        if now := self._quote(quote.name, state):
            return now
        look_back = state.look_back(quote.name, seconds)  # the rule has asked for it before: it is there
        if look_back.held(state.now_us, seconds) is not None:
            return ""
        first_s = look_back.first_s
        seen_s = 0 if first_s is None else max(state.now_us // US_PER_S - first_s, 0)
        return f"warming: {seen_s} of {seconds} s" if seen_s < seconds else f"no {quote.name} {seconds} s ago"

    def _extreme(self, node: Call, state: SymbolState) -> str:
        """It may be watched for less long than the look-back that it stands on."""
        quote, seconds = node.args[0], duration_s(node.args[1])
        if not isinstance(quote, Name):
            return ""
        extreme = state.extreme(quote.name, seconds, EXTREMES[node.name])  # the rule has asked for it: it is there
        return "" if extreme.value(state.now_us) is not None else f"warming: watched for less than {seconds} s"

    def _bars(self, node: Expression, state: SymbolState) -> str:
        """A window of bars that is not full yet."""
        bars_back, part = 0, ""
        if isinstance(node, Index):
            bars_back, node = node.bars_back, node.base
        if isinstance(node, Attribute):
            part, node = node.name, node.base
        if not isinstance(node, Call):
            return ""
        args, session, live = bar_arguments(node, state.instrument)
        interval, key = interval_of(args[-1]), track_key(node)
        series = state.series.get((interval, session or series_session(state.instrument)))
        if series is None or not series.has(*key):
            return ""
        if feed := self._feed(state):
            return feed
        track = series.track(*key)
        if track.value(bars_back, part, live) is not None:
            first = self._before and live and not bars_back and node.name in EXTREMES
            return f"no {node.name} before this row yet" if first else ""
        if live and not bars_back and series.forming is None:
            return f"no bar of {interval} is forming"
        if node.name == "rvol":
            return f"warming: needs {RVOL_SESSIONS[0]} sessions with a bar of {interval} at this time of day"
        counts = tuple(number for number in key[2] if isinstance(number, int))
        needed = bars_needed(node, part, bars_back, live=live)
        if track.seen < needed:
            until = warming_text(series.earliest_us(needed - track.seen, self._now_us), self._now_us)
            return f"{until}: {track.seen} of {needed} bars of {interval}{_since_text(series)}"
        if node.name not in BAR_FIELDS and FUNCTIONS[node.name].own is not None:
            return f"{node.name} says it is unknown"
        return f"all {counts[0]} bars are equal" if node.name == "zscore" else "division by zero"

    def _watched(self, node: Call, symbol: str) -> Iterator[str]:
        """A count or streak that has not been watched long enough."""
        watcher = self._watchers.get(render(node))
        if watcher is None or watcher.value is not None:
            return
        if isinstance(watcher, Streak):
            yield f"until a {watcher.interval} bar closes with a known condition"
            return
        condition = [*self._of_condition(node.args[0], symbol)]
        yield from condition
        if not condition:
            seconds = duration_s(node.args[1])
            yield f"warming: watched {_length_text(watched_s(watcher, self._now_us), seconds)}"


def _since_text(series: BarSeries) -> str:
    """`, without a hole since 2026-10-19`: the one before is missing. Empty where the store gave none."""
    if not series.past_from_us:
        return ""
    since = datetime.fromtimestamp(max(series.past_from_us, series.cut_us) // US_PER_S, NEW_YORK)
    return f", without a hole since {since:%Y-%m-%d}" + ("" if series.interval == "1d" else f" {since:%H:%M}")


def _length_text(seen_s: int, seconds: int) -> str:
    """`12 of 30 min`; in seconds where the whole is no whole number of minutes."""
    return f"{seen_s} of {seconds} s" if seconds % 60 else f"{seen_s // 60} of {seconds // 60} min"


def _time_text(us: int) -> str:
    when = datetime.fromtimestamp(us // US_PER_S, NEW_YORK)
    return f"{when:%H:%M:%S}" if when.second else f"{when:%H:%M}"
