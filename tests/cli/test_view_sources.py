"""Snapshots from a real store, and how pace, age and freshness are counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.makers import FRIDAY_US, a_decision, a_tick, a_transition
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view.snapshot import Feed, Sent, Snapshot
from tradeassistd.cli.view.source import Age, Fresh, Pace
from tradeassistd.cli.view.store_source import StoreSource
from tradeassistd.engine.events import Facts
from tradeassistd.engine.transition import Kind, Operand, RuleState, State
from tradeassistd.market.bar import Bar
from tradeassistd.market.price import PRICE_SCALE, price_from_float
from tradeassistd.market.session import ALWAYS
from tradeassistd.rules.load import load_texts
from tradeassistd.store.records import Alert, Decided, Delivery, DeliveryState
from tradeassistd.store.writer import Store

FRAME = Snapshot(program="tradeassist demo", note="note", hint="keys", speed=60.0)
RULES = """version: 1
rules:
  - {id: es-levels, symbols: [/ES], when: price crosses 5200, description: A level.}
  - {id: fast, symbols: [/ES, SPY], when: price > 5300, severity: critical}
  - {id: trial, symbols: [SPY], when: price > 1, mode: shadow}
  - {id: asleep, symbols: [SPY], when: price > 1, mode: off}
"""
DAY_US = 86_400 * US_PER_S


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "state", clock=ManualClock(FRIDAY_US))
    yield opened
    await opened.close()


def status(rules_hash: str = "", **changes: object) -> dict[str, object]:
    return {
        "clock": "market", "feed": {"state": "live", "reason": ""}, "counters": {"ticks": 1_000, "told": 1},
        "rules": {"hash": rules_hash[:12], "problems": []},
        "channels": {"slack": {"sent": 3, "waiting": 1, "failed": 1, "expired": 1, "last_error": "no",
                               "latency_ms_p50": 8.5, "latency_ms_p99": 40.0}},
        "store": {"tape_written": 77, "tape_error": ""},
    } | changes  # fmt: skip


async def test_until_the_daemon_has_said_whose_clock_it_goes_by_it_is_as_late_as_the_last_tick(store: Store) -> None:
    """A demo on a Sunday begins with its Monday, not with the computer's day and data that looks days old."""
    source = StoreSource(store.directory, ManualClock(FRIDAY_US + 2 * DAY_US), FRAME)
    assert source.look().now_us == 0
    store.record(a_tick(FRIDAY_US))
    await store.flush()
    shown = source.look()
    assert (shown.now_us, shown.feed.age_s) == (FRIDAY_US, 0.0)


async def test_the_picture_is_what_the_daemon_stored(store: Store) -> None:
    rule_set = load_texts({"rules.yaml": RULES}).rule_set
    await store.save_rules(rule_set, "", event_us=FRIDAY_US)
    prints = {rule.id: rule.fingerprint(rule.symbols[0]) for rule in rule_set.rules}
    told = a_decision(FRIDAY_US, "slack", "sound")
    old = a_decision(FRIDAY_US - DAY_US, "slack")
    await store.commit(old, [])
    await store.commit(
        told, [RuleState("fast", "SPY", 0, prints["fast"], State.FIRING, FRIDAY_US, FRIDAY_US, FRIDAY_US)]
    )
    sent = Delivery(told.alerts[0].id, "slack", DeliveryState.SENT, 1, FRIDAY_US, FRIDAY_US)
    assert await store.mark(sent)
    judged = [RuleState("es-levels", "/ES", 0, prints["es-levels"], State.OK, FRIDAY_US),
              RuleState("fast", "/ES", 0, prints["fast"], State.OK, FRIDAY_US),
              RuleState("trial", "SPY", 0, "another condition", State.FIRING, FRIDAY_US)]  # fmt: skip
    await store.save_states(judged)
    minute = 60 * US_PER_S
    await store.save_bars([
        Bar("/ES", "1m", ALWAYS, FRIDAY_US + minute * number, FRIDAY_US + minute * (number + 1),
            *(price_from_float(5_190.0 + number),) * 4, 10, 3)
        for number in range(3)
    ])  # fmt: skip
    store.record(Facts(FRIDAY_US + 1, "/ES", prev_close=price_from_float(5_100.0), open=price_from_float(5_150.0)))
    store.record(Facts(FRIDAY_US + 2, "SPY", open=price_from_float(500.0)))
    store.record(Facts(FRIDAY_US, "$TICK", prev_close=price_from_float(7.0)))
    store.record(a_tick(FRIDAY_US + 3, "SPY", 510.0))
    store.record(a_tick(FRIDAY_US + 4, "$TICK", -921.0))
    store.record(a_tick(FRIDAY_US + 5, "/ES", 5_200.25))
    await store.flush()
    await store.save_status(status(rule_set.hash))

    shown = StoreSource(store.directory, ManualClock(), FRAME).look()

    assert (shown.program, shown.note, shown.hint, shown.speed) == ("tradeassist demo", "note", "keys", 60.0)
    assert (shown.daemon, shown.now_us, shown.tape_rows, shown.told) == (view.RUNNING, FRIDAY_US + 5, 77, 1)
    assert shown.feed == Feed("live", "", 0.0, None)
    assert shown.stored_bytes > 0 and shown.free_bytes
    futures, internal, stock = shown.quotes
    assert (futures.symbol, internal.symbol, stock.symbol) == ("/ES", "$TICK", "SPY")
    assert futures.reference == 5_100 * PRICE_SCALE
    assert [one / PRICE_SCALE for one in futures.recent] == [5_190.0, 5_191.0, 5_192.0, 5_200.25]
    assert futures.tick_size == PRICE_SCALE // 4
    assert stock.reference == 500 * PRICE_SCALE  # no close is known: the day's open
    assert internal.reference is None  # a breadth figure has no day before
    levels, fast, trial, asleep = shown.rules
    assert (levels.state, levels.told, levels.told_us, levels.description) == (view.OK, 1, FRIDAY_US, "A level.")
    assert (fast.state, fast.symbol, fast.severity) == (view.FIRING, "SPY", "critical")
    assert (trial.state, trial.shadow) == (view.UNKNOWN, True)  # the stored state is of another condition
    assert asleep.state == view.OFF
    newest, oldest = shown.alerts
    assert (newest.at_us, newest.symbol, newest.rule, newest.price) == (FRIDAY_US, "/ES", "es-levels", "5,200.25")
    assert newest.deliveries == (Sent("slack", "sent"), Sent("sound", "pending"))
    assert oldest.at_us == FRIDAY_US - DAY_US
    (channel,) = shown.channels
    assert (channel.name, channel.sent, channel.waiting, channel.failed, channel.p99_ms) == ("slack", 3, 1, 2, 40.0)
    assert shown.troubles == ()


