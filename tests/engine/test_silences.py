"""Silences: what they lie over, what they keep back, and what is told when they end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.engine.market import Market
from tests.engine.test_telling import market, rise, rule, said
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Note, Start
from tradeassistd.engine.rule import Fire, RuleSet
from tradeassistd.engine.silences import Silence, SilenceEnd, Silences
from tradeassistd.engine.transition import Kind, State

FOR_EVER_US = 2**62


# --- what one lies over ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silence", "fits"),
    [
        ({"rules": ("es-*",)}, True),
        ({"rules": ("es",)}, False),
        ({"rules": ("ES-*",)}, False),
        ({"rules": ("nq-*", "es-levels")}, True),
        ({"symbols": ("/ES",)}, True),
        ({"symbols": ("/E?",)}, True),
        ({"symbols": ("ES",)}, False),
        ({"tags": ("over*",)}, True),
        ({"tags": ("level",)}, False),
        ({"rules": ("es-*",), "symbols": ("/NQ",)}, False),
        ({"rules": ("es-*",), "symbols": ("/ES",), "tags": ("levels",)}, True),
        ({}, True),
    ],
)
def test_every_part_must_fit_by_one_of_its_globs(silence: dict[str, Any], fits: bool) -> None:
    assert Silence(0, FOR_EVER_US, **silence).fits("es-levels", ("levels", "overnight"), "/ES") is fits


def test_a_rule_without_tags_has_none_that_fits() -> None:
    assert not Silence(0, FOR_EVER_US, tags=("*",)).fits("a", (), "/ES")


def test_of_several_the_one_that_ends_last_counts_and_one_that_is_over_never() -> None:
    silences = Silences([Silence(0, 50, rules=("a",)), Silence(0, 10)])
    silences.begin(Silence(20, 90, rules=("b",), number=1))
    silences.begin(Silence(30, 40, rules=("a",), number=2))
    found = silences.over("a", (), "SPY", 30)
    assert found is not None and found.until_us == 50
    assert [one.until_us for one in silences.in_force(30)] == [50, 90, 40]
    assert silences.over("a", (), "SPY", 49) is not None
    assert silences.over("a", (), "SPY", 50) is None
    silences.end(1)
    assert silences.over("b", (), "SPY", 31) is None


# --- the gate --------------------------------------------------------------------------------------------------------


def test_what_fires_is_stored_and_told_when_the_silence_ends_if_it_still_does() -> None:
    here = market(rule())
    here.silence(60)
    until_us = here.now_us + 60 * US_PER_S
    assert rise(here) == [("fired", "silence")]
    began_us = here.now_us
    assert here.engine.machines[0].state.state is State.FIRING
    assert here.wait(58) == []
    (told,) = here.wait(2)
    assert (told.kind, told.suppressed, told.since_us) == (Kind.TOLD, "", began_us)
    assert until_us <= told.event_us < until_us + US_PER_S
    assert here.wait(120) == []


def test_the_microsecond_at_which_it_is_over_tells_again() -> None:
    for off_us, reason in ((-1, "silence"), (0, "")):
        here = market(rule())
        here.silence(10)
        until_us = here.now_us + 10 * US_PER_S
        here.now_us = until_us + off_us - 1
        assert said(here.trade("SPY", "101")) == [("fired", reason)]


def test_what_is_over_before_the_silence_ends_is_never_told() -> None:
    here = market(rule())
    here.silence(10)
    rise(here)
    here.trade("SPY", "99")
    assert here.wait(60) == []
    assert rise(here) == [("fired", "")]


def test_an_event_that_a_silence_kept_back_is_over_at_once_and_a_latched_one_is_told() -> None:
    here = market(rule("price crosses 100"))
    here.silence(10)
    assert said(here.trade("SPY", "101")) == [("fired", "silence")]
    assert here.wait(60) == []
    here = market(rule("price crosses 100", clear_when="price < 95"))
    here.silence(10)
    assert said(here.trade("SPY", "101")) == [("fired", "silence")]
    assert said(here.wait(60)) == [("told", "")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mode": "shadow"}, "mode"),
        ({"fire": Fire("once")}, "spent"),
        ({"max_per_session": 1}, "spent"),
        ({"cooldown_s": 600}, "cooldown"),
        ({}, "silence"),
    ],
)
def test_it_is_asked_last(fields: dict[str, Any], reason: str) -> None:
    here = market(rule(**fields))
    rise(here)
    here.silence(600)
    assert rise(here) == [("fired", reason)]


def test_a_silenced_alert_spends_nothing_and_starts_no_cooldown() -> None:
    here = market(rule(fire=Fire("once"), cooldown_s=3600))
    here.silence(10)
    assert rise(here) == [("fired", "silence")]
    here.trade("SPY", "99")
    here.wait(10)
    assert rise(here) == [("fired", "")]


def test_of_a_cooldown_and_a_silence_the_later_end_counts() -> None:
    for cooldown_s, silence_s in ((30, 10), (10, 30)):
        here = market(rule(cooldown_s=cooldown_s))
        rise(here)
        began_us = here.now_us
        here.silence(silence_s)
        here.trade("SPY", "99")
        here.trade("SPY", "101")
        (told,) = here.wait(60)
        assert began_us + 30 * US_PER_S <= told.event_us <= began_us + 31 * US_PER_S


def test_only_what_it_lies_over_is_kept_back() -> None:
    here = Market((rule(symbols=("SPY", "QQQ")), replace(rule(), id="other", tags=("loud",))))
    for symbol in ("SPY", "QQQ"):
        here.image(symbol, "99")
    here.silence(60, rules=("r",), symbols=("SPY",))
    assert said(here.trade("SPY", "101")) == [("fired", "silence"), ("fired", "")]
    assert said(here.trade("QQQ", "101")) == [("fired", "")]
    here.trade("SPY", "99")
    here.silence(60, number=2, tags=("lo*",))
    assert said(here.trade("SPY", "101")) == [("fired", "silence"), ("fired", "silence")]


def test_reminders_go_on_unheard_and_keep_their_pauses() -> None:
    here = market(rule(repeat_s=(60, 300)))
    rise(here)
    here.wait(30)
    here.silence(90)
    assert said(here.wait(90)) == [("reminded", "silence")]
    assert said(here.wait(300)) == [("reminded", "")]


def test_the_end_of_a_firing_is_not_told_while_it_is_silenced() -> None:
    here = market(rule(on_clear="tell"))
    rise(here)
    here.silence(60)
    (cleared,) = here.trade("SPY", "99")
    assert (cleared.kind, cleared.tell, cleared.suppressed) == (Kind.CLEARED, True, "silence")
    here.wait(60)
    rise(here)
    (cleared,) = here.trade("SPY", "99")
    assert (cleared.kind, cleared.tell, cleared.suppressed) == (Kind.CLEARED, True, "")


def test_a_firing_nobody_heard_of_ends_without_a_word_whatever_lies_over_it() -> None:
    here = market(rule(on_clear="tell"))
    here.silence(60)
    rise(here)
    (cleared,) = here.trade("SPY", "99")
    assert (cleared.tell, cleared.suppressed) == (False, "")


# --- its end ---------------------------------------------------------------------------------------------------------


def test_ending_it_tells_what_it_kept_back_with_the_next_event() -> None:
    here = market(rule())
    here.silence(3600)
    rise(here)
    assert here.end_silence() == []
    assert said(here.wait(1)) == [("told", "")]


def test_ending_one_of_two_or_one_that_is_not_there_tells_nothing() -> None:
    here = market(rule())
    here.silence(3600, number=1)
    here.silence(1800, number=2)
    rise(here)
    here.end_silence(1)
    here.end_silence(7)
    assert here.wait(600) == []
    assert said(here.wait(1300)) == [("told", "")]


def test_a_longer_one_that_begins_meanwhile_takes_over() -> None:
    here = market(rule())
    here.silence(10, number=1)
    rise(here)
    here.silence(60, number=2)
    assert here.wait(50) == []
    assert said(here.wait(12)) == [("told", "")]


def test_one_that_ends_outside_the_session_tells_when_that_opens() -> None:
    here = market(rule(session="rth"))
    here.until("15:59:00")
    here.silence(600)
    rise(here)
    here.until("16:30:00")
    assert [one.suppressed for one in here.fired()] == ["silence"]
    here.now_us += 17 * 3600 * US_PER_S + 1800 * US_PER_S - 30 * 60 * US_PER_S
    here.until("09:29:00")
    assert Kind.TOLD not in [one.kind for one in here.all]
    assert said(here.until("09:30:01"))[:1] == [("told", "")]


# --- the file, reloads, restarts -------------------------------------------------------------------------------------


def written(for_s: int, here: Market, **globs: Any) -> Silence:
    return Silence(0, here.now_us + for_s * US_PER_S, **globs)


def test_the_silences_of_the_file_come_and_go_with_a_reload_and_leave_the_state_alone() -> None:
    here = market(rule())
    one = here.rules[0]
    here.reload(one, silences=(written(600, here, rules=("r",)),))
    assert rise(here) == [("fired", "silence")]
    since_us = here.engine.machines[0].state.since_us
    assert here.reload(one, silences=(written(900, here, symbols=("SPY",)),)) == []
    assert here.wait(700) == []
    assert here.reload(one) == []
    (told,) = here.wait(1)
    assert (told.kind, told.since_us) == (Kind.TOLD, since_us)


def test_a_reload_keeps_what_was_said() -> None:
    here = market(rule())
    here.silence(600)
    here.reload(rule(cooldown_s=5))
    assert rise(here) == [("fired", "silence")]
    here.reload(rule("price > 100.5"))
    assert here.engine.machines[0].state.untold
    here.trade("SPY", "99")
    assert rise(here) == [("fired", "silence")]


def test_a_restart_takes_up_what_was_said_and_what_it_kept_back() -> None:
    before = market(rule())
    before.silence(600)
    rise(before)
    states = tuple(before.engine.take_states())
    said_before = before.engine.silences.in_force(before.now_us)
    here = Market((rule(),), before.now_us, states, silences=said_before)
    here.image("SPY", "101")
    assert here.wait(590) == []
    assert said(here.wait(20)) == [("told", "")]
    again = Market((rule(),), before.now_us, states)  # without them it is told as soon as the rule is watched
    again.image("SPY", "101")
    again.wait(1)
    assert said(again.all) == [("told", "")]


def test_the_tape_says_the_same_again_bit_for_bit() -> None:
    here = market(rule(repeat_s=(60,), on_clear="tell"))
    here.silence(30, rules=("r",), symbols=("S*",))
    rise(here)
    here.wait(40)
    here.silence(600, number=2, tags=("x",))
    here.end_silence(2)
    here.trade("SPY", "99")
    here.wait(5)
    decoder = msgspec.json.Decoder(Note)
    notes = [one for one in here.events if isinstance(one, Silence | SilenceEnd | Start)]
    assert [decoder.decode(msgspec.json.encode(one)) for one in notes] == notes
    engine = Engine(RuleSet(here.rules, here.rules_hash))
    assert [found for event in here.events for found in engine.on_event(event)] == here.all


def test_a_tape_from_before_silences_still_reads() -> None:
    old = b'{"type":"start","event_us":5,"rules_hash":"x","states":[]}'
    assert msgspec.json.decode(old, type=Note) == Start(5, "x")
