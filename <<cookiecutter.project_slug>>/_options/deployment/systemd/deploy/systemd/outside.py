"""Print the servers outside that the settings name, a line ``host:port`` each."""

# <% if cookiecutter.auth == "oidc" or cookiecutter.database != "sqlite" %>
import os
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
from urllib.parse import urlsplit

import requests
# <% endif %>
# <% if cookiecutter.database != "sqlite" %>
# <% if cookiecutter.auth != "oidc" %>

# <% endif %>
from sqlalchemy import make_url
# <% endif %>
# <% if cookiecutter.auth == "oidc" or cookiecutter.database != "sqlite" %>

# <% endif %>
# <% if cookiecutter.database != "sqlite" %>
DATABASE_PORT = "<< 5432 if cookiecutter.database == 'postgresql' else 3306 >>"
# <% endif %>
found: set[str] = set()
# <% if cookiecutter.auth == "oidc" %>
issuer = os.environ["OIDC_ISSUER"]
discovery = issuer.rstrip("/") + "/.well-known/openid-configuration"
answer = requests.get(discovery, timeout=10, verify=os.environ.get("OIDC_CA_FILE") or True)
answer.raise_for_status()
metadata = answer.json()
# Those that the service itself asks; the others are for browsers.
for address in (issuer, *map(metadata.get, ("token_endpoint", "jwks_uri", "userinfo_endpoint"))):
    if address:
        parts = urlsplit(address)
        found.add(f"{parts.hostname}:{parts.port or 443}")
# <% endif %>
# <% if cookiecutter.database != "sqlite" %>
url = make_url(os.environ["DATABASE_URL"])
if url.host and "unix_socket" not in url.query:
    found.add(f"{url.host}:{url.port or DATABASE_PORT}")
# <% endif %>
print("\n".join(sorted(found)))
