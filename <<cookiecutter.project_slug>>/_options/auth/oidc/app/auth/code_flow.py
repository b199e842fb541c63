"""Sign-in by authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 9700).

This module asks the provider and exchanges its answer for claims about the user.
:mod:`app.auth.pending` binds an answer to the browser that started the sign-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.integrations.base_client import OAuthError

from app.auth import provider_proof, provider_tokens
from app.auth.claims import Claims
from app.auth.outbound import Client, UnavailableError
from app.auth.pending import Pending
from app.auth.provider import Provider
from app.auth.provider_tokens import RefusedError
from app.secret import Secret

# Errors that pass, RFC 6749 section 4.1.2.1.
NOT_NOW = ("server_error", "temporarily_unavailable")
TOKENS = ("access_token", "id_token")  # of the answer, of RFC 6749 section 5.1 and Core 1.0


def authorization_url(provider: Provider, pending: Pending) -> str:
    """Where the browser goes to sign in.

    :raises UnavailableError: when the provider's metadata cannot be fetched.
    """
    endpoint = provider.metadata()["authorization_endpoint"]
    with provider.client(redirect_uri=pending.redirect_uri) as client:
        url, _ = client.create_authorization_url(
            endpoint,
            state=pending.state.reveal(),
            nonce=pending.nonce.reveal(),
            code_verifier=pending.verifier.reveal(),
            **provider_proof.asked_for(provider.settings, pending),
        )
    return str(url)


def finish(provider: Provider, pending: Pending, answer: Mapping[str, str]) -> Claims:
    """The claims about the user who signed in. The provider's tokens are not kept.

    :raises RefusedError: when the answer or a token in it is wrong, or the user has cancelled; also
        when the provider has proven less than it was asked for.
    :raises UnavailableError: when the provider cannot be asked.
    """
    metadata = provider.metadata()
    # Mix-up attack: the code of another provider would be sent to this one (RFC 9207).
    promised = metadata.get("authorization_response_iss_parameter_supported") is True
    if ("iss" in answer or promised) and answer.get("iss") != provider.settings.issuer:
        raise RefusedError(f"iss of the answer: {answer.get('iss')!r}")
    if problem := answer.get("error"):
        text = f"the provider answers {problem[:100]!r}"
        raise UnavailableError(text) if problem in NOT_NOW else RefusedError(text)
    if not (code := Secret(answer.get("code", ""))):
        raise RefusedError("no code")
    with provider.client(redirect_uri=pending.redirect_uri) as client:
        try:
            issued = Claims(
                client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code.reveal(),
                    code_verifier=pending.verifier.reveal(),
                )
            )
        except OAuthError as error:
            text = f"the token endpoint answers {error.error!r}"
            if error.error == "invalid_grant":  # the code was used before, is too old, or not ours
                raise RefusedError(text) from error
            raise UnavailableError(text) from error  # such as invalid_client: a wrong setting
        except (ValueError, TypeError, AttributeError) as error:
            raise UnavailableError(f"the token endpoint answers no JSON: {error}") from error
        access_token, token = (Secret(str(issued.get(it) or "")) for it in TOKENS)
        claims = provider_tokens.id_token(
            token, provider, nonce=pending.nonce, access_token=access_token
        )
        provider_proof.check(claims, provider.settings, pending)
        endpoint = metadata.get("userinfo_endpoint")
        if endpoint and access_token and not _complete(provider, claims):
            more = _userinfo(client, endpoint, access_token, Secret(claims["sub"]))
            claims = Claims({**more, **claims})
    return claims


def _userinfo(client: Client, endpoint: str, access_token: Secret, subject: Secret) -> Claims:
    headers = {"Authorization": f"Bearer {access_token.reveal()}"}
    try:
        found = client.get(endpoint, headers=headers, withhold_token=True).json()
    except ValueError as error:
        raise UnavailableError(f"userinfo is no JSON: {error}") from error
    # Another sub: the token was swapped (OpenID Connect Core 1.0 section 5.3.2).
    if not isinstance(found, dict) or subject != found.get("sub"):
        raise RefusedError("userinfo: another sub")
    return Claims({name: found[name] for name in found if name not in provider_proof.CLAIMS})


def _complete(provider: Provider, claims: Mapping[str, Any]) -> bool:
    settings = provider.settings
    grouped = not (settings.allowed_groups or settings.operator_groups)
    return "email" in claims and (grouped or settings.groups_claim.split(".")[0] in claims)


def logout_url(provider: Provider, home: str) -> str | None:
    """Where to sign out at the provider (RP-Initiated Logout 1.0); None when it has no such page.

    No ID token was kept to send as ``id_token_hint``, so the provider may ask for confirmation.
    """
    endpoint = provider.metadata().get("end_session_endpoint")
    if not endpoint:
        return None
    query = {"client_id": provider.settings.client_id, "post_logout_redirect_uri": home}
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"
