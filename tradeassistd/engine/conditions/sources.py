"""Where values come from: closures that read what the engine knows of a symbol, and which changes can move each.

What a condition reads (`reads`) decides when it is judged, so every change that can make a value another one, or known,
is in there.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.indicators import Track
from tradeassistd.engine.bars.rounding import exact
from tradeassistd.engine.conditions.leaves import Step
from tradeassistd.engine.conditions.values import ValueOf
from tradeassistd.engine.language.arguments import bar_arguments, duration_s, interval_of, track_key
from tradeassistd.engine.language.expression import Call, Name
from tradeassistd.engine.language.functions import Value
from tradeassistd.engine.needs import bars_needed
from tradeassistd.engine.symbol.symbols import BARS_MOVED, DAY_TURNED, FACTS_MOVED, SECOND_TURNED, SymbolState
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import series_session
from tradeassistd.market.tick import Field

RUNNING = ("day", "rth", "overnight", "year")
"""Spans whose high and low move with a row; of the others nothing moves between two sessions."""
EXTREMES = {"highest": 1, "lowest": -1}

_TOUCH = Field.BID | Field.ASK
_TRADED = Field.LAST | Field.VOLUME | Field.TRADE
_ROW = _TRADED | _TOUCH | Field.BID_SIZE | Field.ASK_SIZE | Field.IMAGE
"""Every row: what was before the last one is another thing after each."""
_DAY = Field.IMAGE | FACTS_MOVED | DAY_TURNED
"""An image makes the symbol live, and with it what is known of its day."""
_QUOTE_READS: dict[str, int] = {
    "price": Field.LAST, "bid": Field.BID, "ask": Field.ASK, "mark": Field.LAST | _TOUCH,
    "mid": _TOUCH, "spread": _TOUCH, "spread_pct": _TOUCH, "settle": _DAY,
    "net_change": Field.LAST | _DAY, "net_pct": Field.LAST | _DAY,
    "age": _ROW | SECOND_TURNED, "minutes_to_close": Field.IMAGE | SECOND_TURNED,
}  # fmt: skip


class BeforeRow:
    """What a value was before the last row of a symbol, for one that has no memory of its own; looks at every row."""

    def __init__(self, own: SymbolState, value_of: ValueOf) -> None:
        self.value: Value | None = None
        self._own = own
        self._value_of = value_of
        self._row_us = 0
        self._present: Value | None = None

    def look(self, now_us: int) -> None:
        """What stood at the last look before this row is what was before it."""
        if self._own.row_us != self._row_us:
            self.value, self._row_us = self._present, self._own.row_us
        self._present = self._value_of()


class Sources:
    """Makes the closures of one condition, and keeps account of what they read."""

    def __init__(self, state_of: Callable[[str], SymbolState], stale_after_s: int) -> None:
        self.reads: dict[str, int] = {}
        """Per symbol the changes after which the condition must be judged: market.tick.Field, BARS_MOVED, …"""
        self.tracks: list[Track] = []
        self.watched: list[object] = []
        """What a symbol watches only because somebody reads it: extremes over time, vwaps, opening ranges."""
        self.anchors: dict[tuple[str, str], Callable[[], int]] = {}
        """When the sessions began whose values were made since somebody last emptied this, by symbol and session."""
        self.judged = True
        """Whether what is made now is read at every judging, not only when a bar closes."""
        self._state_of = state_of
        self._stale_after_us = stale_after_s * US_PER_S

    def note(self, here: Instrument, bits: int) -> SymbolState:
        """The condition reads this of the symbol."""
        if self._stale_after_us:
            bits |= SECOND_TURNED
        self.reads[here.symbol] = self.reads.get(here.symbol, 0) | (bits if self.judged else 0)
        return self._state_of(here.symbol)

    def quote(self, name: str, here: Instrument) -> ValueOf:
        """A live value by its name."""
        state = self.note(here, _QUOTE_READS[name])
        if name in ("net_change", "net_pct", "settle"):
            self._anchor(state, "prev_day")
        return self._fresh(state, lambda: state.value(name))

    def flag(self, name: str, here: Instrument) -> ValueOf:
        """A flag: 1, 0 or unknown."""
        state = self.note(here, _DAY)
        return self._fresh(state, lambda: None if (flag := state.flag(name)) is None else int(flag))

    def day_value(self, scope: str, part: str, here: Instrument, *, before: bool) -> ValueOf:
        """`day.high` and the like; `before`: as before the last row, where the value runs with the rows."""
        running = scope in RUNNING and part in ("high", "low")
        bits = _DAY | (_TRADED if scope in RUNNING else 0)
        state = self.note(here, bits | (_ROW if running and before else 0))
        self._anchor(state, scope)
        earlier = running and before
        return self._fresh(state, lambda: state.day_value(scope, part, before=earlier))

    def opening_range(self, node: Call, part: str, here: Instrument) -> ValueOf:
        """`opening_range(15m).high`: of the regular session unless a word says otherwise."""
        args, session, _ = bar_arguments(node, here)
        session = session or "rth"
        state = self.note(here, _DAY | _TRADED)
        opening = state.opening_range(duration_s(args[0]), session)
        self.watched.append(opening)
        self._anchor(state, session)
        return self._fresh(state, lambda: opening.value(part))

    def vwap(self, node: Call, here: Instrument) -> ValueOf:
        """`vwap()` of the symbol's own session, or of another."""
        session = bar_arguments(node, here).session
        state = self.note(here, _DAY | _TRADED)
        average = state.vwap(session)
        self.watched.append(average)
        self._anchor(state, session or series_session(here))
        return self._fresh(state, lambda: average.value())

    def change(self, node: Call, here: Instrument) -> ValueOf:
        """`pct_change(price, 5m)` and `change(price, 5m)`."""
        quote, seconds = _quote_and_seconds(node)
        state = self.note(here, _QUOTE_READS[quote] | SECOND_TURNED)
        look_back = state.look_back(quote, seconds)
        relative = node.name == "pct_change"

        def value() -> Value | None:
            now, doubled = state.value(quote), look_back.held(state.now_us, seconds)
            if now is None or doubled is None:
                return None
            if relative:
                return Fraction(2 * now - doubled, doubled) if doubled else None
            return now - exact(doubled, 2)

        return self._fresh(state, value)

    def extreme(self, node: Call, here: Instrument, *, before: bool) -> ValueOf:
        """`highest(price, 5m)` and `lowest(price, 5m)`."""
        quote, seconds = _quote_and_seconds(node)
        bits = _QUOTE_READS[quote] | SECOND_TURNED
        state = self.note(here, bits | (_ROW if before else 0))
        extreme = state.extreme(quote, seconds, EXTREMES[node.name])
        self.watched.append(extreme)
        return self._fresh(state, lambda: extreme.value(state.now_us, before=before))

    def bars(
        self, node: Call, part: str, bars_back: int, here: Instrument, *, before: bool
    ) -> tuple[ValueOf, Step | None]:
        """A bar value or a bar function `bars_back` bars ago; and what must look before it is read, if anything.

        With `live` the forming bar is the newest, so a trade moves it. `before` of a live extreme: as before the last
        row; where no bar is forming, that of the closed ones. At a bar's close (a streak) no row is being judged.
        """
        args, session, live = bar_arguments(node, here)
        running = before and live and not bars_back and node.name in EXTREMES and self.judged
        state = self.note(here, BARS_MOVED | Field.IMAGE | (_TRADED if live else 0) | (_ROW if running else 0))
        series = state.bar_series(interval_of(args[-1]), session)
        field, function, numbers = track_key(node)
        track = state.track(series, field, function, numbers, max(bars_back - live, 0))
        track.needed = max(track.needed, bars_needed(node, part, bars_back, live=live))
        self.tracks.append(track)
        if not running:
            return self._fresh(state, lambda: track.value(bars_back, part, live) if state.live else None), None

        def value() -> Value | None:
            if not state.live:
                return None  # the windows are kept, but whether the feed has missed a bar shows when it is back
            forming = track.value(0, part, True)
            return track.value(0, part) if forming is None else forming

        earlier = BeforeRow(state, value)
        return self._fresh(state, lambda: earlier.value), earlier

    def _anchor(self, state: SymbolState, scope: str) -> None:
        self.anchors[state.instrument.symbol, scope] = lambda: state.anchor(scope)

    def _fresh(self, state: SymbolState, value_of: ValueOf) -> ValueOf:
        """The value, unknown while the symbol had no row for `stale_after`."""
        after_us = self._stale_after_us
        if not after_us:
            return value_of
        return lambda: None if state.stale(state.now_us, after_us) else value_of()


def _quote_and_seconds(node: Call) -> tuple[str, int]:
    quote = node.args[0]
    assert isinstance(quote, Name)  # kinds.check refuses anything else
    return quote.name, duration_s(node.args[1])
