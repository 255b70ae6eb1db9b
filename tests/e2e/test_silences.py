"""Silences said to the live path: durable, audited, taken up by a restart, and the same in a replay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_acknowledge import MINUTE_S, MONDAY_US, RULES, desk
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.engine.transition import Kind
from tradeassistd.history.replay import replay
from tradeassistd.live import ledger
from tradeassistd.rules.load import load_texts
from tradeassistd.store import queries

HIGH = Silence(0, 0, rules=("high",), reason="lunch", by="ann")


def after(seconds: int) -> int:
    """So long after the opening."""
    return MONDAY_US + seconds * US_PER_S


async def test_what_is_said_is_durable_when_the_answer_comes_and_outlives_restarts(tmp_path: Path) -> None:
    rule_set = load_texts({"rules.yaml": RULES}).rule_set
    async with desk(tmp_path) as here:
        here.begin()
        said = await here.silencing.silence(HIGH, lambda now_us: now_us + 3600 * US_PER_S)
        assert (said.number, said.until_us - said.event_us) == (1, 3600 * US_PER_S)
        assert queries.silences(tmp_path, said.event_us) == (said,)
        (tape,) = queries.tape_paths(tmp_path)
        assert said in list(queries.read_tape(tape))
        ((at_us, kind, body),) = queries.audit(tmp_path)
        assert (at_us, kind, body["rules"], body["by"], body["reason"]) == (
            said.event_us, "silence", ["high"], "ann", "lunch",
        )  # fmt: skip
        here.row(MINUTE_S, 101.0)
        assert [one.suppressed for one in here.transitions if one.rule_id == "high"] == ["silence"]
        before = here.transitions
    async with desk(tmp_path) as here:
        here.begin(30 * MINUTE_S)
        here.row(30 * MINUTE_S, 101.0)
        assert here.kinds() == []
        other = await here.silencing.silence(Silence(0, 0, symbols=("/NQ",)), lambda _: after(7200))
        assert other.number == 2
        here.row(61 * MINUTE_S, 101.0)
        assert here.kinds() == [Kind.TOLD]
        assert [(one.rule_id, one.since_us) for one in here.transitions if one.kind is Kind.TOLD] == [
            ("high", before[0].since_us)
        ]
        assert queries.silences(tmp_path, after(61 * MINUTE_S)) == (other,)
        again = here.transitions
    assert [one.channel for decided in here.decided for one in decided.deliveries] == ["desk"]
    assert list(replay(list(queries.read_tape(tape)), lambda _: rule_set)) == before + again


async def test_one_that_is_ended_tells_what_it_kept_back_and_is_not_taken_up_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.begin()
        said = await here.silencing.silence(HIGH, lambda now_us: now_us + 3600 * US_PER_S)
        here.row(MINUTE_S, 101.0)
        assert await here.silencing.end(said.number, "bob") == said
        assert [event.by for event, _ in here.seen if isinstance(event, SilenceEnd)] == ["bob"]
        here.row(MINUTE_S + 2, 101.0)
        assert here.kinds() == [Kind.FIRED, Kind.TOLD]
        with pytest.raises(PermanentError, match="no silence in force has the number 1"):
            await here.silencing.end(said.number, "bob")
        assert [kind for _, kind, _ in queries.audit(tmp_path)] == ["silence.end", "silence"]
        assert queries.silences(tmp_path, said.event_us) == ()
    async with desk(tmp_path) as here:
        here.begin(10 * MINUTE_S)
        assert (await here.silencing.silence(HIGH, lambda now_us: now_us + 5)).number == 2


async def test_what_cannot_be_is_said_and_changes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        with pytest.raises(TransientError, match="nothing has been received yet"):
            await here.silencing.silence(HIGH, lambda now_us: now_us + 1)
        here.begin()
        with pytest.raises(PermanentError, match=r"rule hihg fits no rule in force \(did you mean high"):
            await here.silencing.silence(Silence(0, 0, rules=("hihg",)), lambda now_us: now_us + 1)
        with pytest.raises(PermanentError, match="rule high, symbol SPY fits no rule"):
            await here.silencing.silence(Silence(0, 0, rules=("high",), symbols=("SPY",)), lambda now_us: now_us + 1)
        with pytest.raises(PermanentError, match="that time has passed"):
            await here.silencing.silence(HIGH, lambda now_us: now_us)
        with pytest.raises(PermanentError, match=r"number 0 \(those of _silences.yaml"):
            await here.silencing.end(0, "")
        assert queries.audit(tmp_path) == []
        assert not [event for event, _ in here.seen if isinstance(event, Silence | SilenceEnd)]
        assert (await here.silencing.silence(HIGH, lambda now_us: now_us + 1)).number == 1


async def test_there_is_an_end_to_how_many_are_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeassistd.live.silencing.SAID_MAX", 2)
    async with desk(tmp_path) as here:
        here.begin()
        for _ in range(2):
            await here.silencing.silence(HIGH, lambda now_us: now_us + 60 * US_PER_S)
        with pytest.raises(PermanentError, match="2 silences are in force already"):
            await here.silencing.silence(HIGH, lambda now_us: now_us + 60 * US_PER_S)
        here.row(2 * MINUTE_S)
        assert (await here.silencing.silence(HIGH, lambda now_us: now_us + 60 * US_PER_S)).number == 3


async def test_a_disk_that_takes_nothing_is_said_and_the_silence_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "STORED_WITHIN_S", 0.01)
    async with desk(tmp_path, ledger=False) as here:
        here.begin()
        with pytest.raises(TransientError, match="silenced, but not stored yet"):
            await here.silencing.silence(HIGH, lambda now_us: now_us + 3600 * US_PER_S)
        here.row(MINUTE_S, 101.0)
        assert [one.suppressed for one in here.transitions if one.rule_id == "high"] == ["silence"]


async def test_the_end_of_a_firing_that_was_told_is_stored_and_sent_nowhere(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        here.begin()
        here.row(1, 101.0)
        await here.silencing.silence(HIGH, lambda now_us: now_us + 3600 * US_PER_S)
        here.row(MINUTE_S, 99.0)
    ends = [alert for decided in here.decided for alert in decided.alerts if alert.transition.kind is Kind.CLEARED]
    assert [alert.suppressed for alert in ends] == ["silence"]
    sent = [one.alert_id for decided in here.decided for one in decided.deliveries]
    assert ends[0].id not in sent
