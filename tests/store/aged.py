"""A store with something of every age in every pruned table, what prunes it, and a look at whether it is whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.store.makers import FRIDAY_US, a_tick, a_transition
from tradeassistd.base.amounts import DAY_S
from tradeassistd.base.clock import ManualClock, WallClock
from tradeassistd.base.config import KeepSettings, kept_instead
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import Gap
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.silences import Silence
from tradeassistd.engine.transition import Kind, State
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.market.session import ALWAYS, trading_day
from tradeassistd.store import official
from tradeassistd.store.bars import select_stretches
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.official import DayAnswer, Span, select_spans
from tradeassistd.store.records import Alert, Decided, Delivery, DeliveryState
from tradeassistd.store.retention import Pruned, Retention
from tradeassistd.store.tape import Tape
from tradeassistd.store.writer import Store

DAY_US = DAY_S * US_PER_S
MINUTE_US = 60 * US_PER_S
FOREVER = kept_instead(KeepSettings(), [f"{name}=forever" for name in KeepSettings.model_fields])
TEN_DAYS = kept_instead(KeepSettings(), [f"{name}=10d" for name in KeepSettings.model_fields])


def ago(days: float) -> int:
    return FRIDAY_US - round(days * DAY_US)


def a_bar(start_us: int, symbol: str = "SPY", interval: str = "1m") -> Bar:
    start_us -= start_us % MINUTE_US
    return Bar(symbol, interval, ALWAYS, start_us, start_us + MINUTE_US, 1, 2, 1, 2, 10, 3)


def an_alert(event_us: int, *deliveries: Delivery, symbol: str = "/ES", kind: Kind = Kind.FIRED) -> Decided:
    transition = a_transition(event_us, symbol=symbol, kind=kind)
    alert = Alert(transition.alert_id, transition, "warning", "title", "text", "hash")
    made = tuple(
        Delivery(alert.id, one.channel, one.state, created_us=event_us, folded_into=one.folded_into)
        for one in deliveries or (Delivery("", "slack", DeliveryState.SENT),)
    )
    return Decided(event_us, (transition,), (alert,), made)


def a_change(event_us: int) -> Decided:
    """A transition that is no alert."""
    return Decided(event_us, (a_transition(event_us, kind=Kind.CLEARED, state=State.OK),))


def a_rule_set(name: str) -> RuleSet:
    texts = ((f"{name}.yaml", f"rules of {name}"), ("same.yaml", "the same in all"))
    return RuleSet(rules=(), hash=name, texts=texts)


async def a_day_of_tape(directory: Path, at_us: int, ticks: int = 3) -> str:
    """The name of its file."""
    tape = await Tape.open(directory, at_us, clock=ManualClock(at_us))
    await tape.write([a_tick(at_us + number) for number in range(ticks)])
    await tape.close()
    return tape.path.name


async def fill(store: Store, ages: list[float]) -> None:
    """A row of each kind of so many days ago."""
    for age in ages:
        await a_day_of_tape(store.directory, ago(age))
        await store.commit(an_alert(ago(age)), [])
        await store.commit(a_change(ago(age) + 1), [])
        await store.save_bars([a_bar(ago(age)), a_bar(ago(age), "/ES")], [Stretch("SPY", ago(age), ago(age - 0.5))])
        await store.save_gaps([Gap(ago(age), ago(age + 0.01), ago(age), "the wire dropped", ("SPY",))])
        await store.note_audit(ago(age), "ack", {"rule": "r"})
        await store.save_rules(a_rule_set(f"set-{age:04}"), "", event_us=ago(age))
        await store.transaction(lambda raw, age=age: _official(raw, age))  # type: ignore[misc]


def _official(raw: sqlite3.Connection, age: float) -> None:
    for interval in ("1m", "5m", "1d"):
        official.insert_official(raw, [a_bar(ago(age), "SPY", interval)], "rest", ago(age))
        day = trading_day(ago(age))[0]
        answer = DayAnswer("SPY", interval, f"{day[:4]}-{day[4:6]}-{day[6:]}", "stored", "", 1, True)
        official.upsert_day(raw, answer, ago(age))
    official.insert_span(raw, Span("SPY", ago(age), ago(age - 0.5)), "rest", ago(age))


async def a_silence(store: Store, number: int, age: float) -> None:
    silence = Silence(ago(age), ago(age) + US_PER_S, rules=("r",), number=number, by="ann")
    await store.commit(Decided(ago(age), (), silences=(silence,)), [])


def counts(directory: Path) -> dict[str, int]:
    raw = sqlite3.connect(directory / MAIN_FILE)
    tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: raw.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    raw.close()
    return found


def check_whole(directory: Path) -> None:
    """What holds of a store at every moment, also between two steps of a removal."""
    raw = sqlite3.connect(directory / MAIN_FILE)
    try:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        lone = "SELECT count(*) FROM alerts WHERE id NOT IN (SELECT alert_id FROM deliveries)"
        assert raw.execute(lone).fetchone() == (0,)
        assert raw.execute("SELECT count(*) FROM rule_texts WHERE number NOT IN (SELECT text_number FROM rules)"
                           ).fetchone() == (0,)  # fmt: skip
        # Every span that is said to be whole still has the bar it began with in `fill`.
        for table, spans in (("bars", select_stretches(raw, "SPY")), ("official_bars", select_spans(raw, "SPY"))):
            for span in spans:
                bars = f"{table} WHERE symbol = 'SPY' AND interval = '1m' AND end_us > ? AND start_us < ?"
                (there,) = raw.execute(f"SELECT count(*) FROM {bars}", (span.from_us, span.to_us)).fetchone()
                assert there >= 1, (table, span)
    finally:
        raw.close()


async def pruned(store: Store, keep: KeepSettings = TEN_DAYS, now_us: int = FRIDAY_US) -> Pruned:
    return await Retention(store, keep, WallClock()).prune(now_us=now_us)
