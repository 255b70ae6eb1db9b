"""One compiled condition on symbol states fed by hand: what a judging finds, without an engine or a machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.engine.market import MONDAY_RTH_US
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.compile import Compiler
from tradeassistd.engine.conditions.kleene import Outcome
from tradeassistd.engine.conditions.leaves import Leaf
from tradeassistd.engine.events import Facts
from tradeassistd.engine.rule import Move
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.market.bar import Bar
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.price import price_from_text
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.grammar import parse


@dataclass
class Judged:
    """Judges after every row and second; `outcome` is that of the last judging."""

    text: str
    symbol: str = "SPY"
    now_us: int = MONDAY_RTH_US
    rearm: Move | None = None
    stale_after_s: int = 0
    memory: list[int] = field(default_factory=list)
    """The stored sides; one handed in is taken up, as after a restart."""
    states: dict[str, SymbolState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.compiler = Compiler(
            instrument_of(self.symbol), self.state_of, rearm=self.rearm, stale_after_s=self.stale_after_s
        )
        self.condition = self.compiler.condition(parse(self.text))
        self.memory = self.memory or [0] * sum(one.width for one in self.compiler.sided)
        first = 0
        for one in self.compiler.sided:
            one.attach(self.memory, first)
            first += one.width

    def state_of(self, symbol: str) -> SymbolState:
        if symbol not in self.states:
            self.states[symbol] = SymbolState(instrument_of(symbol))
            self.states[symbol].turn(self.now_us)
        return self.states[symbol]

    @property
    def outcome(self) -> Outcome:
        return self.condition.outcome()

    @property
    def leaf(self) -> Leaf:
        (leaf,) = self.compiler.leaves
        return leaf

    def judge(self) -> Outcome:
        for step in self.compiler.steps:
            step.look(self.now_us)
        return self.outcome

    def image(
        self, symbol: str = "", price: str | None = None, *, bid: str | None = None, ask: str | None = None
    ) -> Outcome:
        return self.row(symbol, price, size=None, changed=Field.IMAGE, bid=bid, ask=ask)

    def row(
        self, symbol: str = "", price: str | None = None, *, size: int | None = 1, after_s: float = 0.0,
        changed: int = Field.LAST | Field.TRADE | Field.VOLUME, bid: str | None = None, ask: str | None = None,
    ) -> Outcome:  # fmt: skip
        """A trade, or with `size=None` and bid or ask a quote."""
        self.now_us += round(after_s * US_PER_S) + 1
        symbol = symbol or self.symbol
        state = self.state_of(symbol)
        before = state.tick
        last, bid_now, ask_now = (before.last, before.bid, before.ask) if before else (None, None, None)
        last = price_from_text(price) if price else last
        bid_now = price_from_text(bid) if bid else bid_now
        ask_now = price_from_text(ask) if ask else ask_now
        volume = (before.volume or 0 if before else 0) + (size or 0)
        tick = Tick(
            self.now_us, symbol, last, bid_now, ask_now, 1, 1, volume, self.now_us // 1000, None, size, int(changed)
        )
        state.turn(self.now_us)
        self._closed(state.close_bars(tick))
        state.apply(tick)
        return self.judge()

    def facts(self, symbol: str = "", *, status: str = "", prev_close: str | None = None) -> Outcome:
        self.now_us += 1
        symbol = symbol or self.symbol
        close = None if prev_close is None else price_from_text(prev_close)
        self.state_of(symbol).take_facts(Facts(self.now_us, symbol, prev_close=close, status=status))
        return self.judge()

    def wait(self, seconds: int) -> Outcome:
        """Whole seconds pass, each with a judging."""
        for second in range(self.now_us // US_PER_S + 1, self.now_us // US_PER_S + 1 + seconds):
            self.now_us = second * US_PER_S
            for state in self.states.values():
                state.turn(self.now_us)
                self._closed(state.close_bars_by_clock(self.now_us))
            self.judge()
        return self.outcome

    def jump_to(self, us: int) -> Outcome:
        """Time passes at once to an instant."""
        self.now_us = us - US_PER_S
        return self.wait(1)

    def gap(self, *symbols: str) -> None:
        """The feed of these symbols (none named: of all) is cut; the next image ends it."""
        self.now_us += 1
        for symbol in symbols or tuple(self.states):
            self.states[symbol].cut(self.now_us, self.now_us)
        self.cut()

    def cut(self) -> None:
        """Nobody watches the rule until the next row."""
        for one in self.compiler.sided:
            one.cut()

    def _closed(self, bars: list[Bar]) -> None:
        for bar in bars:
            for streak in self.compiler.streaks:
                if (streak.symbol, streak.interval, streak.session) == (bar.symbol, bar.interval, bar.session):
                    streak.bar_closed(self.now_us)
