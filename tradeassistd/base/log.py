"""Structured logs on stderr: fixed event names with keys, JSON lines or a console's colours.

The last lines are kept in memory, for `tradeassist doctor --bundle`: not every machine keeps a service's log.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from contextlib import suppress
from typing import TextIO, cast

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

LINES_KEPT = 500
LINE_CHARACTERS_MAX = 4_000


class _Keeping:
    """Writes to a stream, and keeps the last lines. What is written in one go is a line, or its end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if text.strip():
            _lines.append(text.rstrip("\n")[:LINE_CHARACTERS_MAX])
        # Whoever read the log may be gone (a closed pipe, a full disk). That must end nothing, and there is no place to
        # say it in but here; `doctor --bundle` still has the last lines.
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


_lines: deque[str] = deque(maxlen=LINES_KEPT)


def last_lines() -> list[str]:
    """The last lines that were logged, oldest first, as they were written."""
    return list(_lines)


def set_up(style: str = "auto", level: str = "info") -> None:
    """Configure structlog and, through it, what libraries log from WARNING on.

    `style` is auto, json or console. Times are the computer's: a log line is about the daemon, not about the market.
    """
    kept = cast(TextIO, _Keeping(sys.stderr))
    as_json = style == "json" or (style == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # The usual traceback of a console shows the value of every variable, and tokens are among them.
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    tail = [structlog.processors.format_exc_info, renderer] if as_json else [renderer]
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=kept),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(kept)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
