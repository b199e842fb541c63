"""Put the chosen overlays in place and write the secrets of development.

Standard library only; no network, no git. When a step fails, cookiecutter removes the project.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import sys

ANSWERS = json.loads(r"""<< cookiecutter|tojson >>""")
CHOICES = {axis: ANSWERS[axis] for axis in ("database", "auth", "deployment")}
OVERLAYS = {"interface": ANSWERS["__interface"], **CHOICES}
if ANSWERS["__runtime"] == "container":  # a service on a host has nothing beyond its deployment
    OVERLAYS["runtime"] = "container"
if ANSWERS["__storage"] == "server":  # a file has no network, no roles and no faults of a server
    OVERLAYS["storage"] = "server"
if ANSWERS["__accounts"] == "own":  # accounts with passwords, that users make themselves
    OVERLAYS["accounts"] = "own"
if ANSWERS["__door"] == "provider":  # only where a provider is reached through a door of systemd's
    OVERLAYS["door"] = "provider"
ENVIRONMENT = """\
# Settings of development on this machine. Git ignores this file: it holds a secret.
# .env.example explains every setting.
APP_ENV=development
SECRET_KEY={secret_key}
"""


def apply_overlays() -> None:
    """Move ``_options/<axis>/<choice>/`` of each axis over the project; drop the others."""
    for axis, choice in OVERLAYS.items():
        overlay = os.path.join("_options", axis, choice)
        for folder, _, names in os.walk(overlay, onerror=stop):
            place = os.path.relpath(folder, overlay)
            os.makedirs(place, exist_ok=True)  # as the umask says, not as the template's folder is
            for name in names:
                os.replace(os.path.join(folder, name), os.path.join(place, name))
    shutil.rmtree("_options")


def stop(error: OSError) -> None:
    raise error


def write_environment() -> None:
    """Write ``.env`` with a fresh key, for the owner's eyes only; an existing one is kept."""
    try:
        descriptor = os.open(".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    # As secrets.token_urlsafe(48) does, without loading OpenSSL in every rendering.
    secret_key = base64.urlsafe_b64encode(os.urandom(48)).decode()
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(ENVIRONMENT.format(secret_key=secret_key))


def report() -> str:
    """What was chosen, the next three commands, and where to read on."""
    return "\n".join(
        [
            "",
            f"{ANSWERS['project_name']} is ready:",
            *(f"  {axis:<11}{choice}" for axis, choice in CHOICES.items()),
            "",
            "Next:",
            f"  cd {shlex.quote(os.getcwd())}",
            "  make test",
            "  make run",
            "",
            "It is safe to commit as it is: git ignores .env, the only file with a secret.",
            "Its README.md goes on from there, up to production.",
            "",
        ]
    )


if __name__ == "__main__":
    apply_overlays()
    write_environment()
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack the name's letters
    print(report())
