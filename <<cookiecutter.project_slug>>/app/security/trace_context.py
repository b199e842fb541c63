"""W3C Trace Context: the trace that a request belongs to, so that its log lines can be found by it.

The client chooses it, so it is only a field of the log and proves nothing. The service's own id of
a request is ``X-Request-ID``, which Nginx makes.
"""

from __future__ import annotations

import re

# W3C Trace Context, section 3.2.2: version, trace, span of the caller, flags. Version ff and ids of
# zeros are not allowed. Only a later version than 00 may have more fields, after a further hyphen.
TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}"
    r"-[0-9a-f]{2}(?P<more>-.*)?"
)
MAX_LENGTH = 512  # characters: nobody sends a longer one


def trace_id(traceparent: str) -> str:
    """The id of the trace, 32 hexadecimal digits; empty if ``traceparent`` is not well-formed."""
    found = TRACEPARENT.fullmatch(traceparent) if len(traceparent) <= MAX_LENGTH else None
    if not found or (found["more"] is not None and found["version"] == "00"):
        return ""
    return found["trace"]
