"""The provider's metadata and keys, fetched when they are needed and cached for ten minutes.

The issuer in the metadata must be the configured one (mix-up attack, OpenID Connect Discovery 1.0
section 4.3). Nothing is fetched at start-up, and a failure only causes a short pause: the service
starts without its provider and needs no restart when the provider is back.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.auth.outbound import Client, UnavailableError
from app.oidc_settings import OIDCSettings

KEEP = 600  # seconds in the cache; so long is a withdrawn key still accepted
PAUSE = 3  # seconds between two attempts after a failure: an outage must not block every thread
REFRESH = 10  # seconds between two requests for new keys: forged key ids must not cause a flood
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
OPTIONAL_ENDPOINTS = ("userinfo_endpoint", "end_session_endpoint")


class Provider:
    """The provider; each worker process has its own cache."""

    def __init__(self, settings: OIDCSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._failed_at = 0.0

    def metadata(self) -> dict[str, Any]:
        """The discovery document.

        :raises UnavailableError: when it cannot be fetched, or is not this issuer's.
        """
        if self._metadata is None or time.monotonic() - self._metadata[0] > KEEP:
            url = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = self._fetch(url)
            self._check(found)
            self._metadata = time.monotonic(), found
        return self._metadata[1]

    def keys(self, *, newer_than: KeySet | None = None) -> KeySet:
        """The keys that sign ID tokens.

        :param newer_than: keys that did not verify; returned again when there are no others yet.
        :raises UnavailableError: when they cannot be fetched.
        """
        with self._lock:
            known, age = None, float("inf")
            if self._keys is not None:
                known, age = self._keys[1], time.monotonic() - self._keys[0]
            if known is None or age > (KEEP if newer_than is not known else REFRESH):
                found = self._fetch(self.metadata()["jwks_uri"])
                try:
                    # Only keys that verify signatures, not those for encryption.
                    usable = [key for key in found["keys"] if key.get("use", "sig") == "sig"]
                    known = KeySet.import_key_set({"keys": usable})
                except (JoseError, KeyError, TypeError, ValueError, AttributeError) as error:
                    raise UnavailableError(f"the keys cannot be read: {error}") from error
                self._keys = time.monotonic(), known
            return known

    def client(self, **options: Any) -> Client:
        """A client that authenticates to the token endpoint as the provider asks."""
        offered = self.metadata().get("token_endpoint_auth_methods_supported") or []
        post = "client_secret_post" in offered and "client_secret_basic" not in offered
        method = "client_secret_post" if post else "client_secret_basic"
        client = Client(self.settings, token_endpoint_auth_method=method, **options)
        client.register_client_auth_method(("client_secret_basic", _basic))
        return client

    def _fetch(self, url: str) -> dict[str, Any]:
        if time.monotonic() - self._failed_at < PAUSE and self._failed_at:
            raise UnavailableError("it did not answer a moment ago")
        try:
            with Client(self.settings) as client:
                response = client.get(url, withhold_token=True)
            found = response.json() if response.status_code == 200 else None
            if not isinstance(found, dict):
                raise UnavailableError(f"GET {url}: no JSON object ({response.status_code})")
        except (UnavailableError, ValueError) as error:
            self._failed_at = time.monotonic()
            raise UnavailableError(str(error)) from error
        self._failed_at = 0.0
        return found

    def _check(self, metadata: dict[str, Any]) -> None:
        if metadata.get("issuer") != self.settings.issuer:
            raise UnavailableError(
                f"it calls itself {metadata.get('issuer')!r}; set OIDC_ISSUER to exactly that, if"
                " it is the right one"
            )
        for name in (*ENDPOINTS, *OPTIONAL_ENDPOINTS):
            if name in OPTIONAL_ENDPOINTS and not metadata.get(name):
                continue
            # The issuer's scheme: https, or http with a provider for development.
            scheme = urlsplit(str(metadata.get(name))).scheme
            if scheme not in ("https", urlsplit(self.settings.issuer).scheme):
                raise UnavailableError(f"its {name} is no https:// address")


def _basic(client: Client, method: str, uri: str, headers: dict[str, str], body: str) -> Any:
    """HTTP Basic as in RFC 6749 section 2.3.1: Authlib does not encode a "%" in the secret."""
    pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
    headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return uri, headers, body
