"""A soft authenticator: it answers as a browser with a passkey does, or as an attacker would.

It is built on the parts of python-fido2, which is another implementation of WebAuthn than the one
that the service checks answers with. Each hostile answer differs from an honest one in the one
point that its name says, and is signed by the right key unless the signature is what differs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, HashAlgorithm
from fido2 import cose
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from tests.browser import DOMAIN, ORIGIN

FLAG = AuthenticatorData.FLAG
UP, UV = FLAG.UP, FLAG.UV  # the user is present, and was verified
ID_LENGTH = 32  # bytes


@dataclass
class Key:
    """A key pair: the public part as COSE says it, and what signs."""

    public: cose.CoseKey
    sign: Callable[[bytes], bytes]


@dataclass
class Stored:
    """A passkey as the authenticator keeps it."""

    id: bytes
    key: Key
    rp_id: str
    user_handle: bytes
    count: int = 0


def new_key(algorithm: str = "ES256") -> Key:
    """A new key pair for an algorithm, by its name in the registry of COSE."""
    return KEYS[algorithm]()


def _elliptic(curve: ec.EllipticCurve, kind: type[Any], digest: HashAlgorithm) -> Key:
    private = ec.generate_private_key(curve)
    public = kind.from_cryptography_key(private.public_key())
    return Key(public, lambda message: private.sign(message, ec.ECDSA(digest)))


def _rsa(kind: type[Any], digest: HashAlgorithm) -> Key:
    private = rsa.generate_private_key(65537, 2048)
    public = kind.from_cryptography_key(private.public_key())
    return Key(public, lambda message: private.sign(message, padding.PKCS1v15(), digest))


def _edwards() -> Key:
    private = ed25519.Ed25519PrivateKey.generate()
    return Key(cose.EdDSA.from_cryptography_key(private.public_key()), private.sign)


KEYS: dict[str, Callable[[], Key]] = {
    "ES256": lambda: _elliptic(ec.SECP256R1(), cose.ES256, SHA256()),
    "EdDSA": _edwards,
    "RS256": lambda: _rsa(cose.RS256, SHA256()),
    # None of these is allowed.
    "ES384": lambda: _elliptic(ec.SECP384R1(), cose.ES384, SHA384()),
    "ES256K": lambda: _elliptic(ec.SECP256K1(), cose.ES256K, SHA256()),
    "RS1": lambda: _rsa(cose.RS1, SHA1()),  # noqa: S303 - what must be refused
}


class Authenticator:
    """A device with passkeys, and the browser that asks it.

    :param origin: of the page that asks, as the browser says it.
    :param rp_id: for which the browser asks; None: what the options say.
    """

    def __init__(self, origin: str = ORIGIN, rp_id: str | None = DOMAIN) -> None:
        self.origin, self.rp_id = origin, rp_id
        self.stored: list[Stored] = []

    def create(self, options: dict[str, Any], **hostile: Any) -> dict[str, Any]:
        """Make a passkey, as ``navigator.credentials.create`` does; its answer.

        :param hostile: see :meth:`_client_data`, :meth:`_authenticator_data` and below. Besides,
            ``algorithm``, ``id`` (bytes), ``public_key`` (COSE), ``fmt`` and ``statement`` of the
            attestation, and ``attestation`` (bytes) in place of all.
        """
        key = new_key(hostile.get("algorithm", "ES256"))
        made = Stored(
            id=hostile.get("id", secrets.token_bytes(ID_LENGTH)),
            key=key,
            rp_id=self.rp_id or options["rp"]["id"],
            user_handle=websafe_decode(options["user"]["id"]),
            count=hostile.get("count", 0),
        )
        self.stored.append(made)
        public = hostile.get("public_key", key.public)
        attested = AttestedCredentialData.create(Aaguid.NONE, made.id, public)
        flags = hostile.get("flags", UP | UV | FLAG.AT)
        data = self._authenticator_data(made, flags, hostile, bytes(attested))
        statement = hostile.get("fmt", "none"), data, hostile.get("statement", {})
        response = {
            "clientDataJSON": self._client_data("webauthn.create", options, hostile),
            "attestationObject": websafe_encode(
                hostile.get("attestation") or AttestationObject.create(*statement)
            ),
            "transports": ["internal"],
        }
        return _credential(made.id, response, hostile)

    def get(self, options: dict[str, Any], **hostile: Any) -> dict[str, Any]:
        """Sign with a passkey, as ``navigator.credentials.get`` does; its answer.

        :param hostile: see :meth:`_client_data`, :meth:`_authenticator_data` and below. Besides,
            ``stored`` (the passkey that answers), ``key`` (which signs), ``signature`` (bytes), and
            ``user_handle`` (bytes, or None for none).
        """
        stored: Stored = hostile.get("stored") or self._chosen(options)
        if "count" not in hostile and stored.count:
            stored.count += 1
        flags = hostile.get("flags", UP | UV)
        data = self._authenticator_data(stored, flags, hostile)
        client_data = self._client_data("webauthn.get", options, hostile)
        signed = data + sha256(websafe_decode(client_data)).digest()
        handle = hostile.get("user_handle", stored.user_handle)
        response = {
            "clientDataJSON": client_data,
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(
                hostile.get("signature") or hostile.get("key", stored.key).sign(signed)
            ),
            "userHandle": None if handle is None else websafe_encode(handle),
        }
        return _credential(stored.id, response, hostile)

    def _chosen(self, options: dict[str, Any]) -> Stored:
        """The newest passkey that the options allow; any, when they name none."""
        allowed = {websafe_decode(it["id"]) for it in options.get("allowCredentials") or []}
        return next(it for it in reversed(self.stored) if not allowed or it.id in allowed)

    def _client_data(self, kind: str, options: dict[str, Any], hostile: dict[str, Any]) -> str:
        """What the browser says: hostile are ``type``, ``challenge``, ``origin``, ``cross_origin``.

        ``client_data`` (bytes) takes the place of all.
        """
        if "client_data" in hostile:
            return websafe_encode(hostile["client_data"])
        made = CollectedClientData.create(
            hostile.get("type", kind),
            hostile.get("challenge", options["challenge"]),
            hostile.get("origin", self.origin),
            hostile.get("cross_origin", False),
        )
        return websafe_encode(bytes(made))

    def _authenticator_data(
        self, stored: Stored, flags: int, hostile: dict[str, Any], attested: bytes = b""
    ) -> bytes:
        """What the authenticator says: hostile are ``rp_id``, ``flags`` and ``count``.

        ``authenticator_data`` (bytes) takes the place of all.
        """
        if "authenticator_data" in hostile:
            return bytes(hostile["authenticator_data"])
        rp_id = hostile.get("rp_id", stored.rp_id)
        count = hostile.get("count", stored.count)
        data = AuthenticatorData.create(
            sha256(rp_id.encode()).digest(), FLAG(flags), count, attested
        )
        return bytes(data)


def _credential(
    credential_id: bytes, response: dict[str, Any], hostile: dict[str, Any]
) -> dict[str, Any]:
    """The JSON of a credential; ``wrapped`` (a dict) changes it from outside."""
    encoded = websafe_encode(credential_id)
    found = {
        "id": encoded,
        "rawId": encoded,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": response | hostile.get("response", {}),
    }
    return found | hostile.get("wrapped", {})
