"""`tradeassist status`: what the daemon last said of itself, what is wrong first in sight.

It works while the daemon is down. What is as it should be takes one line or none.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from tradeassistd.base.errors import TradeAssistError
from tradeassistd.cli import exit_codes
from tradeassistd.cli.quality import NOTE, ON_LINE, part, remarks
from tradeassistd.cli.wording import LABEL_WIDTH, clock_time, counted, span, wrapped
from tradeassistd.feed.countdown import span_text
from tradeassistd.store import queries

DASH = "-"
WIDTHS = (60, 120)
"""Lines are never made narrower or wider than that; 80 where nobody says how wide the terminal is."""
SHOWN_MAX = 20
"""How many symbols a line names; --json has them all."""
WARMING_SHOWN = 5
QUIET_FRAMES_S = 15.0
"""Schwab's heartbeat comes every ten seconds: an older last frame is worth a look."""

ANSWER_WITHIN_S = 2.0

WRONG = "!"
"""A label that ends so is of something to look at; the sign stands before the text."""
Line = tuple[str, str]
"""A label, and what is behind it."""


def show_status(directory: Path, socket: Path | None = None, *, as_json: bool) -> int:
    """Print what the daemon at that socket says of itself, else what it stored last; exit code 69 when it does not
    run."""
    pid = queries.daemon_running(directory)
    try:
        status = (_asked(socket) if pid and socket else None) or queries.status(directory)
    except TradeAssistError as error:
        typer.echo(f"tradeassist: {error}", err=True)
        return exit_codes.NOT_RUNNING
    ended = {} if pid or not status else {"ended_in_order": status.get("state") == "stopped"}
    status = {**status, "state": "running" if pid else "stopped", "pid": pid, "directory": str(directory), **ended}
    if as_json:
        typer.echo(json.dumps(status, indent=2))
    else:
        columns = shutil.get_terminal_size((80, 24)).columns
        typer.echo("\n".join(status_text(status, max(WIDTHS[0], min(columns, WIDTHS[1])))))
    return exit_codes.YES if pid else exit_codes.NOT_RUNNING


def _asked(socket: Path) -> dict[str, Any] | None:
    """What a running daemon says now: a disk that takes nothing holds an old status. None when it does not answer."""
    from tradeassistd.cli.client import ask

    try:
        document = ask(socket, "/health/detailed", within_s=ANSWER_WITHIN_S).document
    except TradeAssistError:
        return None
    return {key: value for key, value in document.items() if key not in ("health", "events")}


def status_text(status: Mapping[str, Any], width: int = 80) -> list[str]:
    """The lines of `status`, none wider than `width` but for words that are."""
    made: list[str] = []
    for label, text in _lines(status):
        shown = f"{label.removesuffix(WRONG):<{LABEL_WIDTH - 2}}{WRONG}" if label.endswith(WRONG) else label
        made += wrapped(shown, text, width)
    return made


def _lines(status: Mapping[str, Any]) -> Iterator[Line]:
    running = status.get("state") == "running"
    yield _daemon(status)
    yield "state in", str(status.get("directory", DASH))
    yield from _start(part(status, "start"))
    yield from _feed(part(status, "feed"), running=running)
    if login := part(status, "login"):
        yield "login!" if login.get("needed") or login.get("last_error") else "login", login_text(login)
    yield from _data(status)
    yield from _rules(part(status, "rules"))
    if reason := part(status, "unstored").get("reason"):
        yield "alerts!", f"wait for the disk: {reason}; they are told, and come again when they are stored"
    yield from _store(part(status, "store"))
    yield from _counted(part(status, "counters"))
    yield from _symbols(part(status, "symbols"))
    yield from _history(part(status, "history"))
    yield from _backfill(part(status, "backfill"))
    yield from _silences(status.get("silences") or ())
    yield from _warming(status.get("warming") or ())
    for name, channel in part(status, "channels").items():
        yield "channel!" if channel.get("failures_in_a_row") else "channel", _channel(name, channel)


def _daemon(status: Mapping[str, Any]) -> Line:
    """Whether it runs; else since when not, and whether somebody asked for that."""
    said = str(status.get("state", DASH))
    if status.get("pid"):
        return "daemon", f"{said}, pid {status['pid']}"
    since = f"{clock_time(status['as_of'])} New York" if status.get("as_of") else ""
    if status.get("ended_in_order", True):
        return "daemon", f"{said} since {since}" if since else said
    return "daemon!", f"{said} without a word" + (f": last heard of {since}" if since else "")


