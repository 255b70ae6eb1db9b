"""The deliveries of one channel: in order of severity, one at a time, until each is settled."""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from tradeassistd.alerts.backoff import backoff_s
from tradeassistd.alerts.channels.channel import Channel, UnsureError
from tradeassistd.alerts.message import CARRIED_SHOWN_MAX, Message, message_for
from tradeassistd.alerts.routing import Routing
from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.base.instant import iso
from tradeassistd.base.turns import DISK_WITHIN_S, IDLE, Turn, Turns
from tradeassistd.engine.rule import SEVERITIES
from tradeassistd.store.records import Alert, Delivery, DeliveryState, Why
from tradeassistd.store.settling import Due

WAITING_MAX = 1_000
"""Deliveries of one channel held in memory; the others wait in the store."""
SEND_LIMIT_S = 30.0
ATTEMPTS_MAX = 100
BREAKER_FAILURES = 5
"""After that many failures in a row one delivery probes the channel per back-off, and the others wait."""
RETRY_AFTER_MAX_S = 3_600.0
LATENCIES_KEPT = 1_000
LEAST_REST_S = 0.001
"""A clock that counts microseconds may stand just before the instant waited for."""
T = TypeVar("T")
FellBack = Callable[[Sequence[tuple[Delivery, Alert]]], None]

_log = structlog.get_logger(__name__)


class Outbox(Protocol):
    """What the dispatcher needs of the store. Each call may raise TransientError (nothing done) or FatalError."""

    async def open_channels(self) -> list[str]: ...

    async def due_deliveries(self, channel: str, now_us: int, limit: int = WAITING_MAX) -> Due: ...

    async def mark(self, delivery: Delivery) -> bool: ...

    async def carried(self, delivery: Delivery, limit: int) -> tuple[int, list[Alert]]: ...

    async def give_up(
        self, delivery: Delivery, expiry_us: Callable[[str, int], int]
    ) -> list[tuple[Delivery, Alert]] | None: ...


@dataclass(slots=True)
class Waiting:
    """A delivery that is not settled, with what it says."""

    delivery: Delivery
    alert: Alert
    since_s: float | None = None
    """Machine time at which it was decided; None when it comes from the store."""
    ready_s: float = 0.0
    """Machine time before which it is not tried again."""

    @property
    def order(self) -> tuple[int, int, str]:
        """Most severe first, then oldest."""
        severity = self.alert.severity
        rank = SEVERITIES.index(severity) if severity in SEVERITIES else 0
        return -rank, self.delivery.created_us, self.delivery.alert_id


