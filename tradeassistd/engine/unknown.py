"""Why a value is unknown, in words: warming, no bid yet, feed not live, division by zero."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.expression import (
    Arithmetic,
    Call,
    Compare,
    Cross,
    Expression,
    Index,
    InRange,
    Name,
    Negative,
    Other,
    render,
)
from tradeassistd.engine.functions import BAR_FIELDS, FUNCTIONS
from tradeassistd.engine.kinds import count_of, duration_s, interval_of, other_instrument, split_session
from tradeassistd.engine.symbols import SymbolState
from tradeassistd.market.session import series_session

_NEEDS = {"price": ("trade",), "bid": ("bid",), "ask": ("ask",)}
_WARM_UP = re.compile(r"n( \+ (?P<more>\d+))? bars")


class Unknowns:
    """Finds the reasons in what the engine knows of the symbols; it only reads."""

    def __init__(self, symbols: Mapping[str, SymbolState], symbol: str) -> None:
        """`symbol` is whose rule it is: reasons on another symbol name it."""
        self._symbols = symbols
        self._symbol = symbol

    def why(self, leaf: Compare | Cross | InRange) -> str:
        """Why the comparison is unknown: every reason once."""
        match leaf:
            case Compare():
                sides: tuple[Expression, ...] = (leaf.left, leaf.right)
            case Cross():
                sides = (leaf.left, *leaf.rights)
            case InRange():
                sides = (leaf.left, leaf.low, leaf.high)
        reasons = dict.fromkeys(reason for side in sides for reason in self._of(side, self._symbol))
        # Everything it reads is known, and it is not: nothing else in the language makes an unknown.
        return "; ".join(reasons) or "division by zero"

    def _of(self, node: Expression, symbol: str) -> Iterator[str]:
        match node:
            case Name():
                yield from self._quote(node.name, symbol)
            case Index():
                yield from self._bars(node.base, symbol, node.bars_back)
            case Call(name=name) if name in BAR_FIELDS or FUNCTIONS[name].reads_bars:
                yield from self._bars(node, symbol, 0)
            case Call(name="pct_change" | "change"):
                yield from self._look_back(node, symbol)
            case Call():
                for arg in node.args:
                    yield from self._of(arg, symbol)
            case Other():
                yield from self._of(node.inner, other_instrument(node).symbol)
            case Negative():
                yield from self._of(node.operand, symbol)
            case Arithmetic():
                yield from self._of(node.left, symbol)
                yield from self._of(node.right, symbol)

    def _quote(self, name: str, symbol: str) -> Iterator[str]:
        state = self._symbols.get(symbol)
        if state is None or state.tick is None:
            yield self._named(symbol, "no quote yet")
        elif not state.live:
            yield self._named(symbol, "feed not live")
        elif state.value(name) is None:
            have = {"trade": state.tick.last, "bid": state.tick.bid, "ask": state.tick.ask}
            missing = [part for part in _NEEDS.get(name, ("bid", "ask")) if have[part] is None]
            yield self._named(symbol, f"no {' and no '.join(missing)} yet" if missing else "division by zero")

    def _bars(self, node: Expression, symbol: str, bars_back: int) -> Iterator[str]:
        """A window of bars that is not full yet."""
        state = self._symbols.get(symbol)
        if state is None or not isinstance(node, Call):
            return
        args, session = split_session(node, state.instrument)
        interval = interval_of(args[-1])
        series = state.series.get((interval, session or series_session(state.instrument)))
        if node.name in BAR_FIELDS:
            key, needed = (node.name, "", 0), 1
        else:
            count = count_of(args[1])
            key, needed = (render(args[0]), node.name, count), bars_needed(node.name, count)
        if series is None or not series.has(*key):
            return
        track = series.track(*key)
        if track.value(bars_back) is None:
            of_all = f"{track.seen} of {needed + bars_back}" if needed else f"{track.seen}"
            warming = not needed or track.seen < needed + bars_back
            yield self._named(symbol, f"warming: {of_all} bars of {interval}" if warming else "division by zero")

    def _look_back(self, node: Call, symbol: str) -> Iterator[str]:
        quote, seconds = node.args[0], duration_s(node.args[1])
        state = self._symbols.get(symbol)
        if not isinstance(quote, Name):
            return
        now = list(self._quote(quote.name, symbol))
        yield from now
        if now or state is None:
            return
        look_back = state.look_back(quote.name, seconds)  # the rule has asked for it before: it is there
        if look_back.held(state.now_us, seconds) is not None:
            return
        first_s = look_back.first_s
        seen_s = 0 if first_s is None else max(state.now_us // US_PER_S - first_s, 0)
        if seen_s < seconds:
            yield self._named(symbol, f"warming: {seen_s} of {seconds} s")
        else:
            yield self._named(symbol, f"no {quote.name} {seconds} s ago")

    def _named(self, symbol: str, reason: str) -> str:
        return reason if symbol == self._symbol else f"{symbol}: {reason}"


def bars_needed(function: str, count: int) -> int:
    """How many bars a bar function over `count` needs before it is known; 0 when the table does not say."""
    match = _WARM_UP.fullmatch(FUNCTIONS[function].warm_up)
    return count + int(match["more"] or 0) if match else 0
