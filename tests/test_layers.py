"""The shape of the house: imports point down, each outside library has one door, one room reads the clock."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "tradeassistd"

# Top to bottom; rooms of one line do not know each other (design, "Rooms").
LINES: list[set[str]] = [
    {"cli"}, {"app"}, {"parts"}, {"status"}, {"live", "reload"}, {"api"}, {"history"}, {"alerts"},
    {"rules"}, {"feed", "sim"}, {"store"}, {"functions"}, {"engine"}, {"market"}, {"base"},
]  # fmt: skip
SIM_KNOWS = {"sim", "market", "base"}
FENCED = {
    "schwab": {"feed.schwab", "feed.client"},
    "authlib": {"feed.client"},
    "apprise": {"alerts.channels.apprise"},
    "dbus_fast": {"alerts.channels.desktop"},
    "aiosqlite": {"store.database"},
    "yaml": {"base.yaml12"},
    "lark": {"rules.grammar", "rules.hints"},
    "fastapi": {"sim", "api"},
    "uvicorn": {"sim", "api"},
    "rich": {"cli"},
    "pyarrow": {"store.transfer.parquet"},
    "typer": {"cli"},
}
CLOCK_CALLS = {
    ("time", name) for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep", "localtime")
} | {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("asyncio", "timeout"),
     ("asyncio", "wait_for"), ("loop", "time"), ("loop", "call_later")}  # fmt: skip

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def line_of(room: str) -> int:
    return next(index for index, line in enumerate(LINES) if room in line)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down_and_never_sideways(path: Path) -> None:
    room = name_of(path).split(".")[0]
    if not room:
        return  # the package's own face
    for imported in imports_of(path):
        parts = imported.split(".")
        if parts[0] != "tradeassistd" or len(parts) == 1 or parts[1] in (room, "__version__"):
            continue
        assert line_of(parts[1]) > line_of(room), f"{name_of(path)} imports {imported}"
        if "sim" in (room, parts[1]):
            assert room == "cli" or parts[1] in SIM_KNOWS, f"{name_of(path)} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_outside_library_has_one_door(path: Path) -> None:
    name = name_of(path)
    for imported in imports_of(path):
        doors = FENCED.get(imported.split(".")[0])
        if doors is not None:
            assert any(name == door or name.startswith(f"{door}.") for door in doors), f"{name} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_clock_reads_a_clock(path: Path) -> None:
    if name_of(path) == "base.clock":
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            called = (owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", ""), node.func.attr)
            assert called not in CLOCK_CALLS, f"{name_of(path)}:{node.lineno} reads a clock"
            if called == ("asyncio", "sleep"):
                wait = node.args[0]
                assert isinstance(wait, ast.Constant) and wait.value == 0, f"{name_of(path)}:{node.lineno} sleeps"
        if isinstance(node, ast.ImportFrom):
            assert node.module != "time" or not {alias.name for alias in node.names} & {one for _, one in CLOCK_CALLS}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_in_one_line_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert docstring and docstring.splitlines()[0].endswith((".", ":")), name_of(path)