async def test_the_daemon_ends_and_what_it_left_is_still_shown(store: Store) -> None:
    await store.commit(a_decision(FRIDAY_US, "slack"), [])
    await store.save_status(status(clock="wall"))
    clock = ManualClock(FRIDAY_US + US_PER_S)
    source = StoreSource(store.directory, clock, FRAME)
    assert source.look().daemon == view.RUNNING
    await store.close()
    clock.pass_time(2.0)
    shown = source.look()
    assert (shown.daemon, shown.feed.ticks_per_s, len(shown.alerts)) == (view.STOPPED, None, 1)
    assert shown.now_us == FRIDAY_US + US_PER_S  # a wall clock goes on


async def test_what_is_wrong_with_the_feed_and_with_a_symbol_is_seen(store: Store) -> None:
    store.record(a_tick(FRIDAY_US, "$TRIN"))
    store.record(a_tick(FRIDAY_US + 1, "SPY"))
    await store.commit(a_decision(FRIDAY_US + 2, "slack"), [])  # flushes the tape
    feed = {"state": "degraded", "reason": "not watched: NOPE", "in_state_s": 125.0, "frame_age_s": 2.5,
            "refused": {"NOPE": "code 19"}}  # fmt: skip
    quality = {"$TRIN": {"mute_since": "2026-11-20T15:02:11Z", "delayed": True}, "SPY": {"bad_prints": 3}}
    await store.save_status(status(feed=feed, symbols={"quality": quality}))
    shown = StoreSource(store.directory, ManualClock(FRIDAY_US), FRAME).look()
    assert (shown.feed.state, shown.feed.in_state_s, shown.feed.frame_age_s) == ("degraded", 125.0, 2.5)
    assert {one.symbol: one.remark for one in shown.quotes} == {"$TRIN": "mute", "SPY": ""}
    assert shown.troubles[:2] == ("not watched: NOPE", "NOPE not watched: code 19")
    assert any("mute since" in trouble for trouble in shown.troubles)


async def test_alerts_are_counted_once_and_from_the_trading_day_on(store: Store) -> None:
    await store.save_status(status(clock="wall"))
    await store.save_rules(load_texts({"rules.yaml": RULES}).rule_set, "", event_us=FRIDAY_US)
    clock = ManualClock(FRIDAY_US)
    source = StoreSource(store.directory, clock, FRAME)
    for number in range(3):
        await store.commit(a_decision(FRIDAY_US + number), [])
        assert source.look().told == number + 1
        assert source.look().told == number + 1
    silent = a_transition(FRIDAY_US + 9, suppressed="cooldown")
    await store.commit(Decided(silent.event_us, (silent,), (Alert("x", silent, "info", "t", "t", "h"),)), [])
    assert source.look().told == 3
    clock.advance(FRIDAY_US + 3 * DAY_US)
    assert source.look().told == 0
    assert [rule.told for rule in source.look().rules] == [0, 0, 0, 0]


