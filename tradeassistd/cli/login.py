"""Who types: for the audit of what is said to the daemon."""

from __future__ import annotations

import os
import pwd


def login_name() -> str:
    """The login name; the number of a user without one."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
