"""Runs the engine over the tape: the same events give the same transitions, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tradeassistd.base.errors import PermanentError
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, RulesSwap, Start
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import Transition


def replay(events: Iterable[Event], rule_set_of: Callable[[str], RuleSet]) -> Iterator[Transition]:
    """The transitions of the stored `events`, in order, over any number of restarts.

    `rule_set_of` gives the rule set for a stored hash. Raises PermanentError when the tape does not begin with a start.
    """
    engine: Engine | None = None
    for event in events:
        if isinstance(event, Start):
            engine = Engine(rule_set_of(event.rules_hash))
        elif isinstance(event, RulesSwap) and engine is not None:
            engine.offer(rule_set_of(event.rules_hash))
        if engine is None:
            raise PermanentError("the tape begins in the middle of a day", hint="replay from the day's first event")
        yield from engine.on_event(event)
