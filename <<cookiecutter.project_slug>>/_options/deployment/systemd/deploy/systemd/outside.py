# <% if cookiecutter.auth == "oidc" %>
"""outside.py database | provider: print the servers outside, a line ``host:port`` each.

Those that the settings name, or those that the provider's description names.
"""
# <% else %>
"""outside.py database: print the servers outside that the settings name, ``host:port`` a line."""
# <% endif %>
# <% if cookiecutter.auth == "oidc" or cookiecutter.database != "sqlite" %>

# <% endif %>
# <% if cookiecutter.auth == "oidc" or cookiecutter.database != "sqlite" %>
import os
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import requests
# <% endif %>
# <% if cookiecutter.database != "sqlite" %>
# <% if cookiecutter.auth != "oidc" %>

# <% endif %>
from sqlalchemy import make_url
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from app.addresses import networks, permitted
from app.auth.checked_adapter import CheckedAdapter
from app.environment import HOST_NAME
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
    # <% if cookiecutter.auth == "oidc" %>
    try:
        found = set(provider()) if sys.argv[1] == "provider" else database()
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    # <% else %>
    found = database()
    # <% endif %>
    print("\n".join(sorted(found)))
