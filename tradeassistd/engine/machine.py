"""One level of one rule for one symbol: judges its condition, moves its state, and asks the gates whether to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine import counts
from tradeassistd.engine.compiled import Compiled
from tradeassistd.engine.conditions.kleene import UNKNOWN, Outcome
from tradeassistd.engine.conditions.leaves import SidedLeaf
from tradeassistd.engine.evidence import Evidence, gather, worded
from tradeassistd.engine.gates import AT_LOAD, HIGHER_LEVEL, LOG, Gates
from tradeassistd.engine.language.own import OwnFunctionError
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.silences import Silence, Silences
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.engine.texts import Texts
from tradeassistd.engine.transition import Kind, RuleState, State, Transition
from tradeassistd.market.active import active_window_at
from tradeassistd.market.session import Window, day_minute_us, trading_window_at, window_at

RULE_CHANGED, RULE_REMOVED, SESSION_END, EXPIRED = "rule_changed", "rule_removed", "session_end", "expired"
"""Why a firing ended other than by its condition."""
AT_GRACE_US = 2 * US_PER_S
"""A judging of `at(...)` that comes later than this is late."""
DAY_US = 86_400 * US_PER_S


@dataclass(slots=True)
class Ladder:
    """What the levels of one rule and symbol know of each other: the last rise, and at which level."""

    risen_us: int = 0
    level: int = 0


class Machine(Compiled):
    """The state machine of one (rule, symbol, level). Times are event times; nothing here knows another clock."""

    def __init__(
        self, rule: Rule, symbol: str, level: int, order: int, ladder: Ladder, state_of: Callable[[str], SymbolState],
        silences: Silences,
    ) -> None:  # fmt: skip
        super().__init__(rule, symbol, level, state_of)
        self.order, self.ladder = order, ladder
        self._silences = silences
        self.due_us = 0
        """When the clock next has something to say to it; 0 when never."""
        self.dirty = False
        """The stored state is behind."""
        self.closes_us = 0
        """End of the session it was last judged in: at the first event past it, it is judged whatever changed."""
        self._gates = Gates(rule, self._own, silences)
        self._window: Window | None = None
        self._cut = False
        self._holds = False
        self._steady = False
        """It fires, and nothing is counted, waited for or shown later."""
        self._at_us = 0
        self._day_end_us = 0
        self._evidence: Evidence | None = None
        """What a firing last held by: when it is told later, the values may be unknown."""
        self.state = RuleState(rule.id, symbol, level, rule.fingerprint(symbol, level))
        self._attach(self.state)
        self.due_us = int(rule.evaluate.at_minute is not None or rule.expires_us > 0)  # the first event works it out

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.rule.id, self.symbol, self.state.level)

    @property
    def severity(self) -> str:
        """The severity of its level."""
        return self.rule.severity_of(self.state.level)

    def window_at(self, now_us: int) -> Window | None:
        """When it is watched around the instant (session and active windows), None outside."""
        instrument, word = self._own.instrument, self.rule.session
        window = window_at(instrument, word, now_us) if word else trading_window_at(instrument, now_us)
        if window is None or not self.rule.active:
            return window
        active = active_window_at(self.rule.active, now_us)
        if active is None:
            return None
        return Window(max(window.open_us, active.open_us), min(window.close_us, active.close_us))

    def is_expired(self, now_us: int) -> bool:
        """Whether the rule's `expires` has passed."""
        return 0 < self.rule.expires_us <= now_us

    def restore(self, state: RuleState) -> bool:
        """Take up a stored state; False when its condition was another one, so that it means nothing here."""
        if state.fingerprint != self.state.fingerprint or len(state.sides) != len(self.state.sides):
            return False
        self._take(state)
        if self._reads_day and state.judged_us:
            trading = trading_window_at(self._own.instrument, state.judged_us)
            self._day_end_us = trading.close_us if trading else 0
        self.cut()
        return True

    def resume(self, state: RuleState, now_us: int) -> None:
        """Go on from its stored state as of now; what is not stored it knows from having been judged up to here."""
        self._take(state)
        if not state.judged_us:  # it has been judged only to get here: whatever comes first is its first
            self.closes_us = 0
        self.dirty = self._steady = False
        self._set_timer(now_us)

    def _take(self, state: RuleState) -> None:
        self.state = replace(state, rule_id=self.rule.id, sides=list(state.sides))  # the event keeps its own
        self._attach(self.state)

    def was_judged(self, now_us: int, cut_us: int, seen_us: int) -> bool:
        """Whether it has been judged since it was last cut, at `cut_us` or by the opening of its session, when the last
        of what it is judged by came at `seen_us`."""
        evaluate, own, window = self.rule.evaluate, self._own, self.window_at(now_us)
        if window is None or evaluate.at_minute is not None:
            return False
        since_us = max(cut_us, window.open_us)
        if evaluate.interval:
            return own.bar_series(evaluate.interval).closed_until_us > max(own.live_us, since_us)
        return seen_us > since_us

    def rejoin(self, now_us: int, cut_us: int) -> None:
        """What was cut last at `cut_us` is closed when the stored state has been judged since, though nothing is known
        now; of several parts nobody can say which of them was known then."""
        window, judged_us = self.window_at(now_us), self.state.judged_us
        if window is None or judged_us <= max(cut_us, window.open_us):
            return
        self._watching(now_us)
        self._cut = False
        if len(self._steps) == 1 and isinstance(leaf := self._steps[0], SidedLeaf):
            leaf.rejoin()

    def adopt(self, rule: Rule, order: int, ladder: Ladder, state_of: Callable[[str], SymbolState]) -> Machine:
        """The rule was reloaded with the same condition: the state is kept, what else changed counts from now on."""
        before, self.order, self.ladder = self.rule, order, ladder
        if rule == before:
            self.rule = rule
            return self
        if rule.stale_after_s != before.stale_after_s or rule.rearm != before.rearm:
            return self._rebuilt(rule, state_of)
        if rule.session != before.session or rule.active != before.active:
            self._window, self.closes_us = None, 0
        self.rule = rule
        self._gates = Gates(rule, self._own, self._silences)
        self._texts = Texts(rule, self._own.instrument, state_of)
        if self.state.rule_id != rule.id:
            self.state.rule_id, self.dirty = rule.id, True
        self.due_us, self._steady = 1, False  # the next event works out what is due under the new terms
        return self

    def succeed(self, old: Machine, now_us: int) -> Iterator[Transition]:
        """The rule was reloaded with another condition: armed anew; a firing alert is judged once, else it ends."""
        self.state.told_us = old.state.told_us
        self.dirty = self.dirty or bool(old.state.told_us)  # a cooldown goes on after a restart, too
        if old.state.state is not State.FIRING:
            return
        self._watching(now_us)  # what comes next is watched, and no cut
        self.state.since_us = old.state.since_us
        if self._looked(now_us) and not self._is_event and self._condition.outcome().live:
            self.state.state, self.state.untold, self.state.judged_us = State.FIRING, old.state.untold, now_us
            self.state.was_told, self.state.acked = old.state.was_told, old.state.acked
            self.dirty = True
            self._set_timer(now_us)
        else:
            yield self._transition(now_us, Kind.CLOSED, RULE_CHANGED)
            self.state.since_us = 0
            for leaf in self._sided:
                leaf.forget()  # a changed condition has no side yet

    def _looked(self, now_us: int) -> bool:
        """Look outside a judging; False when a user's function raised, which its first judging will report."""
        try:
            for step in self._steps:
                step.look(now_us)
        except OwnFunctionError:
            return False
        return True

    def close(self, now_us: int, reason: str) -> Iterator[Transition]:
        """The rule is gone: a firing alert ends. The state stays as it is, for the rule may come back."""
        if self.state.state is State.FIRING:
            ended = self._transition(now_us, Kind.CLOSED, reason)
            yield replace(ended, state=State.OK)

    def cut(self) -> None:
        """Nobody watches until the next judging: what has changed by then was missed or is late."""
        if self.rule.evaluate.at_minute is None:  # once a day is all that rule ever looks
            self._lose(late=bool(self.state.judged_us))
        state = self.state
        if state.held_us or state.holding_us or state.clear_held_us or state.clearing_us:
            self.dirty = True  # a kill before the next judging must not bring back what was counted before the cut
        counts.restart(state)
        self._set_timer(self.state.judged_us)

    def _lose(self, *, late: bool) -> None:
        self._cut = late
        for leaf in self._sided:  # a side may be known before the whole condition ever was
            leaf.cut()

    def roll(self, now_us: int) -> None:
        """The contract behind the symbol is another one: no side means anything, and what is counted begins anew."""
        for leaf in self._sided:
            leaf.forget()
        counts.restart(self.state)
        self.dirty = True
        self._set_timer(now_us)

    def acknowledge(self, now_us: int) -> bool:
        """Somebody has seen the present firing: no more reminders. Whether there was one that had been told."""
        state = self.state
        if state.state is not State.FIRING or not state.was_told or state.acked:
            return False
        state.acked = self.dirty = True
        self._set_timer(now_us)
        return True

    def silence(self, now_us: int) -> Silence | None:
        """The silence that lies over it, of several the one that ends last."""
        return self._silences.over(self.rule.id, self.rule.tags, self.symbol, now_us)

    def hear(self) -> None:
        """A silence is over before its time: the next event works out whether what is untold is told now."""
        if self.state.untold:
            self.due_us = 1

    def judge(self, now_us: int) -> Iterable[Transition]:
        """Judge the condition once; every leg, no short circuit."""
        if 0 < self.rule.expires_us <= now_us or not self._watching(now_us):
            return ()
        for step in self._steps:
            step.look(now_us)
        self.dirty = True  # a side may have moved, whatever comes of it
        outcome = self._condition.outcome()
        if self._goes_on(outcome):
            self.state.judged_us = now_us
            return ()
        if outcome == UNKNOWN and self.state.state is State.OK and self.rule.rearm is None:
            return ()  # nothing is counted, nobody waits to be told
        return self._move(now_us, outcome)

    def _goes_on(self, outcome: Outcome) -> bool:
        """Whether nothing comes of a known result, which is so for nearly every row."""
        state = self.state
        if self._cut or not state.judged_us or self.rule.rearm is not None:
            return False
        if state.state is State.OK:
            return outcome.full is False and (self._is_event or (state.armed and outcome.live is False))
        return self._holds and outcome.live is True and self._clear is None and self._steady

    def _move(self, now_us: int, outcome: Outcome) -> Iterator[Transition]:
        """What comes of a result."""
        state = self.state
        self._gates.watch_move(state)
        firing, over = state.state is State.FIRING, self._is_over(outcome)
        if counts.pause(state, now_us, held=outcome.live is None, clear=over is None):
            self.dirty = True
        if (firing and over is not None) or outcome != (None, None):
            late, self._cut = self._cut, False
            since_us, state.judged_us = state.judged_us, now_us
            self._holds, self.dirty = bool(outcome.live), True
            if firing:
                yield from self._fires_on(now_us, outcome, over, late=late)
            elif self._is_event:
                yield from self._happened(now_us, outcome, since_us)
            else:
                yield from self._stands(now_us, bool(outcome.live), first=not since_us, late=late)
        yield from self._tell_now(now_us)
        self._set_timer(now_us)
        self._steady = (
            state.state is State.FIRING and not state.untold and not state.clearing_us and not self.rule.repeat_s
        )

    def bar_closed(self, now_us: int) -> Iterator[Transition]:
        """The bar of `each_bar` closed: while it is known to hold, it fires again."""
        state, known = self.state, not self._cut and self._condition.outcome().live
        if state.state is not State.FIRING or not known or state.since_us == now_us:
            return
        if self._watching(now_us) and not self.is_expired(now_us):
            yield from self._fire(now_us, Kind.FIRED, "")

    def run_timer(self, now_us: int) -> Iterator[Transition]:
        """What was due by now: an end, a judging at a time of day, a firing, a clear, a late telling, a reminder."""
        if not 0 < self.due_us <= now_us:
            return
        if self.is_expired(now_us):
            yield from self._end(now_us, EXPIRED)
            self.due_us = 0
            return
        if 0 < self._day_end_us <= now_us:
            yield from self._end(now_us, SESSION_END)
        # Coming back into the session is a cut, and a cut takes the time that `for` has counted.
        if self._watching(now_us):
            if self.rule.evaluate.at_minute is not None:
                yield from self._judge_at(now_us, self.rule.evaluate.at_minute)
            yield from self._run_counts(now_us)
        self._set_timer(now_us)

    def _run_counts(self, now_us: int) -> Iterator[Transition]:
        state, rule = self.state, self.rule
        if 0 < counts.held_due_us(state, rule) <= now_us:
            yield from self._rise(now_us, evidence=self._evidence)
        if 0 < counts.clear_due_us(state, rule) <= now_us:
            state.armed = self._is_event or not self._holds
            yield from self._falls(now_us, late=False)
        yield from self._tell_now(now_us)
        if 0 < counts.reminder_due_us(state, rule) <= now_us:
            state.reminded, state.reminded_us, self.dirty = state.reminded + 1, now_us, True
            yield self._transition(now_us, Kind.REMINDED, self._gates.unheard(now_us), evidence=self._evidence)

    def _judge_at(self, now_us: int, minute: int) -> Iterator[Transition]:
        """Once a day at its time: judged until the result is known, and then not before the next day."""
        judged_us, opened_us = self.state.judged_us, self._window.open_us if self._window else 0
        self._at_us = self._at_us or day_minute_us(now_us, minute)
        while self._at_us < opened_us or judged_us >= self._at_us:
            self._at_us = day_minute_us(self._at_us + DAY_US, minute)
        if now_us < self._at_us:
            return
        if now_us > self._at_us + AT_GRACE_US:
            self._lose(late=True)
        yield from self.judge(now_us)
        if self.state.judged_us != judged_us:
            self._at_us = day_minute_us(self._at_us + DAY_US, minute)

    def _is_over(self, outcome: Outcome) -> bool | None:
        """Whether what would end a firing is true; None: unknown."""
        if self._clear is not None:
            return self._clear.outcome().full
        return None if outcome.live is None else not outcome.live

    def _happened(self, now_us: int, outcome: Outcome, since_us: int) -> Iterator[Transition]:
        """An event rule: it fires and is over at once, unless `clear_when` latches it."""
        if not outcome.full:
            return
        state, kind = self.state, Kind.FIRED if outcome.live else Kind.MISSED
        refused = LOG if kind is Kind.MISSED and self.rule.catch_up == "log" else ""
        state.since_us = now_us if kind is Kind.FIRED else since_us
        if self._clear is not None:
            counts.begin_firing(state)
        yield from self._fire(now_us, kind, refused, late=kind is Kind.MISSED)
        if self._clear is None:
            state.since_us, state.was_told = 0, False
        else:
            self._evidence = gather(self._leaves)

    def _stands(self, now_us: int, holds: bool, *, first: bool, late: bool) -> Iterator[Transition]:
        """A state rule that does not fire: it rises when it holds, and fires when it has held for `for`."""
        state = self.state
        if not holds:
            state.armed = True
            yield from self._falls(now_us, late=late)
        elif state.state is State.PENDING:
            state.holding_us = state.holding_us or now_us  # it was unknown, or cut off, and holds again
        elif not state.armed:
            return
        elif first and self.rule.at_load == "quiet":
            state.since_us = now_us
            counts.begin_firing(state)
            yield self._transition(now_us, Kind.FIRED, AT_LOAD, late=late)
        elif self.rule.for_s:
            state.state, state.since_us, state.holding_us = State.PENDING, now_us, now_us
            yield self._transition(now_us, Kind.PENDING, late=late)
        else:
            state.since_us = now_us
            yield from self._rise(now_us, late=late)
        self._keep_evidence(holds)

    def _fires_on(self, now_us: int, outcome: Outcome, over: bool | None, *, late: bool) -> Iterator[Transition]:
        """It fires: `clear_when`, or the condition known not to hold, ends it after `keep_firing_for`."""
        state = self.state
        self._keep_evidence(bool(outcome.live))
        if over is False:
            state.clear_held_us = state.clearing_us = 0
        elif over and not self.rule.keep_firing_for_s:
            state.armed = self._is_event or outcome.live is False
            yield from self._falls(now_us, late=late)
        elif over:
            state.clearing_us = state.clearing_us or now_us

    def _keep_evidence(self, holds: bool) -> None:
        state = self.state
        waits = state.untold or state.state is State.PENDING or (self.rule.repeat_s and state.state is State.FIRING)
        if holds and waits:
            self._evidence = gather(self._leaves)

    def _rise(self, now_us: int, *, late: bool = False, evidence: Evidence | None = None) -> Iterator[Transition]:
        """It fires; the gates say whether anybody is told now."""
        counts.begin_firing(self.state)
        yield from self._fire(now_us, Kind.FIRED, "", late=late, evidence=evidence)

    def _fire(
        self, now_us: int, kind: Kind, refused: str, *, late: bool = False, evidence: Evidence | None = None
    ) -> Iterator[Transition]:
        """Ask the gates in their order, and say what became of it; `refused` is a reason of the rule's own."""
        state, ladder = self.state, self.ladder
        if ladder.risen_us == now_us and ladder.level > state.level:
            refused, never = HIGHER_LEVEL, True
        else:
            ladder.risen_us, ladder.level = now_us, state.level
            gate, never = self._gates.refusal(state, self._window, now_us), bool(refused)
            refused = gate or refused
        if not refused:
            self._gates.told(state, self._window, now_us)
        elif state.state is State.FIRING:
            state.untold = not never and not state.was_told
        yield self._transition(now_us, kind, refused, late=late, evidence=evidence)

    def _tell_now(self, now_us: int) -> Iterator[Transition]:
        """A firing nobody was told about is told as soon as nothing refuses it."""
        state = self.state
        if state.untold and state.state is State.FIRING and not self._gates.refusal(state, self._window, now_us):
            self._gates.told(state, self._window, now_us)
            self.dirty = True
            yield self._transition(now_us, Kind.TOLD, evidence=self._evidence)

    def _falls(self, now_us: int, *, late: bool) -> Iterator[Transition]:
        """It is known not to hold, or over."""
        state = self.state
        if state.state is not State.OK:
            kind = Kind.CLEARED if state.state is State.FIRING else Kind.LAPSED
            tell = kind is Kind.CLEARED and state.was_told and self.rule.on_clear == "tell"
            yield from self._go_ok(now_us, kind, self._gates.unheard(now_us) if tell else "", late=late, tell=tell)

    def _end(self, now_us: int, reason: str) -> Iterator[Transition]:
        """A firing ends for another reason than its condition; it may rise again."""
        if self.state.state is not State.OK:
            self.state.armed = True
            kind = Kind.CLOSED if self.state.state is State.FIRING else Kind.LAPSED
            yield from self._go_ok(now_us, kind, reason)

    def _go_ok(
        self, now_us: int, kind: Kind, reason: str = "", *, late: bool = False, tell: bool = False
    ) -> Iterator[Transition]:
        counts.to_ok(self.state)
        self._evidence, self.dirty = None, True
        yield self._transition(now_us, kind, reason, late=late, tell=tell)
        self.state.since_us, self.state.was_told = 0, False

    def _set_timer(self, now_us: int) -> None:
        """When the clock next has something to say to this machine."""
        state, rule = self.state, self.rule
        times = [counts.held_due_us(state, rule), counts.clear_due_us(state, rule), counts.reminder_due_us(state, rule)]
        if state.untold:
            times.append(self._gates.opens_us(state, self._window, now_us))
        if rule.evaluate.at_minute is not None:
            times.append(self._at_us or 1)
        if self._reads_day and state.state is not State.OK:
            times.append(self._day_end_us)
        if rule.expires_us:
            times.append(rule.expires_us)
        self.due_us = min((time for time in times if time > 0), default=0)

    def _watching(self, now_us: int) -> bool:
        """Whether the rule's session is open; coming back into it is a cut."""
        window = self._window
        if window is not None and window.open_us <= now_us < window.close_us:
            self.closes_us = window.close_us
            return True
        self._window = self.window_at(now_us)
        if self._window is None:
            return False
        self.closes_us = self._window.close_us
        if self._reads_day:
            trading = trading_window_at(self._own.instrument, now_us)
            self._day_end_us = trading.close_us if trading else 0
        self.cut()
        return True

    def _transition(
        self, now_us: int, kind: Kind, suppressed: str = "", *, late: bool = False,
        evidence: Evidence | None = None, tell: bool = False,
    ) -> Transition:  # fmt: skip
        self.dirty = True  # the state it tells of is stored with it: a restart must not tell it again
        value, unit, operands = evidence or gather(self._leaves)
        state, tick = self.state, self._own.tick
        made = Transition(
            event_us=now_us, rule_id=self.rule.id, symbol=self.symbol, level=state.level,
            fingerprint=state.fingerprint, kind=kind, state=state.state, suppressed=suppressed,
            value=value, unit=unit, price=tick.last if tick else None, since_us=state.since_us, late=late,
            operands=operands, tell=tell,
        )  # fmt: skip
        return worded(made, self._texts, self.severity) if made.is_alert else made

    def _rebuilt(self, rule: Rule, state_of: Callable[[str], SymbolState]) -> Machine:
        """The same state under a condition compiled anew: what a leaf remembers beside its sides begins anew."""
        new = Machine(rule, self.symbol, self.state.level, self.order, self.ladder, state_of, self._silences)
        new.state = replace(self.state, rule_id=rule.id, sides=list(self.state.sides))
        new._attach(new.state)
        if self._cut:
            new.cut()
        if rule.session == self.rule.session and rule.active == self.rule.active:
            new._window, new.closes_us = self._window, self.closes_us
        new._day_end_us, new._at_us = self._day_end_us, self._at_us
        new._cut, new._holds, new._evidence = self._cut, self._holds, self._evidence
        new.dirty, new.due_us = True, 1
        return new
