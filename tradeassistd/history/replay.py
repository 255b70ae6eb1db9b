"""Runs the engine over the tape: the same events give the same transitions, bit for bit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from tradeassistd.base.errors import PermanentError
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, RulesSwap, Start
from tradeassistd.engine.reliving import RELIVED_EVENTS_MAX, relive
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import Transition


def replay(events: Iterable[Event], rule_set_of: Callable[[str], RuleSet]) -> Iterator[Transition]:
    """The transitions of the stored `events`, in order, over any number of restarts.

    Those of a life that was killed count as far as they were stored, and then as the next life decided them: so they
    come once the next life has begun, or at the end. `rule_set_of` gives the rule set for a stored hash. Raises
    PermanentError when the tape does not begin with a start, or begins too late for what a start has relived of it.
    """
    engine: Engine | None = None
    passed: deque[Event] = deque(maxlen=2 * RELIVED_EVENTS_MAX)
    said: list[Transition] = []
    for event in events:
        if isinstance(event, Start):
            kept, said = _kept(said, event), []
            yield from kept
            engine = Engine(rule_set_of(event.rules_hash))
            for late in relive(engine, event, _again(passed, event)):
                said += late.transitions
        elif isinstance(event, RulesSwap) and engine is not None:
            engine.offer(rule_set_of(event.rules_hash))
        if engine is None:
            raise PermanentError("the tape begins in the middle of a day", hint="replay from the day's first event")
        said += engine.on_event(event)
        passed.append(event)
    yield from said


def _kept(said: list[Transition], start: Start) -> list[Transition]:
    """What the lives before decided and stored."""
    if start.relived is None:
        return said
    return [one for one in said if one.event_us <= start.relived.saved_until_us]


def _again(passed: deque[Event], start: Start) -> Iterable[Event]:
    """The events that a start has relived."""
    relived = start.relived
    if relived is None:
        return ()
    if not passed or passed[0].event_us > relived.first_us:
        raise PermanentError(
            "a restart on this tape goes on from what is not on it", hint="replay from the trading day before, too"
        )
    return (event for event in passed if event.event_us >= relived.from_us)
