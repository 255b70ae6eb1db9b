"""Reads many rule files in a process of its own: it takes seconds of a processor, and ticks do not wait for it.

The process is started for one build and ends with it. It gets texts and gives back what they say in small parts, so
that taking them in holds the event loop for a millisecond at a time.

    python -m tradeassistd.rules.build < request > parts
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.rules.own_functions import table_hash, use_installed
from tradeassistd.rules.readings import Context, Reading, Readings, read_one
from tradeassistd.rules.rule_file import FileRules
from tradeassistd.rules.rule_reading import Shared
from tradeassistd.rules.shared_files import SHARED, read_shared

ITEMS_PER_PART = 25
"""Rules, or other things said of a file, that come back at once: about a millisecond to take in."""
TURN_S = 0.002
"""Taking in parts holds the event loop for about so long at once."""
BUILD_WITHIN_S = 120.0
LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What to read: files by name among all texts, whose shared files count."""

    names: tuple[str, ...]
    texts: Mapping[str, str]
    context: Context
    now_us: int
    functions: str = ""
    """Hash of the functions that conditions may call: a package installed meanwhile must not be half in use."""


Part = tuple[list[tuple[str, Any]], bool | None]
"""What a file says, each with its kind (a field of _Gathered); and behind the last of it whether the file is sound."""


@dataclass(slots=True)
class _Gathered:
    """What has come of one file."""

    rules: list[Any] = field(default_factory=list)
    warnings: list[Any] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)
    was: list[Any] = field(default_factory=list)
    problems: list[Any] = field(default_factory=list)
    is_sound: bool = False

    def take(self, part: Part) -> bool:
        """Add a part; whether it was the last one."""
        said, is_sound = part
        for kind, one in said:
            getattr(self, kind).append(one)
        self.is_sound = bool(is_sound)
        return is_sound is not None

    def reading(self, read_us: int) -> Reading:
        found = FileRules(tuple(self.rules), tuple(self.warnings), dict(self.ids), dict(self.was))
        return Reading(found if self.is_sound else None, tuple(self.problems), read_us)


async def build(request: Request, readings: Readings, clock: Clock) -> None:
    """Have the files of the request read, and put that into `readings`.

    Raises TransientError when the process cannot be started, fails or takes longer than BUILD_WITHIN_S; what has come
    by then is in `readings`.
    """
    process = None
    try:
        async with clock.deadline(BUILD_WITHIN_S):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
            )
            assert process.stdin is not None and process.stdout is not None  # pipes
            process.stdin.write(_request_bytes(request))
            process.stdin.close()
            await _take(process.stdout, request, readings, clock)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise TransientError(f"the rules cannot be read in a process of their own: {error!r}") from error
    finally:
        if process is not None:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            await process.wait()


async def _take(stream: asyncio.StreamReader, request: Request, readings: Readings, clock: Clock) -> None:
    """Take the parts as they come, in short turns. Raises IncompleteReadError when they end too early."""
    turn_s = clock.elapsed_s()
    for name in request.names:
        gathered, is_whole = _Gathered(), False
        while not is_whole:
            length = int.from_bytes(await stream.readexactly(LENGTH_BYTES), "big")
            is_whole = gathered.take(pickle.loads(await stream.readexactly(length)))
            if clock.elapsed_s() - turn_s >= TURN_S:
                await asyncio.sleep(0)  # a turn for the ticks
                turn_s = clock.elapsed_s()
        readings.put(name, request.texts[name], request.context, gathered.reading(request.now_us))


def _request_bytes(request: Request) -> bytes:
    needed = {*request.names, *SHARED}
    texts = {name: text for name, text in request.texts.items() if name in needed}
    return pickle.dumps(replace(request, texts=texts, functions=table_hash()))


def main(source: BinaryIO, target: BinaryIO) -> None:
    """Read what the request names, and write the parts of each file as soon as it is read."""
    request: Request = pickle.load(source)
    use_installed()
    if table_hash() != request.functions:
        sys.exit("other functions are installed than the daemon knows")
    context = request.context
    begin = Shared(now_us=request.now_us, lint=context.lint, channels=context.channels)
    shared = read_shared(request.texts, context.prefix, begin).shared
    for name in request.names:
        for part in _parts(read_one(name, request.texts[name], context.prefix, shared)):
            data = pickle.dumps(part, pickle.HIGHEST_PROTOCOL)
            target.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        target.flush()


def _parts(reading: Reading) -> Iterator[Part]:
    found = reading.found or FileRules((), (), {}, {})
    said = [
        *(("rules", rule) for rule in found.rules), *(("warnings", one) for one in found.warnings),
        *(("ids", one) for one in found.ids.items()), *(("was", one) for one in found.was.items()),
        *(("problems", one) for one in reading.problems),
    ]  # fmt: skip
    for first in range(0, len(said), ITEMS_PER_PART):
        yield said[first : first + ITEMS_PER_PART], None
    yield [], reading.found is not None


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
