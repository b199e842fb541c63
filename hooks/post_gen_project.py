"""Move the chosen overlays into place and write the secret key for development.

Standard library only; no network, no git. If a step fails, cookiecutter removes the project.
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
if ANSWERS["__runtime"] == "container":
    OVERLAYS["runtime"] = "container"
if ANSWERS["__storage"] == "server":  # a file has no network and no roles
    OVERLAYS["storage"] = "server"
if ANSWERS["__accounts"] == "own":  # accounts with passwords, which users create themselves
    OVERLAYS["accounts"] = "own"
if ANSWERS["__forwarder"] == "provider":  # systemd forwards connections to the provider
    OVERLAYS["forwarder"] = "provider"
ENVIRONMENT = """\
# Settings for development on this machine. Git ignores this file: it contains a secret.
# .env.example explains every setting.
APP_ENV=development
SECRET_KEY={secret_key}
"""


def apply_overlays() -> None:
    """Move ``_options/<axis>/<choice>/`` of each axis into the project; remove the others."""
    for axis, choice in OVERLAYS.items():
        overlay = os.path.join("_options", axis, choice)
        for folder, _, names in os.walk(overlay, onerror=stop):
            place = os.path.relpath(folder, overlay)
            os.makedirs(place, exist_ok=True)  # with the mode of the umask, not of the template
            for name in names:
                os.replace(os.path.join(folder, name), os.path.join(place, name))
    shutil.rmtree("_options")


def stop(error: OSError) -> None:
    raise error


def write_environment() -> None:
    """Write ``.env`` with a new key, readable by its owner only; keep an existing file."""
    try:
        descriptor = os.open(".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    # The same as secrets.token_urlsafe(48), without the import of OpenSSL in every rendering.
    secret_key = base64.urlsafe_b64encode(os.urandom(48)).decode()
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(ENVIRONMENT.format(secret_key=secret_key))


def report() -> str:
    """Return the choices, the next three commands, and a pointer to the README."""
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
            "It is safe to commit now: git ignores .env, the only file with a secret.",
            "README.md describes the next steps, up to production.",
            "",
        ]
    )


if __name__ == "__main__":
    apply_overlays()
    write_environment()
    sys.stdout.reconfigure(errors="backslashreplace")  # the encoding may lack a letter
    print(report())
