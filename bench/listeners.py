"""Ten clients of the daemon's event WebSocket, in a process of their own; they note when each tick arrived.

    python -m bench.listeners SOCKET FILE --clients 10

Ends when the daemon does. FILE gets pairs of a tick's event time in microseconds and CLOCK_MONOTONIC in nanoseconds,
client after client; the JSON document printed tells how many pairs each client has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from array import array
from pathlib import Path

import msgspec
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed

OPEN_WITHIN_S = 60.0


class Update(msgspec.Struct):
    """The little of a message that is needed."""

    kind: str
    event_us: int = 0


_UPDATE = msgspec.json.Decoder(Update)


async def listen(path: Path) -> array[int]:
    """One client, until the daemon says good-bye."""
    seen: array[int] = array("q")
    async with unix_connect(str(path), "ws://localhost/events?kinds=tick_update", max_queue=None) as socket:
        try:
            while True:
                message = await socket.recv()
                update = _UPDATE.decode(message)
                if update.kind == "tick_update":
                    seen.append(update.event_us)
                    seen.append(time.monotonic_ns())
        except ConnectionClosed as closed:
            if closed.rcvd is None or closed.rcvd.code != 1001:
                raise RuntimeError(f"a client was cut off: {closed}") from closed
    return seen


async def run(path: Path, clients: int) -> list[array[int]]:
    """What each client saw."""
    async with asyncio.timeout(OPEN_WITHIN_S):
        while not os.path.exists(path):  # noqa: ASYNC110, ASYNC240, PTH110 - nobody says when the socket is there
            await asyncio.sleep(0.05)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listen(path)) for _ in range(clients)]
    return [task.result() for task in tasks]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("socket", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--clients", type=int, required=True)
    arguments = parser.parse_args()
    seen = asyncio.run(run(arguments.socket, arguments.clients))
    arguments.file.write_bytes(b"".join(one.tobytes() for one in seen))
    print(json.dumps({"received": [len(one) // 2 for one in seen]}))


if __name__ == "__main__":
    main()
