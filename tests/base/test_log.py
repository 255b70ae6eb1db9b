"""Logs: one JSON object a line with the event's name and keys, or colours on a terminal."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from datetime import datetime

import pytest
import structlog

from tradeassistd.base.log import LEVELS, LINE_CHARACTERS_MAX, LINES_KEPT, last_lines, set_up


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == "", "the log goes to stderr"
    return [json.loads(line) for line in captured.err.splitlines()]


@pytest.mark.parametrize("style", ["json", "auto"])
def test_a_line_is_a_json_object_with_name_keys_level_and_time(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(style)
    structlog.get_logger("any").info("delivery.sent", channel="slack", attempt=2, text='two\nlines "quoted"')
    (line,) = lines(capsys)
    stamp = line.pop("timestamp")
    assert datetime.fromisoformat(str(stamp)).utcoffset() is not None
    assert line == {"event": "delivery.sent", "level": "info", "channel": "slack", "attempt": 2,
                    "text": 'two\nlines "quoted"'}  # fmt: skip


@pytest.mark.parametrize("level", list(LEVELS))
def test_what_is_below_the_level_is_not_logged(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up("json", level)
    log = structlog.get_logger("any")
    for name in LEVELS:
        getattr(log, name)("event.name")
    assert [line["level"] for line in lines(capsys)] == list(LEVELS)[list(LEVELS).index(level) :]


def test_an_exception_stands_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("json")
    try:
        raise OSError("disk on fire")
    except OSError:
        structlog.get_logger("any").exception("tape.blocked")
    (line,) = lines(capsys)
    assert line["event"] == "tape.blocked"
    assert "OSError: disk on fire" in str(line["exception"])


def test_what_libraries_warn_of_comes_in_the_same_form_and_what_they_chat_about_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up("json", "debug")
    logging.getLogger("websockets").info("chat")
    logging.getLogger("websockets").warning("the line %s", "dropped")
    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("the line dropped", "warning")


def test_setting_up_again_replaces_the_handler(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("json")
    set_up("json")
    logging.getLogger("any").error("once")
    assert len(lines(capsys)) == 1


def test_the_console_shows_name_and_keys_on_a_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("console")
    structlog.get_logger("any").warning("stream.lost", reason="reset")
    text = capsys.readouterr().err
    assert "stream.lost" in text and "reset" in text and not text.startswith("{")


def test_the_last_lines_are_kept_bounded_those_of_libraries_too(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("json")
    log = structlog.get_logger("any")
    for number in range(LINES_KEPT + 5):
        log.info("feed.state", number=number)
    logging.getLogger("library").warning("x" * 2 * LINE_CHARACTERS_MAX)
    written = capsys.readouterr().err.splitlines()
    assert last_lines()[:-1] == written[-LINES_KEPT:-1]
    assert last_lines()[-1] == written[-1][:LINE_CHARACTERS_MAX] and len(last_lines()) == LINES_KEPT


def test_a_stream_that_nobody_reads_any_more_ends_nothing_and_the_lines_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w", buffering=1)
    monkeypatch.setattr("sys.stderr", stream)
    set_up("json")
    os.close(reader)  # tradeassistd 2>&1 | head
    structlog.get_logger("any").info("pipe.gone")
    logging.getLogger("library").warning("said all the same")
    with suppress(BrokenPipeError):
        stream.close()
    structlog.get_logger("any").info("stream.closed")
    words = ("pipe.gone", "said all the same", "stream.closed")
    assert all(word in line for word, line in zip(words, last_lines()[-3:], strict=True))


def test_a_traceback_for_people_shows_no_values_which_may_be_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("console")
    token = "-".join(("hush", "hush"))  # so that no line of the source shows it either
    try:
        raise OSError(f"disk on fire after {len(token)} characters")
    except OSError:
        structlog.get_logger("any").exception("tape.blocked")
    said = capsys.readouterr().err
    assert "disk on fire after 9 characters" in said
    assert token not in said
