"""How Schwab says no, as errors that say what can be done; whichever library they came through."""

from __future__ import annotations

from typing import Any

from tradeassistd.base.errors import PermanentError, TransientError

LOG_IN = "log in to Schwab again: tradeassist auth login"


class LoginNeeded(PermanentError):
    """Schwab wants a human: the refresh token is dead."""


class LoginDenied(LoginNeeded):
    """The streamer did not take the access token (code 3), which a fresh one may mend."""


class Unauthorized(TransientError):
    """Schwab did not take the access token (401), or the app lacks one of its two products."""


class Replaced(TransientError):
    """Another program logged in with this user and took the stream (code 12)."""


class Refused(TransientError):
    """Schwab answered a request with a code that says no."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def token_refused(error: Any) -> LoginNeeded:
    """The error for an OAuthError of authlib."""
    return LoginNeeded(f"Schwab refused the token: {error.error}", hint=LOG_IN)


def broken(error: Exception, what: str, notice: str = "") -> TransientError:
    """The error for anything a library raised. With httpx2 installed it is that one's: look at what it has."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        hint = "the app needs both products: Accounts and Trading Production, Market Data Production"
        return Unauthorized("Schwab does not take the access token (401)", hint=hint)
    if isinstance(status, int):  # the library's own words are three lines, with links
        return TransientError(f"{what}: Schwab answered HTTP {status}")
    return TransientError(f"{what}: {(notice or f'{type(error).__name__}: {error}')[:300]}")
