"""The required programs of the machine, and the files that are unpacked for the nodes.

Kubernetes' own programs come from the folder of ``KUBERNETES_BIN``, see docs/cluster.md. Pods whose
users are mapped need containerd 2 and runc 1.2; Debian's stable release has older ones, so the
nodes' packages are of ``sid``, unpacked below build/cluster and never installed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools.cluster.environment import BUILD, KIND, PROGRAMS, ROOT, UNPACKED, ClusterError, run

NAMES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
ARCHIVE = "all.zst"  # one program for all of these names
NODE_PACKAGES = ("containerd", "runc", "containernetworking-plugins", "docker-registry")
NEEDED = {
    "catatonit": "catatonit",
    "debootstrap": "debootstrap",
    "docker": "docker-cli docker-buildx",
    "dockerd": "docker.io",
    "dpkg-deb": "dpkg",
    "etcd": "etcd-server",
    "ip": "iproute2",
    "iptables": "iptables",
    "kubectl": "kubernetes-client",
    "nft": "nftables",
    "openssl": "openssl",
    "unshare": "util-linux",
    "zstd": "zstd",
}


def source() -> Path:
    """The folder with Kubernetes' programs and definitions of kinds."""
    return Path(os.environ.get("KUBERNETES_BIN") or ROOT.parent / "shared" / "cluster").resolve()


def definitions() -> list[Path]:
    """The folders below ``crds/`` with the kinds of cert-manager and of the Gateway API."""
    return [source() / "crds" / name for name in ("cm", "gateway")]


def has_kubernetes(*names: str) -> bool:
    """Whether the folder has these programs: each of them, or the archive of all."""
    named = all((source() / name).exists() for name in names)
    return named or (source() / ARCHIVE).exists()


def link(*names: str) -> Path:
    """Link or unpack these programs of Kubernetes; return the folder where they are.

    :raises ClusterError: when ``KUBERNETES_BIN`` has none.
    """
    if not has_kubernetes(*names):
        raise ClusterError(f"no Kubernetes in {source()}: name its folder with KUBERNETES_BIN")
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    archive, program = source() / ARCHIVE, PROGRAMS / "all"
    if archive.exists() and not _is_newer(program, archive):
        unpacked = PROGRAMS / f"all.{os.getpid()}"  # another process may run the one before
        run("zstd", "--decompress", "--quiet", "--force", archive, "-o", unpacked)
        unpacked.chmod(0o755)
        unpacked.replace(program)
    for name in names:
        own = source() / name
        new = PROGRAMS / f"{name}.{os.getpid()}"
        new.symlink_to(own if own.exists() else "all")
        new.replace(PROGRAMS / name)
    return PROGRAMS


def _is_newer(made: Path, origin: Path) -> bool:
    return made.exists() and made.stat().st_mtime >= origin.stat().st_mtime


def prepare() -> None:
    """Unpack the missing programs; this needs the network once.

    :raises ClusterError: when the machine lacks something.
    """
    os.environ["PATH"] += ":/usr/sbin"
    if os.geteuid():
        raise ClusterError("needs root, for namespaces and cgroups")
    if lacking := [NEEDED[name] for name in NEEDED if not shutil.which(name)]:
        raise ClusterError(f"lacks programs: apt-get install {' '.join(lacking)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    if KIND:
        return
    if not Path("/sys/fs/cgroup/memory").is_dir():
        raise ClusterError(
            "needs cgroup v1: nodes under cgroup v2 were never tried here; use kind there"
        )
    link(*NAMES)
    if not (UNPACKED / "complete").exists():
        _unpack()


def _unpack() -> None:
    """Download the nodes' packages from sid, with lists of their own, and unpack them."""
    sites = run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages").split()
    mirror = next((site for site in sites if site.rstrip("/").endswith("/debian")), "")
    if not mirror:
        raise ClusterError(
            "the nodes' packages are Debian's, and apt here knows no mirror of Debian"
        )
    shutil.rmtree(UNPACKED, ignore_errors=True)
    apt = BUILD / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    keyring = "/usr/share/keyrings/debian-archive-keyring.pgp"
    (apt / "sources.list").write_text(f"deb [signed-by={keyring}] {mirror} sid main\n", "utf-8")
    options = [f"-oDir::Etc::sourcelist={apt}/sources.list", "-oDir::Etc::sourceparts=-"]
    options += [f"-oDir::State::lists={apt}/lists", f"-oDir::Cache={apt}/cache"]
    options += ["-oAPT::Sandbox::User=root", "-qq"]
    run("apt-get", *options, "update", timeout=300)
    run("apt-get", *options, "download", *NODE_PACKAGES, cwd=apt, timeout=300)
    for package in apt.glob("*.deb"):
        run("dpkg-deb", "--extract", package, UNPACKED)
        package.unlink()
    (UNPACKED / "complete").touch()
