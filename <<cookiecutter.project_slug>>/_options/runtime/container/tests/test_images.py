"""Images: one that runs as root, holds what it should not, or is another one tomorrow.

``tests/image_policy.py`` is the table of what each stage of the Dockerfile may do.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import image_policy as policy
from tests import needs
from tests.marks import asvs, practice
from tests.policy import check
from tests.scripts import Scratch, below, modes

DOCKERFILE = Path("Dockerfile").read_text(encoding="utf-8")
SCRIPTS = Path("deploy/container")


def instructions() -> Iterator[tuple[str, str, str]]:
    """The stage, name and text of each instruction; the commands of a RUN one by one."""
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    stage = "before the first stage"
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            base, _, stage = rest.partition(" AS ")
            pinned = re.fullmatch(r"(\S+:\S+)@sha256:[0-9a-f]{64}", base)
            rest = f"{pinned[1]}, pinned" if pinned else base
        for text in rest.split(" && ") if name == "RUN" else [rest]:
            yield stage, name, re.sub(r"\s+", " ", text).strip()


def stages() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for stage, name, text in instructions():
        found.setdefault(stage, {}).setdefault(name, []).append(text)
    return found


def test_the_dockerfile_has_only_reviewed_stages() -> None:
    assert list(stages()) == list(policy.STAGES), f"name each stage in {policy.TABLE}"


@pytest.mark.parametrize("stage", policy.STAGES)
def test_each_stage_contains_only_reviewed_settings(stage: str) -> None:
    """Its base and packages are pinned; no secret, no argument and no unnamed file gets into it."""
    found = stages().get(stage, {})
    check(f"Dockerfile, {stage}", found, policy.STAGES[stage], policy.TABLE)


@practice("audits")
@asvs("15.2.4")
def test_no_comment_changes_how_the_dockerfile_is_read() -> None:
    """`# syntax=` names an image that runs the build, and nobody has pinned it."""
    assert not re.findall(r"(?im)^\s*#\s*(syntax|escape|check)\s*=.*", DOCKERFILE)


@pytest.mark.parametrize("name", ["app", "nginx", "certbot"])
def test_no_image_runs_as_root(name: str) -> None:
    """USER comes after the last COPY and RUN."""
    order = [instruction for stage, instruction, _ in instructions() if stage == name]
    assert order.index("USER") > max(order.index("COPY"), len(order) - 1 - order[::-1].index("RUN"))


@practice("audits")
@asvs("15.2.3")
def test_only_listed_files_get_into_an_image() -> None:
    lines = Path(".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    wanted = ["*", *policy.CONTEXT, *policy.NEVER, policy.OF_MIGRATIONS]
    assert rules == wanted, f"the builder gets what {policy.TABLE} names"
    assert not [*Path().glob("Dockerfile.*")], "Dockerfile.dockerignore would replace .dockerignore"


def test_gunicorn_settings_match_the_policy() -> None:
    found: dict[str, object] = {}
    for line in ast.parse(Path("deploy/gunicorn.conf.py").read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            with suppress(ValueError):  # a value that is computed
                found[line.targets[0].id] = ast.literal_eval(line.value)
    seen = {name: found[name] for name in policy.GUNICORN if name in found}
    check("deploy/gunicorn.conf.py", seen, policy.GUNICORN, policy.TABLE)
    assert str(found["SOCKET"]).startswith("unix:/run/"), "nothing but Nginx listens on a port"


# --- The scripts in the images


def test_only_the_group_can_read_a_new_certificate(tmp_path: Path) -> None:
    """certbot.sh gives it to Nginx, which runs as another container of the same group."""
    scratch = Scratch(tmp_path, ["chmod", "cp", "mv"], {})
    text = below(tmp_path, (SCRIPTS / "certbot.sh").read_text(encoding="utf-8"))
    (tmp_path / "certbot.sh").write_text(text, encoding="utf-8")
    (tmp_path / "srv/certificates").mkdir(parents=True)
    (tmp_path / "lineage").mkdir()
    for name in ("privkey", "fullchain"):
        (tmp_path / f"lineage/{name}.pem").write_text(name, encoding="utf-8")
    outcome = scratch.run("certbot.sh", "deploy", RENEWED_LINEAGE=f"{tmp_path}/lineage")
    assert outcome.status == 0, outcome.said
    found = modes(tmp_path / "srv/certificates")
    assert found == {"privkey.pem": "0640", "fullchain.pem": "0640"}


def started_nginx(tmp_path: Path) -> Path:
    """The folder with the certificate that nginx.sh has started Nginx with."""
    standins = {"nginx": "exit 0", "sleep": "exit 1"}
    scratch = Scratch(tmp_path, ["cmp", "cp", "mv", "openssl"], standins)
    text = below(tmp_path, (SCRIPTS / "nginx.sh").read_text(encoding="utf-8"))
    (tmp_path / "nginx.sh").write_text(text, encoding="utf-8")
    folder = tmp_path / "etc/ssl" / policy.SLUG
    folder.mkdir(parents=True)
    outcome = scratch.run("nginx.sh", OPENSSL_CONF="/dev/null")
    assert outcome.of("nginx") == ["nginx -e stderr -g daemon off;"], outcome.said
    return folder


def public_key(*command: str) -> str:
    words = ["openssl", *command, "-pubout" if command[0] == "pkey" else "-pubkey"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def test_only_nginx_can_read_its_key(tmp_path: Path) -> None:
    """The self-signed one here; nginx.sh makes no other file readable either."""
    folder = started_nginx(tmp_path)
    assert modes(folder) == {"privkey.pem": "0600", "fullchain.pem": "0600"}


def test_nginx_refuses_the_key_of_another_certificate(tmp_path: Path) -> None:
    """The two files are not replaced at the same moment; with such a pair, Nginx does not start."""
    given = tmp_path / "srv/certificates"
    given.mkdir(parents=True)
    for name in ("old", "new"):
        new_key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj /CN=a"
        files = ["-keyout", f"{given}/{name}.key", "-out", f"{given}/{name}.crt"]
        environment = {**os.environ, "OPENSSL_CONF": "/dev/null"}
        command = ["openssl", *new_key.split(), *files]
        subprocess.run(command, check=True, capture_output=True, env=environment)
    (given / "new.crt").rename(given / "fullchain.pem")
    (given / "old.key").rename(given / "privkey.pem")
    folder = started_nginx(tmp_path)
    certificate = public_key("x509", "-in", f"{folder}/fullchain.pem", "-noout")
    assert certificate == public_key("pkey", "-in", f"{folder}/privkey.pem")


# In the place of gunicorn: says whether somebody still reaches it when it is told to stop.
GUNICORN = f"""exec {sys.executable} -c '
import os, signal, socket, sys
path = os.environ["GUNICORN_BIND"].removeprefix("unix:")
listening = socket.socket(socket.AF_UNIX)
listening.bind(path)
listening.listen()

