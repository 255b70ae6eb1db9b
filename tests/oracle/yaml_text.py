"""The oracle's rules as a rule file writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction

from tests.oracle.expression import (
    Apply,
    Arithmetic,
    Compare,
    Condition,
    Count,
    Cross,
    Day,
    Either,
    Every,
    Flag,
    Look,
    Move,
    Named,
    Not,
    Number,
    OfBars,
    OpeningRange,
    Quote,
    Seq,
    Streak,
    Sym,
    Ticks,
    Value,
    Vwap,
    Within,
)
from tests.oracle.rule import OracleRule

_SEVERITIES = ("notice", "warning", "critical")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def file_text(rules: Iterable[OracleRule]) -> str:
    """A whole rule file."""
    return "version: 1\nrules:\n" + "".join(map(rule_text, rules))


def rule_text(rule: OracleRule) -> str:
    """One item of `rules:`."""
    lines = [f"id: {rule.id}", f"symbols: [{', '.join(rule.symbols)}]", f"evaluate: {rule.evaluate}"]
    lines += [f"cooldown: {rule.cooldown_s}s", f"at_load: {rule.at_load}", f"mode: {rule.mode}"]
    lines += [f"{key}: {text}" for key, text in _settings(rule) if text]
    for symbol, names in rule.values.items():
        lines += ["values:"] if "values:" not in lines else []
        lines.append(f"  {symbol}: {{{', '.join(f'{name}: {value_text(value)}' for name, value in names.items())}}}")
    if rule.ladder:
        lines.append("levels:")
        for level, severity in zip(rule.ladder, _SEVERITIES, strict=False):
            lines.append(f"  - severity: {severity}")
            lines.append(f"    when: '{condition_text(level.when)}'")
            if level.clear_when:
                lines.append(f"    clear_when: '{condition_text(level.clear_when)}'")
    else:
        lines.append(f"when: '{condition_text(rule.when)}'")
        if rule.clear_when:
            lines.append(f"clear_when: '{condition_text(rule.clear_when)}'")
    return "".join(f"{'  - ' if not place else '    '}{line}\n" for place, line in enumerate(lines))


def _settings(rule: OracleRule) -> Iterable[tuple[str, str]]:
    yield "for", f"{rule.for_s}s" if rule.for_s else ""
    yield "keep_firing_for", f"{rule.keep_firing_for_s}s" if rule.keep_firing_for_s else ""
    yield "fire", "" if rule.fire == "every" else rule.fire
    yield "max_per_session", str(rule.max_per_session or "")
    if rule.rearm:
        yield "rearm", f"move {plain(rule.rearm.digits)}{'%' if rule.rearm.percent else 't'}"
    yield "repeat", f"[{', '.join(f'{pause}s' for pause in rule.repeat_s)}]" if rule.repeat_s else ""
    yield "on_clear", "" if rule.on_clear == "silent" else rule.on_clear
    yield "session", rule.session
    yield "active", f"[{', '.join(map(_active, rule.active))}]" if rule.active else ""
    yield "expires", datetime.fromtimestamp(rule.expires_us // 10**6, UTC).isoformat() if rule.expires_us else ""
    yield "stale_after", f"{rule.stale_after_s}s" if rule.stale_after_s else ""
    yield "catch_up", "" if rule.catch_up == "report" else rule.catch_up
    yield "was", rule.was
    yield "rev", rule.rev


def _active(window: tuple[frozenset[int], int, int]) -> str:
    weekdays, from_minute, to_minute = window
    first, last = min(weekdays), max(weekdays)
    days = _WEEKDAYS[first] if first == last else f"{_WEEKDAYS[first]}-{_WEEKDAYS[last]}"
    times = "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in (from_minute, to_minute))
    return f"'{days} {times} America/New_York'"


def condition_text(condition: Condition) -> str:
    """A condition on one line, with more parentheses than it needs."""
    match condition:
        case Every(parts):
            return " and ".join(f"({condition_text(part)})" for part in parts)
        case Either(parts):
            return " or ".join(f"({condition_text(part)})" for part in parts)
        case Not(part):
            return f"not ({condition_text(part)})"
        case Compare(left, operator, right):
            return f"{value_text(left)} {operator} {value_text(right)}"
        case Within(left, low, high, inside):
            return f"{value_text(left)} {'inside' if inside else 'outside'} [{value_text(low)}, {value_text(high)}]"
        case Move(left, kind, low, high):
            return f"{value_text(left)} {kind} [{value_text(low)}, {value_text(high)}]"
        case Cross(left, kind, (level,)):
            return f"{value_text(left)} {kind} {value_text(level)}"
        case Cross(left, kind, levels):
            return f"{value_text(left)} {kind} any [{', '.join(map(value_text, levels))}]"
        case Seq(events, within_s):
            return f"seq({', '.join(map(condition_text, events))}, within={within_s}s)"
        case Flag(name, symbol):
            return f"sym({symbol}).{name}" if symbol else name


def value_text(value: Value) -> str:
    """A value, in parentheses where it is a sum or a product."""
    match value:
        case Number(number, text):
            return text or plain(number)
        case Ticks(count):
            return f"{plain(count)}t"
        case Named(name) | Quote(name):
            return name
        case Day(group, line):
            return f"{group}.{line}"
        case OpeningRange(duration_s, line, session):
            return f"opening_range({_call(f'{duration_s}s', session)}).{line}"
        case Vwap(session):
            return f"vwap({_call(session)})"
        case OfBars():
            return _bars(value)
        case Look(function, quote, duration_s):
            return f"{function}({quote}, {duration_s}s)"
        case Count(event, duration_s):
            return f"count({condition_text(event)}, {duration_s}s)"
        case Streak(state, interval):
            return f"streak({condition_text(state)}, {interval})"
        case Arithmetic(operator, left, right):
            return f"({value_text(left)} {operator} {value_text(right)})"
        case Apply("-", (only,)):
            return f"(-{value_text(only)})"
        case Apply(function, values):
            return f"{function}({', '.join(map(value_text, values))})"
        case Sym(symbol, inner):
            return f"sym({symbol}).{value_text(inner)}"


def _bars(of: OfBars) -> str:
    more = [plain(one) for one in of.more]
    match of.function:
        case "":
            text = f"{of.field}({_call(of.interval, of.session, of.live and 'live')})"
        case "atr":
            text = f"atr({_call(str(of.n), of.interval, of.session, of.live and 'live')})"
        case "rvol":
            text = f"rvol({_call(of.interval, of.session)})"
        case name:
            text = f"{name}({_call(of.field, str(of.n), *more, of.interval, of.session, of.live and 'live')})"
    return text + (f".{of.line}" if of.line else "") + (f"[{of.back}]" if of.back else "")


def _call(*arguments: str | bool | None) -> str:
    return ", ".join(str(argument) for argument in arguments if argument)


def plain(number: Fraction) -> str:
    """A decimal without an exponent."""
    text = f"{float(number):.10f}".rstrip("0").rstrip(".")
    if Fraction(text) != number:
        raise ValueError(f"not a short decimal: {number}")
    return text
