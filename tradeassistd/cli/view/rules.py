"""Draws the rules: where each one stands, how far it is from firing, how often it has told today."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view import words
from tradeassistd.cli.view.look import BOLD, DIM, SEVERITY_STYLES, STATE_STYLES, Look
from tradeassistd.cli.view.snapshot import Rule

ID_LEAST, ID_MOST = 12, 28
SYMBOL_WIDTHS = (5, 8)
WIDE = 60
TOLD_WIDTH = 3
DISTANCE_WIDTH = 7
BAR_WIDTHS = (5, 8, 12)
CLOSE = 0.8
"""From this closeness on a bar is bright."""
DESCRIPTION_LEAST = 24
_TIME_WIDTH = 8
_RANKS = {view.FIRING: 0, view.PENDING: 1}


def rules(shown: Sequence[Rule], width: int, rows: int, look: Look) -> list[Text]:
    """The section in at most `rows` lines, its heading included; what does not fit is what is least going on."""
    if rows < 2:
        return []
    room = rows - 1
    taken = list(shown)
    if len(shown) > room:
        first = {rule.id for rule in sorted(shown, key=_interest)[: room - 1]}
        taken = [rule for rule in shown if rule.id in first]
    columns = _Columns(taken, width, look)
    lines = [look.heading("rules", columns.remark if taken else "", width)]
    lines += [columns.line(rule) for rule in taken]
    if not shown:
        lines.append(look.cell("none loaded yet", width, DIM))
    if room - len(taken) >= 2 and taken:
        lines += [Text(), look.cell(_legend(look), width, DIM)]
    if left := len(shown) - len(taken):
        quiet = all(rule.state == view.OK for rule in shown if rule not in taken)
        lines.append(look.cell(f"and {left} {'quiet ones' if quiet else 'more'}", width, DIM))
    return lines


def firing_line(shown: Sequence[Rule], width: int, look: Look) -> Text:
    """All rules in one line, for a screen without room for a table."""
    firing = [rule for rule in shown if rule.state == view.FIRING]
    names = ", ".join(f"{_name(rule)} {rule.symbol}".strip() for rule in firing)
    told = sum(rule.told for rule in shown)
    text = f"{look.states[view.FIRING]} {len(firing)} firing: {names}" if firing else f"{len(shown)} rules, none firing"
    return look.cell(f"{text}; {told} told today", width, STATE_STYLES[view.FIRING] if firing else DIM)


def _interest(rule: Rule) -> tuple[int, bool, int, float]:
    """Smallest first: what fires, then what has told most, then what is nearest to firing."""
    return _RANKS.get(rule.state, 2), not rule.told, -rule.told, -_closeness(rule)


class _Columns:
    """Which columns there are, and how wide, for one set of rules."""

    def __init__(self, shown: Sequence[Rule], width: int, look: Look) -> None:
        self._look = look
        self._width = width
        longest = min(max((len(_name(rule)) for rule in shown), default=0), ID_MOST)
        self._symbol = SYMBOL_WIDTHS[width >= WIDE]
        left = width - 2 - (1 + TOLD_WIDTH) - (1 + self._symbol)
        measured = [rule for rule in shown if rule.distance is not None]
        self._bar = self._distance = self._time = 0
        if measured:
            self._bar = BAR_WIDTHS[0] if left - longest > BAR_WIDTHS[0] or left > ID_LEAST + 14 else 0
            left -= self._bar + bool(self._bar)
        if left > longest + 1 + _TIME_WIDTH and any(_when(rule) for rule in shown):
            self._time = _TIME_WIDTH
            left -= _TIME_WIDTH + 1
        if left > longest + 1 + DISTANCE_WIDTH and any(one.distance and one.distance.text for one in measured):
            self._distance = DISTANCE_WIDTH
            left -= DISTANCE_WIDTH + 1
        if self._bar:
            for wider in BAR_WIDTHS[1:]:
                if left - (wider - self._bar) >= longest:
                    left, self._bar = left - (wider - self._bar), wider
        self._id = min(left, longest) if left > 0 else 0
        left -= self._id + 1
        self._description = left if left >= DESCRIPTION_LEAST else 0
        if not self._description and shown:
            self._id += max(left + 1, 0)

    @property
    def remark(self) -> str:
        named = [*(["distance"] if self._bar else []), "told today"]
        return ", ".join(named)

    def line(self, rule: Rule) -> Text:
        look = self._look
        style = STATE_STYLES.get(rule.state, "")
        firing = rule.state == view.FIRING
        name_style = style if firing else "" if rule.told or rule.state == view.PENDING else DIM
        return look.line(
            [
                look.cell(look.states.get(rule.state, "?"), 1, style),
                look.cell(_name(rule), self._id, name_style),
                look.cell(_symbol(rule, self._symbol), self._symbol, DIM),
                self._meter(rule),
                look.cell(rule.distance.text if rule.distance else "", self._distance, DIM, right=True),
                look.cell(_when(rule), self._time, DIM, right=True),
                self._told(rule),
                look.cell(f" {rule.description}", self._description, DIM),
            ],
            self._width,
        )  # fmt: skip

    def _meter(self, rule: Rule) -> Text:
        if not self._bar or rule.distance is None or rule.distance.closeness is None:
            return self._look.cell("", self._bar)
        near = rule.distance.closeness >= CLOSE
        full, empty = self._look.bar(rule.distance.closeness, self._bar)
        return Text.assemble((full, "yellow" if near else "cyan"), (empty, DIM))

    def _told(self, rule: Rule) -> Text:
        if not rule.told:
            return self._look.cell("", TOLD_WIDTH)
        style = SEVERITY_STYLES.get(rule.severity, BOLD)
        return self._look.cell(words.count(rule.told), TOLD_WIDTH, style, right=True)


def _closeness(rule: Rule) -> float:
    return rule.distance.closeness or 0.0 if rule.distance else 0.0


def _legend(look: Look) -> str:
    return "  ".join(
        f"{look.states[state]} {state}" for state in (view.OK, view.PENDING, view.FIRING, view.WARMING, view.UNKNOWN)
    )


def _symbol(rule: Rule, width: int) -> str:
    """The symbol that matters, or else the first one and how many more there are."""
    if rule.symbol or not rule.symbols:
        return rule.symbol
    more = f" +{len(rule.symbols) - 1}" if len(rule.symbols) > 1 else ""
    return rule.symbols[0] + (more if len(rule.symbols[0] + more) <= width else "")


def _when(rule: Rule) -> str:
    if rule.silenced:
        return "silenced"
    if rule.told_us:
        return words.time_of_day(rule.told_us)
    return "shadow" if rule.shadow else "spent" if rule.spent else ""


def _name(rule: Rule) -> str:
    """The rule, and of a ladder that fires how far it has come: day-drawdown 2/3."""
    return f"{rule.id} {rule.level}/{rule.steps}" if rule.level else rule.id
