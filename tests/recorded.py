"""Recorded market data: third-party files kept beside the checkout, never in it."""

from __future__ import annotations

import gzip
import os
from itertools import islice
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("TRADEASSIST_RECORDED", Path(__file__).resolve().parents[2] / "shared" / "data"))

WHOLE = os.environ.get("TRADEASSIST_WHOLE", "") == "1"
"""Recorded days are played whole (`make sessions`), else only their beginning."""
BEGINNING_ROWS = 40_000


def recorded(name: str) -> Path:
    """The path of one recorded file; skips the test where the data is absent."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"recorded data is absent: {name}")
    return path


def beginning(path: Path, folder: Path) -> Path:
    """The file itself where days are played whole, else its first BEGINNING_ROWS rows in a file of the same name."""
    if WHOLE:
        return path
    made = folder / path.name
    with gzip.open(path, "rt", encoding="utf-8") as file, gzip.open(made, "wt", encoding="utf-8") as first:
        first.writelines(islice(file, BEGINNING_ROWS + 1))
    return made
