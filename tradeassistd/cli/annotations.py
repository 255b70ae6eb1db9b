"""Findings as workflow commands of GitHub, which shows them beside the lines of a pull request."""

from __future__ import annotations

import os
from pathlib import Path


def annotation(kind: str, file: Path, line: int, column: int, *, title: str, text: str) -> str:
    """One `error`, `warning` or `notice`; the step has to run at the repository's top, for `file` is told from there.

    Percent signs and line ends are escaped, and in properties `:` and `,` (GitHub's actions/toolkit, command.ts).
    """
    shown = Path(os.path.relpath(file)).as_posix()
    where = f"file={_property(shown)},line={line},col={column},title={_property(title)}"
    return f"::{kind} {where}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
