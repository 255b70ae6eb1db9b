"""OAuth as Schwab does it: access tokens for half an hour, one refresh token per login, and how either dies. No I/O.

Times are machine seconds. Facts from the protocol notes (1): refreshing keeps the refresh token and does not extend its
seven days; a new login ends the one before; a request without a code or refresh token gets an application token that
cannot be refreshed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

APP_KEY = "simulator-app-key"
APP_SECRET = "simulator-app-secret"
ACCESS_TOKEN_S = 1800
REFRESH_TOKEN_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Grant:
    """A token answer. `refresh_token` is None for an application token."""

    access_token: str
    refresh_token: str | None
    expires_s: int

    def body(self) -> dict[str, object]:
        """The JSON of the answer."""
        body: dict[str, object] = {
            "expires_in": self.expires_s,
            "token_type": "Bearer",
            "scope": "api",
            "access_token": self.access_token,
        }
        if self.refresh_token is not None:
            body |= {"refresh_token": self.refresh_token, "id_token": f"simulator.{secrets.token_hex(8)}"}
        return body


class Tokens:
    """The tokens that are good right now."""

    def __init__(self, access_token_s: int = ACCESS_TOKEN_S) -> None:
        self._access_token_s = access_token_s
        self._access_until_s: dict[str, float] = {}
        self._refresh: tuple[str, float] | None = None
        self._codes: set[str] = set()
        self.refreshes = 0

    def new_code(self) -> str:
        """An authorization code, as the login page hands it out; good for one exchange."""
        code = f"C0.{secrets.token_urlsafe(24)}@"
        self._codes.add(code)
        return code

    def log_in(self, now_s: float) -> Grant:
        """A new login: all tokens before it die."""
        self._access_until_s.clear()
        self._refresh = (secrets.token_urlsafe(32), now_s + REFRESH_TOKEN_S)
        return self._grant(now_s, self._refresh[0])

    def share(self, now_s: float) -> Grant:
        """One more access token of the login there is, or of a new one when there is none."""
        if self._refresh is None or now_s >= self._refresh[1]:
            return self.log_in(now_s)
        return self._grant(now_s, self._refresh[0])

    def exchange(self, code: str, now_s: float) -> Grant | None:
        """The tokens for an authorization code; None when it is unknown or used."""
        if code not in self._codes:
            return None
        self._codes.discard(code)
        return self.log_in(now_s)

    def refresh(self, refresh_token: str, now_s: float) -> Grant | None:
        """A new access token; None when the refresh token is unknown, replaced or seven days old."""
        if self._refresh is None or refresh_token != self._refresh[0] or now_s >= self._refresh[1]:
            return None
        self.refreshes += 1
        return self._grant(now_s, refresh_token)

    def application(self, now_s: float) -> Grant:
        """The token of the application alone."""
        return self._grant(now_s, None)

    def is_good(self, access_token: str, now_s: float) -> bool:
        """Whether the access token is known and has not expired."""
        return now_s < self._access_until_s.get(access_token, float("-inf"))

    def expire_access(self) -> None:
        """Let every access token expire now."""
        self._access_until_s.clear()

    def revoke_refresh(self) -> None:
        """End the login, as after seven days: refreshing fails from now on."""
        self._refresh = None

    def _grant(self, now_s: float, refresh_token: str | None) -> Grant:
        self._access_until_s = {token: until_s for token, until_s in self._access_until_s.items() if until_s > now_s}
        token = f"I0.{secrets.token_urlsafe(32)}@"
        self._access_until_s[token] = now_s + self._access_token_s
        return Grant(token, refresh_token, self._access_token_s)
