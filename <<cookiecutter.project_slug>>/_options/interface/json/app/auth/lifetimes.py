"""How long a sign-in lasts in an app that keeps its tokens, and each of the tokens."""

from __future__ import annotations

from datetime import timedelta

# An access token is checked against the database each time, so that it can end before; its lifetime
# bounds what a token is worth that turns up in a log or a backup. RFC 9700 asks for short, 5 to 15
# minutes are common.
ACCESS_LIFETIME = timedelta(minutes=10)
LEEWAY = timedelta(seconds=10)  # by which the clocks of two instances may differ; RFC 7519: minutes
# A refresh token is good for one use within the idle time: an app that is opened once a week keeps
# its user signed in. After the absolute time the password is asked for, whatever happens; NIST SP
# 800-63B-4 asks for it after 30 days at the latest where one factor is used.
IDLE_TIMEOUT = timedelta(days=7)
ABSOLUTE_TIMEOUT = timedelta(days=14)
