"""What a package of one's own functions imports: docs/own-functions.md shows a whole one."""

from __future__ import annotations

from tradeassistd.engine.language.own import Bars, Given, Kind, Result, UserFunction

__all__ = ["Bars", "Given", "Kind", "Result", "UserFunction"]