class ChannelWorker:
    """Sends what one channel is due. Marks are durable before and after each attempt.

    What may only be sent later stays in the store, where it may still be withdrawn or folded, until it is due.
    """

    def __init__(
        self,
        channel: Channel,
        store: Outbox,
        clock: Clock,
        random: Random,
        turns: Turns | None = None,
        *,
        routing: Routing | None = None,
        fell_back: FellBack | None = None,
    ) -> None:
        """`routing` knows how long a fallback delivery lives; `fell_back` hears of those that were made."""
        self.channel = channel
        self._expiry_us = (routing or Routing()).expiry_us
        self._fell_back = fell_back
        self._held = 0
        self._next_us = 0
        self._store = store
        self._clock = clock
        self._random = random
        self._waiting: dict[str, Waiting] = {}
        self._more_in_store = True
        self._new = asyncio.Event()
        self.at_rest = asyncio.Event()
        """Set while there is nothing it could send now."""
        self._failures = 0
        self._blocked_until_s = 0.0
        self._last_error = ""
        self._counts = dict.fromkeys(("sent", "folded", "retrying", "failed", "expired", "fell_back"), 0)
        self._latencies_ms: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._turns = turns or Turns(clock)
        self._turn = Turn(f"channel.{channel.name}", clock)
        self._sending = asyncio.Lock()

    def add(self, delivery: Delivery, alert: Alert) -> None:
        """Take on a delivery that is stored already. Keeps the most severe when there are too many for the memory."""
        item = Waiting(delivery, alert, self._clock.elapsed_s())
        if len(self._waiting) >= WAITING_MAX and delivery.alert_id not in self._waiting:
            self._more_in_store = True
            last = max(self._waiting.values(), key=lambda waiting: waiting.order)
            if item.order > last.order:
                return
            del self._waiting[last.delivery.alert_id]
        self._waiting.setdefault(delivery.alert_id, item)
        self.at_rest.clear()
        self._new.set()

    @property
    def holds(self) -> bool:
        """Whether something of it may only be sent later."""
        return self._held > 0

    def look(self) -> None:
        """Something of this channel changed in the store: a held delivery is there, or is so no more."""
        self._more_in_store = True
        self.at_rest.clear()
        self._new.set()

    async def run(self) -> None:
        """Work until cancelled. Raises FatalError when the store cannot go on."""
        self._turn = self._turns.join(self._turn.name)
        while True:
            self._turn()
            self._new.clear()
            if 0 < self._next_us <= self._clock.now_us():
                self._more_in_store, self._next_us = True, 0
            if self._more_in_store and len(self._waiting) <= WAITING_MAX // 2:
                await self._load()
            item = self._next()
            if item is not None:
                self.at_rest.clear()
                await self._deliver(item)
            elif not await self._expire_old():
                await self._rest()

    def status(self) -> dict[str, Any]:
        """Counters since the start, and how long messages took from decided to sent."""
        ordered = sorted(self._latencies_ms)
        return {
            **self._counts,
            "waiting": len(self._waiting),
            "held": self._held,
            "next_held": iso(self._next_us) if self._next_us else None,
            "failures_in_a_row": self._failures,
            "blocked_s": round(max(0.0, self._blocked_until_s - self._clock.elapsed_s()), 1),
            "last_error": self._last_error,
            "latency_ms_p50": round(ordered[len(ordered) // 2], 1) if ordered else None,
            "latency_ms_p99": round(ordered[len(ordered) * 99 // 100], 1) if ordered else None,
        }

    async def _load(self) -> None:
        """Take up what the store has and memory does not; nothing of this channel is being sent meanwhile."""
        self._more_in_store = False  # `look` may be called while the store answers: then once more
        due = await self._insist(
            lambda: self._store.due_deliveries(self.channel.name, self._clock.now_us(), WAITING_MAX)
        )
        self._more_in_store = self._more_in_store or len(due.deliveries) >= WAITING_MAX
        self._held, self._next_us = due.held, due.next_us
        self._counts["folded"] += due.folded
        for delivery, alert in due.deliveries:
            if delivery.state is DeliveryState.SENDING:
                delivery.maybe_repeat = True  # handed over once, and the daemon died before it knew the outcome
            item = self._waiting.setdefault(delivery.alert_id, Waiting(delivery, alert))
            item.delivery = delivery  # it may have been told to carry others, or to stand in, since

    def _next(self) -> Waiting | None:
        """The delivery to try now, taken out of the waiting ones."""
        now_s = self._clock.elapsed_s()
        if now_s < self._blocked_until_s:
            return None
        ready = [item for item in self._waiting.values() if item.ready_s <= now_s]
        item = min(ready, key=lambda waiting: waiting.order, default=None)
        return self._waiting.pop(item.delivery.alert_id) if item else None

    async def _rest(self) -> None:
        """Until something new comes in, or the first of those that wait may be tried."""
        self.at_rest.set()
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self._new.wait())]
        if self._next_us:
            tasks.append(asyncio.create_task(self._clock.sleep_until(self._next_us)))
        if self._waiting:
            ready_s = max(self._blocked_until_s, min(item.ready_s for item in self._waiting.values()))
            rest_s = max(ready_s - self._clock.elapsed_s(), LEAST_REST_S)
            self._turn(rest_s)
            tasks.append(asyncio.create_task(self._clock.pause(rest_s)))
        else:
            self._turn(IDLE)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _expire_old(self) -> bool:
        """Settle what has become noise while it waited; whether there was any."""
        old = [item for item in self._waiting.values() if self._is_noise(item)]
        for item in old:
            await self._settle(self._waiting.pop(item.delivery.alert_id), DeliveryState.EXPIRED)
        return bool(old)

    def _is_noise(self, item: Waiting) -> bool:
        return 0 < item.delivery.expires_us <= self._clock.now_us()

    async def _deliver(self, item: Waiting) -> None:
        if self._is_noise(item):
            await self._settle(item, DeliveryState.EXPIRED)
            return
        if not await self._mark(item, state=DeliveryState.SENDING, attempts=item.delivery.attempts + 1):
            return  # settled meanwhile: this was an old copy
        if self._is_noise(item):  # the store took its time
            await self._settle(item, DeliveryState.EXPIRED)
            return
        count, carried = await self._carried(item.delivery)
        message = message_for(item.alert, item.delivery, self._clock.now_us(), carried, count)
        self._turn(SEND_LIMIT_S)
        try:
            async with self._sending:  # what goes unstored may be on its way
                self._turn(SEND_LIMIT_S)
                async with self._clock.deadline(SEND_LIMIT_S):
                    await self.channel.send(message)
        except TimeoutError:
            await self._retry(item, UnsureError(f"no answer within {SEND_LIMIT_S:.0f} s"))
        except TransientError as error:
            await self._retry(item, error)
        except PermanentError as error:
            self._answered(str(error))
            await self._settle(item, DeliveryState.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 - a mistake in one channel must not end the others or lose this one
            await self._retry(item, UnsureError(_place_of(error)))
        else:
            self._answered("")
            await self._settle(item, DeliveryState.SENT)

    async def send_unstored(self, message: Message) -> bool:
        """Send a message that the store knows nothing of, behind the one that is being sent; whether it was taken."""
        try:
            async with self._sending, self._clock.deadline(SEND_LIMIT_S):
                await self.channel.send(message)
        except (TimeoutError, TransientError, PermanentError) as error:
            why = str(error) or f"no answer within {SEND_LIMIT_S:.0f} s"
        except Exception as error:  # noqa: BLE001 - as in `_deliver`
            why = _place_of(error)
        else:
            return True
        _log.error("unstored.not_sent", channel=self.channel.name, error=why)
        return False

    async def _carried(self, delivery: Delivery) -> tuple[int, list[Alert]]:
        """What its message has to say beside its own alert. Asked once it is marked sending: then nothing folds into it
        any more, and every later attempt says the same."""
        if not delivery.not_before_us or delivery.why is Why.ESCALATION:
            return 0, []
        return await self._insist(lambda: self._store.carried(delivery, CARRIED_SHOWN_MAX))

    def _answered(self, error: str) -> None:
        self._failures, self._blocked_until_s, self._last_error = 0, 0.0, error

    async def _retry(self, item: Waiting, error: TransientError) -> None:
        self._failures += 1
        self._last_error = str(error)
        unsure = item.delivery.maybe_repeat or isinstance(error, UnsureError)
        if item.delivery.attempts >= ATTEMPTS_MAX:
            await self._settle(item, DeliveryState.FAILED, f"given up after {ATTEMPTS_MAX} attempts: {error}")
            return
        now_s = self._clock.elapsed_s()
        asked_s = min(error.retry_after_s or 0.0, RETRY_AFTER_MAX_S)
        item.ready_s = now_s + max(asked_s, backoff_s(item.delivery.attempts, self._random))
        if asked_s:
            self._blocked_until_s = now_s + asked_s
        if self._failures >= BREAKER_FAILURES:
            self._blocked_until_s = max(self._blocked_until_s, now_s + backoff_s(self._failures, self._random))
        self._note(item, DeliveryState.RETRYING, error=str(error), again_in_s=round(item.ready_s - now_s, 1))
        if await self._mark(item, state=DeliveryState.RETRYING, error=str(error), maybe_repeat=unsure):
            self._waiting[item.delivery.alert_id] = item

    async def _settle(self, item: Waiting, state: DeliveryState, error: str = "") -> None:
        """The end of a delivery, whatever became of it."""
        if state is DeliveryState.SENT and item.since_s is not None:
            self._latencies_ms.append((self._clock.elapsed_s() - item.since_s) * 1_000)
        error = error or (item.delivery.error if state is DeliveryState.EXPIRED else "")
        self._note(item, state, error=error)
        if state is DeliveryState.SENT:
            await self._mark(item, state=state, error=error, settled_us=self._clock.now_us())
        else:
            await self._give_up(item, state, error)

    async def _give_up(self, item: Waiting, state: DeliveryState, error: str) -> None:
        """It failed or is too late: in the same transaction its fallback channels get what it had to say."""
        lost = msgspec.structs.replace(item.delivery, state=state, error=error, settled_us=self._clock.now_us())
        made = await self._insist(lambda: self._store.give_up(lost, self._expiry_us))
        if not made:
            return
        self._counts["fell_back"] += len(made)
        _log.warning("delivery.fell_back", channel=lost.channel, alert=lost.alert_id,
                     to=sorted({one.channel for one, _ in made}), deliveries=len(made))  # fmt: skip
        if self._fell_back is not None:
            self._fell_back(made)

    async def _mark(self, item: Waiting, **changes: Any) -> bool:
        """Make a new state durable, however long the store takes; False when it was settled before."""
        marked = msgspec.structs.replace(item.delivery, **changes)
        if not await self._insist(lambda: self._store.mark(marked)):
            return False
        item.delivery = marked
        return True

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the store until it answers: without it nothing may be sent, and nothing sent may be forgotten."""
        failures = 0
        while True:
            self._turn(DISK_WITHIN_S)
            try:
                return await ask()
            except TransientError as error:
                failures += 1
                wait_s = backoff_s(failures, self._random)
                _log.error("outbox.blocked", channel=self.channel.name, error=str(error), again_in_s=round(wait_s, 1))
            self._turn(wait_s)
            await self._clock.pause(wait_s)

    def _note(self, item: Waiting, state: DeliveryState, **keys: Any) -> None:
        self._counts[state] += 1
        log = _log.info if state is DeliveryState.SENT else _log.warning
        delivery = item.delivery
        shown = {key: value for key, value in keys.items() if value != ""}
        log(f"delivery.{state}", channel=delivery.channel, attempt=delivery.attempts, alert=delivery.alert_id, **shown)


def _place_of(error: Exception) -> str:
    """What a channel raised and where; not its text, which may hold a URL."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"the channel raised {type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
