# <% if cookiecutter.auth == "oidc" %>
"""outside.py database | mail | provider: print the servers outside, a line ``host:port`` each.

Those that the settings name, the mail server of the URL on standard input, or those that the
provider's description names.
"""
# <% else %>
"""outside.py database | mail: print the servers outside, a line ``host:port`` each.

Those that the settings name, or the mail server of the URL on standard input.
"""
# <% endif %>

# <% if cookiecutter.auth == "oidc" or cookiecutter.database != "sqlite" %>
import os
# <% endif %>
import sys
# <% if cookiecutter.auth == "oidc" %>
from collections.abc import Iterator
# <% endif %>
from pathlib import Path
from urllib.parse import urlsplit
# <% if cookiecutter.auth == "oidc" or cookiecutter.database != "sqlite" %>

# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
import requests
# <% endif %>
# <% if cookiecutter.database != "sqlite" %>
from sqlalchemy import make_url
# <% endif %>

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# <% if cookiecutter.auth == "oidc" %>
from app.auth.checked_adapter import CheckedAdapter
# <% endif %>
from app.environment import HOST_NAME
from app.mail_settings import NO_URL, PORTS, mail_problem
# <% if cookiecutter.auth == "oidc" %>
from app.outbound_addresses import networks, permitted
# <% endif %>
# <% if cookiecutter.database != "sqlite" %>

DATABASE_PORT = "<< 5432 if cookiecutter.database == 'postgresql' else 3306 >>"
# <% endif %>


def database() -> set[str]:
    """The database, when it is on another host."""
    # <% if cookiecutter.database == "sqlite" %>
    return set()
    # <% else %>
    url = make_url(os.environ["DATABASE_URL"])
    if url.host and "unix_socket" not in url.query:
        return {f"{url.host}:{url.port or DATABASE_PORT}"}
    return set()
    # <% endif %>


def mail() -> set[str]:
    """The mail server.

    :raises ValueError: when the URL names none, or one by an address that no name stands for: the
        network of the unit has forwarders for names.
    """
    url = sys.stdin.read().strip()
    if problem := mail_problem(url) if url else NO_URL:
        raise ValueError(problem)
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not HOST_NAME.fullmatch(host) or (host[-1].isdigit() and not host.startswith("127.")):
        raise ValueError("MAIL_URL names its server by an address; write its name")
    return {f"{host}:{parts.port or PORTS[parts.scheme]}"}


# <% if cookiecutter.auth == "oidc" %>
def provider() -> Iterator[str]:
    """The provider, and the servers in its discovery document.

    :raises OSError: when it does not answer, or names a server that is not public or allowed.
    :raises ValueError: when it names none.
    """
    allowed = networks(os.environ.get("OIDC_PRIVATE_NETWORKS", ""))
    issuer = os.environ["OIDC_ISSUER"]
    discovery = issuer.rstrip("/") + "/.well-known/openid-configuration"
    with requests.Session() as session:
        session.mount("https://", CheckedAdapter(allowed))
        session.trust_env = False
        verify = os.environ.get("OIDC_CA_FILE") or True
        answer = session.get(discovery, timeout=10, verify=verify, allow_redirects=False)
    answer.raise_for_status()
    metadata = answer.json()
    # Those that the service itself asks; the others are for browsers.
    named = map(metadata.get, ("token_endpoint", "jwks_uri", "userinfo_endpoint"))
    for address in filter(None, (issuer, *named)):
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 443
        if parts.scheme != "https" or not HOST_NAME.fullmatch(host):
            raise ValueError(f"{address!r} is no https:// address with the name of a host")
        permitted(host, port, allowed)
        yield f"{host}:{port}"


# <% endif %>
if __name__ == "__main__":
    servers = {
        "database": database,
        "mail": mail,
        # <% if cookiecutter.auth == "oidc" %>
        "provider": provider,
        # <% endif %>
    }
    try:
        found = set(servers[sys.argv[1]]())
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print("\n".join(sorted(found)))
