"""Errors sorted by what the caller must do; each may carry a hint for the operator."""

from __future__ import annotations


class TradeAssistError(Exception):
    """Something went wrong that the project has a name for.

    `hint` is one imperative sentence that says what to do next; empty when there is nothing to do.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class TransientError(TradeAssistError):
    """Try again later: the wire dropped, the service is busy. `retry_after_s` is what the other side asked for."""

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class PermanentError(TradeAssistError):
    """Trying again cannot help: record it, count it, go on."""


class UnfitError(PermanentError):
    """What was asked cannot be meant: ask otherwise (exit code 2)."""


class FatalError(TradeAssistError):
    """The daemon cannot do its work; it stops with a non-zero exit code."""


class ConfigError(TradeAssistError):
    """Settings or rules that cannot be used (exit code 78)."""
