"""What is particular to Slack: where the bot token comes from, and Slack's error words in words a user can act on.

A channel may be `slack://bot/#alerts`: a bot that posts to #alerts, with the token from SLACK_BOT_TOKEN. With the token
written into it the URL is `slack://xoxb-…/#alerts`; a channel's ID is written `+C0123…`. The app needs the scope
`chat:write` and must be a member of the channel.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from urllib.parse import quote

from tradeassistd.alerts.channels.channel import UnsureError
from tradeassistd.base.errors import ConfigError, PermanentError, TransientError

TOKEN_VARIABLE = "SLACK_BOT_TOKEN"
_BOT = re.compile(r"slack://bot(?=[/?#]|$)", re.IGNORECASE)
# A word of Slack's: as JSON with HTTP 200, or as the whole text of a webhook's refusal. No token looks like one.
_WORD = re.compile(r"""Response Details:\s+b'(?:.*?"error":\s*"([a-z_]+)"|([a-z_]+)(?:\\n)?'$)""")

_NEW_TOKEN = f"Copy the Bot User OAuth Token (xoxb-…) of api.slack.com/apps into {TOKEN_VARIABLE} or the channel's URL"
_NEW_WEBHOOK = "Make a new webhook at api.slack.com/apps and put it into the channel's URL"
_INVITE = "Write /invite and the app's name in that channel"
_OTHER_CHANNEL = "Unarchive that channel in Slack, or name another one"
_ASK_OWNER = "Ask an owner of the workspace to let the app post there"
_HINTS = {
    **dict.fromkeys(
        ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"),
        _NEW_TOKEN,
    ),
    "missing_scope": "Give the app the scope chat:write (OAuth & Permissions), then install it again",
    "channel_not_found": f"Check the channel's name (an ID is written +C0123…); if it is private: {_INVITE}",
    "not_in_channel": _INVITE,
    **dict.fromkeys(("is_archived", "channel_is_archived"), _OTHER_CHANNEL),
    **dict.fromkeys(("no_service", "no_service_id", "no_active_hooks", "no_team", "invalid_token"), _NEW_WEBHOOK),
    **dict.fromkeys(
        ("restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel",
         "posting_to_general_channel_denied", "action_prohibited", "access_denied", "no_permission"),
        _ASK_OWNER,
    ),
}  # fmt: skip
"""What to do about errors that last until somebody does it."""
_RATE_LIMITED = frozenset({"ratelimited", "rate_limited"})
_MAYBE_POSTED = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})


def with_bot_token(name: str, url: str, environment: Mapping[str, str]) -> str:
    """`url` with SLACK_BOT_TOKEN in the place of `bot`; any other URL as it is. Raises ConfigError without a token."""
    url = url.strip()
    found = _BOT.match(url)
    if found is None:
        return url
    token = environment.get(TOKEN_VARIABLE, "").strip()
    if not token.startswith("xox"):
        wrong = "holds no Slack token" if token else "is not set"
        raise ConfigError(f"channel {name}: {TOKEN_VARIABLE} {wrong}", hint=_NEW_TOKEN)
    target = url[found.end():].strip("/")  # fmt: skip
    if not target:
        raise ConfigError(f"channel {name}: it names no channel of Slack", hint="Write slack://bot/#alerts")
    return f"slack://{quote(token, safe='')}/{target}"


class SlackAnswers(logging.Filter):
    """Takes Slack's error word out of what Apprise logs, which tells it at DEBUG only, with payloads and addresses.

    `logger` replaces the plugin's: it has no parent, so that none of this reaches any other log.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logger = logging.Logger("slack", logging.DEBUG)
        self.logger.addFilter(self)
        self._word = ""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            return True
        found = _WORD.match(record.getMessage())
        if found:
            self._word = found.group(1) or found.group(2)
        return False

    def take(self) -> str:
        """The word of the attempt that just ended, empty when there was none."""
        word, self._word = self._word, ""
        return word


def error_of(word: str, rate_limited_pause_s: float) -> TransientError | PermanentError | None:
    """What a word of Slack's means for the delivery; None for one that is not known here."""
    said = f"Slack says {word}"
    if word in _HINTS:
        return PermanentError(said, hint=_HINTS[word])
    if word in _MAYBE_POSTED:
        return UnsureError(said)
    return TransientError(said, retry_after_s=rate_limited_pause_s) if word in _RATE_LIMITED else None
