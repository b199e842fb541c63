"""The value of a setting, from the environment or from a file.

A value ``NAME`` comes from the variable ``NAME``, from the file named by ``NAME_FILE`` (Docker and
Kubernetes secrets) or from the file ``NAME`` in ``$CREDENTIALS_DIRECTORY`` (systemd
``LoadCredential=``), in this order.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

NAME = r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*"  # RFC 1123
HOST_NAME = re.compile(NAME)
HTTPS_URL = re.compile(r"https://[a-z0-9.-]{1,253}(:[1-9][0-9]{0,4})?(/[A-Za-z0-9/._~-]*)?")
PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"


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


class SettingsReader:
    """Reads settings one by one; ``problems`` names those that are unreadable or malformed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def __call__(self, name: str, default: str = "") -> str:
        """The value of a setting, or the default when it is not set."""
        try:
            return read_value(name, self.environ) or default
        except OSError as error:
            self.problems.append(f"{name}_FILE: {error.strerror or error}; make the file readable")
        except ValueError:
            self.problems.append(f"{name}_FILE is not text in UTF-8; write the value alone into it")
        return default

    def choice(self, name: str, *options: str) -> str:
        """One of the options; the first is the default."""
        if (value := self(name, options[0])) not in options:
            hint = f"{', '.join(options[:-1])} or {options[-1]}"
            self.problems.append(f"{name} is {value!r}; write {hint}")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], hint: str) -> str:
        """A value of this form; empty when it is not set, or malformed."""
        if (value := self(name)) and not pattern.fullmatch(value):
            self.problems.append(f"{name} is {value!r}; write {hint}")
            return ""
        return value

    def require(self, values: Mapping[str, tuple[str, str]]) -> None:
        """Add a problem for each value that is empty, with its hint."""
        self.problems += [
            f"{name} is not set; {hint}" for name, (value, hint) in values.items() if not value
        ]


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, so that no network lies in between."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
