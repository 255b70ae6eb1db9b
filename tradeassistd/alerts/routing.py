"""From an alert to its deliveries: which channels, when, and which ones stand in when one fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.transition import Kind
from tradeassistd.rules.routes import Route, Routes
from tradeassistd.store.records import Alert, Delivery, Why

TTL_S = 900.0
"""Time to live of a delivery on a channel that the settings do not have: it will fail, and the outbox says so."""
NO_ROUTES = Routes()
_ESCALATING = (Kind.FIRED, Kind.MISSED, Kind.TOLD)


@dataclass(frozen=True, slots=True)
class Routing:
    """Where alerts go: the routes over the settings' default channels. A delivery's life counts from when it may go.

    `ttls_s`: seconds of market time after which a delivery is noise, by channel (0 or less: never);
    `ttl_s` has it for every other channel.
    """

    channels: tuple[str, ...] = ()
    ttls_s: Mapping[str, float] = field(default_factory=dict)
    ttl_s: float = TTL_S
    routes: Routes = NO_ROUTES

    def deliveries(self, alert: Alert, rule: Rule | None, *, again: bool = False) -> list[Delivery]:
        """The deliveries of an alert that is told; `again`: the same firing was told before, so it escalates already.

        A channel that several routes name is told once, as early as any of them says. A rule's own `notify` takes the
        place of the routes' channels; their quiet hours, fallback and escalation stay.
        """
        escalates = alert.transition.kind in _ESCALATING and not again
        return self._merged(
            alert, (one for route in self._routes_of(alert, rule) for one in self._of(alert, rule, route, escalates))
        )

    def end(self, alert: Alert, rule: Rule | None, told: Sequence[str]) -> list[Delivery]:
        """The deliveries of the end of a firing: to the channels that were told of it, held where quiet hours say so.

        `told` is empty when nobody knows any more who was told; then it goes where the alert would go now.
        """
        if not told:
            return self._merged(
                alert, (one for route in self._routes_of(alert, rule) for one in self._direct(alert, rule, route))
            )
        routes = self._routes_of(alert, rule)
        return self._merged(alert, (one for route in routes for one in self._among(alert, route, told)))

    def expiry_us(self, channel: str, from_us: int) -> int:
        """When a delivery that may be sent from that market time on is noise; 0: never."""
        ttl_s = self.ttls_s.get(channel, self.ttl_s)
        return from_us + round(ttl_s * US_PER_S) if ttl_s > 0 else 0

    def _routes_of(self, alert: Alert, rule: Rule | None) -> tuple[Route, ...]:
        transition, tags = alert.transition, rule.tags if rule is not None else ()
        return self.routes.of(alert.severity, tags, transition.rule_id, transition.symbol) or (Route(),)

    def _of(self, alert: Alert, rule: Rule | None, route: Route, escalates: bool) -> Iterator[Delivery]:
        yield from self._direct(alert, rule, route)
        if route.escalate is not None and escalates:
            for channel in route.escalate.channels:
                due_us = _escalation_us(route, alert, channel)
                yield self._delivery(alert, channel, route, not_before_us=due_us, why=Why.ESCALATION)

    def _direct(self, alert: Alert, rule: Rule | None, route: Route) -> Iterator[Delivery]:
        own = rule.notify if rule is not None else ()
        yield from self._among(alert, route, own or route.channels or self.channels)
        if route.quiet is not None and route.held_until_us(alert.severity, alert.transition.event_us):
            for channel in route.quiet.channels:
                yield self._delivery(alert, channel, route)

    def _among(self, alert: Alert, route: Route, channels: Sequence[str]) -> Iterator[Delivery]:
        """Deliveries to these channels, held until the route's quiet hours end where they are to be left in peace."""
        held_us = route.held_until_us(alert.severity, alert.transition.event_us)
        for channel in channels:
            if held_us and not _is_told_at_once(route, channel):
                yield self._delivery(alert, channel, route, not_before_us=held_us, why=Why.QUIET)
            else:
                yield self._delivery(alert, channel, route)

    def _delivery(
        self, alert: Alert, channel: str, route: Route, not_before_us: int = 0, why: Why = Why.DIRECT
    ) -> Delivery:
        event_us = alert.transition.event_us
        return Delivery(
            alert.id, channel, created_us=event_us, expires_us=self.expiry_us(channel, not_before_us or event_us),
            not_before_us=not_before_us, why=why, fallback=tuple(name for name in route.fallback if name != channel),
        )  # fmt: skip

    def _merged(self, alert: Alert, wanted: Iterator[Delivery]) -> list[Delivery]:
        """One delivery per channel: the first to go, and one that is no escalation before one that is."""
        merged: dict[str, Delivery] = {}
        for one in wanted:
            other = merged.get(one.channel)
            if other is None:
                merged[one.channel] = one
                continue
            first = min(other, one, key=lambda each: (each.why is Why.ESCALATION, each.not_before_us))
            first.fallback = tuple(dict.fromkeys((*other.fallback, *one.fallback)))
            merged[one.channel] = first
        return list(merged.values())


def _is_told_at_once(route: Route, channel: str) -> bool:
    return route.quiet is not None and channel in route.quiet.channels


def _escalation_us(route: Route, alert: Alert, channel: str) -> int:
    """When an escalation is due: `after` the alert was told. Quiet hours move both, the telling and the escalation."""
    assert route.escalate is not None
    told_us, after_us = alert.transition.event_us, route.escalate.after_s * US_PER_S
    if _is_told_at_once(route, channel):
        return told_us + after_us
    due_us = (route.held_until_us(alert.severity, told_us) or told_us) + after_us
    return route.held_until_us(alert.severity, due_us) or due_us
