"""The README's pictures: small, self-contained, and the same bytes for the same screen."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from tests.cli.snapshots import FULL

DOCS = Path(__file__).resolve().parents[2] / "docs"
BYTES_MAX = 150_000


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    module.DOCS = tmp_path  # type: ignore[attr-defined]
    return module


def test_a_picture_is_the_screen(pictures: ModuleType, tmp_path: Path) -> None:
    for picture in pictures.PICTURES:
        pictures.save(picture, FULL)
        first = (tmp_path / f"{picture.name}.svg").read_bytes()
        pictures.save(picture, FULL)
        assert (tmp_path / f"{picture.name}.svg").read_bytes() == first
        shown = " ".join(ElementTree.fromstring(first).itertext()).replace("\N{NO-BREAK SPACE}", " ")
        assert "futures-fast-drop" in shown and "6,882.25" in shown and "10:09:37" in shown


@pytest.mark.parametrize("name", ["demo", "top"])
def test_the_pictures_that_are_shipped_need_nothing_from_elsewhere(name: str) -> None:
    text = (DOCS / f"{name}.svg").read_text("utf-8")
    assert len(text.encode()) < BYTES_MAX
    assert set(re.findall(r"https?://[^\"')\s]+", text)) == {"http://www.w3.org/2000/svg"}
    shown = " ".join(ElementTree.fromstring(text).itertext())
    assert "live" in shown and "alerts" in shown and "…" in shown
