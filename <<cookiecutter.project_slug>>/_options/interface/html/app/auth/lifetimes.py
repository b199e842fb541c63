"""How long a sign-in lasts in a browser."""

from __future__ import annotations

from datetime import timedelta

# OWASP Session Management cheat sheet: 15 to 30 minutes idle for a low-risk application, 4 to 8
# hours absolute for an office day; NIST SP 800-63B-4 allows 24 hours. PyPI ends sessions after 12.
IDLE_TIMEOUT = timedelta(minutes=30)
ABSOLUTE_TIMEOUT = timedelta(hours=12)
