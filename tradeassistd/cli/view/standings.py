"""How near each rule is to firing, as the API's `/rules/{id}` says it, in the view's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view import words
from tradeassistd.cli.view.snapshot import Distance, Rule
from tradeassistd.market.instrument import InstrumentClass, instrument_of
from tradeassistd.market.price import price_from_float

FAR_PRICE_PCT = 0.5
"""A price that far from its level has a bar of nothing: more than most symbols move in an hour."""
FAR_PCT = 100.0
"""The same for rates of change, volumes and breadth figures."""
_NEAREST_NOT_TRUE = 0.99
_RANKS = {state: rank for rank, state in enumerate((view.FIRING, view.PENDING, view.OK, view.WARMING, view.UNKNOWN))}


class Condition(msgspec.Struct, frozen=True):
    """What the view reads of one node of a condition (api.models.Condition)."""

    kind: str
    outcome: bool | None
    why: str = ""
    distance_pct: float | None = None
    distance: float | None = None
    unit: str = ""
    items: tuple[Condition, ...] = ()


class Standing(msgspec.Struct, frozen=True):
    """One rule for one symbol and level (api.models.RuleStanding)."""

    symbol: str
    state: str
    why: str
    condition: Condition
    level: int = 0
    severity: str = ""


class Detail(msgspec.Struct, frozen=True):
    """One rule (api.models.RuleDetail)."""

    id: str
    standings: tuple[Standing, ...] = ()


def with_standings(rule: Rule, standings: Sequence[Standing]) -> Rule:
    """The rule as its foremost symbol and level stand: what fires, highest level first, else what waits, else what is
    nearest to firing."""
    found = [(state_of(one), distance_of(one), one) for one in standings]
    if not found or rule.state in (view.OFF, view.EXPIRED):
        return rule
    state, distance, one = min(found, key=_foremost)
    measured = distance is not None or state in (view.FIRING, view.PENDING)
    firing = state == view.FIRING
    return replace(
        rule, state=state, distance=distance, symbol=one.symbol if measured else "",
        level=one.level if firing else 0, severity=one.severity if firing and one.severity else rule.severity,
    )  # fmt: skip


def _foremost(item: tuple[str, Distance | None, Standing]) -> tuple[int, int, float]:
    state, distance, one = item
    level = one.level if state == view.FIRING else 0
    return _RANKS.get(state, len(_RANKS)), -level, -_closeness(distance)


def state_of(standing: Standing) -> str:
    """The view's word: `ok` is only said of what is known."""
    if standing.state != view.OK or not standing.why:
        return standing.state
    if standing.why.startswith("session closed"):
        return view.CLOSED
    if standing.why.startswith("expired"):
        return view.EXPIRED
    return view.WARMING if "warming" in standing.why else view.UNKNOWN


def distance_of(standing: Standing) -> Distance | None:
    """How far the condition is from true: of the part that decides; None where that is not known."""
    leaf = deciding(standing.condition)
    if leaf is None or leaf.distance is None:
        return None
    if standing.condition.outcome:
        return Distance(1.0)
    if leaf.why:
        return None  # it has to go the other way first
    return Distance(_share(leaf, standing.symbol), _text(leaf, standing.symbol))


def deciding(node: Condition) -> Condition | None:
    """The leaf that is last to come true: the furthest of `and` and of a seq, the nearest of `or`.

    None while that is unknown.
    """
    if not node.items:
        return node
    # Of a seq the events that have yet to happen are what it waits for, all of them.
    items = [item for item in node.items if node.kind != "event" or not item.why.startswith("happened")]
    leaves = [deciding(item) for item in items]
    if node.kind == "not":
        return leaves[0]
    known = [one for one in leaves if one is not None and one.distance_pct is not None]
    if node.kind in ("and", "event"):
        return max(known, key=_far, default=None) if len(known) == len(leaves) else None
    return min(known, key=_far, default=None)


def _far(leaf: Condition) -> float:
    return leaf.distance_pct or 0.0


def _share(leaf: Condition, symbol: str) -> float | None:
    if leaf.distance_pct is None:
        return None
    is_price = leaf.unit == "price" and instrument_of(symbol).kind is not InstrumentClass.INTERNAL
    far = FAR_PRICE_PCT if is_price else FAR_PCT
    return min(max(1 - leaf.distance_pct / far, 0.0), _NEAREST_NOT_TRUE)


def _text(leaf: Condition, symbol: str) -> str:
    size = abs(leaf.distance or 0.0)
    match leaf.unit:
        case "price":
            return words.price(price_from_float(size), instrument_of(symbol).tick_size)
        case "ratio":
            return f"{size:.2%}" if size < 1 else f"{size:.1f}x"
        case "seconds":
            return words.age(size)
    return words.count(size) if size >= 10 else f"{size:.2f}"


def _closeness(distance: Distance | None) -> float:
    return -1.0 if distance is None else distance.closeness or 0.0
