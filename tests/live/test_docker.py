"""Docker Compose as an operator runs it: deploy, attack, kill, update, remove."""

from __future__ import annotations

import base64
import http.client
import json
import mmap
import os
import re
import signal
import socket
import ssl
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live import elsewhere, machines
from tests.live.compose import ADDRESS, AIOSMTPD, Deployment, deployed, wait_until
from tests.live.conftest import program, virtual_environment
from tests.live.followed import instructions
from tests.live.images import Docker, stand_in
from tests.live.mailbox import NAME as MAILBOX
from tests.live.mailbox import mail_url
from tests.live.visitor import PASSWORD, READ_URL, Program, Reader, Visitor
from tests.template import AXES, render, run

pytestmark = pytest.mark.docker

PAIRS = [("postgresql", "session"), ("sqlite", "token")]
# For tests that do not depend on database and auth.
once = pytest.mark.parametrize("deployment", PAIRS[:1], indirect=True, ids="-".join)
SERVED = ("nginx", "app-1", "app-2", "valkey")  # what a visitor's request passes through


class Client(Visitor):
    """A visitor of a deployment who trusts its certificate authority."""

    def __init__(self, deployment: Deployment) -> None:
        assert deployment.authority
        self.place = (ADDRESS, deployment.https_port)
        super().__init__(
            deployment.domain,
            lambda: socket.create_connection(self.place, timeout=30),
            deployment.authority.root(),
            deployment.mailbox.to,
        )
        self.written = self.first = ""

    def serial(self) -> str | None:
        """The serial number of the served certificate; None if the authority has not issued it."""
        with (
            suppress(ssl.SSLError),
            socket.create_connection(self.place, timeout=10) as plain,
            self.tls.wrap_socket(plain, server_hostname=self.domain) as secure,
        ):
            return str(secure.getpeercert()["serialNumber"])  # type: ignore[index]
        return None

    def wait_for_the_certificate(self, deployment: Deployment) -> None:
        """Wait until only the authority's certificate is shown.

        In a row: while Nginx reloads, its old processes still show the certificate of before.
        """
        wait_until(
            lambda: all(self.serial() for _ in range(20)),
            lambda: deployment.compose("logs", "certbot", "nginx").stdout,
        )


class Pages(Client, Reader):
    """Uses the service with pages."""

    listing = "/notes/"

    def note(self, title: str) -> int:
        status = self.post("/notes/new", title=title, body="*rich*")[0]
        self.written = self.location
        return status


class Programs(Client, Program):
    """Uses the service without pages."""

    listing = "/api/v1/notes"

    def note(self, title: str) -> int:
        status, text = self.post("notes", title=title, body="*rich*")
        self.written = f"{self.listing}/{json.loads(text).get('id')}"
        return status


