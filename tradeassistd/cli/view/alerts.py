"""Draws the alerts: when, how bad, what happened, and where it went."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tradeassistd.cli.view import words
from tradeassistd.cli.view.look import BOLD, DELIVERY_STYLES, DIM, FRESH, SEVERITY_STYLES, Look
from tradeassistd.cli.view.snapshot import Alert, Sent

RULE_LEAST, RULE_MOST = 16, 28
WORDS_LEAST = 24
CHANNEL_MAX = 10
_TIME_WIDTH = 8


def alerts(shown: Sequence[Alert], width: int, rows: int, look: Look, *, remark: str = "") -> list[Text]:
    """The section in at most `rows` lines, its heading included."""
    if rows < 1:
        return []
    lines = [look.heading("alerts", remark or "newest first", width)]
    if not shown:
        return [*lines, look.cell("none yet", width, DIM)][:rows]
    columns = _Columns(shown[: rows - 1], width, look)
    for alert in shown:
        if len(lines) >= rows:
            break
        lines.append(columns.line(alert))
        if alert is shown[0] and not columns.has_words and rows > 3:
            lines.append(_explained(alert, width, look))
    return lines


def where(deliveries: Sequence[Sent], look: Look) -> Text:
    """Each channel with the sign of its delivery: slack ✓ sound …"""
    parts = [
        Text.assemble((look.clean(one.channel)[:CHANNEL_MAX], DIM), " ",
                      (look.deliveries.get(one.state, "?"), DELIVERY_STYLES.get(one.state, DIM)))  # type: ignore[call-overload]
        for one in deliveries
    ]  # fmt: skip
    return Text("  ").join(parts) if parts else Text("no channel", DIM)


def _short(deliveries: Sequence[Sent], look: Look) -> Text:
    """Only how many arrived, where there is no room for names."""
    arrived = sum(one.state == "sent" for one in deliveries)
    text = f"{arrived}/{len(deliveries)} {look.deliveries['sent']}" if deliveries else ""
    return Text(text, "green" if arrived == len(deliveries) else "yellow")


def _explained(alert: Alert, width: int, look: Look) -> Text:
    """A second line under the newest alert: what its rule is for, and what it saw."""
    indent = " " * min(_TIME_WIDTH + 1, width)
    said = ", ".join(part for part in (alert.remark, alert.words) if part)
    text = f"{alert.description} {said}" if alert.description else said
    return Text.assemble(indent, look.cell(text, width - len(indent), DIM))


class _Columns:
    """Which columns there are, and how wide, for one set of alerts."""

    def __init__(self, shown: Sequence[Alert], width: int, look: Look) -> None:
        self._look = look
        self._width = width
        self._symbol = min(max((len(one.symbol) for one in shown), default=0), 8)
        self._price = min(max((len(one.price) for one in shown), default=0), 11)
        longest = min(max((len(one.rule) + _remark_width(one) for one in shown), default=0), RULE_MOST)
        # Time, mark, symbol and price stand one column apart; the others two.
        left = width - (_TIME_WIDTH + 1 + 2) - (1 + self._symbol) - (self._price + bool(self._price))
        named = max((where(one.deliveries, look).cell_len for one in shown), default=0)
        self._named = left - named - 4 >= min(longest, RULE_LEAST)
        short = max((_short(one.deliveries, look).cell_len for one in shown), default=0)
        self._sent = named if self._named else short if left - short - 4 >= RULE_LEAST else 0
        left -= self._sent + 2 * bool(self._sent)
        self._rule = max(min(left - 2, longest), 0)
        left -= self._rule + 2
        self._words = left - 2 if left - 2 >= WORDS_LEAST else 0
        if not self._words:
            self._rule += max(left, 0)

    @property
    def has_words(self) -> bool:
        return bool(self._words)

    def line(self, alert: Alert) -> Text:
        look = self._look
        style = SEVERITY_STYLES.get(alert.severity, "")
        sent = where(alert.deliveries, look) if self._named else _short(alert.deliveries, look)
        return look.line(
            [
                look.cell(words.time_of_day(alert.at_us), _TIME_WIDTH, FRESH if alert.fresh else DIM),
                look.cell(look.severities.get(alert.severity, "? "), 2, style),
                look.cell(alert.symbol, self._symbol, BOLD),
                look.cell(alert.price, self._price, "", right=True),
                Text.assemble(" ", look.cell(_named_rule(alert), self._rule, style)),
                Text.assemble(" ", look.cell(alert.words, self._words, DIM)) if self._words else Text(),
                Text.assemble(" ", look.cell(sent, self._sent)) if self._sent else Text(),
            ],
            self._width,
        )  # fmt: skip


def _named_rule(alert: Alert) -> str:
    return f"{alert.rule} ({alert.remark})" if alert.remark else alert.rule


def _remark_width(alert: Alert) -> int:
    return len(alert.remark) + 3 if alert.remark else 0
