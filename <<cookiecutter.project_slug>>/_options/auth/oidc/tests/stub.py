"""A provider inside the tests, for those that are not about it: it signs what it is told to.

It stands in the place of the network. PKCE, the client's secret and the single use of a code are
checked, so that a service which forgets one cannot sign in.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

ISSUER = "https://id.service.test"
CLIENT_ID, CLIENT_SECRET = "service", "wool+lantern%orbit~7-thistle"
CALLBACK = "https://service.test/auth/callback"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
    "end_session_endpoint": f"{ISSUER}/logout",
    "id_token_signing_alg_values_supported": ["ES256"],
    "authorization_response_iss_parameter_supported": True,
}


def half_hash(text: str) -> str:
    """``at_hash`` of an access token, for ES256."""
    half = hashlib.sha256(text.encode()).digest()[:16]
    return urlsafe_b64encode(half).decode().rstrip("=")


def subject_of(email: str) -> str:
    """The subject of a user at the provider; it does not reveal the address."""
    return hashlib.sha256(email.encode()).hexdigest()


class Stub(BaseAdapter):
    """The provider, as requests sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.key = ECKey.generate_key("P-256", auto_kid=True)
        self.codes: dict[str, tuple[str, dict[str, Any]]] = {}

    def authorize(self, url: str, who: str, /, **claims: Any) -> str:
        """Sign in at the provider: the path to which it sends the browser back.

        :param claims: others than those of an honest provider; None takes one out.
        """
        query = {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{ISSUER}/authorize?")
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
        assert (query["code_challenge_method"], query["redirect_uri"]) == ("S256", CALLBACK)
        code = secrets.token_urlsafe(16)
        known: dict[str, Any] = {"nonce": query["nonce"], "sub": subject_of(who), "email": who}
        if query.get("max_age", "0") != "0":  # some providers take 0 for none
            known["auth_time"] = int(time.time())
        if "acr_values" in query:
            known["acr"] = query["acr_values"].split()[0]
        self.codes[code] = query["code_challenge"], known | claims
        answer = {"code": code, "state": query["state"], "iss": ISSUER}
        return f"/auth/callback?{urlencode(answer)}"

    def sign(self, typ: str | None = None, **claims: Any) -> str:
        """A token for this service, issued now."""
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        made = {k: v for k, v in (usual | claims).items() if v is not None}
        header = {"alg": "ES256", "kid": self.key.kid} | ({"typ": typ} if typ else {})
        return jwt.encode(header, made, self.key)

    def tokens(self, form: dict[str, list[str]], authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint."""
        sent = b64decode(authorization.removeprefix("Basic ")).decode()
        assert sent == "service:wool%2Blantern%25orbit~7-thistle", "RFC 6749 section 2.3.1"
        challenge, claims = self.codes.pop(form["code"][0], ("", {}))
        made = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        if urlsafe_b64encode(made).decode().rstrip("=") != challenge:
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe(16)
        id_token = self.sign(**claims, at_hash=half_hash(access_token))
        return 200, {"access_token": access_token, "token_type": "Bearer", "id_token": id_token}

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        path, status = urlsplit(str(request.url)).path, 200
        if path == "/.well-known/openid-configuration":
            body: dict[str, Any] = METADATA
        elif path == "/keys":
            body = {"keys": [self.key.as_dict(private=False)]}
        else:
            assert path == "/token"
            form = parse_qs(str(request.body))
            status, body = self.tokens(form, str(request.headers["Authorization"]))
        return answer(request, status, json.dumps(body))

    def close(self) -> None:
        """Nothing to close."""


def answer(request: PreparedRequest, status: int, body: str) -> Response:
    """A response as the network would have brought it."""
    response = Response()
    response.request, response.url, response.status_code = request, str(request.url), status
    response.raw = HTTPResponse(io.BytesIO(body.encode()), status=status, preload_content=False)
    return response


STUB = Stub()
