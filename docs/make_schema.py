"""Makes docs/schema.md and docs/schema.svg from the migrations: `python -m docs.make_schema`; a test holds them to it.

What a table and a column are for is read from the comments of the migrations: one above a statement is about the table
(or the column that the statement adds), one above a line of a table is about that line.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.migrations import SQL, migration_files

FOLDER = Path(__file__).parent
PAGE, PICTURE = FOLDER / "schema.md", FOLDER / "schema.svg"
KINDS = {"main": f"`{MAIN_FILE}`", "tape": "`tape-YYYYMMDD.db`, one for each trading day"}
NOT_SHOWN = ("sqlite_sequence",)
# What the migrations themselves do not say.
WORDS = {
    "meta": "What a file says of itself: its schema, when it was migrated, and what parts of the daemon remember.",
    "alerts": "One for each time a rule fired, told or not: the transition says why not.",
    "audit": "What people and programs did: reloads, silences, acknowledgements, backups. `body` is JSON.",
    "bars": "Bars made of the trades that were seen. One that a rule has seen is never replaced.",
    "deliveries": "One alert for one channel. Those pending, sending or retrying are the outbox: a start sends them.",
    "instruments": "Not used: what is known of symbols is in the program and in `_instruments.yaml`.",
    "official_bars": "Bars as Schwab tells them, beside those that were made of trades and never in their place.",
    "rules": "Which texts each accepted rule set consists of.",
    "rule_states": "Where each rule stands for each symbol and level; what a start takes up again.",
    "rule_texts": "Texts of rule files, each once.",
    "silences": "What somebody said to the daemon; silences of `_silences.yaml` are texts of `rules`.",
    "transitions": "Each change of a rule's state, with the values at that moment. `operands` and `setup` are JSON.",
}

_STATEMENT = re.compile(r"(CREATE TABLE(?: IF NOT EXISTS)?|ALTER TABLE|DROP TABLE) (\w+)(.*)")
_ADDED = re.compile(r" ADD COLUMN (\w+)")
_RENAMED = re.compile(r" RENAME TO (\w+)")
_COLUMN_WORD = re.compile(r"(?:^|, |\()(\w+) (?:TEXT|INTEGER|REAL|BLOB)")


@dataclass(slots=True)
class TableFacts:
    """A table as it is after every migration."""

    name: str
    words: str
    columns: list[tuple[str, str, bool, str]] = field(default_factory=list)
    """Name, type, whether it is part of the key, and what its comment says."""
    references: list[tuple[str, str]] = field(default_factory=list)
    """(column or columns, table)."""
    indexes: list[str] = field(default_factory=list)


def tables_of(kind: str) -> list[TableFacts]:
    """The tables of main or tape, by running the migrations in memory."""
    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID")
    words: dict[tuple[str, str], str] = {}
    for file in migration_files(SQL / kind):
        text = file.read_text("utf-8")
        raw.executescript(text)
        _read_comments(text, words)
    names = [name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")]
    found = [_facts(raw, name, words) for name in names if name not in NOT_SHOWN]
    raw.close()
    return sorted(found, key=lambda one: one.name)


def _facts(raw: sqlite3.Connection, name: str, words: dict[tuple[str, str], str]) -> TableFacts:
    facts = TableFacts(name, " ".join(filter(None, (WORDS.get(name, ""), words.get((name, ""), "")))))
    for _, column, kind, _, _, key in raw.execute(f"PRAGMA table_info({name})"):
        facts.columns.append((column, kind, bool(key), words.get((name, column), "")))
    keys: dict[int, tuple[str, list[str]]] = {}
    for number, _, to, column, *_ in raw.execute(f"PRAGMA foreign_key_list({name})"):
        keys.setdefault(number, (to, []))[1].append(column)
    facts.references = sorted((", ".join(columns), to) for to, columns in keys.values())
    facts.indexes = [sql for (sql,) in raw.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL ORDER BY name", (name,)
    )]  # fmt: skip
    return facts


def _read_comments(text: str, words: dict[tuple[str, str], str]) -> None:
    """By (table, column) what the comments say; the column is empty for the table itself."""
    said: list[str] = []
    inside = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("--"):
            said.append(line.removeprefix("--").strip())
            continue
        if not line:
            said = said if inside else []  # what stands apart is about the whole file
            continue
        if statement := _STATEMENT.match(line):
            inside = _read_statement(statement, " ".join(said), words)
            said = []
        elif inside:
            for column in _COLUMN_WORD.findall(line)[:1] if said else ():
                words[inside, column] = " ".join(said)
            said = []
        if line.endswith(";") or line.startswith(")"):
            inside, said = "", []


def _read_statement(statement: re.Match[str], said: str, words: dict[tuple[str, str], str]) -> str:
    """Note what is said of a table or an added column; gives the table whose lines follow, if any do."""
    action, table, rest = statement.groups()
    if action.startswith("CREATE"):
        if said:
            words[table, ""] = said
        return table
    if action.startswith("DROP"):
        for key in [key for key in words if key[0] == table]:
            del words[key]
    elif added := _ADDED.match(rest):
        words[table, added[1]] = said
    elif renamed := _RENAMED.match(rest):
        for key in [key for key in words if key[0] == table]:
            words[renamed[1], key[1]] = words.pop(key)
    return ""


def page() -> str:
    """The whole of docs/schema.md."""
    lines = [
        "# What is stored", "",
        "<!-- made by `python -m docs.make_schema` from tradeassistd/store/sql: do not edit -->", "",
        f"![The tables and what refers to what]({PICTURE.name})", "",
        "SQLite files in the state directory. Times are UTC microseconds, prices integers of 10^-8 (on a tape as said",
        "there). Bold columns are the key. Read them with any program, but let only the daemon write.", "",
    ]  # fmt: skip
    for kind, where in KINDS.items():
        version = len(migration_files(SQL / kind))
        lines += [f"## {where}", "", f"Schema {version}, by `tradeassistd/store/sql/{kind}/`.", ""]
        for table in tables_of(kind):
            lines += [f"### {table.name}", "", *([f"{table.words}", ""] if table.words else []), *_columns(table), ""]
    return "\n".join(lines).rstrip() + "\n"


def _columns(table: TableFacts) -> Iterator[str]:
    refers = {column: to for columns, to in table.references for column in columns.split(", ")}
    yield "| column | type | |"
    yield "|---|---|---|"
    for name, kind, is_key, words in table.columns:
        what = " ".join(filter(None, (words, f"See `{refers[name]}`." if name in refers else ""))).replace("|", "\\|")
        yield f"| {f'**{name}**' if is_key else name} | {kind.lower() or 'any'} | {what} |"
    if table.indexes:
        yield ""
        yield from (f"- `{' '.join(index.split())}`" for index in table.indexes)


# The picture: a box for each table, in columns that are filled from the left; lines lead to what a table refers to.
BOX_WIDTH, LINE, HEAD, GAP_X, GAP_Y, MARGIN = 208, 15, 24, 62, 22, 20
COLUMNS_OF_BOXES = 5
STYLE = (
    "text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#24292f}.name{font-weight:700;font-size:12px}"
    ".key{font-weight:700}.type{fill:#6e7781}.box{fill:#fff;stroke:#8c959f}.head{fill:#ddf4ff;stroke:#8c959f}"
    ".tape{fill:#fff8c5}.line{fill:none;stroke:#0969da;stroke-width:1.5}.note{fill:#57606a}"
)


def picture() -> str:
    """The whole of docs/schema.svg."""
    main, tape = tables_of("main"), tables_of("tape")
    boxes = _placed([*_by_reference(main)], 0, MARGIN + 26)
    bottom = max(y + _height(table) for table, _, y in boxes.values())
    of_tape = _placed(tape, 0, bottom + 64)
    end = max(y + _height(table) for table, _, y in of_tape.values()) + MARGIN
    width = 2 * MARGIN + COLUMNS_OF_BOXES * BOX_WIDTH + (COLUMNS_OF_BOXES - 1) * GAP_X + GAP_X // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {end}" width="{width}" height="{end}">',
        f"<style>{STYLE}</style>", f'<rect width="{width}" height="{end}" fill="#f6f8fa"/>',
        '<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#0969da"/></marker></defs>',
        _text(MARGIN, MARGIN + 10, "main.db", "name"),
        _text(MARGIN, bottom + 48, "tape-YYYYMMDD.db, one for each trading day", "name"),
        *(_box(table, x, y, "head") for table, x, y in boxes.values()),
        *(_box(table, x, y, "head tape") for table, x, y in of_tape.values()),
        *(_line(boxes[table.name], column, boxes[to]) for table in main for column, to in table.references),
        "</svg>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _by_reference(tables: list[TableFacts]) -> Iterator[TableFacts]:
    """Those that refer to each other first, what is referred to before what refers, then the largest."""
    by_name = {table.name: table for table in tables}
    linked = {name for table in tables for _, to in table.references for name in (table.name, to)}
    placed: set[str] = set()

    def place(table: TableFacts) -> Iterator[TableFacts]:
        if table.name not in placed:
            placed.add(table.name)
            for _, to in table.references:
                yield from place(by_name[to])
            yield table

    for table in sorted(tables, key=lambda one: (one.name not in linked, -len(one.columns), one.name)):
        yield from place(table)


def _placed(tables: list[TableFacts], left: int, top: int) -> dict[str, tuple[TableFacts, int, int]]:
    """Where the corner of each box is: in the column that is the shortest so far."""
    ends = [top] * COLUMNS_OF_BOXES
    found = {}
    for table in tables:
        column = min(range(COLUMNS_OF_BOXES), key=lambda one: (ends[one], one))
        found[table.name] = table, MARGIN + left + column * (BOX_WIDTH + GAP_X), ends[column]
        ends[column] += _height(table) + GAP_Y
    return found


def _height(table: TableFacts) -> int:
    return HEAD + LINE * len(table.columns) + 8


def _box(table: TableFacts, x: int, y: int, style: str) -> str:
    lines = [
        f'<rect class="box" x="{x}" y="{y}" width="{BOX_WIDTH}" height="{_height(table)}" rx="4"/>',
        f'<rect class="{style}" x="{x}" y="{y}" width="{BOX_WIDTH}" height="{HEAD}" rx="4"/>',
        _text(x + 8, y + 16, table.name, "name"),
    ]
    for number, (name, kind, is_key, _) in enumerate(table.columns):
        at = y + HEAD + LINE * (number + 1)
        lines += [_text(x + 8, at, name, "key" if is_key else ""), _text(x + 150, at, kind.lower(), "type")]
    return "\n".join(lines)


def _line(box: tuple[TableFacts, int, int], columns: str, to: tuple[TableFacts, int, int]) -> str:
    """From the first column that refers to the head of the table it means, out at the nearer side and in there."""
    table, x, y = box
    number = next(n for n, (name, *_) in enumerate(table.columns) if name == columns.split(", ")[0])
    begin_y, end_y = y + HEAD + LINE * (number + 1) - 4, to[2] + HEAD // 2
    goes_left = to[1] < x
    begin_x = x if goes_left else x + BOX_WIDTH
    end_x = to[1] + BOX_WIDTH if to[1] != x else x + BOX_WIDTH
    if not goes_left and to[1] != x:
        end_x = to[1]
    bend = -GAP_X // 2 if goes_left else GAP_X // 2
    inwards = end_x + (GAP_X // 2 if goes_left or to[1] == x else -GAP_X // 2)
    return (
        f'<path class="line" marker-end="url(#to)" d="M{begin_x} {begin_y}H{begin_x + bend}'
        f'C{begin_x + bend} {end_y} {inwards} {begin_y} {inwards} {end_y}H{end_x}"/>'
    )


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text{f" class={style!r}" if style else ""} x="{x}" y="{y}">{escape(text)}</text>'


def main() -> None:
    """Write both files."""
    PAGE.write_text(page(), "utf-8")
    PICTURE.write_text(picture(), "utf-8")


if __name__ == "__main__":
    main()
