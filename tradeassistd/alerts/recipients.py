"""Who was told of the firings that go on, so that their end goes there and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tradeassistd.engine.transition import State, Transition
from tradeassistd.store.records import Delivery, Why

Key = tuple[str, str, int]
"""Rule, symbol, level."""


class Recipients:
    """The channels that the alerts of each firing were addressed to; one entry per firing that goes on."""

    def __init__(self, known: Mapping[Key, Mapping[str, int]] | None = None) -> None:
        """`known`: what the store has of the firings that a restart takes up, by channel from when on (0: at once)."""
        self._channels: dict[Key, dict[str, int]] = {key: dict(channels) for key, channels in (known or {}).items()}

    def knows(self, transition: Transition) -> bool:
        """Whether somebody was told of this firing before."""
        return bool(self._channels.get(_key(transition)))

    def note(self, transition: Transition, deliveries: Iterable[Delivery]) -> None:
        """An alert is on its way. An escalation counts from when it is due: before, it may be withdrawn."""
        if transition.state is not State.FIRING:
            return
        channels = self._channels.setdefault(_key(transition), {})
        for delivery in deliveries:
            from_us = delivery.not_before_us if delivery.why is Why.ESCALATION else 0
            channels[delivery.channel] = min(channels.get(delivery.channel, from_us), from_us)

    def note_fallback(self, transition: Transition, channel: str) -> None:
        """Another channel is told of an alert in the place of its own; of no interest once the firing is over."""
        if transition.state is State.FIRING and (channels := self._channels.get(_key(transition))) is not None:
            channels[channel] = 0

    def acknowledge(self, rule_id: str, symbol: str, at_us: int) -> None:
        """Escalations that were to come are withdrawn; an empty symbol is every one."""
        for (rule, one, _), channels in self._channels.items():
            if rule == rule_id and symbol in ("", one):
                for channel in [name for name, from_us in channels.items() if from_us > at_us]:
                    del channels[channel]

    def end(self, transition: Transition) -> tuple[str, ...]:
        """The channels told of the firing that ends with this transition; none when nobody knows any more."""
        channels = self._channels.pop(_key(transition), {})
        return tuple(name for name, from_us in channels.items() if from_us <= transition.event_us)


def _key(transition: Transition) -> Key:
    return (transition.rule_id, transition.symbol, transition.level)
