"""The settings of the OpenID Connect provider; :mod:`app.settings` reads them with all others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.environment import SettingsReader
from app.outbound_addresses import Network, networks
from app.secret import Secret

MAX_ISSUER = 255  # characters; it is stored with every account
DEFAULT_SCOPES = "openid email"
LOCAL_PROVIDER = "http://localhost:9000"  # what `make provider` starts
LOCAL_CLIENT = "development"  # the id of its client
# No word that occurs elsewhere: the log blanks out every client secret. Everybody knows this one.
LOCAL_SECRET = "the-secret-of-the-development-client"  # development only # nosec B105 # noqa: S105
LOOPBACK = "127.0.0.0/8, ::1/128"
ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?")
SECONDS = re.compile(r"[1-9][0-9]{1,7}")
MIN_MAX_AGE = 60  # seconds: users may take as long to consent at the provider after signing in


@dataclass(frozen=True)
class OIDCSettings:
    """The provider, and who may sign in.

    :param ca_file: certificates to trust instead of the public ones; empty means the public ones.
    :param private_networks: networks that are not public and may be connected to.
    :param redirect_origins: origins that sign-in redirects to, in addition to the issuer's.
    :param groups_claim: the claim that lists a user's groups or roles; dots lead into objects.
    :param allowed_groups: members may sign in; empty means every user of the provider.
    :param operator_groups: members are operators; empty means only emergency accounts are.
    :param acr_values: of which one must be the ``acr`` of each sign-in, the best first; empty means
        any. The provider says what its values mean.
    :param amr_values: of which one must be in the ``amr`` of each sign-in; empty means any.
    :param max_age: how many seconds ago users may have signed in at the provider; None means any.
    :param emergency_login: whether emergency accounts may sign in with a password.
    """

    issuer: str
    client_id: str
    client_secret: Secret
    scopes: str
    ca_file: str
    private_networks: tuple[Network, ...]
    redirect_origins: tuple[str, ...]
    groups_claim: str
    allowed_groups: frozenset[str]
    operator_groups: frozenset[str]
    acr_values: tuple[str, ...]
    amr_values: tuple[str, ...]
    max_age: int | None
    emergency_login: bool

    @classmethod
    def read(cls, read: SettingsReader, *, development: bool) -> OIDCSettings:
        """Read the settings; what is missing or malformed is added to ``read.problems``."""
        problems = read.problems
        issuer = read("OIDC_ISSUER", LOCAL_PROVIDER if development else "")
        is_local = issuer == LOCAL_PROVIDER and development
        client_id = read("OIDC_CLIENT_ID", LOCAL_CLIENT if is_local else "")
        client_secret = read("OIDC_CLIENT_SECRET", LOCAL_SECRET if is_local else "")
        required = {
            "OIDC_ISSUER": (issuer, "write the provider's address, as in its discovery document"),
            "OIDC_CLIENT_ID": (client_id, "write the id that the provider gave to this service"),
            "OIDC_CLIENT_SECRET": (client_secret, "name a file with it in OIDC_CLIENT_SECRET_FILE"),
        }
        read.require(required)
        if issuer and (problem := _issuer_problem(issuer, development)):
            problems.append(f"OIDC_ISSUER is {issuer!r}; {problem}")
        scopes = read("OIDC_SCOPES", DEFAULT_SCOPES)
        if "openid" not in scopes.split():
            problems.append(f"OIDC_SCOPES is {scopes!r}; openid must be one of them")
        origins = tuple(read("OIDC_REDIRECT_ORIGINS").replace(",", " ").split())
        if wrong := [origin for origin in origins if not ORIGIN.fullmatch(origin)]:
            problems.append(
                f"OIDC_REDIRECT_ORIGINS has {wrong}; write https://host, without a path"
            )
        private = read("OIDC_PRIVATE_NETWORKS", LOOPBACK if development else "")
        private_networks: tuple[Network, ...] = ()
        try:
            private_networks = networks(private)
        except ValueError as error:
            problems.append(f"OIDC_PRIVATE_NETWORKS: {error}; write networks such as 10.1.2.0/24")
        acr_values = tuple(read("OIDC_ACR_VALUES").split())
        amr_values = tuple(read("OIDC_AMR_VALUES").split())
        for name, values in (("OIDC_ACR_VALUES", acr_values), ("OIDC_AMR_VALUES", amr_values)):
            if wrong := [value for value in values if not value.isascii() or "," in value]:
                problems.append(f"{name} has {wrong}; write the values with spaces in between")
        max_age = read("OIDC_MAX_AGE")
        if max_age and (not SECONDS.fullmatch(max_age) or int(max_age) < MIN_MAX_AGE):
            problems.append(f"OIDC_MAX_AGE is {max_age!r}; write seconds, {MIN_MAX_AGE} or more")
            max_age = ""
        emergency = read.choice("EMERGENCY_LOGIN", "0", "1")
        return cls(
            issuer=issuer,
            client_id=client_id,
            client_secret=Secret(client_secret),
            scopes=scopes,
            ca_file=read("OIDC_CA_FILE"),
            private_networks=private_networks,
            redirect_origins=origins,
            groups_claim=read("OIDC_GROUPS_CLAIM", "groups"),
            allowed_groups=_names(read("OIDC_ALLOWED_GROUPS")),
            operator_groups=_names(read("OIDC_OPERATOR_GROUPS")),
            acr_values=acr_values,
            amr_values=amr_values,
            max_age=int(max_age) if max_age else None,
            emergency_login=emergency == "1",
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port of the issuer."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def host(self) -> str:
        """The provider, as the sign-in page names it."""
        return urlsplit(self.issuer).netloc

    @property
    def is_local(self) -> bool:
        """Whether this is the provider for development."""
        return self.issuer == LOCAL_PROVIDER


def _names(text: str) -> frozenset[str]:
    """The groups in a list with commas: the name of a group may contain spaces."""
    return frozenset(name for part in text.split(",") if (name := part.strip()))


def _issuer_problem(issuer: str, development: bool) -> str | None:
    try:
        parts = urlsplit(issuer)
        good = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half a bracket
        return "write an address such as https://id.example.com/realm"
    if len(issuer) > MAX_ISSUER or not good or not issuer.isascii() or not issuer.isprintable():
        return f"write an address of at most {MAX_ISSUER} characters"
    if parts.query or parts.fragment or parts.username is not None:
        return "it has no query, no fragment and no user (OpenID Connect Discovery 1.0 section 2)"
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (development and local and parts.scheme == "http"):
        return "write an address that starts with https://"
    return None