def _start(start: Mapping[str, Any]) -> Iterator[Line]:
    """From what the daemon goes on; a first start has nothing."""
    if start.get("relived_from"):
        events, took = counted(start.get("relived_events", 0), "event"), span(start.get("took_s") or 0)
        since = f"the tape since {clock_time(start['relived_from'])} New York"
        late = f"; {counted(start['late'], 'decision')} made late" if start.get("late") else ""
        yield "goes on", f"from {since}, {events} in {took}{late}"


def _feed(feed: Mapping[str, Any], *, running: bool) -> Iterator[Line]:
    state, reason = str(feed.get("state", DASH)), str(feed.get("reason") or "")
    url = str(feed.get("base_url", DASH))
    if not running:
        yield "feed", f"was {state} when last heard of" + (f": {reason}" if reason else "") + f"; {url}"
        return
    lasted = f" for {span(feed['in_state_s'])}" if isinstance(feed.get("in_state_s"), int | float) else ""
    yield "feed" if state == "live" else "feed!", f"{state}{lasted}" + (f": {reason}" if reason else "")
    late = isinstance(age_s := feed.get("frame_age_s"), int | float) and age_s > QUIET_FRAMES_S
    yield WRONG if late else "", f"{_last_frame(feed)}, connection {feed.get('connections', 0)}, {url}"
    if down := _down(feed, state):
        yield "", down
    if feed.get("conflated"):
        yield "", f"behind at times: {counted(feed['conflated'], 'row')} without a new price merged into later ones"


def _last_frame(feed: Mapping[str, Any]) -> str:
    if "frame_age_s" not in feed:
        return f"{counted(feed.get('frames_queued', 0), 'frame')} waiting"
    age_s = feed["frame_age_s"]
    if age_s is None:
        return "no frame yet"
    return f"last frame {span(age_s)} ago" + (" (one is due every 10 s)" if age_s > QUIET_FRAMES_S else "")


def _down(feed: Mapping[str, Any], state: str) -> str:
    """Where the time went that it was not live, once it has been; the start itself is no outage."""
    spent = {name: s for name, s in part(feed, "spent_s").items() if isinstance(s, int | float)}
    lost_s = sum(seconds for name, seconds in spent.items() if name not in (*ON_LINE, "stopped"))
    if int(feed.get("connections") or 0) < 2 and (state in ON_LINE or not spent.get("live")):
        return ""
    return f"down {span(lost_s)} of {span(sum(spent.values()))} since the start" if lost_s >= 1 else ""


def login_text(login: Mapping[str, Any]) -> str:
    """The login to Schwab in a line: who has to do something, or until when nobody has to."""
    if login.get("needed"):
        return f"needed: {login['needed']}. Run: tradeassist auth login"
    said = []
    if login.get("ends"):
        said.append(f"ends {clock_time(login['ends'])} New York, in {span_text(login.get('ends_in_s') or 0)}")
    said += [f"trouble: {login['last_error']}"] if login.get("last_error") else []
    return "; ".join(said) or "not known yet"


def _data(status: Mapping[str, Any]) -> Iterator[Line]:
    """Symbols that are not as they should be, those with the same to say together."""
    together: dict[str, list[str]] = {}
    for remark in remarks(status):
        if remark.weight != NOTE or remark.word == "implausible":
            together.setdefault(remark.text, []).append(remark.symbol)
    for number, (text, symbols) in enumerate(together.items()):
        yield "data!" if not number else WRONG, f"{_named(symbols)}: {text}"


def _rules(rules: Mapping[str, Any]) -> Iterator[Line]:
    yield "rules", f"{rules.get('loaded', 0)} loaded ({rules.get('hash', DASH)}), from {rules.get('directory', DASH)}"
    for problem in rules.get("problems") or ():
        yield WRONG, f"rejected: {problem}"


def _store(store: Mapping[str, Any]) -> Iterator[Line]:
    if store.get("tape_error"):
        yield "tape!", f"cannot be written: {store['tape_error']}"
    if store.get("tape_limited"):
        kept = {"1s": "keeps one tick a second of each symbol", "bars": "has stopped"}
        what = kept.get(str(store.get("tape_density")), "is thinned")
        yield "disk!", f"{store['tape_limited']}: the tape {what}; alerts go on"


