"""The error of a command that needs the running daemon; quick to import, for the program's top level."""

from __future__ import annotations

from tradeassistd.base.errors import TradeAssistError


class NotRunningError(TradeAssistError):
    """No daemon serves the socket, or it has gone away (exit code 69)."""
