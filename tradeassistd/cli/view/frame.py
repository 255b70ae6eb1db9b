"""Draws what stands around the tables: the headline, the channels, the last line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view import words
from tradeassistd.cli.view.look import ACCENT, ALARM, BOLD, DIM, UP, Look
from tradeassistd.cli.view.snapshot import Channel, Snapshot

QUIET_S = 30.0
"""A live feed from which no frame came for that long is shown as something to look at."""
YEAR_LEAST_WIDTH = 100
ERROR_LEAST = 16
_CHANNEL_MOST = 12


def headline(shown: Snapshot, width: int, look: Look) -> Text:
    """Who, when, how fast; and at the right end how the feed is."""
    right = _feed(shown, look)
    left = Text(look.clean(shown.program), "bold")
    for part in _clock(shown, width):
        if left.cell_len + part.cell_len + right.cell_len + 4 <= width:
            left = Text.assemble(left, "  ", part)
    gap = width - left.cell_len - right.cell_len
    if gap < 1:
        return look.cell(Text.assemble(left, " ", right), width)
    return Text.assemble(left, " " * gap, right)


def channels(shown: Sequence[Channel], width: int, rows: int, look: Look) -> list[Text]:
    """One line a channel: what it has sent, what waits, how quick it is."""
    if rows < 2 or not shown:
        return []
    lines = [look.heading("deliveries", "p50, p99: decided to sent", width)]
    name = min(max(len(one.name) for one in shown), _CHANNEL_MOST)
    for one in list(shown)[: rows - 1]:
        made = Text.assemble(look.cell(one.name, name, BOLD), "  ", _counts(one, look))
        left = width - made.cell_len - 2
        lines.append(Text.assemble(made, "  ", look.cell(_remark(one, left), left, DIM, right=True)))
    return lines


def last_line(shown: Snapshot, width: int, look: Look) -> Text:
    """How much came, was told and arrived; and the keys."""
    right = Text(look.clean(shown.hint), DIM)
    made = Text()
    for part in _totals(shown, look):
        gap = 3 if made.plain else 0
        if made.cell_len + gap + part.cell_len + right.cell_len + 2 <= width:
            made = Text.assemble(made, " " * gap, part)
    gap = width - made.cell_len - right.cell_len
    return Text.assemble(made, " " * gap, right) if gap > 0 else look.cell(right, width)


def _clock(shown: Snapshot, width: int) -> list[Text]:
    """Parts of the headline, most important first."""
    if not shown.now_us:
        return []
    day = words.day(shown.now_us) if width >= YEAR_LEAST_WIDTH else words.short_day(shown.now_us)
    parts = [Text.assemble(day, " ", (words.time_of_day(shown.now_us), "bold cyan"), " New York")]
    if shown.speed is not None:
        parts.append(Text(f"{shown.speed:g}x", ACCENT))
    return parts


def _feed(shown: Snapshot, look: Look) -> Text:
    """The daemon's trouble, or else the feed's state, age and pace."""
    feed = shown.feed
    if shown.paused:
        return Text("paused", ALARM)
    if shown.daemon != view.RUNNING:
        return Text(f"{look.dot} daemon {shown.daemon}", ALARM if shown.daemon == view.STARTING else "bold red")
    live = feed.state == "live"
    # A heartbeat comes every ten seconds, also while nothing trades.
    heard_s = feed.age_s if feed.frame_age_s is None else feed.frame_age_s
    quiet = heard_s is not None and heard_s >= QUIET_S
    made = Text.assemble((f"{look.dot} {feed.state or 'starting'}", UP if live and not quiet else ALARM))
    if not live and feed.in_state_s is not None:
        made.append(f" {words.age(feed.in_state_s)}", ALARM)
        if heard_s is not None:
            made.append(f", heard {words.age(heard_s)} ago", DIM)
    elif feed.age_s is not None:
        made.append(f" {words.age(feed.age_s)}", ALARM if quiet else DIM)
    if feed.ticks_per_s is not None:
        made.append(f"  {words.count(feed.ticks_per_s)} ticks/s", DIM)
    return made


def _totals(shown: Snapshot, look: Look) -> list[Text]:
    sent, waiting, failed = (sum(getattr(one, key) for one in shown.channels) for key in ("sent", "waiting", "failed"))
    parts = [Text(f"{words.count(shown.told)} told", DIM)]
    if shown.troubles:
        parts.insert(0, Text(look.clean(shown.troubles[0]), ALARM))
    if shown.channels:
        parts.append(_counts(Channel("", sent, waiting, failed), look, " delivered"))
        slowest = max(shown.channels, key=lambda one: one.p99_ms or 0.0)
        parts.append(Text(_latency(slowest), DIM))
    if shown.tape_rows:
        stored = f", {words.size(shown.stored_bytes)}" if shown.stored_bytes else ""
        parts.append(Text(f"tape {words.count(shown.tape_rows)} rows{stored}", DIM))
    if shown.free_bytes is not None:
        parts.append(Text(f"{words.size(shown.free_bytes)} free", DIM))
    return [part for part in parts if part.plain]


def _counts(one: Channel, look: Look, word: str = "") -> Text:
    """What arrived, and what did not if there is any."""
    made = Text.assemble((f"{words.count(one.sent)}{word} {look.deliveries['sent']}", UP if one.sent else DIM))
    if one.waiting:
        made.append(f"  {words.count(one.waiting)} waiting", ALARM)
    if one.failed:
        made.append(f"  {words.count(one.failed)} failed", "bold red")
    return made


def _remark(one: Channel, room: int) -> str:
    """The most telling of what fits: why deliveries do not arrive, or how quick they are."""
    troubled = bool(one.error and (one.waiting or one.failed))
    slow = f"p99 {words.milliseconds(one.p99_ms)}" if one.p99_ms is not None else ""
    if troubled and room >= ERROR_LEAST:
        return one.error
    return next((text for text in (_latency(one), slow) if len(text) <= room), "")


def _latency(one: Channel) -> str:
    if one.p50_ms is None:
        return ""
    return f"p50 {words.milliseconds(one.p50_ms)}  p99 {words.milliseconds(one.p99_ms)}"