WRITTEN = (201, 302, 303)


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def deployment(
    request: pytest.FixtureRequest, docker: Docker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """The service, deployed by its one command."""
    program("nginx")  # for check.sh
    database, auth = request.param
    folder = tmp_path_factory.mktemp("docker")
    project = render(folder, database=database, auth=auth, deployment="docker")
    with deployed(docker, project, folder) as running:
        yield running


@pytest.fixture(scope="module")
def client(deployment: Deployment) -> Pages | Programs:
    """A visitor who has signed up and written a note."""
    pages = (deployment.project / "app/templates/base.html").exists()
    client = Pages(deployment) if pages else Programs(deployment)
    client.wait_for_the_certificate(deployment)
    client.sign_up("first@example.com")
    assert client.note("The first note") in WRITTEN
    client.first = client.written
    return client


def test_from_sign_up_to_a_note_over_https(
    client: Pages | Programs, deployment: Deployment
) -> None:
    status, text = client.request("GET", client.first)
    assert (status, "The first note" in text) == (200, True)
    plain = http.client.HTTPConnection(ADDRESS, deployment.http_port, timeout=10)
    plain.request("GET", "/x", headers={"Host": deployment.domain})
    response = plain.getresponse()
    assert response.status == 308
    assert response.headers["Location"] == f"https://{deployment.domain}/x"
    plain.close()


@once
def test_the_certificate_is_the_authoritys_and_is_renewed(
    client: Pages | Programs, deployment: Deployment
) -> None:
    first = client.serial()
    assert first
    deployment.wait_until_healthy("certbot")
    renew = ["certbot", "renew", "--force-renewal", "--no-random-sleep-on-renew"]
    folders = ["config-dir=/var/lib/certbot/config", "work-dir=/tmp/certbot", "logs-dir=/tmp/logs"]
    deployment.must("exec", "-T", "certbot", *renew, *(f"--{folder}" for folder in folders))
    wait_until(lambda: client.serial() not in (None, first))


def test_every_container_is_confined(deployment: Deployment) -> None:
    containers = deployment.containers()
    database = {"database"} if "database" in containers else set()
    assert set(containers) == {*SERVED, "mail", "certbot", "backup"} | database
    published = {}
    for name, found in containers.items():
        config, host = found["Config"], found["HostConfig"]
        user = "999:999" if name == "database" else "10001:10001"
        assert config["User"] == user, name
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert not host["Privileged"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert 0 < host["Memory"] == host["MemorySwap"] <= 1 << 30, name
        assert 0 < host["NanoCpus"] <= 2_000_000_000, name
        assert 0 < host["PidsLimit"] <= 256, name
        assert {"Name": "core", "Hard": 0, "Soft": 0} in host["Ulimits"], name
        assert host["LogConfig"]["Config"] == {"max-file": "5", "max-size": "10m"}, name
        assert host["RestartPolicy"]["Name"] == "unless-stopped", name
        assert config["Healthcheck"]["Test"][0] in ("CMD", "CMD-SHELL"), name
        for namespace in ("PidMode", "UTSMode", "UsernsMode"):
            assert host[namespace] == "", name
        for place, options in host["Tmpfs"].items():
            assert {"noexec", "nosuid", "nodev"} < set(options.split(",")), (name, place)
        for mount in found["Mounts"]:
            if mount["Type"] == "bind":
                ours = mount["Destination"] in ("/pebble.pem", "/mailbox.pem")  # the tests' own
                assert ours or mount["Destination"].startswith("/run/secrets/"), (name, mount)
                assert not mount["RW"], (name, mount)
            else:  # a volume without a name is one that an image has made
                assert not re.fullmatch("[0-9a-f]{64}", mount["Name"]), (name, mount)
        if name != "certbot":  # in the tests it has the host's, where its authority is
            networks = set(found["NetworkSettings"]["Networks"])
            project = deployment.project.name
            outside = {"nginx": "edge", "mail": "mail"}
            assert networks == ({f"{project}_{outside[name]}"} if name in outside else {"none"}), (
                name
            )
        if ports := {port for port, at in found["NetworkSettings"]["Ports"].items() if at}:
            published[name] = ports
        # What the kernel says of the process, whatever was asked for.
        status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
        for line in ("CapEff", "CapBnd", "CapPrm", "CapInh", "CapAmb"):
            assert re.search(rf"^{line}:\t0+$", status, re.MULTILINE), (name, line)
        assert "NoNewPrivs:\t1" in status, name
        assert "Seccomp:\t2" in status, name
    assert published == {"nginx": {"8080/tcp", "8443/tcp"}}


def test_each_container_has_its_own_secrets_alone(deployment: Deployment) -> None:
    server = (deployment.project / "secrets/DATABASE_URL").exists()
    app = {"SECRET_KEY", "SECRET_KEY_FALLBACKS"} | ({"DATABASE_URL"} if server else set())
    expected = {"nginx": set(), "valkey": set(), "certbot": set(), "app-1": app, "app-2": app}
    expected["backup"] = {"SECRET_KEY"}
    expected["mail"] = app | {"MAIL_URL"}
    if server:
        expected["mail"] = app - {"DATABASE_URL"} | {"MAIL_DATABASE_URL", "MAIL_URL"}
        expected["database"] = {"ADMIN_PASSWORD"}
        expected["backup"] |= {"DATABASE_URL", "MIGRATION_DATABASE_URL", "MAIL_DATABASE_URL"}
    for name, found in deployment.containers().items():
        mounts = {Path(mount["Destination"]) for mount in found["Mounts"]}
        given = {path.name for path in mounts if path.parent == Path("/run/secrets")}
        assert given == expected[name], name
        shown = json.dumps(found)
        for secret, value in deployment.secrets().items():
            assert value not in shown, f"docker inspect {name} shows {secret}"
    secrets = deployment.project / "secrets"
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {0o444}


def test_the_app_finds_no_network_and_nothing_to_write_to(deployment: Deployment) -> None:
    attack = (
        "import os, pathlib, socket\n"
        "print([name for _, name in socket.if_nameindex() if name == 'eth0'])\n"
        "for path in '/x', '/srv/app/x', '/opt/venv/x', '/run/secrets/x':\n"
        "    try:\n"
        "        pathlib.Path(path).touch()\n"
        "        print('written:', path)\n"
        "    except OSError:\n"
        "        pass\n"
        "pathlib.Path('/tmp/x').write_text('#!/bin/sh\\necho executed')\n"
        "os.chmod('/tmp/x', 0o755)\n"
        "try:\n"
        "    os.execv('/tmp/x', ['/tmp/x'])\n"
        "except PermissionError:\n"
        "    print('refused')\n"
    )
    said = deployment.must("exec", "-T", "app-1", "python", "-c", attack)
    assert said.split("\n") == ["[]", "refused", ""]


def failed_sign_ins(deployment: Deployment) -> dict[str, int]:
    """The number of failed sign-ins in the log of each instance."""
    names = ("app-1", "app-2")
    logs = {name: deployment.must("logs", "--no-log-prefix", name) for name in names}
    return {name: log.count("authn_login_fail") for name, log in logs.items()}


def test_a_limit_holds_over_both_instances(
    client: Pages | Programs, deployment: Deployment
) -> None:
    flush = ["exec", "-T", "valkey", "valkey-cli", "-s", "/run/valkey/valkey.sock", "FLUSHALL"]
    # Nginx alternates between the instances, so one may get all forms and the other all pages.
    for _ in range(5):
        deployment.must(*flush)  # a sign-up also counts as a sign-in
        before = failed_sign_ins(deployment)
        statuses = [client.sign_in("nobody@example.com", "wrong " * 4) for _ in range(11)]
        assert statuses[-1] == 429, statuses
        assert 429 not in statuses[:10], statuses
        after = failed_sign_ins(deployment)
        if all(after[name] > before[name] for name in after):
            break
    else:
        pytest.fail(f"one instance had no part in it, five times: {before}, {after}")
    deployment.must(*flush)  # the next tests sign in again


@once
def test_an_update_loses_no_request(client: Pages | Programs, deployment: Deployment) -> None:
    """Rotate the key and replace both instances while a user reads and writes."""
    before = deployment.containers()
    answers: list[tuple[str, int]] = []
    stop = threading.Event()

    def use() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            try:
                if turn % 25 == 0:
                    answers.append(("write", client.note(f"Note {turn}")))
                else:
                    answers.append(("read", client.request("GET", client.listing)[0]))
            except (OSError, http.client.HTTPException, AssertionError) as error:
                answers.append((repr(error)[:500], 0))
            time.sleep(0.08)  # within the limits of Nginx

    user = threading.Thread(target=use)
    user.start()
    try:
        deployment.script("setup.sh", "rotate-key")
        deployment.script("deploy.sh")
    finally:
        stop.set()
        user.join()
    after = deployment.containers()
    for name in ("mail", "app-1", "app-2"):
        assert before[name]["Id"] != after[name]["Id"], f"{name} was not replaced"
    assert before["nginx"]["Id"] == after["nginx"]["Id"]
    assert len(answers) > 50
    lost = [answer for answer in answers if answer[1] not in (200, *WRITTEN)]
    assert lost == [], f"{len(lost)} of {len(answers)}"
    assert sum(kind == "write" for kind, _ in answers) > 2
    # The session from before the rotation is valid with the new key.
    assert client.request("GET", client.listing)[0] == 200


def wait_until_restarted(deployment: Deployment, name: str, before: dict[str, Any]) -> None:
    """Wait until the container has another start time than in ``before``."""

    def restarted() -> bool:
        now = deployment.containers().get(name, before)["State"]
        return now["Running"] and now["StartedAt"] != before["State"]["StartedAt"]

    wait_until(restarted, lambda: deployment.compose("logs", name).stdout)


def test_a_killed_gunicorn_costs_no_reader_a_request(
    client: Pages | Programs, deployment: Deployment
) -> None:
    """Its script, the container's first process, ends with it; so the container starts again."""
    before = deployment.containers()["app-1"]
    first = before["State"]["Pid"]
    (gunicorn,) = Path(f"/proc/{first}/task/{first}/children").read_text("utf-8").split()
    os.kill(int(gunicorn), signal.SIGKILL)
    for _ in range(40):
        assert client.request("GET", client.listing)[0] == 200
        time.sleep(0.1)
    wait_until_restarted(deployment, "app-1", before)
    deployment.wait_until_healthy(*SERVED)


@once
def test_a_killed_container_starts_again(client: Pages | Programs, deployment: Deployment) -> None:
    for name, found in deployment.containers().items():
        deployment.kill(name)
        if name.startswith("app-"):  # the other one answers
            assert client.request("GET", client.listing)[0] == 200
        wait_until_restarted(deployment, name, found)
        deployment.wait_until_healthy(*SERVED, *({name} & {"database", "backup", "mail"}))
        status, text = client.request("GET", client.first)
        assert (status, "The first note" in text) == (200, True), name
    assert client.request("GET", "/readyz")[0] == 404, "visitors do not learn it"
    for name in ("app-1", "app-2"):
        path = f"unix:/run/{deployment.project.name}/{name}.sock"
        ask = ["python", "deploy/container/healthcheck.py", "/readyz", path]
        assert '"status":"ok"' in deployment.must("exec", "-T", name, *ask)


def test_a_mail_arrives(client: Pages | Programs, deployment: Deployment) -> None:
    """The mail with which the client signed up: from the service, to one address."""
    first, *more = deployment.mailbox.to("first@example.com")
    assert more == []
    (mail,) = (it for it in deployment.mailbox.all() if it["To"] == "first@example.com")
    assert mail["From"] == f"no-reply@{deployment.domain}"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert deployment.domain in first


@once
def test_a_mail_waits_while_it_cannot_be_sent(
    client: Pages | Programs, deployment: Deployment
) -> None:
    """The mail waits while the mail server is down and after the sender is killed."""
    email = "later@example.com"
    deployment.must("stop", "--timeout", "0", MAILBOX)
    type(client)(deployment).ask_to_sign_up(email)
    status = ["exec", "-T", "mail", "flask", "mail", "status"]
    wait_until(lambda: "attempts: 1" in deployment.compose(*status).stdout)
    before = deployment.containers()["mail"]
    deployment.kill("mail")
    wait_until_restarted(deployment, "mail", before)
    deployment.wait_until_healthy("mail", *SERVED)
    assert deployment.mailbox.to(email) == []
    deployment.must("start", MAILBOX)
    deployment.must("exec", "-T", "mail", "flask", "mail", "retry")
    wait_until(lambda: len(deployment.mailbox.to(email)) == 1)
    assert "waiting" not in deployment.must(*status)
    log = deployment.must("logs", "--no-log-prefix", "mail")
    assert "mail not sent" in log
    assert email not in log


@once
@pytest.mark.parametrize(
    ("name", "file", "minutes"),
    [("mail", "heartbeat", 15), ("backup", "succeeded", 1500), ("certbot", "succeeded", 2880)],
)
def test_a_silent_container_is_unhealthy(
    deployment: Deployment, name: str, file: str, minutes: int
) -> None:
    """One that hangs or fails renews no file; time is not waited for here."""
    shell = ["exec", "-T", name, "sh", "-c"]
    (test,) = deployment.containers()[name]["Config"]["Healthcheck"]["Test"][1:]
    old = test.replace(file, "old")
    assert old != test
    assert deployment.compose(*shell, old).returncode != 0, "it is not there"
    for age, healthy in ((minutes - 1, True), (minutes + 1, False)):
        made = f"touch -d '-{age} minutes' /tmp/old"
        assert (deployment.compose(*shell, f"{made}; {old}").returncode == 0) == healthy, age


def test_down_and_up_keeps_the_data(client: Pages | Programs, deployment: Deployment) -> None:
    backups = deployment.must("exec", "-T", "backup", "ls", "backups").split()
    assert any(re.match(r"\d{4}-\d\d-\d\dT", name) for name in backups), backups
    assert "before-update" in backups
    deployment.must("down", "--timeout", "30")
    assert deployment.containers() == {}
    deployment.must("up", "--detach")
    deployment.wait_until_healthy(*SERVED)
    again = type(client)(deployment)
    assert again.sign_in("first@example.com", PASSWORD) in (200, *WRITTEN)
    status, text = client.request("GET", client.first)
    assert (status, "The first note" in text) == (200, True)


def test_a_backup_is_restored(client: Pages | Programs, deployment: Deployment) -> None:
    assert client.note("Lost") in WRITTEN
    names = deployment.must("exec", "-T", "backup", "ls", "backups").split()
    newest = max(name for name in names if name[0].isdigit())
    restore = ["run", "--rm", "--no-deps", "backup", "flask", "db", "restore"]
    said = deployment.must(*restore, f"backups/{newest}")
    assert "Everybody is signed out" in said
    again = type(client)(deployment)
    again.sign_up("second@example.com")
    assert again.request("GET", again.listing)[0] == 200
    assert client.request("GET", client.listing)[0] in (302, 303, 401)


@pytest.mark.parametrize("deployment", PAIRS[1:], indirect=True, ids="-".join)
def test_prometheus_reads_the_numbers_and_visitors_do_not(
    client: Pages | Programs, deployment: Deployment
) -> None:
    """As in docs/monitoring.md, with another container instead of Prometheus."""
    document = deployment.project / "docs/monitoring.md"
    override, scrape = instructions(document, "How Prometheus gets them")[:2]
    (deployment.project / "compose.override.yaml").write_text(override, "utf-8")
    files = deployment.environment["COMPOSE_FILE"].split(os.pathsep)
    files.insert(1, "compose.override.yaml")  # COMPOSE_FILE hides it
    deployment.environment["COMPOSE_FILE"] = os.pathsep.join(files)
    deployment.script("deploy.sh")
    network = ["--network", f"{deployment.project.name}_metrics"]
    (job,) = yaml.safe_load(scrape)["scrape_configs"]
    (group,) = job["static_configs"]
    assert len(group["targets"]) == 2
    for target in group["targets"]:
        reader = [*network, stand_in(deployment.docker, MAILBOX, AIOSMTPD), *READ_URL]
        numbers = deployment.docker("run", "--rm", *reader, f"http://{target}/metrics")
        assert 'app_requests_total{method="GET"' in numbers
        assert float(re.findall(r"^app_certificate_seconds (\S+)$", numbers, re.M)[0]) > 0
        assert 0 <= float(re.findall(r"^app_backup_seconds (\S+)$", numbers, re.M)[0]) < 3600
        other = deployment.docker.run("run", "--rm", *reader, f"http://{target}/healthz")
        assert "HTTP Error 404" in other.stdout, "this listener has the numbers alone"
    assert client.request("GET", "/metrics")[0] == 404, "through Nginx there is no such page"
    for name in ("app-1", "app-2"):
        assert not deployment.containers()[name]["HostConfig"]["PortBindings"]


@pytest.mark.parametrize("deployment", PAIRS[1:], indirect=True, ids="-".join)
def test_the_log_reaches_another_system(
    client: Pages | Programs, deployment: Deployment, tmp_path: Path
) -> None:
    """A machine acts as the host of Docker; the daemon logs to its journal."""
    readme = deployment.project / "deploy/docker/README.md"
    compose = deployment.project / "compose.yaml"
    (driver,) = instructions(readme, "In compose.yaml")
    daemon = instructions(readme, "On the host of Docker")
    logging = re.compile(r"(?<=logging: &logging\n)(?:    .+\n)+")
    text, times = logging.subn(driver, compose.read_text("utf-8"))
    assert times == 1
    socket = deployment.docker.journal / "socket"
    with (
        machines.booted(tmp_path / "host", machines.make_root(), {}) as host,
        elsewhere.sending(host, deployment.project, tmp_path / "sent", more=daemon) as way,
    ):
        socket.symlink_to(f"/proc/{host.init()}/root/run/systemd/journal/socket")
        compose.write_text(text, "utf-8")
        deployment.script("deploy.sh")
        way.prove(lambda path: client.request("GET", path))


@once
def test_no_secret_is_in_an_image(deployment: Deployment, tmp_path: Path) -> None:
    names = ["app", "nginx", "certbot"]
    images = [f"{deployment.project.name}-{name}" for name in names]
    deployment.docker("save", "--output", tmp_path / "images.tar", *images)
    # A value may also be stored in another form.
    values = {value.encode() for value in deployment.secrets().values()}
    values |= {base64.b64encode(value)[:-4] for value in values}
    forbidden = re.compile(
        r"(^|/)(\.env|\.git|\.venv|secrets|instance)(/|$)|^srv/(app/)?(tests|README|Makefile)"
        r"|requirements-dev|\.(pem|key|sqlite3)$"
    )
    allowed = re.compile(r"^(etc/ssl/certs|usr/share|usr/lib|usr/local/lib|opt/venv/lib)/")
    seen = 0
    saved = tmp_path / "images.tar"
    with saved.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for value in values:  # layers are not compressed, and the history is beside them
            assert content.find(value) < 0, "a secret is in an image"
        assert content.find(b"HEALTHCHECK") > 0, "the search finds what is there"
    with tarfile.open(saved) as archive:
        for member in filter(tarfile.TarInfo.isfile, archive):
            with (
                suppress(tarfile.ReadError),  # no layer
                tarfile.open(fileobj=archive.extractfile(member)) as layer,
            ):
                for entry in layer:
                    seen += 1
                    name = entry.name.removeprefix("./")
                    wrong = forbidden.search(name) and not allowed.match(name)
                    assert not wrong, f"in a layer: {name}"
    saved.unlink()
    assert seen > 5000
    for image in images:
        config = json.loads(deployment.docker("inspect", image))[0]["Config"]
        assert config["User"] == "10001:10001"
        assert config["Healthcheck"]


@once
def test_the_checks_of_the_service_pass(
    deployment: Deployment, checkers: Path, tools: Path
) -> None:
    program("shellcheck")
    path = f"{checkers}:{tools}:{deployment.environment['PATH']}"
    said = deployment.script("check.sh", PATH=path)
    for name in ("shellcheck", "hadolint", "gixy", "docker compose config"):
        assert re.search(rf"^{name}", said, re.MULTILINE), said
    assert "not installed" not in said


# --- With a provider, and the third database

PROVIDER = """\
import json, pathlib, sys
from tests.real_provider import real_provider
with real_provider(pathlib.Path(sys.argv[1])) as provider:
    print(json.dumps(provider.settings()), flush=True)
    for line in sys.stdin:
        print(provider.person().authorize(line.strip()), flush=True)
"""


@contextmanager
def provider(project: Path, folder: Path) -> Iterator[tuple[dict[str, str], Callable[[str], str]]]:
    """The provider of the service's tests: its settings, and a function that signs a user in."""
    for name in ("node", "npm"):
        program(name)
    locks = [project / "requirements.lock", project / "requirements-dev.lock"]
    python = virtual_environment("service-oidc", locks, []) / "python"
    with (
        (folder / "provider.log").open("w") as log,
        subprocess.Popen(
            [python, "-c", PROVIDER, folder / "provider"],
            cwd=project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdin
        assert process.stdout

        def authorize(url: str) -> str:
            process.stdin.write(f"{url}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        try:
            line = process.stdout.readline()
            assert line, (folder / "provider.log").read_text("utf-8")[-4000:]
            yield json.loads(line), authorize
        finally:
            process.stdin.close()
            process.wait(60)


def test_a_provider_and_mariadb(docker: Docker, tmp_path: Path) -> None:
    answers = {"database": "mysql", "auth": "oidc", "domain_name": "service.test"}
    slug = "a" * 40  # the longest name, beside the service that may still run
    project = render(tmp_path, deployment="docker", project_slug=slug, **answers)
    refused = run("sh", "deploy/docker/setup.sh", cwd=project, env={"PATH": os.environ["PATH"]})
    assert refused.returncode == 1
    assert "secrets/MAIL_URL" in refused.stdout
    url = {"MAIL_URL": mail_url("/mailbox.pem")}
    refused = run(
        "sh", "deploy/docker/setup.sh", cwd=project, env={"PATH": os.environ["PATH"]} | url
    )
    assert refused.returncode == 1
    assert "secrets/OIDC_ISSUER" in refused.stdout
    with provider(project, tmp_path) as (settings, authorize):
        asked = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
        values = {name: settings[name] for name in asked}
        app = {
            "environment": {
                "OIDC_CA_FILE": "/provider.pem",
                "OIDC_PRIVATE_NETWORKS": settings["OIDC_PRIVATE_NETWORKS"],
            },
            "volumes": [f"{settings['OIDC_CA_FILE']}:/provider.pem:ro"],
            "network_mode": "host",  # it is on the loopback
            "networks": "!reset",
        }
        more = {"app-1": app, "app-2": app}
        with deployed(docker, project, tmp_path, values=values, **more) as deployment:
            client = Pages(deployment)
            client.wait_for_the_certificate(deployment)
            status, text = client.post("/auth/login")
            assert status in (302, 303), text[:2000]
            status, text = client.request("GET", authorize(client.location))
            assert status in (200, 302, 303), text[:2000]
            assert client.note("Written in MariaDB") in WRITTEN
            deployment.kill("database")
            deployment.wait_until_healthy("database")
            deployment.script("setup.sh", "rotate-roles")
            deployment.script("deploy.sh")
            status, text = client.request("GET", client.listing)
            assert (status, "Written in MariaDB" in text) == (200, True)
            assert "No problem found" in deployment.must(
                "exec", "-T", "app-1", "flask", "security", "check"
            )


# --- Without a running service


@pytest.fixture(scope="module", params=AXES["database"])
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    return render(folder, database=request.param, deployment="docker")


@pytest.mark.parametrize("auth", AXES["auth"])
@pytest.mark.parametrize("database", AXES["database"])
def test_every_pair_is_a_valid_composition(tmp_path: Path, database: str, auth: str) -> None:
    """Docker accepts the file; the service's own tests check its contents."""
    project = render(tmp_path, database=database, auth=auth, deployment="docker")
    command = [program("docker"), "compose", "-f", "compose.yaml", "config", "--format", "json"]
    result = run(*command, cwd=project)
    assert result.returncode == 0, result.stdout
    shown = json.loads(result.stdout)["services"]
    assert ("database" in shown) == (database != "sqlite")


def test_hadolint_finds_nothing(rendered: Path, checkers: Path) -> None:
    result = run(checkers / "hadolint", "--no-color", rendered / "Dockerfile")
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("rendered", ["postgresql"], indirect=True)
def test_checkov_finds_nothing(rendered: Path, checkers: Path) -> None:
    result = run(
        *(checkers / "checkov", "--file", rendered / "Dockerfile", "--framework", "dockerfile"),
        *("--compact", "--skip-download", "--output", "json"),
        env=os.environ | {"LOG_LEVEL": "ERROR", "PATH": f"{checkers}:{os.environ['PATH']}"},
    )
    summary = json.loads(result.stdout[result.stdout.index("{") :])["summary"]
    assert summary["failed"] == 0, result.stdout
    assert summary["passed"] > 20


def test_only_named_files_get_into_a_build(docker: Docker, tmp_path: Path) -> None:
    project = render(tmp_path, database="postgresql", deployment="docker")
    planted = [
        *(".env", ".env.production", ".git/config", ".venv/bin/python", "secrets/SECRET_KEY"),
        *("instance/development.sqlite3", "backups/1.dump", "key.pem", "new_folder/new_file"),
        *("app/.env", "app/auth/.netrc", "app/private.key", "app/dump.sql", "app/db.sqlite3"),
        *("app/__pycache__/a.pyc", "app/static/old.pyc", "deploy/nginx/privkey.pem"),
        *("deploy/container/.secret", "migrations/versions/old.dump", "tests/fixture.json"),
    ]
    for name in planted:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("planted")
    wanted = {
        path
        for folder in ("app", "migrations", "deploy/nginx", "deploy/container")
        for path in (project / folder).rglob("*")
        if path.is_file()
    }
    others = ("wsgi.py", "requirements.lock", "deploy/gunicorn.conf.py")
    wanted |= {project / name for name in others}
    wanted -= {project / name for name in planted}
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    sent = tmp_path / "sent"
    docker("build", "--output", sent, "--file", tmp_path / "Dockerfile", project)
    found = {project / path.relative_to(sent) for path in sent.rglob("*") if path.is_file()}
    assert found == wanted
