"""``flask keys rotate``: a new key, and the old one as its fallback."""

from __future__ import annotations

import logging
import os
import re
import secrets
import tempfile
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from app.commands.keys import renew_all
from app.environment import secret_file
from app.security.logs import security_event


@click.command("rotate")
@click.option("--env-file", default=".env", show_default=True, help="Where SECRET_KEY is set.")
@click.option(
    "--reencrypted",
    is_flag=True,
    help="Do not re-encrypt the database: `flask keys reencrypt` has just run.",
)
@with_appcontext
def rotate_keys(env_file: str, reencrypted: bool) -> None:
    """Make a new SECRET_KEY; the old one stays valid as SECRET_KEY_FALLBACKS until the next time.

    First, what is stored is encrypted with the old one, which then reads everything. Nobody is
    signed out. Restart the service to use the new key. Rotate twice when one has leaked, each time
    with a restart.
    """
    if not reencrypted:
        renew_all()
    try:
        changed = rotate(str(current_app.secret_key), Path(env_file))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{error} Nothing was changed.") from error
    security_event("sys_key_rotated", level=logging.INFO)
    click.echo(f"New SECRET_KEY in {changed}. Restart the service to use it.")


def rotate(current: str, env_file: Path) -> Path:
    """Write a new SECRET_KEY and keep ``current`` as the only fallback.

    :param env_file: rewritten when the key comes from the environment; its other lines stay.
    :returns: the file that holds the new key.
    :raises ValueError: when it is not clear where the key is kept.
    :raises OSError: when the file cannot be written.
    """
    new = secrets.token_urlsafe(48)
    key_file = secret_file("SECRET_KEY")
    if key_file is not None:
        fallbacks_file = secret_file("SECRET_KEY_FALLBACKS")
        if fallbacks_file is None:
            raise ValueError(
                "SECRET_KEY comes from a file; name one for the old key in"
                " SECRET_KEY_FALLBACKS_FILE as well."
            )
        # The fallback first: a crash in between leaves the old key valid, never a lost one.
        before = fallbacks_file.read_text(encoding="utf-8")
        try:
            _replace(fallbacks_file, current + "\n")
            _replace(key_file, new + "\n")
        except BaseException:  # Ctrl-C too, which may come when all is written
            if not _holds(key_file, new) and not _holds(fallbacks_file, before):
                _replace(fallbacks_file, before)
            raise
        return key_file
    if not env_file.exists():
        raise ValueError(f"SECRET_KEY comes from the environment and there is no {env_file}.")
    text = env_file.read_text(encoding="utf-8")
    if not re.search(rf"^SECRET_KEY=['\"]?{re.escape(current)}['\"]?$", text, re.MULTILINE):
        raise ValueError(f"{env_file} does not hold the SECRET_KEY in use.")
    kept = [line for line in text.splitlines() if not re.match(r"SECRET_KEY(_FALLBACKS)?=", line)]
    lines = [*kept, f"SECRET_KEY={new}", f"SECRET_KEY_FALLBACKS={current}"]
    _replace(env_file, "\n".join(lines) + "\n")
    return env_file


def _holds(path: Path, text: str) -> bool:
    return path.read_text(encoding="utf-8").strip() == text.strip()


def _replace(path: Path, text: str) -> None:
    """Write a whole file or nothing, under the old owner and mode (0600 for a new file)."""
    old = path.stat() if path.exists() else None
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            if old is not None:
                os.fchmod(file.fileno(), old.st_mode & 0o777)
                if os.geteuid() == 0:
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.replace(file.name, path)
        except BaseException:  # Ctrl-C too: the file holds a key
            Path(file.name).unlink(missing_ok=True)
            raise
