"""Requests to the provider: a slow, broken or hostile answer must not hold up the service.

Every request has time limits of its own, and all requests of one page together end after ``TOTAL``:
a host name that does not resolve, or an answer that comes byte by byte, knows no other limit. No
redirect is followed and no address is connected to but a public one, so that nobody is sent inside
the network (SSRF; :mod:`app.addresses`); no proxy and no ``.netrc`` is taken from the
environment; answers are bounded. ASVS 15.3.2, 13.2.4, 16.5.2.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar

from authlib.integrations.requests_client import OAuth2Session
from requests import RequestException, Response

from app.auth.checked_adapter import CheckedAdapter
from app.oidc_settings import OIDCSettings

Result = TypeVar("Result")

TIMEOUT = (2, 3)  # seconds to connect, and between two parts of an answer
TOTAL = 4.5  # seconds for a page; ASVS names none, people leave after about 5
ANSWERS = (200, 400, 401, 403)  # an OAuth error is an answer; a redirect, 404, 429 or 5xx is none
MAX_BYTES = 256 * 1024  # discovery documents have about 5 KiB, Entra's keys about 20
# Threads that wait for the provider. When all hang, others fail after TOTAL instead of waiting.
WAITING = ThreadPoolExecutor(max_workers=4, thread_name_prefix="oidc")
log = logging.getLogger("app.oidc")


class UnavailableError(Exception):
    """The provider cannot be used now: 503. The text is for the log alone."""


class Client(OAuth2Session):  # type: ignore[misc]
    """Authlib's client, with the limits that it does not set."""

    def __init__(self, settings: OIDCSettings, **options: Any) -> None:
        super().__init__(
            settings.client_id,
            settings.client_secret,
            scope=settings.scopes,
            code_challenge_method="S256",
            **options,
        )
        for scheme in ("https://", "http://"):
            self.mount(scheme, CheckedAdapter(settings.private_networks))
        self.trust_env = False
        self.headers["Accept-Encoding"] = "identity"  # what is read is as long as what was sent
        self.verify = settings.ca_file or True

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """As in :class:`requests.Session`.

        :raises UnavailableError: for no answer, a late, a long, a failed or a redirected one.
        """
        deadline = time.monotonic() + TOTAL
        kwargs.update(timeout=TIMEOUT, allow_redirects=False, stream=True)
        try:
            response: Response = super().request(method, url, *args, **kwargs)
            with response:
                response._content = _read(response, deadline)
        except (RequestException, OSError, ValueError) as error:
            raise UnavailableError(f"{method} {url}: {error}") from error
        if response.status_code not in ANSWERS:
            raise UnavailableError(f"{method} {url}: status {response.status_code}")
        return response


def _read(response: Response, deadline: float) -> bytes:
    body = b""
    # Piece by piece as it comes: read() would wait for the whole, however slowly it arrives.
    while part := response.raw.read1(65536, decode_content=False):
        body += part
        if len(body) > MAX_BYTES or time.monotonic() > deadline:
            raise ValueError("the answer is too long, or takes too long")
    return body


def in_time(call: Callable[[], Result]) -> Result:
    """What ``call`` returns or raises, within ``TOTAL``. It runs in a thread: no Flask in there.

    :raises UnavailableError: when it takes longer.
    """
    future = WAITING.submit(call)
    try:
        return future.result(TOTAL)
    except Late as error:
        future.cancel()
        raise UnavailableError(f"no answer within {TOTAL} seconds") from error
    except RecursionError as error:
        raise UnavailableError("an answer is nested too deeply") from error