def stop(*_):
    reached = socket.socket(socket.AF_UNIX).connect_ex(path) == 0
    os.unlink(path)
    os.write(1, b"reached\\n" if reached else b"closed\\n")
    sys.exit()

signal.signal(signal.SIGTERM, stop)
os.write(1, b"listening\\n")
while True:
    signal.pause()
'"""


def catches(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal, proc(5)."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (mask,) = re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_nginx_stops_accepting_before_the_app_stops(tmp_path: Path) -> None:
    """Nginx takes another instance at once; what has been received is still answered."""
    needs.linux()
    scratch = Scratch(tmp_path, ["rm"], {"gunicorn": GUNICORN, "sleep": ""})
    (tmp_path / "run" / policy.SLUG).mkdir(parents=True)
    text = below(tmp_path, (SCRIPTS / "gunicorn.sh").read_text(encoding="utf-8"))
    (tmp_path / "gunicorn.sh").write_text(text, encoding="utf-8")
    environment = {"PATH": str(scratch.programs), "RECORD": str(scratch.record)}
    process = subprocess.Popen(
        ["/bin/sh", "gunicorn.sh", "app-1"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    while not catches(process.pid, signal.SIGTERM):
        assert process.poll() is None
    process.terminate()
    said, _ = process.communicate(timeout=60)
    assert (said, process.returncode) == ("closed\n", 0)
    calls = scratch.record.read_text("utf-8").splitlines()
    removed = f"rm -f {tmp_path}/run/{policy.SLUG}/app-1.sock"
    # An argument would override the reviewed settings of deploy/gunicorn.conf.py.
    assert calls == [removed, "gunicorn --config deploy/gunicorn.conf.py", removed, "sleep 1"]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (404, False), (503, False)])
def test_the_container_is_unhealthy_when_a_page_fails(
    tmp_path: Path, status: int, healthy: bool
) -> None:
    path = str(tmp_path / "app.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        asked: list[bytes] = []

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.0 %d -\r\nContent-Length: 0\r\n\r\n" % status)

        server = threading.Thread(target=answer, daemon=True)
        server.start()
        command = [sys.executable, SCRIPTS / "healthcheck.py", "/readyz", f"unix:{path}"]
        result = subprocess.run(command, check=False, timeout=30, capture_output=True)
        server.join(30)
    assert asked[0].startswith(b"GET /readyz HTTP/1.1\r\n")
    assert (result.returncode == 0) == healthy
