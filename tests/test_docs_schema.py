"""docs/schema.md and its picture are what the migrations make; a table without words is not documented."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path
from xml.etree import ElementTree

from docs.make_schema import COLUMNS_OF_BOXES, NOT_SHOWN, PAGE, PICTURE, page, picture, tables_of
from tradeassistd.base.clock import ManualClock
from tradeassistd.engine.events import ClockTurn
from tradeassistd.store.writer import Store


def test_the_files_are_what_the_migrations_make() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m docs.make_schema`"
    assert PICTURE.read_text("utf-8") == picture(), "run `python -m docs.make_schema`"


def test_a_real_store_has_these_tables_and_columns(tmp_path: Path) -> None:
    async def begin() -> None:
        store = await Store.open(tmp_path, clock=ManualClock(1))
        store.record(ClockTurn(1_795_185_000_000_000))
        await store.close()

    asyncio.run(begin())
    for kind, file in (("main", "main.db"), ("tape", "tape-20261120.db")):
        raw = sqlite3.connect(tmp_path / file)
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = {
            name: [row[1] for row in raw.execute(f"PRAGMA table_info({name})")]
            for name in names
            if name not in NOT_SHOWN
        }
        raw.close()
        assert {one.name: [column[0] for column in one.columns] for one in tables_of(kind)} == found


def test_every_table_says_what_it_is_for_and_references_lead_somewhere() -> None:
    for kind in ("main", "tape"):
        tables = tables_of(kind)
        assert [one.name for one in tables if not one.words] == []
        assert {to for one in tables for _, to in one.references} <= {one.name for one in tables}
    references = {(one.name, to) for one in tables_of("main") for _, to in one.references}
    assert {("alerts", "transitions"), ("deliveries", "alerts"), ("rules", "rule_sets")} <= references


def test_nothing_of_the_picture_lies_outside_it_or_upon_another_box() -> None:
    root = ElementTree.fromstring(picture())
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    boxes = [
        tuple(int(one.attrib[key]) for key in ("x", "y", "width", "height"))
        for one in root.iter("{http://www.w3.org/2000/svg}rect")
        if one.attrib.get("class") == "box"
    ]
    assert len(boxes) == len(tables_of("main")) + len(tables_of("tape")) > COLUMNS_OF_BOXES
    assert all(x >= 0 and x + w <= width and y >= 0 and y + h <= height for x, y, w, h in boxes)
    for number, (x, y, w, h) in enumerate(boxes):
        for other_x, other_y, other_w, other_h in boxes[:number]:
            apart = x >= other_x + other_w or other_x >= x + w or y >= other_y + other_h or other_y >= y + h
            assert apart
    for line in root.iter("{http://www.w3.org/2000/svg}path"):
        if line.attrib.get("class") == "line":
            points = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", line.attrib["d"])]
            assert all(0 <= point <= max(width, height) for point in points)
