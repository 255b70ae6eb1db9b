"""The state of one rule for one symbol and level, and what moves it (rules.md 4.7 and 4.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from tests.oracle.events import US_PER_S
from tests.oracle.expression import Count, Streak, read_by
from tests.oracle.gates import Gates
from tests.oracle.holding import Held
from tests.oracle.hours import Window, active_window, session, trading_session
from tests.oracle.occurrences import Counter, Run
from tests.oracle.outcome import ConditionState, first_left
from tests.oracle.rule import Distance, Kind, OracleRule, OracleTransition
from tests.oracle.world import Reader, World, tick_size

Say = Callable[[OracleTransition], None]
REARM = Distance(Fraction(4))
"""How far `reaches` must leave its level unless the rule says otherwise."""


class Machine:
    """One level of a rule for one symbol."""

    def __init__(self, world: World, rule: OracleRule, symbol: str, number: int, say: Say) -> None:
        self.world, self.symbol, self.number, self._say = world, symbol, number, say
        self.state: Literal["ok", "pending", "firing"] = "ok"
        self.judged_us = 0  # last judging with a known result
        self.since_us = 0
        self.armed = True
        self.last: bool | None = None  # the result of the last judging
        self.value: Fraction | None = None  # at the last judging that was true
        self.late = False  # the next known result is the first after a cut
        self.held, self.clearing = Held(), Held()
        self.gates = Gates(world, rule, symbol)
        self.untold = self.was_told = self.acked = False
        self.reminded, self.reminded_us = 0, 0
        self.watch: tuple[object, ...] | None = None
        self.day_ends_us = 0
        self.expired = False
        self.entered = False  # watched anew and not judged since
        self.condition = rule
        self.inside: tuple[Window, ...] = ()
        self.span = (0, 0)  # in which `inside` is right
        self.changes = -1
        self.rolls: tuple[int, ...] = ()
        self.take(rule)
        self.begin()

    def take(self, rule: OracleRule) -> None:
        """The rule with other settings and the same condition."""
        self.rule = self.gates.rule = rule
        self.names = dict(rule.values.get(self.symbol, {}))
        self.is_event = rule.is_event(self.number)
        self.reads_day = rule.reads_day(self.number)
        self.expired, self.span = False, (0, 0)
        self.reads = sorted({of for one in rule.conditions(self.number) for of, _ in read_by(one, self.symbol)})

    def begin(self) -> None:
        """Conditions without a past."""
        level = self.rule.level(self.number)
        size = tick_size(self.symbol)

        def distance(price: Fraction) -> Fraction:
            return (self.rule.rearm or REARM).measured(price, size)

        self.when = ConditionState(level.when, self.symbol, distance)
        self.clear = ConditionState(level.clear_when, self.symbol, distance) if level.clear_when else None
        nodes = [node for one in self.rule.conditions(self.number) for _, node in read_by(one, self.symbol)]
        self.counters = {node: Counter(node, self.symbol, distance) for node in nodes if isinstance(node, Count)}
        self.runs = {node: Run(node, self.symbol, distance) for node in nodes if isinstance(node, Streak)}
        self.gates.reaches = any(getattr(node, "kind", "") == "reaches" for node in nodes)

    def restart(self) -> None:
        """The daemon starts again: what is stored stays, what was only known is gone."""
        self.held.reset()
        self.clearing.reset()
        self.last, self.value, self.watch = None, None, None
        self.when.restart()
        if self.clear:
            self.clear.restart()
        for counter in self.counters.values():
            counter.restart()
        for run in self.runs.values():
            run.restart()

    # --- when it is watched -----------------------------------------------------------------------------------------

    def watched_at(self, at_us: int) -> tuple[object, ...] | None:
        """The sessions and active window that hold an instant; None while it is not watched."""
        if self.span[0] <= at_us < self.span[1]:
            return self.inside
        found: list[Window | None] = []
        if self.rule.session != "always":
            found.append(trading_session(self.symbol).window(at_us))
        if self.rule.session:
            found.append(session(self.symbol, self.rule.session).window(at_us))
        if self.rule.active:
            found.append(active_window(self.rule.active, at_us))
        windows = tuple(window for window in found if window is not None)
        if len(windows) < len(found):
            return None
        self.inside, self.span = windows, (max(one[0] for one in windows), min(one[1] for one in windows))
        return windows

    def enter(self, at_us: int, index: int) -> bool:
        """Whether it is watched at the event before its row is applied; notices a cut and a new session."""
        sessions = self.watched_at(at_us)
        if sessions is None:
            return False
        self.notice(sessions, index, at_us)
        return True

    def notice(self, sessions: tuple[object, ...], index: int, at_us: int) -> None:
        """Sets back what a cut or a new session sets back."""
        changes = self.world.changes[index] if index >= 0 else 0
        if self.watch is not None and self.watch[0] is sessions and self.changes == changes:
            return
        self.changes = changes
        cuts = tuple(self.world.symbol(one).after[index].cuts if index >= 0 else 0 for one in self.reads)
        rolls = tuple(self.world.symbol(one).after[index].rolls if index >= 0 else 0 for one in self.reads)
        watch = (sessions, cuts)
        window = trading_session(self.symbol).window(at_us) if self.reads_day else None
        self.day_ends_us = window[1] if window else 0
        if watch == self.watch:
            return
        rolled, self.rolls = rolls != self.rolls, rolls
        if self.judged_us and not rolled:
            self.late = True
        self.entered = self.entered or self.watch is None or self.watch[0] != sessions
        self.watch = watch
        self.held.reset()
        self.clearing.reset()

    # --- timers -----------------------------------------------------------------------------------------------------

    def end(self, at_us: int) -> bool:
        """Closes a firing whose rule is over, or whose day is; true when it is not to be judged any more."""
        if self.rule.expires_us and at_us >= self.rule.expires_us:
            if not self.expired and self.state == "firing":
                self.close(at_us, "expired")
            self.expired = True
            return True
        if self.reads_day and self.state != "ok" and self.day_ends_us and at_us >= self.day_ends_us:
            if self.state == "firing":
                self.close(at_us, "session_end")
            else:
                self.held.reset()
        return False

    def close(self, at_us: int, why: str) -> None:
        """It ends for another reason than its condition."""
        self.say(at_us, "closed", why)
        self.settle()
        self.armed = True

    def settle(self) -> None:
        """Back to ok."""
        self.state, self.since_us = "ok", 0
        self.untold = self.was_told = self.acked = False
        self.reminded = self.reminded_us = 0
        self.held.reset()
        self.clearing.reset()

    def due_to_rise(self, at_us: int) -> bool:
        """Whether `for` is over."""
        return self.state == "pending" and self.held.reached(at_us, self.rule.for_s)

    def timers(self, at_us: int, index: int) -> None:
        """What else is due: the end of `keep_firing_for`, telling later, a reminder."""
        if self.state != "firing":
            return
        if self.rule.keep_firing_for_s and self.clearing.reached(at_us, self.rule.keep_firing_for_s):
            self.cleared(at_us)
        elif self.tell_late(at_us, index):
            return
        elif self.was_told and self.rule.repeat_s and not self.acked:
            pause_s = self.rule.repeat_s[min(self.reminded, len(self.rule.repeat_s) - 1)]
            if at_us >= max(self.gates.told_us or 0, self.reminded_us) + pause_s * US_PER_S:
                self.reminded, self.reminded_us = self.reminded + 1, at_us
                self.say(at_us, "reminded", self.gates.unheard(at_us))

    # --- judging ----------------------------------------------------------------------------------------------------

    def reader(self, index: int, *, before: bool) -> Reader:
        """Reads this rule's values at an event."""
        lengths: dict[Count | Streak, Fraction | None] = {node: run.length for node, run in self.runs.items()}
        return Reader(self.world, self.symbol, index, before, self.rule.stale_after_s * US_PER_S, lengths, self.names)

    def close_bar(self, index: int) -> None:
        """The streaks whose bar closes at this event go on."""
        for node, run in self.runs.items():
            series = self.world.series(self.symbol, node.interval)
            if index in series.closed_set:
                reader = self.reader(index, before=True)
                run.close(reader, self._sessions(), (self.watch or ())[1:])

    def _sessions(self) -> tuple[object, ...]:
        return (self.watch or ())[:1]

    def judge(self, index: int, *, before: bool) -> Rise | None:
        """One judging; what rises is returned, for the ladder to decide who is told."""
        reader = self.reader(index, before=before)
        at_us = reader.at_us
        self.entered = False
        for node, counter in self.counters.items():
            reader.counted[node] = counter.judge(reader, self.watch or ())
        live, missed, outcomes = self.when.judge(reader, self._sessions())
        clears = None
        if self.state == "firing" and self.clear:
            clears = self.clear.judge(reader, self._sessions())[0]
        before_us = self.judged_us
        late, known = self.late, live is not None or missed
        if known:
            self.judged_us, self.late = at_us, False
        self.last = live
        if live or missed:
            self.value = first_left(self.when.condition, outcomes, missed=missed)
        if self.state == "firing":
            self._firing(at_us, live, clears, late)
            self.tell_late(at_us, reader.last)  # the row may be the one that `rearm` has waited for
        elif live is False and not missed:
            self.armed = True
            self._lapse(at_us, late)
        elif self.is_event:
            return self._happen(at_us, live, missed, before_us)
        elif live is None:
            self.held.step(None, at_us)
        elif live and self.armed:
            return self._rise(at_us, before_us, late)
        return None

    def holds(self, index: int) -> bool:
        """Whether `when`, a state, is known true at the closing of a bar; nothing is moved by the question."""
        reader = self.reader(index, before=True)
        reader.counted.update({node: counter.value(reader) for node, counter in self.counters.items()})
        fresh = ConditionState(self.rule.level(self.number).when, self.symbol, lambda level: level)
        return not self.is_event and fresh.judge(reader, ())[0] is True

    def goes_on(self, before: Machine, index: int, at_us: int) -> bool:
        """Whether a firing goes on under this condition instead of another: it is judged once, and nothing is said."""
        sessions = self.watched_at(at_us)
        if sessions is None or self.is_event:
            return False
        self.notice(sessions, index, at_us)
        reader = self.reader(index, before=False)
        reader.counted.update(
            {node: counter.judge(reader, self.watch or ()) for node, counter in self.counters.items()}
        )
        self.last, _, outcomes = self.when.judge(reader, self._sessions())
        if not self.last:
            return False
        self.judged_us, self.value = at_us, first_left(self.when.condition, outcomes)
        self.state, self.since_us = "firing", before.since_us
        self.gates.told_us = before.gates.told_us
        self.untold, self.was_told, self.acked = before.untold, before.was_told, before.acked
        self.reminded, self.reminded_us = before.reminded, before.reminded_us
        return True

    def _firing(self, at_us: int, live: bool | None, clears: bool | None, late: bool) -> None:
        if self.clear is None:
            clears = None if live is None else not live
        self.clearing.step(clears, at_us)
        if clears and not self.rule.keep_firing_for_s:
            self.cleared(at_us, late=late)

    def cleared(self, at_us: int, *, late: bool = False) -> None:
        """The firing ends; before the next rise `when` must be seen not true."""
        tell = self.rule.on_clear == "tell" and self.was_told
        self.say(at_us, "cleared", self.gates.unheard(at_us) if tell else "", late=late, tell=tell)
        self.settle()
        self.armed = self.is_event or self.last is False  # an event is over at once

    def _lapse(self, at_us: int, late: bool) -> None:
        if self.state == "pending":
            self.say(at_us, "lapsed", late=late)
            self.settle()

    def _happen(self, at_us: int, live: bool | None, missed: bool, before_us: int) -> Rise | None:
        if not self.armed or not (live or missed):
            return None
        self.since_us = before_us if missed else at_us
        return Rise(self, "missed" if missed else "fired", late=missed)

    def _rise(self, at_us: int, before_us: int, late: bool) -> Rise | None:
        if not before_us and self.rule.at_load == "quiet":
            self.since_us = at_us
            return Rise(self, "fired", quiet=True)
        if not self.rule.for_s:
            self.since_us = at_us
            return Rise(self, "fired", late=late)
        if self.state == "ok":
            self.state, self.since_us = "pending", at_us
            self.say(at_us, "pending", late=late)
        self.held.step(True, at_us)
        return None

    # --- telling ----------------------------------------------------------------------------------------------------

    def raised(self, at_us: int, index: int, rise: Rise, *, outranked: bool) -> None:
        """A rise is stored, and told unless something refuses it."""
        refused = "at_load" if rise.quiet else "higher_level" if outranked else self.gates.refused(at_us, index)
        if not refused and rise.kind == "missed" and self.rule.catch_up == "log":
            refused = "log"
        latched = not self.is_event or self.clear is not None
        if latched:
            since_us = self.since_us
            self.settle()
            self.state, self.since_us = "firing", since_us
            self.untold = bool(refused) and refused not in ("at_load", "higher_level", "log")
        if not refused:
            self.tell(at_us, index)
        self.say(at_us, rise.kind, refused, late=rise.late)
        if not latched:
            self.settle()

    def again(self, at_us: int, index: int) -> None:
        """`fire: each_bar`: it still fires at the close of a bar."""
        refused = self.gates.refused(at_us, index)
        if not refused:
            self.tell(at_us, index)
            self.untold = False
        self.say(at_us, "fired", refused)

    def tell_late(self, at_us: int, index: int) -> bool:
        """What fires untold goes out as soon as nothing refuses it; whether it did now."""
        if self.state != "firing" or not self.untold or self.gates.refused(at_us, index):
            return False
        self.untold = False
        self.tell(at_us, index)
        self.say(at_us, "told")
        return True

    def tell(self, at_us: int, index: int) -> None:
        """An alert goes out."""
        self.gates.told(at_us, index)
        self.was_told = True

    def say(self, at_us: int, kind: Kind, suppressed: str = "", *, late: bool = False, tell: bool = False) -> None:
        value = self.value if kind in ("fired", "missed", "told") else None
        self._say(
            OracleTransition(
                at_us,
                self.rule.id,
                self.symbol,
                self.number,
                kind,
                suppressed,
                None if value is None else float(value),
                self.since_us,
                late,
                tell,
            )
        )


@dataclass(frozen=True, slots=True)
class Rise:
    """A machine that rises at this judging."""

    machine: Machine
    kind: Kind
    late: bool = False
    quiet: bool = False