def _counted(counters: Mapping[str, Any]) -> Iterator[Line]:
    faults = counters.get("rule_faults", 0)
    yield "counted", ", ".join([
        counted(counters.get("ticks", 0), "tick"), counted(counters.get("alerts", 0), "alert"),
        f"{counters.get('told', 0):,} told", *([counted(faults, "rule fault")] if faults else []),
    ])  # fmt: skip


def _symbols(symbols: Mapping[str, Any]) -> Iterator[Line]:
    yield "symbols", _named(list(symbols.get("watched") or ())) or DASH
    for symbol, formula in part(symbols, "derived").items():
        yield "", f"{symbol} = {formula}"


def _history(history: Mapping[str, Any]) -> Iterator[Line]:
    """What is missing of the past and why, and how Schwab's minutes agree with those made of trades."""
    missing: dict[str, int] = {}
    for one in history.get("missing") or ():
        seconds = (datetime.fromisoformat(one["to"]) - datetime.fromisoformat(one["from"])).total_seconds()
        missing[one["symbol"]] = missing.get(one["symbol"], 0) + int(seconds)
    if missing:
        yield "history", f"missing: {_named([f'{symbol} {span(lasted)}' for symbol, lasted in missing.items()])}"
    for why in dict.fromkeys(part(history, "refused").values()):
        symbols = [symbol for symbol, reason in part(history, "refused").items() if reason == why]
        yield "" if missing else "history", f"{_named(symbols)}: {why}"
    if failing := history.get("failing"):
        yield "history!", str(failing)
    tallies = part(history, "differences")
    compared = sum(one["compared"] for one in tallies.values())
    differ = {symbol: one for symbol, one in tallies.items() if one["differing"] or one["only_official"]}
    if differ:
        named = [f"{symbol} {one['differing'] + one['only_official']:,}" for symbol, one in differ.items()]
        yield "official", f"of {counted(compared, 'minute')} compared with Schwab's differ: {_named(named)}"
    elif compared:
        yield "official", f"{counted(compared, 'minute')} compared with Schwab's, all alike"


def _backfill(backfill: Mapping[str, Any]) -> Iterator[Line]:
    """One that is under way, or the last one when it failed."""
    if backfill.get("state") == "running":
        text = f"{backfill.get('what')}: {backfill.get('done', 0):,} of {counted(backfill.get('days', 0), 'day')}"
        yield "backfill", text + (f"; waiting: {backfill['waiting']}" if backfill.get("waiting") else "")
    elif backfill.get("state") == "failed":
        yield "backfill!", f"{backfill.get('what')}: {backfill.get('error')}"


def _silences(silences: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    for number, one in enumerate(silences):
        why = f" ({one['reason']})" if one.get("reason") else ""
        said = f"{one['number'] or '_silences.yaml'}: {one['over']} until {clock_time(one['until'])}{why}"
        yield "silenced" if not number else "", said


def _warming(warming: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Which windows of bars are not full yet, and until when."""
    for number, one in enumerate(warming[:WARMING_SHOWN]):
        seen = f"({one['seen']} of {one['needed']} bars)"
        yield "warming" if not number else "", f"{one['symbol']} {one['interval']}: {one['text']} {seen}"
    if len(warming) > WARMING_SHOWN:
        yield "", f"and {len(warming) - WARMING_SHOWN} more: --json has them all"


def _channel(name: str, channel: Mapping[str, Any]) -> str:
    """What was sent; and what was not, why, and until when it is held, where there is any of it."""
    said = [f"{channel.get('sent', 0):,} sent"]
    said += [f"{channel[key]:,} {key}" for key in ("waiting", "retrying", "failed", "expired", "folded")
             if channel.get(key)]  # fmt: skip
    if channel.get("held"):
        until = f" until {clock_time(channel['next_held'])}" if channel.get("next_held") else ""
        said.append(f"{channel['held']:,} held{until}")
    if channel.get("blocked_s"):
        said.append(f"blocked for {span(channel['blocked_s'])}")
    if channel.get("latency_ms_p50") is not None:
        said.append(f"p50 {channel['latency_ms_p50']:.0f} ms")
    trouble = channel.get("last_error") if channel.get("failures_in_a_row") else ""
    return f"{name}: {', '.join(said)}" + (f"; failing: {trouble}" if trouble else "")


def _named(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - SHOWN_MAX} more" if len(symbols) > SHOWN_MAX else ""
    return " ".join(symbols[:SHOWN_MAX]) + more
