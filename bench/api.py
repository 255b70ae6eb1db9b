"""The local API under load: ten WebSocket clients that get every tick, and questions over HTTP meanwhile."""

from __future__ import annotations

import http.client
import socket
import time
from array import array
from pathlib import Path

from bench.client import write_settings
from bench.feed_server import feed_server
from bench.market import START_US
from bench.measure import Child, percentile
from bench.result import Goal, Row, Run, judged
from bench.rules import busy, mixed

PART = "api"
CLIENTS = 10
RATE = 1_000
DELIVERED_WITHIN_MS, ANSWERED_WITHIN_MS = 100.0, 50.0
ASK_EVERY_S = 0.02
QUESTIONS = ("/quotes", "/alerts?limit=50", "/rules", "/health")
WARM_SHARE = 0.2
"""Of the run, until everybody is connected and warm."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the daemon's socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def run(run: Run) -> list[Row]:
    """The rows."""
    ticks = RATE * (4 if run.quick else 15)
    folder = run.folder / "daemon"
    write_settings(folder, {**mixed(100), "busy.yaml": busy(20, ("/ES", "/NQ"))["bench-000.yaml"]})
    path, received = folder / "state" / "api.sock", run.folder / "received"
    with feed_server(run.folder, ticks=ticks, items=[1]) as server:
        run.say(f"{CLIENTS} clients at {RATE:,} ticks/s for {ticks // RATE} s")
        daemon = Child("client", "daemon", server.url(ticks=ticks, rate=RATE, times="sent"), "--ticks", str(ticks),
                       "--warm", str(ticks // 10), "--folder", str(folder))  # fmt: skip
        listeners = Child("listeners", str(path), str(received), "--clients", str(CLIENTS))
        try:
            asked_ms = _ask(daemon, path)
            daemon.answer()
            counts = listeners.answer()["received"]
        finally:
            daemon.end()
            listeners.end()
        sent = server.sent_ns("sent")
    return [*_delivered(sent, received, counts, ticks), *_answered(asked_ms)]


def _ask(daemon: Child, path: Path) -> dict[str, list[float]]:
    """Ask in turn as long as the daemon runs; gives milliseconds."""
    waits_ms: dict[str, list[float]] = {question: [] for question in QUESTIONS}
    connection = UnixConnection(path)
    try:
        while daemon.process.poll() is None:
            for question, waits in waits_ms.items():
                time.sleep(ASK_EVERY_S)
                begin_s = time.perf_counter()
                try:
                    connection.request("GET", question)
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    connection.close()  # not open yet, or the daemon stops
                    continue
                if answer.status == http.client.OK:
                    waits.append((time.perf_counter() - begin_s) * 1e3)
    finally:
        connection.close()
    return waits_ms


def _delivered(sent: array[int], file: Path, counts: list[int], ticks: int) -> list[Row]:
    """A tick's market time tells its place: frame n is n milliseconds after the start."""
    pairs = array("q")
    pairs.frombytes(file.read_bytes())
    first = round(ticks * WARM_SHARE)
    waits_ms: list[float] = []
    begin = 0
    for count in counts:
        own = pairs[begin : begin + 2 * count]
        begin += 2 * count
        places = [(event_us - START_US) * RATE // 1_000_000 for event_us in own[::2]]
        counted = [place for place in places if place >= first]
        if counted != list(range(first, ticks)):
            raise RuntimeError(f"a client got {len(counted)} of {ticks - first} ticks")
        waits_ms += [(at_ns - sent[place]) / 1e6 for place, at_ns in zip(places, own[1::2], strict=True)
                     if place >= first]  # fmt: skip
    what = f"{CLIENTS} WebSocket clients at {RATE:,} ticks/s: sent by the feed -> received"
    return [
        judged(PART, f"{what}, p99", percentile(waits_ms, 99), Goal(DELIVERED_WITHIN_MS, "ms"),
               f"p50 {percentile(waits_ms, 50):.2f}, p99.9 {percentile(waits_ms, 99.9):.2f} ms"),
        Row(PART, "ticks delivered, none missed", f"{len(waits_ms):,}"),
    ]  # fmt: skip


def _answered(waits_ms: dict[str, list[float]]) -> list[Row]:
    return [
        judged(PART, f"GET {question} meanwhile, p99", percentile(waits, 99), Goal(ANSWERED_WITHIN_MS, "ms"),
               f"p50 {percentile(waits, 50):.2f} ms, {len(waits)} asked")
        for question, waits in waits_ms.items()
    ]  # fmt: skip
