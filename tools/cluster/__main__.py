"""Build the cluster, run the scenarios, write docs/cluster.md: ``make cluster``.

Variables: ``DATABASES`` and ``AUTH`` choose combinations, ``ONLY`` scenarios. What needs the
network (Debian's packages, images) is done first; then the command starts itself once more in
namespaces of its own, which have no way out, and all of it ends with that process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

from tests.live.images import daemon
from tools.cluster import identity, images, inside, programs
from tools.cluster.environment import BUILD, KIND, ROOT, ClusterError
from tools.cluster.scenarios import SCENARIOS
from tools.cluster.service import Service

CHOICES = {"DATABASES": ("sqlite", "postgresql", "mysql"), "AUTH": ("session", "oidc")}
# These scenarios act on nodes, network and DNS of this command; kind has others.
NOT_IN_KIND = ("killed-node", "database-off", "dns-off") if KIND else ()
ALL = ("deploy", *(name for name in SCENARIOS if name not in NOT_IN_KIND))
LIMIT = 45 * 60  # seconds for everything inside
NAMESPACES = ("--mount", "--pid") if KIND else ("--net", "--mount", "--uts", "--ipc", "--pid")
FOREVER = ("--fork", "--mount-proc", "--kill-child")


def words(name: str, known: tuple[str, ...]) -> list[str]:
    """The selected names of a variable, in the order of the known names; empty means all.

    :raises ClusterError: for a word that is not known.
    """
    asked = os.environ.get(name, "").split()
    if unknown := [word for word in asked if word not in known]:
        raise ClusterError(
            f"{name}: there is no {', '.join(unknown)}; there are: {', '.join(known)}"
        )
    return [word for word in known if not asked or word in asked]


def services() -> list[Service]:
    """The selected combinations, each with its own address at the balancer."""
    pairs = product(*(words(name, known) for name, known in CHOICES.items()))
    return [Service(*pair, address=f"10.77.0.{100 + n}") for n, pair in enumerate(pairs)]


def outside() -> int:
    """Prepare, run the part inside the namespaces, clean up; return its exit status."""
    chosen = services()
    words("ONLY", ALL)
    programs.prepare()
    lock = (BUILD / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ClusterError("another run of this checkout has not ended") from error
    shutil.rmtree(BUILD / "logs", ignore_errors=True)
    (BUILD / "logs").mkdir()
    folder = Path(tempfile.mkdtemp(prefix="hf-cluster-"))
    folder.chmod(0o755)
    if KIND:
        (folder / "pki").mkdir()
        shutil.copy(os.environ["KUBECONFIG"], folder / "pki" / "admin.conf")
    os.environ["CLUSTER"] = str(folder)
    try:
        for service in chosen:
            service.render()
            if service.auth == "oidc":
                identity.install(service.project)
        print("Building images; the first time this takes some minutes", flush=True)
        with daemon() as docker:
            images.prepare(docker, [s.project for s in chosen], [s.database for s in chosen])
        return _in_namespaces()
    finally:
        for group in Path("/sys/fs/cgroup").glob(f"*/{folder.name}-node*"):
            for path, _, _ in os.walk(group, topdown=False):
                Path(path).rmdir()
        shutil.rmtree(folder)


def _in_namespaces() -> int:
    # If this process is killed, the first process of the namespaces ends, and all others with it.
    tied = ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, *FOREVER]
    command = [*tied, sys.executable, "-m", "tools.cluster"]
    environment = os.environ | {"CLUSTER_INSIDE": "yes"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        return process.wait(LIMIT)
    except (KeyboardInterrupt, subprocess.TimeoutExpired) as error:
        print(f"Stopped: {type(error).__name__}", file=sys.stderr)
        os.killpg(process.pid, signal.SIGINT)  # the inner part stops Docker in order
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            print("It does not end, so it is killed", file=sys.stderr)
        return 130
    finally:
        process.kill()  # and with it, by --kill-child, every process of the namespace
        process.wait(30)


def stop(*_: object) -> None:
    """Stop both parts in order on Ctrl-C and SIGTERM, also if a shell ignores SIGINT."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        if "CLUSTER_INSIDE" in os.environ:
            sys.exit(inside.main(services(), words("ONLY", ALL)))
        sys.exit(outside())
    except ClusterError as failure:
        sys.exit(f"Failed: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
