"""A streamer for benchmarks, in a process of its own: frames are encoded beforehand and sent as fast as they are taken,
or at an even pace, each at its own time.

One client after another may come; what it gets is in the address: `?items=1&ticks=60000&rate=0` (0: saturated). With
`&times=NAME` the monotonic time in nanoseconds at which each frame was handed to the kernel goes into that file: on one
machine CLOCK_MONOTONIC is the same for all processes, so a client's own times can be held against it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bench.market import START_US, SYMBOLS, make_feed, new_session

LOOK_EVERY_FRAMES = 64
"""How often a paced sender looks whether the client has sent a ping."""
MARKET_TICKS_PER_S = 1_000.0
"""How many ticks fall into a second of market time."""
READY_WITHIN_S = 60.0


class Lost(Exception):
    """The client is gone."""


class Line:
    """One client's socket."""

    path = ""
    """What the client asked for, once the handshake is done."""

    def __init__(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = client
        self._protocol = ServerProtocol()

    def texts(self) -> list[str]:
        """Wait for bytes and give the messages that came; answers pings and the closing handshake. Raises Lost."""
        data = self.socket.recv(65_536)
        if not data:
            raise Lost
        self._protocol.receive_data(data)
        texts = []
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self.path = event.path
                self._protocol.send_response(self._protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                texts.append(bytes(event.data).decode())
        self._flush()
        return texts

    def send(self, text: str) -> None:
        self._protocol.send_text(text.encode())
        self._flush()

    def look(self) -> None:
        """Answer what has come in, without waiting."""
        while select.select([self.socket], [], [], 0)[0]:
            self.texts()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if not data:
                raise Lost  # the closing handshake is done
            self.socket.sendall(data)


class Frames:
    """Feeds by how many items a frame has, ready for the socket."""

    def __init__(self, ticks: int, items: list[int]) -> None:
        self._wire: dict[int, list[bytes]] = {}
        self.facts: dict[str, dict[str, float]] = {}
        for one in items:
            feed = make_feed(ticks, one, MARKET_TICKS_PER_S)
            self._wire[one] = [Frame(Opcode.TEXT, text.encode()).serialize(mask=False) for text in feed.frames]
            self.facts[str(one)] = {"fields_per_tick": feed.fields_per_tick, "bytes_per_tick": feed.bytes_per_tick}

    def first(self, ticks: int, items: int) -> list[bytes]:
        return self._wire[items][: ticks // items]


def play(line: Line, frames: list[bytes], rate: float, sent: array[int]) -> None:
    """Send the frames, `rate` a second or (0) as fast as they are taken; notes when each paced one was sent, in ns."""
    if not rate:
        for first in range(0, len(frames), LOOK_EVERY_FRAMES):
            line.socket.sendall(b"".join(frames[first : first + LOOK_EVERY_FRAMES]))
            line.look()
        return
    begin_ns = time.monotonic_ns()
    for number, frame in enumerate(frames):
        due_ns = begin_ns + round(number * 1e9 / rate)
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            time.sleep(left_ns / 1e9)
        sent.append(time.monotonic_ns())
        line.socket.sendall(frame)
        if number % LOOK_EVERY_FRAMES == 0:
            line.look()


def serve(line: Line, frames: Frames, folder: Path) -> None:
    """One client from its handshake to its end."""
    session = new_session()
    waiting = set(SYMBOLS)
    while waiting:
        for text in line.texts():
            session.receive(text, START_US)
            while session.outbox:
                line.send(session.outbox.popleft())
        waiting -= {key for _, key in session.subscribed()}
    asked = dict(parse_qsl(urlsplit(line.path).query))
    sent: array[int] = array("q")
    try:
        play(line, frames.first(int(asked["ticks"]), int(asked["items"])), float(asked["rate"]), sent)
    finally:  # a client may go before it has them all
        if name := asked.get("times"):
            (folder / f"{name}.part").write_bytes(sent.tobytes())
            (folder / f"{name}.part").replace(folder / name)  # it is there whole or not at all
        print("played", flush=True)
    while True:
        line.texts()


def main() -> None:
    """Serve until stdin is closed; says on stdout what it has and where it listens, and when a client has it all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ticks", type=int, required=True)
    parser.add_argument("--items", type=int, nargs="+", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    frames = Frames(arguments.ticks, arguments.items)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps({"url": f"ws://127.0.0.1:{listener.getsockname()[1]}/ws", **frames.facts}), flush=True)
        while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [])[0]):
            assert listener in ready
            with listener.accept()[0] as client, contextlib.suppress(Lost, ConnectionError):
                serve(Line(client), frames, arguments.folder)


class FeedServer:
    """The server as its user sees it: `url` for a client, and the times of a run that is over."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        assert process.stdout is not None  # a pipe
        self._lines = process.stdout
        self._folder = folder
        first = self._lines.readline()
        if not first:
            raise RuntimeError("the feed server did not start")
        self.facts = json.loads(first)

    def url(self, *, ticks: int, items: int = 1, rate: float = 0, times: str = "") -> str:
        return f"{self.facts['url']}?ticks={ticks}&items={items}&rate={rate}" + (f"&times={times}" if times else "")

    def sent_ns(self, times: str) -> array[int]:
        """When each frame of the run with that name was sent; waits until the run is over."""
        sent: array[int] = array("q")
        while not (self._folder / times).exists():
            if not self._lines.readline():
                raise RuntimeError("the feed server ended")
        sent.frombytes((self._folder / times).read_bytes())
        return sent


@contextlib.contextmanager
def feed_server(folder: Path, *, ticks: int, items: list[int]) -> Iterator[FeedServer]:
    """A server with that many ticks, ended with the block."""
    command = [sys.executable, "-m", "bench.feed_server", "--ticks", str(ticks), "--folder", str(folder), "--items",
               *map(str, items)]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield FeedServer(process, folder)
    finally:
        assert process.stdin is not None  # a pipe
        process.stdin.close()
        try:
            process.wait(READY_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
