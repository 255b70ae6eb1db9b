"""The view at every size: nothing wider than the terminal, the facts that matter on it, and never an exception."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.cli.snapshots import ALERTS, EMPTY, FULL, MONDAY_US, QUOTES, RULES, a_quote, a_rule, an_alert
from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view.draw import draw, whole_height
from tradeassistd.cli.view.look import ASCII, UNICODE, Look, look_for
from tradeassistd.cli.view.screen import Picture
from tradeassistd.cli.view.snapshot import Alert, Channel, Distance, Feed, Quote, Rule, Sent, Snapshot

SIZES = [(40, 10), (80, 24), (120, 36), (200, 50)]


def text_of(shown: Snapshot, width: int, height: int, look: Look = UNICODE) -> str:
    return "\n".join(line.plain for line in draw(shown, width, height, look))


def row_of(text: str, start: str) -> str:
    """The part that begins with `start` of a line; of the first that does so altogether, if one does."""
    lines = [line for line in text.splitlines() if start in line]
    line = min(lines, key=lambda one: not one.startswith(start))
    return line[line.index(start) :]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("look", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_it_fills_the_screen_and_no_more(width: int, height: int, look: Look) -> None:
    lines = draw(FULL, width, height, look)
    assert len(lines) == height
    assert max(line.cell_len for line in lines) <= width
    if look is ASCII:
        assert all(line.plain.isascii() for line in lines)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_what_matters_is_on_every_screen(width: int, height: int) -> None:
    text = text_of(FULL, width, height)
    assert "live 0.2 s" in text and "412 ticks/s" in text
    assert "6,882.25" in text and "-0.07%" in text
    assert "10:09:37" in text and "$TICK" in text
    assert "futures-fast-drop" in text
    assert "q quit" in text


def test_80_columns_hold_quotes_rules_and_alerts_beside_each_other() -> None:
    text = text_of(FULL, 80, 24)
    assert "Mon 16 Nov 10:09:37 New York" in text
    assert row_of(text, "QQQ  ").split()[1:3] == ["612.40", "+0.03%"]
    assert row_of(text, "SPY  ").split()[4] == "14M"
    assert row_of(text, "$TICK").split()[1] == "-921"  # whole numbers, and no change: it has no day before
    assert row_of(text, "▲ futures-fast-drop").split()[1:] == ["futures-fast-drop", "/NQ", "━━━━━", "3"]
    assert "◐ selling-pressure" in text
    assert "desktop ✓  slack …  sound ↻" in text
    assert "Fell 0.3 percent within five minutes." in text
    assert "21 delivered ✓  2 waiting  1 failed" in text


def test_more_room_shows_more() -> None:
    text = text_of(FULL, 120, 36)
    assert "Mon 16 Nov 2026" in text
    assert "futures-ema-cross-up (late)" in text
    assert row_of(text, "desktop  8").split()[3:7] == ["p50", "7", "ms", "p99"]
    assert "0.04%" in row_of(text, "· spy-average")
    assert "131K rows, 14 MB" in text
    wide = text_of(FULL, 200, 50)
    assert "6,882.00 · 6,882.25" in wide
    assert "205 GB free" in wide
    assert "Gold closed on the other side" in wide


def test_what_does_not_fit_is_counted_and_is_what_matters_least() -> None:
    shown = replace(FULL, quotes=QUOTES * 3, rules=tuple(replace(one, told=0, told_us=0) for one in RULES))
    text = text_of(shown, 80, 18)
    assert "and 34 more" in text
    assert "▲ futures-fast-drop" in text and "▲ tick-extreme" in text and "◐ selling-pressure" in text
    assert "oil-hourly-drop" not in text
    assert "and 9 more" in text


def test_a_small_screen_keeps_the_firing_rules_and_the_newest_alert() -> None:
    text = text_of(FULL, 40, 10)
    assert "▲ 2 firing: futures-fast-drop" in text
    assert "$TICK   -921.00  tick-extre…" in text
    # Wide but low: the quotes stand beside each other.
    low = text_of(FULL, 100, 12)
    assert [part for part in row_of(low, "/CL").split() if part.startswith("/")] == ["/CL", "/ES", "/GC"]


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (EMPTY, "daemon starting"),
        (replace(FULL, daemon=view.STOPPED), "daemon stopped"),
        (replace(FULL, paused=True), "paused"),
        (replace(FULL, feed=Feed("backoff", "", 12.0, 0.0)), "backoff 12 s"),
        (replace(FULL, troubles=("2 rule problems: a.yaml:1:1: x",)), "2 rule problems"),
        (replace(FULL, speed=60.0), "60x"),
        (replace(FULL, note="what you see"), "what you see"),
    ],
)
def test_states_are_said_in_words(shown: Snapshot, words: str) -> None:
    assert words in text_of(shown, 80, 24)


def test_nothing_is_told_by_colour_alone() -> None:
    signs = [UNICODE.states[state] for state in (view.OK, view.PENDING, view.FIRING, view.WARMING, view.UNKNOWN)]
    for look in (UNICODE, ASCII):
        assert len(set(look.states.values())) == len(look.states)
        assert len(set(look.severities.values())) == len(look.severities)
        # Waiting and being sent look alike on purpose: both mean that it is on its way.
        assert len(set(look.deliveries.values())) == len(look.deliveries) - 1
    text = text_of(FULL, 120, 36)
    assert all(sign in text for sign in signs)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    def printed() -> str:
        console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24, color_system="truecolor")
        console.print(Picture(FULL, UNICODE))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m" in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    without = printed()
    assert "\x1b[1m" in without  # bold is no colour
    assert not [number for number in range(30, 38) if f"\x1b[{number}m" in without or f";{number}m" in without]


def test_a_text_cannot_drive_the_terminal() -> None:
    nasty = replace(ALERTS[0], words="\x1b[2J\x07gone\nline\t\u202e\u200b", description="", rule="r\x9b31m")
    for width, height in SIZES:
        text = text_of(replace(FULL, alerts=(nasty,), program="\x1b]0;x\x07"), width, height)
        assert all(one.isprintable() or one == "\n" for one in text)


def test_a_broken_pipe_of_an_encoding_gets_plain_letters() -> None:
    assert look_for("utf-8") is look_for("UTF8") is look_for("utf_8") is UNICODE
    assert look_for("ascii") is look_for("iso-8859-1") is look_for("") is ASCII
    shown = replace(FULL, alerts=(replace(ALERTS[0], rule="größe-日本"),))
    assert "gr??e-??" in text_of(shown, 80, 24, ASCII)


def test_the_bar_is_full_only_when_it_fires() -> None:
    assert UNICODE.bar(1.0, 5) == ("━━━━━", "")
    assert UNICODE.bar(0.999, 5) == ("━━━━", "─")
    assert UNICODE.bar(0.0, 5) == ("", "─────")
    assert UNICODE.bar(0.5, 1) == ("", "─")
    assert UNICODE.bar(7.0, 2) == ("━━", "")
    assert UNICODE.bar(-7.0, 2) == UNICODE.bar(float("nan"), 2) == ("", "──")


def test_the_sparkline_spans_its_values() -> None:
    assert UNICODE.sparkline((1, 2, 3, 9), 8) == "▁▁▂█"
    assert UNICODE.sparkline((5, 5, 5), 8) == "▄▄▄"
    assert UNICODE.sparkline((9, 1, 2), 2) == "▁█"  # only what fits sets the scale
    assert UNICODE.sparkline((1,), 8) == UNICODE.sparkline((1, 2), 0) == ""


def test_everything_is_there_when_nothing_limits_the_height() -> None:
    many = replace(FULL, alerts=tuple(an_alert(one, f"rule-{one}", "/ES", "1", "info") for one in range(30)))
    for shown in (FULL, many):
        text = text_of(shown, 120, whole_height(shown))
        assert all(rule.id in text for rule in shown.rules)
        assert all(f"{alert.rule}" in text for alert in shown.alerts)
        assert "more" not in text


texts = st.text(max_size=30)
numbers = st.integers(-(2**70), 2**70)
quotes = st.builds(
    Quote, texts, st.integers(0, 10**9), *[st.none() | numbers] * 5, st.lists(numbers, max_size=5).map(tuple)
)
rules = st.builds(
    Rule, texts, st.lists(texts, max_size=3).map(tuple), st.sampled_from([*UNICODE.states, "odd"]), texts, texts, texts,
    st.none() | st.builds(Distance, st.none() | st.floats(), texts), st.integers(0, 10**12), numbers, st.booleans(),
)  # fmt: skip
sent = st.builds(Sent, texts, st.sampled_from([*UNICODE.deliveries, "odd"]))
alerts = st.builds(Alert, numbers, *[texts] * 7, st.lists(sent, max_size=5).map(tuple), st.booleans())
counts = st.integers(0, 10**30)
latencies = st.none() | st.floats(min_value=0, allow_nan=False)
snapshots = st.builds(
    Snapshot, texts, texts, texts, texts, numbers, st.none() | st.floats(), st.booleans(),
    st.builds(Feed, texts, texts, latencies, latencies), st.lists(quotes, max_size=30).map(tuple),
    st.lists(rules, max_size=30).map(tuple), st.lists(alerts, max_size=30).map(tuple),
    st.lists(st.builds(Channel, texts, counts, counts, counts, texts, latencies, latencies), max_size=5).map(tuple),
    counts, counts, counts, counts, st.none() | counts, st.lists(texts, max_size=2).map(tuple),
)  # fmt: skip


@given(snapshots, st.integers(0, 220), st.integers(0, 60), st.sampled_from([UNICODE, ASCII]))
def test_whatever_comes_is_drawn_within_the_screen(shown: Snapshot, width: int, height: int, look: Look) -> None:
    lines = draw(shown, width, height, look)
    assert len(lines) <= height
    for line in lines:
        assert line.cell_len <= width
        assert line.plain == "" or line.plain.isprintable()
        assert look is UNICODE or line.plain.isascii()


def test_a_fresh_alert_stands_out() -> None:
    old, fresh = (
        draw(replace(FULL, alerts=(replace(ALERTS[0], fresh=one),)), 80, 24, UNICODE) for one in (False, True)
    )
    assert [line.plain for line in old] == [line.plain for line in fresh]
    assert [line.spans for line in old] != [line.spans for line in fresh]


def test_one_symbol_stands_for_many_until_one_matters() -> None:
    quiet = replace(a_rule("several", "/ES /NQ /YM"), symbol="")
    assert "/ES +2" in text_of(replace(FULL, rules=(quiet,)), 200, 50)
    busy = replace(quiet, symbol="/NQ", state=view.FIRING)
    assert "/NQ " in row_of(text_of(replace(FULL, rules=(busy,)), 200, 50), "▲ several")


def test_a_treasury_future_keeps_its_fractions() -> None:
    shown = replace(FULL, quotes=(a_quote("/ZN", 118.015625, 118.0),), now_us=MONDAY_US)
    assert "118.015625" in text_of(shown, 120, 36)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_symbol_whose_data_is_not_as_it_should_be_says_so_in_place_of_its_change(width: int, height: int) -> None:
    quotes = tuple(replace(one, remark="delayed" if one.symbol == "/ES" else "") for one in QUOTES)
    lines = text_of(replace(FULL, quotes=quotes), width, height)
    assert "delaye" in row_of(lines, "/ES")[: max(width // 2, 24)]
    assert max(map(len, lines.splitlines())) <= width


def test_a_feed_that_is_not_live_shows_for_how_long_and_when_it_was_last_heard() -> None:
    feed = Feed("backoff", "no answer", 400.0, 0.0, in_state_s=125.0, frame_age_s=161.0)
    assert "backoff 2 min, heard 3 min ago" in text_of(replace(FULL, feed=feed), 80, 24)


def test_a_quiet_market_with_heartbeats_is_no_alarm() -> None:
    def style_of(feed: Feed) -> str:
        line = draw(replace(FULL, feed=feed), 80, 24, UNICODE)[0]
        start = line.plain.index(UNICODE.dot)
        return next(str(span.style) for span in line.spans if span.start <= start < span.end)

    assert style_of(Feed("live", "", 900.0, 0.0, 50.0, frame_age_s=4.0)) == "green"
    assert style_of(Feed("live", "", 900.0, 0.0, 50.0, frame_age_s=31.0)) == "yellow"
    assert style_of(Feed("live", "", 31.0, 0.0, 50.0)) == "yellow"  # a daemon that does not say
