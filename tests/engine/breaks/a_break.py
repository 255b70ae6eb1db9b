"""One small thing wrong with the package, and the law that must notice."""

from __future__ import annotations

from typing import NamedTuple


class Break(NamedTuple):
    """What goes wrong, in which module of the engine (or `room/module`), the text that changes, and the law."""

    what: str
    file: str
    old: str
    new: str
    law: str
