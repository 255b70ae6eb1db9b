"""A store for engine tests that lives in memory: what a daemon saves of bars, and what its next life loads of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from tradeassistd.engine.bars.past import past_of
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Bars
from tradeassistd.engine.needs import needs_of
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.engine.transition import RuleState
from tradeassistd.market.bar import Bar, Stretch

GRACE_US = 2_000_000


@dataclass
class Stored:
    """Bars, the spans in which symbols were watched, and rule states."""

    minutes: dict[tuple[str, int], Bar] = field(default_factory=dict)
    stretches: dict[tuple[str, int], Stretch] = field(default_factory=dict)
    states: dict[tuple[str, str, int, str], RuleState] = field(default_factory=dict)
    until_us: int = 0

    def save(self, engine: Engine) -> None:
        """What the daemon saves each second and when it ends."""
        for bar in engine.take_bars():
            if (bar.interval, bar.session) == ("1m", "always"):
                self.minutes.setdefault((bar.symbol, bar.start_us), bar)
        for one in engine.take_stretches():
            self.stretches[one.symbol, one.from_us] = one
        for state in engine.take_states():
            self.states[state.rule_id, state.symbol, state.level, state.fingerprint] = state
        self.until_us = max(self.until_us, engine.now_us - GRACE_US)

    def end(self) -> None:
        """The daemon is gone."""
        for key, one in self.stretches.items():
            if not one.to_us:
                self.stretches[key] = one._replace(to_us=max(self.until_us, one.from_us))

    def past(self, rules: Iterable[Rule], rule_set: RuleSet) -> list[Bars]:
        """What these rules read of it."""

        def between(symbol: str, from_us: int, to_us: int) -> list[Bar]:
            found = (bar for (of, _), bar in sorted(self.minutes.items()) if of == symbol)
            return [bar for bar in found if from_us <= bar.start_us and bar.end_us <= to_us]

        stretches: dict[str, list[Stretch]] = {}
        for (symbol, _), one in sorted(self.stretches.items()):
            stretches.setdefault(symbol, []).append(one._replace(to_us=one.to_us or self.until_us))
        return past_of(needs_of(rules, rule_set.instrument_of), stretches, between, rule_set.instrument_of)


def at_times(past: Iterable[Bars], first_us: int) -> list[Bars]:
    """The bars as events, a microsecond apart."""
    return [msgspec.structs.replace(one, event_us=first_us + number) for number, one in enumerate(past)]
