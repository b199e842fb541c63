"""A setting's value, from the environment or from a file, and the forms of some.

A value ``NAME`` comes from the variable ``NAME``, from the file named by ``NAME_FILE`` (Docker and
Kubernetes secrets) or from the file ``NAME`` in ``$CREDENTIALS_DIRECTORY`` (systemd
``LoadCredential=``), in this order.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")  # RFC 1123


def secret_file(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that holds the value of ``name``, or None when it comes from a variable."""
    if environ.get(name):
        return None
    if path := environ.get(f"{name}_FILE"):
        return Path(path)
    if directory := environ.get("CREDENTIALS_DIRECTORY"):
        credential = Path(directory, name)
        return credential if credential.exists() else None
    return None


def read_value(name: str, environ: Mapping[str, str]) -> str:
    """The value of ``name`` without white space around it; empty when it is not set.

    :raises OSError: when its file cannot be read.
    :raises ValueError: when its file is not text in UTF-8.
    """
    path = secret_file(name, environ)
    value = environ.get(name, "") if path is None else path.read_text(encoding="utf-8")
    return value.strip()


def is_redis_url(url: str) -> bool:
    """Whether ``url`` names a Redis, over a network or a unix socket."""
    try:
        parts = urlsplit(url)
        place = parts.path if parts.scheme == "redis+unix" else parts.hostname
        return parts.scheme in ("redis", "rediss", "redis+unix") and bool(place) and parts.port != 0
    except ValueError:  # a port that is no number, half a bracket
        return False
