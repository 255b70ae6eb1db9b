"""`tradeassist bars`: what is drawn and printed, at any width, with and without Unicode, holes and all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from tests.engine.test_series import MINUTE_US, OPEN_US, at
from tradeassistd.base.clock import ManualClock
from tradeassistd.cli.main import app
from tradeassistd.cli.view.candles import CLOSED, HOLE, QUIET, chart
from tradeassistd.cli.view.look import ASCII, UNICODE
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.market.price import PRICE_SCALE, price_text
from tradeassistd.store.official import Span, insert_official, insert_span
from tradeassistd.store.writer import Store


def bar(number: int, open_: float, high: float, low: float, close: float, volume: int = 10, trades: int = 3) -> Bar:
    first, most, least, last = (round(one * PRICE_SCALE) for one in (open_, high, low, close))
    start_us = OPEN_US + number * MINUTE_US
    return Bar("SPY", "1m", "always", start_us, start_us + MINUTE_US, first, most, least, last, volume, trades)


def drawn(*columns: Bar | str, height: int = 8, look: object = UNICODE) -> list[str]:
    return [line.plain for line in chart(columns, height, look, lambda price: price_text(price, 2))]  # type: ignore[arg-type]


def test_the_picture() -> None:
    rising, falling = bar(0, 1, 4, 0, 3, volume=16), bar(3, 3, 4, 1, 2, volume=1)
    assert drawn(rising, HOLE, falling, CLOSED, bar(4, 2, 2, 2, 2, volume=8), QUIET, rising, height=9) == [
        "│░│┊  │ 4.00",
        "┃░█┊  ┃ ",
        "┃░█┊╻ ┃ ",
        "┃░│┊  ┃ ",
        "│░ ┊  │ 0.00",
        "█░ ┊  █ 16",
        "█░▁┊█ █",
        "───────",
        "Nov 16 09:30",
    ]


def test_every_character_is_ascii_where_the_terminal_wants_that() -> None:
    lines = drawn(bar(0, 1, 4, 0, 3), HOLE, bar(3, 3, 4, 1, 2), CLOSED, bar(4, 2, 2, 2, 2), look=ASCII)
    assert "".join(lines).isascii()
    assert any("o" in line for line in lines) and any("#" in line for line in lines)
    assert all(line[1] == "?" for line in lines[:-2]), "the hole shows"


@pytest.mark.parametrize("one", [(5, 5, 5, 5), (0, 0, 0, 0), (-3, 2, -5, -1)])
def test_one_price_zero_and_negative_prices_can_be_drawn(one: tuple[float, float, float, float]) -> None:
    lines = drawn(bar(0, *one, volume=0), height=6)
    assert len(lines) == 6 and any(line[0] not in " ─" for line in lines[:-2])


def test_a_chart_needs_a_bar() -> None:
    with pytest.raises(ValueError, match="no bar"):
        drawn(HOLE)


def test_labels_of_time_do_not_run_into_each_other() -> None:
    columns = [bar(number, 1, 2, 0, 1) for number in range(60)]
    line = drawn(*columns)[-1]
    assert line.split() == ["Nov", "16", "09:30", "09:44", "09:56", "10:08", "10:20"]


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """An hour and a half of SPY, watched but for ten minutes, of which Schwab has told five."""

    async def fill() -> None:
        store = await Store.open(tmp_path / "state", clock=ManualClock(OPEN_US))
        bars = [bar(number, 100 + number / 10, 101 + number / 10, 99.5, 100.5 + number / 10) for number in range(90)]
        ours = [one for one in bars if not 30 <= (one.start_us - OPEN_US) // MINUTE_US < 40]
        spans = [Stretch("SPY", OPEN_US, OPEN_US + 30 * MINUTE_US), Stretch("SPY", OPEN_US + 40 * MINUTE_US, 0)]
        await store.save_bars(ours, spans, OPEN_US + 90 * MINUTE_US)
        theirs, told = bars[30:35], Span("SPY", OPEN_US + 30 * MINUTE_US, OPEN_US + 35 * MINUTE_US)
        await store.transaction(lambda raw: insert_official(raw, theirs, "rest", 1))
        await store.transaction(lambda raw: insert_span(raw, told, "rest", 1))
        await store.close()

    asyncio.run(fill())
    (tmp_path / "config.yaml").write_text(f"store: {{path: '{tmp_path / 'state'}'}}\n", "utf-8")
    return tmp_path


def ask(desk: Path, *arguments: str, columns: int = 80) -> Result:
    options = ["bars", *arguments, "--config", str(desk / "config.yaml")]
    return CliRunner().invoke(app, options, env={"COLUMNS": str(columns)})


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal_but_for_the_table(desk: Path, columns: int) -> None:
    result = ask(desk, "SPY", "--interval", "1m", columns=columns)
    lines = result.output.splitlines()
    assert result.exit_code == 0
    picture = lines[: next(number for number, line in enumerate(lines) if not line)]
    assert max(map(cell_len, picture[1:])) <= columns
    assert any("░" in line for line in picture) == (columns >= 80)


def test_the_table_has_a_line_for_every_bar_and_the_hole(desk: Path) -> None:
    result = ask(desk, "SPY", "--table", "--from", "2026-11-16 09:55", "--to", "2026-11-16T10:15:00-05:00", columns=120)
    assert [line.split()[1] for line in result.output.splitlines()[3:-1]] == ["09:55", "10:00", "10:05", "10:10"]
    assert "nothing known until 2026-11-16 10:10" in result.output
    assert "missing  5 min in 1 hole" in result.output
    assert result.output.splitlines()[4].split()[-1] == "schwab"


def test_json_has_the_bars_their_source_and_what_is_missing(desk: Path) -> None:
    document = json.loads(ask(desk, "SPY", "--json", "--interval", "10m").output)
    assert (document["symbol"], document["interval"], document["session"]) == ("SPY", "10m", "rth")
    assert [(one["start"][11:16], one["source"]) for one in document["bars"]][:4] == [
        ("14:30", "ticks"), ("14:40", "ticks"), ("14:50", "ticks"), ("15:10", "ticks")]  # fmt: skip
    assert document["bars"][0]["open"] == 100.0 and document["bars"][0]["volume"] == 100
    assert document["missing"] == [{"from": "2026-11-16T15:05:00.000000Z", "to": "2026-11-16T15:10:00.000000Z"}]


def test_limit_is_how_many_the_newest(desk: Path) -> None:
    found = json.loads(ask(desk, "SPY", "--json", "--interval", "1m", "--limit", "3").output)["bars"]
    assert [one["start"][11:16] for one in found] == ["15:57", "15:58", "15:59"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("QQQ",), 1, "no 5m bars of QQQ"),
        (("SPY", "--interval", "7m"), 2, "write one of 1m"),
        (("SPY", "--session", "globex"), 2, "has no session"),
        (("SPY", "--from", "2026-11-20", "--to", "2026-11-19"), 2, "2026-11-19 lies before 2026-11-20"),
        (("spy",), 2, "is not a symbol"),
        (("SPY", "--from", "yesterday"), 2, "is not a date or time"),
        (("SPY", "--to", "2026-11-16 09:30 EST"), 2, "America/New_York"),
        (("SPY", "--from", "2026-11-17"), 1, "no 5m bars of SPY"),
        (("SPY", "--to", "2026-11-15"), 1, "no 5m bars of SPY"),
    ],
)
def test_what_there_is_not(desk: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = ask(desk, *arguments)
    assert (result.exit_code, said in " ".join(result.output.split())) == (code, True)


def test_a_day_given_as_a_date_ends_with_it(desk: Path) -> None:
    whole = json.loads(ask(desk, "SPY", "--json", "--from", "2026-11-16", "--to", "2026-11-16").output)["bars"]
    assert len(whole) == 17 and at("2026-11-16 09:30") == OPEN_US
