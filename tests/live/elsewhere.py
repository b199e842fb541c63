"""The log on another system: a host, a second machine, and an eavesdropper between them.

The tests run the commands of the service's documents, block by block, on both machines. So a test
fails if a command does not work.
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
NAME = "logs.example.com"  # of the other system in the document
ADDRESS, OTHER_ADDRESS = "10.91.0.1", "10.91.0.2"
CERTIFICATES = "/etc/ssl/logs"  # as in the document; certify() writes the files
SENDER = "systemd-journal-upload"
REFUSED = "SSL certificate"  # in the log of SENDER if either certificate is refused
OUTAGE = 12  # seconds; by default systemd gives up after 5 failures within 10 seconds
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
        """Connect the machines by a virtual cable, and record its traffic on the second machine."""
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
        """Give a machine a certificate of this authority; both machines trust only "ours"."""
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
        """Whether the other system has the log lines of the service and of Nginx with this text."""
        lines = self.other.shell(ARRIVED, check=False).splitlines()
        found = [json.loads(line) for line in lines if text in line and line.startswith("{")]
        return {line["logger"] for line in found} == {"app.access", "nginx"}

    def said(self) -> str:
        """The log of the sender itself."""
        return self.host.run("journalctl", "--unit", SENDER, "--no-pager", "--output=cat")

    def prove(self, request: Callable[[str], object]) -> None:
        """Test that log lines arrive encrypted, and only with certificates of our authority.

        Each machine in turn gets a certificate of another authority: then no line may arrive, and
        all lines must arrive after the machine has its certificate again.

        :param request: sends a request for this path to the service.
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
            assert not self.arrived(paths[-1]), "accepted a foreign certificate"
            self.certify(stranger)
            wait_until(partial(self.arrived, paths[-1]), self.said)
        assert self.overheard(NAME), "the eavesdropper recorded nothing"
        assert [path for path in paths if self.overheard(path)] == []

    def is_refused_more_than(self, times: int) -> bool:
        return self.said().count(REFUSED) > times

    def overheard(self, text: str) -> bool:
        """Whether the recorded traffic contains the text unencrypted."""
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
