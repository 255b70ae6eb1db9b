"""What the demo says in plain lines: alerts as they come, where there is no terminal, and a summary at the end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path

from tradeassistd.base.errors import TradeAssistError
from tradeassistd.cli.queries import alert_line
from tradeassistd.cli.wording import counted
from tradeassistd.store import queries
from tradeassistd.store.outbox import StoredAlert
from tradeassistd.store.records import OPEN_STATES

LOOKS_MAX = 8
"""An alert is shown once its deliveries are settled, or after so many looks as it is then."""
READ_MAX = 1_000


class AlertLines:
    """The alerts of one state directory, each as one line, once."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._from_us = 0
        self._waiting: deque[tuple[StoredAlert, int]] = deque()

    def fresh(self) -> list[str]:
        """Lines of what was told since the last call, oldest first; none while the store is not there or busy."""
        oldest = self._waiting[0][0].alert.transition.event_us if self._waiting else self._from_us
        try:
            found = queries.alerts(self._state, limit=READ_MAX, since_us=oldest, include_suppressed=False)
        except TradeAssistError:
            return []
        looks = {stored.alert.id: count for stored, count in self._waiting}
        self._waiting.clear()
        for stored in reversed(found):
            if stored.alert.transition.event_us >= self._from_us or stored.alert.id in looks:
                self._waiting.append((stored, looks.get(stored.alert.id, 0) + 1))
        if found:
            self._from_us = max(self._from_us, found[0].alert.transition.event_us + 1)
        lines = []
        while self._waiting and _is_ripe(*self._waiting[0]):
            lines.append(alert_line(self._waiting.popleft()[0]))
        return lines


def summary(state: Path, received: Mapping[str, int]) -> list[str]:
    """What to say at the end."""
    try:
        told = queries.alerts(state, limit=100_000, include_suppressed=False)
    except TradeAssistError:
        return ["The demo ended before the daemon had stored anything."]
    by_rule = Counter(stored.alert.transition.rule_id for stored in told)
    arrived = ", ".join(f"{name} {count}" for name, count in sorted(received.items())) or "none"
    return [
        "",
        f"{counted(len(told), 'alert')} told by {counted(len(by_rule), 'rule')}: "
        + (", ".join(f"{rule} {count}" for rule, count in by_rule.most_common()) or "none"),
        f"Deliveries that arrived at the demo's receiver: {arrived}.",
        "Next: copy rules.d, edit a rule, and point channels at your own Slack (see the README).",
    ]


def _is_ripe(stored: StoredAlert, looks: int) -> bool:
    return looks >= LOOKS_MAX or not any(one.state in OPEN_STATES for one in stored.deliveries)
