"""Takes the parts of a channel's URL out of any text that is stored, shown or logged."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MASK = "***"
TEXT_MAX = 300
"""Longest error text kept."""
_LEAST_LENGTH = 3  # shorter parts are no secrets, and masking them would make any text unreadable
_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*)://\S+")


class SecretMask:
    """Knows the parts of one URL."""

    def __init__(self, url: str) -> None:
        parts = sorted({part for part in _parts(url) if len(part) >= _LEAST_LENGTH}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, parts)), re.IGNORECASE) if parts else None

    def clean(self, text: str) -> str:
        """`text` on one line without those parts, without any URL, and not too long."""
        text = _URL.sub(rf"\1://{MASK}", " ".join(text.split()))
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."


def _parts(url: str) -> set[str]:
    """User, password, host, path and query values, as written and decoded. Slack's first token stands as host."""
    split = urlsplit(url)
    address = split.netloc or ""
    found = {url, address, split.path, split.query, *re.split(r"[/:@?&=]", address + "/" + split.path)}
    found |= {value for _, value in parse_qsl(split.query)}
    # The word after "://" is all there is when the URL is not well formed.
    found |= set(re.split(r"[/:@?&=]", url.partition("://")[2])) if not split.netloc else set()
    return found | {unquote(part) for part in found} | {quote(part, safe="") for part in found}