async def test_a_reload_and_what_it_rejected_are_seen(store: Store) -> None:
    first = load_texts({"rules.yaml": RULES}).rule_set
    await store.save_rules(first, "", event_us=FRIDAY_US)
    await store.save_status(status(first.hash))
    source = StoreSource(store.directory, ManualClock(), FRAME)
    assert len(source.look().rules) == 4
    second = load_texts({"rules.yaml": RULES.replace("id: fast", "id: faster")}).rule_set
    await store.save_rules(second, "", event_us=FRIDAY_US + 1)
    problems = {"hash": second.hash[:12], "problems": ["a.yaml:1:1: no", "b.yaml:2:1: neither"]}
    faults = {"ticks": 1, "rule_faults": 2}
    await store.save_status(status(rules=problems, counters=faults, store={"tape_error": "disk full"}))
    shown = source.look()
    assert [rule.id for rule in shown.rules][1] == "faster"
    assert shown.troubles == ("tape: disk full", "2 rule problems: a.yaml:1:1: no", "2 rule faults")


@pytest.mark.parametrize(
    ("operand", "text", "value", "words"),
    [
        (Operand("price crosses any [5190, 5200]", 5200.25, 5200.0),
         "price crossed any [5190, 5200] (now 5,200.25 against 5,200.00)", 5200.25,
         "at 5,200.00: price crossed any [5190, 5200]"),
        (Operand("price crosses_above 5200", 5200.25, 5200.0), "price crossed above 5200 (now 5,200.25)", 5200.25,
         "price crossed above 5200"),
        (Operand("price outside [1, 2]", 5200.25, 2.0), "price is outside [1, 2] (now 5,200.25 against 2.00)", 5200.25,
         "price is outside [1, 2]"),
        (Operand("volume(1m) > avg", 900.0, 300.0), "volume(1m) > avg (now 900 against 300)", 900.0,
         "900 against 300: volume(1m) > avg"),
        (Operand("a", 1.0, 2.0), "Words of somebody's own.", 1.0, "Words of somebody's own."),
        (Operand("a", 1.0, 2.0), "", 1.0, ""),
    ],
)  # fmt: skip
async def test_what_happened_is_said_without_the_price_again(
    store: Store, operand: Operand, text: str, value: float, words: str
) -> None:
    transition = a_transition(FRIDAY_US, operands=(operand,), value=value, late=True, kind=Kind.FIRED)
    alert = Alert(transition.alert_id, transition, "info", "title", text, "hash", "For this.")
    await store.commit(Decided(FRIDAY_US, (transition,), (alert,)), [])
    await store.save_status(status())
    (shown,) = StoreSource(store.directory, ManualClock(), FRAME).look().alerts
    assert (shown.words, shown.remark, shown.description) == (words, "late", "For this.")


def test_without_a_store_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="Start tradeassistd once"):
        StoreSource(tmp_path, ManualClock(), FRAME).look()


async def test_only_what_comes_while_looking_is_fresh(store: Store) -> None:
    await store.save_status(status())
    await store.commit(a_decision(FRIDAY_US), [])
    clock = ManualClock()
    source = StoreSource(store.directory, clock, FRAME)
    assert [one.fresh for one in source.look().alerts] == [False]
    await store.commit(a_decision(FRIDAY_US + 1), [])
    assert [one.fresh for one in source.look().alerts] == [True, False]
    clock.pass_time(5.0)
    assert [one.fresh for one in source.look().alerts] == [False, False]


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True))
def test_fresh_is_what_was_not_there_before(before: list[str], after: list[str]) -> None:
    fresh = Fresh(5.0)
    assert fresh.of(0.0, before) == frozenset()
    assert fresh.of(1.0, after) == frozenset(after) - frozenset(before)


@given(st.integers(1, 5_000), st.floats(0.05, 2.0))
def test_a_steady_stream_has_a_steady_pace(per_look: int, every_s: float) -> None:
    pace = Pace()
    assert pace.per_s(0.0, 0) is None
    for look in range(1, 100):
        assert pace.per_s(look * every_s, look * per_look) == pytest.approx(per_look / every_s)


def test_a_pace_forgets_what_is_long_ago_and_starts_anew_with_the_counter() -> None:
    pace = Pace()
    for second in range(10):
        pace.per_s(float(second), second * 100)
    for second in range(10, 17):
        last = pace.per_s(float(second), 900)
    assert last == 0.0
    assert pace.per_s(18.0, 5) is None
    assert pace.per_s(19.0, 15) == 10.0


def test_age_is_since_when_nothing_newer_was_seen() -> None:
    age = Age()
    assert age.seconds(0.0, 0) is None
    assert age.seconds(1.0, 500, at_first_s=7.0) == 7.0
    assert age.seconds(2.0, 500) == 8.0
    assert age.seconds(3.0, 501) == 0.0
    assert age.seconds(4.5, 400) == 1.5  # an older quote is no news
