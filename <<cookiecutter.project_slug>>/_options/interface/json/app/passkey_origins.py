"""The setting ``PASSKEY_ORIGINS``: which apps may ask for passkeys.

:mod:`app.auth.relying_party` asks for it. An origin is compared as it is: a pattern, a path or
``http:`` would let another app, or whoever changes what is sent, use the passkeys of this service.
WebAuthn level 3 sections 5.8.1 and 7.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# The origin of a page, as browsers write it: lower case, no path, no slash at the end, no default
# port. Also for app.security.cors.
PAGE = r"https://[a-z0-9-]+(\.[a-z0-9-]+)*(?!:443$)(:[1-9][0-9]{0,4})?"
# The SHA-256 of the certificate that signs an Android app, in base64url without padding.
ANDROID = r"android:apk-key-hash:[A-Za-z0-9_-]{43}"
IOS = r"ios:bundle-id:[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
ORIGIN = re.compile(f"{PAGE}|{ANDROID}|{IOS}")
# In development: a page that this machine alone can serve. Browsers trust it without TLS.
LOCAL = re.compile(r"http://localhost(:[1-9][0-9]{0,4})?")


def origin_problems(origins: Iterable[str], *, development: bool) -> Iterator[str]:
    """Yield every entry that is not exactly one origin."""
    for origin in origins:
        if not ORIGIN.fullmatch(origin) and not (development and LOCAL.fullmatch(origin)):
            yield (
                f"PASSKEY_ORIGINS has {origin!r}; write origins such as https://app.example.com,"
                " android:apk-key-hash:<43 characters> or ios:bundle-id:com.example.app"
            )
