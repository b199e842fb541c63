"""A mail server in the hub, over TLS; the visitors read what has arrived there."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.live.images import Docker
from tests.live.mailbox import PASSWORD, PROGRAM, parsed
from tools.cluster import images
from tools.cluster.environment import (
    API,
    HERE,
    HUB,
    Processes,
    listens,
    run,
    run_folder,
    wait_until,
)

DOMAIN, PORT = "mail.test", 465
AUTHORITY = "/run/secrets/mail/mail-ca.pem"  # in the pod that sends
URL = f"smtps://demo:{PASSWORD}@{DOMAIN}?ssl_ca_certs={AUTHORITY}"


def start(processes: Processes, docker: Docker) -> None:
    """Start an empty mail server from the files of its image; wait until it listens."""
    outside = run_folder() / "outside"
    run("sh", HERE / "certificates.sh", API, "mail", DOMAIN, cwd=outside)
    root = images.mail_root(docker)
    folder = root / "tmp/mails"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "password").write_text(PASSWORD, "utf-8")
    both = [(outside / f"mail.{kind}").read_text("utf-8") for kind in ("key", "crt")]
    (folder / "server.pem").write_text("".join(both), "utf-8")
    shutil.copy(PROGRAM, folder / PROGRAM.name)
    (run_folder() / "mails").symlink_to(folder)
    arguments = [HUB, str(PORT), "/tmp/mails/server.pem", "/tmp/mails"]  # noqa: S108  (its own)
    program = Path("/tmp/mails", PROGRAM.name)  # noqa: S108
    processes.start("mail", "chroot", root, "python3", program, *arguments)
    wait_until("the mail server listens", lambda: listens(PORT), 60)


def to(address: str) -> list[str]:
    """The texts of the mails to an address, the newest last."""
    files = sorted((run_folder() / "mails").glob("*.eml"))
    mails = [parsed(path.read_bytes()) for path in files]
    return [mail.get_content() for mail in mails if mail["X-Recipient"] == address]
