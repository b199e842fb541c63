"""``flask keys``: the key that signs, and that encrypts what must be readable again."""

from __future__ import annotations

import hmac
import logging
import sys

import click
from flask import current_app
from flask.cli import AppGroup

from app.commands.reencryption import reencrypt
from app.security.logs import security_event

keys_cli = AppGroup("keys", help="The key that signs and encrypts.")


@keys_cli.command("reencrypt")
@click.option(
    "--expect-key", is_flag=True, help="Stop unless SECRET_KEY is the one on standard input."
)
def reencrypt_all(expect_key: bool) -> None:
    """Encrypt with the current SECRET_KEY the stored values that an older key has encrypted.

    Run it before each rotation: afterwards, the current key decrypts everything.
    """
    if expect_key:
        key = current_app.config["SETTINGS"].secret_key.reveal()
        expected = sys.stdin.read().strip()
        if not hmac.compare_digest(key.encode(), expected.encode("utf-8", "surrogatepass")):
            raise click.ClickException(
                "The service still runs with another SECRET_KEY."
                # <% if cookiecutter.deployment == "systemd" %>
                " Run `systemctl restart << cookiecutter.project_slug >>` first, to use the"
                " new key."
                # <% else %>
                " First deploy the new key."
                # <% endif %>
                " Another rotation now would lose what the running key has encrypted."
            )
    renew_all()


def renew_all() -> None:
    """Encrypt the stored values with the current key; log and print how many there were."""
    done, unreadable = reencrypt()
    security_event("sys_reencrypted", level=logging.INFO, values=done, unreadable=unreadable)
    click.echo(f"Encrypted with the current key: {done}.")
    if unreadable:
        click.echo(f"Texts that no key decrypts: {unreadable}; they were lost before.")
