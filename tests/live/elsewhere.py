"""The log on another system: a host and a second machine, joined by a cable on which one listens.

What is installed, configured and started on them is what the service's documents say, block by
block. So a test fails when their words do not work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.live import machines
from tests.live.compose import wait_until
from tests.live.conftest import program
from tests.live.followed import follow, instructions
from tests.live.machines import Machine, as_root
from tests.template import run

DOCUMENT = "docs/log-on-another-system.md"
NAME = "logs.example.com"  # of the other system, there
ADDRESS, OTHER_ADDRESS = "10.91.0.1", "10.91.0.2"
CERTIFICATES = "/etc/ssl/logs"  # there, with the names that certify() writes
SENDER = "systemd-journal-upload"
REFUSED = "SSL certificate"  # what its log says of either end's
OUTAGE = 12  # seconds; systemd by default starts nothing again that failed 5 times within 10
WIRE = "/run/wire"
ARRIVED = "journalctl --directory=/var/log/journal/remote --no-pager --quiet --output=cat"


@dataclass
class Way:
    """The way of a log from a host to the other system."""

    host: Machine
    other: Machine
    document: Path
    folder: Path

    def connect(self) -> None:
        """A cable between the two, which have no other; the eavesdropper is at its end."""
        ends = [str(machine.init()) for machine in (self.host, self.other)]
        link = [program("ip"), "link", "add", "cable", "netns", ends[0], "type", "veth"]
        made = run(*as_root(), *link, "peer", "name", "cable", "netns", ends[1])
        assert made.returncode == 0, made.stdout
        for machine, address in ((self.host, ADDRESS), (self.other, OTHER_ADDRESS)):
            machine.shell(f"ip address add {address}/24 dev cable; ip link set cable up")
        self.host.shell(f"echo {OTHER_ADDRESS} {NAME} >>/etc/hosts")
        listen = (machines.HERE / "wire.py").read_text("utf-8")
        self.other.run("systemd-run", "--quiet", "--unit=wire", "python3", "-c", listen, WIRE)

    def certify(self, machine: Machine, authority: str = "ours") -> None:
        """Give a machine a certificate of an authority; both ends trust ours alone."""
        folder = self.folder / authority
        if not folder.exists():
            folder.mkdir()
            for commands in instructions(self.document, "The certificates"):
                made = run("sh", "-euc", commands, cwd=folder)
                assert made.returncode == 0, made.stdout
        receives = machine is self.other
        names = {it.stem for it in folder.glob("*.example.com.key")} - {NAME}
        name = NAME if receives else min(names)
        files = {"key": folder / f"{name}.key", "certificate": folder / f"{name}.pem"}
        files["ca"] = self.folder / "ours" / "ca.pem"
        machine.shell(f"mkdir -p {CERTIFICATES}; (umask 077; : >>{CERTIFICATES}/key.pem)")
        for file, source in files.items():
            machine.write(f"{CERTIFICATES}/{file}.pem", source.read_text("utf-8"))
        if receives:
            machine.run("systemctl", "try-restart", "nginx")

    def arrived(self, text: str) -> bool:
        """Whether the other system has what the service and Nginx have written of a request."""
        lines = self.other.shell(ARRIVED, check=False).splitlines()
        found = [json.loads(line) for line in lines if text in line and line.startswith("{")]
        return {line["logger"] for line in found} == {"app.access", "nginx"}

    def said(self) -> str:
        """What the sender says of itself."""
        return self.host.run("journalctl", "--unit", SENDER, "--no-pager", "--output=cat")

    def prove(self, request: Callable[[str], object]) -> None:
        """What the service writes arrives there, unread by others; nothing goes to strangers, or
        comes from them, and what they have held up arrives afterwards.

        :param request: asks the service for a path.
        """
        paths = ["/logged-at-first"]
        request(paths[0])
        wait_until(lambda: self.arrived(paths[0]), self.said)
        for stranger, seconds in ((self.host, 0), (self.other, OUTAGE)):
            self.certify(stranger, "strangers")
            refusals, begun = self.said().count(REFUSED), time.monotonic()
            self.host.run("systemctl", "restart", SENDER)
            paths.append(f"/logged-during-{seconds}-seconds")
            request(paths[-1])
            wait_until(partial(self.is_refused_more_than, refusals), self.said)
            time.sleep(max(0, seconds - (time.monotonic() - begun)))
            assert not self.arrived(paths[-1]), "from or to a machine that nobody vouches for"
            self.certify(stranger)
            wait_until(partial(self.arrived, paths[-1]), self.said)
        assert self.overheard(NAME), "nobody listened"
        assert [path for path in paths if self.overheard(path)] == []

    def is_refused_more_than(self, times: int) -> bool:
        return self.said().count(REFUSED) > times

    def overheard(self, text: str) -> bool:
        """Whether the eavesdropper has read it."""
        status, said = self.other.start("grep", "-aq", text, WIRE, check=False)
        assert status in (0, 1), said
        return status == 0


@contextmanager
def sending(
    host: Machine, project: Path, folder: Path, *, more: Sequence[str] = ()
) -> Iterator[Way]:
    """A host that sends its log as the service's document says.

    :param more: blocks of the deployment's README that the host follows too.
    """
    folder.mkdir()
    document = project / DOCUMENT
    with machines.booted(folder / "other", machines.make_root(), {}) as other:
        way = Way(host, other, document, folder)
        way.connect()
        for machine, part in ((other, "On the other system"), (host, "On each host")):
            way.certify(machine)
            follow(machine, instructions(document, part))
        follow(host, more)
        try:
            yield way
        finally:
            host.shell(f"systemctl disable --quiet --now {SENDER}; systemctl reset-failed")
