"""Requests to the provider: a slow, broken or hostile answer must not block the service.

Every request has time limits, and all requests of one page together end after ``TOTAL``: no other
limit covers a slow DNS look-up, or an answer that arrives byte by byte. Redirects are not followed
and only public addresses are connected to, so that no request reaches the internal network (SSRF;
:mod:`app.outbound_addresses`). Proxies and ``.netrc`` of the environment are not used, and the size
of an answer is limited. ASVS 15.3.2, 13.2.4, 16.5.2.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from io import BytesIO
from typing import Any, TypeVar

from authlib.integrations.requests_client import OAuth2Session
from requests import RequestException, Response

from app.auth.checked_adapter import CheckedAdapter
from app.oidc_settings import OIDCSettings

Result = TypeVar("Result")

TIMEOUT = (2, 3)  # seconds to connect, and between two parts of an answer
TOTAL = 4.5  # seconds for a page: a thread waits as long, and users leave after about 5
ANSWERS = (200, 400, 401, 403)  # of OAuth and its errors; no redirect, 404, 429 or 5xx
MAX_BYTES = 256 * 1024  # a discovery document has about 5 KiB, Entra's keys about 20 KiB
# Threads that wait for the provider. When all are blocked, other requests fail after TOTAL.
WAITING = ThreadPoolExecutor(max_workers=4, thread_name_prefix="oidc")
log = logging.getLogger("app.oidc")


class UnavailableError(Exception):
    """The provider cannot be used now: 503. The text is only for the log."""


class Client(OAuth2Session):  # type: ignore[misc]
    """Authlib's client with time limits, checked addresses and a limited size of answers."""

    def __init__(self, settings: OIDCSettings, **options: Any) -> None:
        super().__init__(
            settings.client_id,
            settings.client_secret.reveal(),
            scope=settings.scopes,
            code_challenge_method="S256",
            **options,
        )
        for scheme in ("https://", "http://"):
            self.mount(scheme, CheckedAdapter(settings.private_networks))
        self.trust_env = False
        self.headers["Accept-Encoding"] = "identity"  # MAX_BYTES limits what is decoded, too
        self.verify = settings.ca_file or True

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """As in :class:`requests.Session`.

        :raises UnavailableError: when there is no answer, or it is late, too long, or an error.
        """
        deadline = time.monotonic() + TOTAL
        kwargs.update(timeout=TIMEOUT, allow_redirects=False, stream=True)
        try:
            response: Response = super().request(method, url, *args, **kwargs)
            with response:
                body = _read(response, deadline)
            response.raw = BytesIO(body)  # the source of response.content
        except (RequestException, OSError, ValueError) as error:
            raise UnavailableError(f"{method} {url}: {error}") from error
        if response.status_code not in ANSWERS:
            raise UnavailableError(f"{method} {url}: status {response.status_code}")
        return response


def _read(response: Response, deadline: float) -> bytes:
    body = b""
    # Piece by piece: read() would wait for the whole answer, however slowly it arrives.
    while part := response.raw.read1(65536, decode_content=False):
        body += part
        if len(body) > MAX_BYTES or time.monotonic() > deadline:
            raise ValueError("the answer is too long, or takes too long")
    return body


def in_time(call: Callable[[], Result]) -> Result:
    """What ``call`` returns or raises. It runs in a thread, without Flask's context.

    :raises UnavailableError: when it takes longer than ``TOTAL``.
    """
    future = WAITING.submit(call)
    try:
        return future.result(TOTAL)
    except Late as error:
        future.cancel()
        raise UnavailableError(f"no answer within {TOTAL} seconds") from error
    except RecursionError as error:
        raise UnavailableError("an answer is nested too deeply") from error
