"""deployment=systemd: install.sh and the service, on machines that boot systemd."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import elsewhere, machines
from tests.live.followed import follow, instructions
from tests.live.machines import Machine
from tests.live.mailbox import NAME as MAILBOX
from tests.live.mailbox import PASSWORD as MAIL_PASSWORD
from tests.live.mailbox import Mailbox, mail_url
from tests.live.visitor import READ_URL
from tests.template import render

pytestmark = pytest.mark.systemd

SLUG = "demo"
DOMAIN = "demo.example.com"
INSTALL = "/srv/project/deploy/systemd/install.sh"
ANSWERS = {"deployment": "systemd", "project_slug": SLUG, "domain_name": DOMAIN}
# In units, systemd interprets % in a description; no other character of an answer.
AWKWARD = {"project_name": "Déjà 100% vu", "author_email": "o'brien+x@example.com"}
PAIRS = [("sqlite", "session"), ("postgresql", "token"), ("mysql", "oidc")]
SECRETS = f"/etc/{SLUG}/credentials"
MAIL_URL = ["env", "MAIL_URL_FILE=/root/mail-url"]


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """A rendered service with each database and each sign-in."""
    folder = tmp_path_factory.mktemp("projects")
    return {
        (database, auth): render(
            folder / f"{database}-{auth}", database=database, auth=auth, **ANSWERS, **AWKWARD
        )
        for database, auth in PAIRS
    }


@pytest.fixture(scope="module")
def wheels(projects: dict[tuple[str, str], Path]) -> Path:
    locks = [projects[choices] / "requirements.lock" for choices in PAIRS]
    return machines.download_wheels(machines.make_root(), locks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("machines")


def machine_for(
    folder: Path, wheels: Path, projects: dict[tuple[str, str], Path], choices: tuple[str, str]
) -> Iterator[Machine]:
    """A machine with a copy of the project of ``choices``, not yet installed."""
    binds = {"/srv/wheels": wheels, "/srv/tests": machines.HERE}
    binds["/srv/all"] = projects[choices].parent.parent
    with machines.booted(folder / "-".join(choices), machines.make_root(), binds) as machine:
        machine.shell(f"echo 127.0.0.1 {DOMAIN} >>/etc/hosts")
        machine.run("cp", "-R", f"/srv/all/{'-'.join(choices)}/{SLUG}", "/srv/project")
        start_mailbox(machine, folder / "-".join(choices) / "mailbox")
        yield machine


def start_mailbox(machine: Machine, folder: Path) -> None:
    """Start a mail server on an address outside of the service's network namespace."""
    box = Mailbox(folder)
    machine.run("mkdir", "/var/mailbox")
    for name in ("password", "server.pem"):
        machine.write(f"/var/mailbox/{name}", (box.folder / name).read_text("utf-8"))
    machine.write("/etc/ssl/mailbox.pem", box.authority.read_text("utf-8"))
    machine.write("/root/mail-url", mail_url("/etc/ssl/mailbox.pem"))
    machine.shell(f"echo 127.0.0.88 {MAILBOX} >>/etc/hosts")
    serve = "/srv/tests/mailbox.py 127.0.0.88 465 /var/mailbox/server.pem /var/mailbox"
    unit = f"[Service]\nExecStart=/usr/bin/python3 {serve}\n[Install]\nWantedBy=multi-user.target\n"
    machine.write("/etc/systemd/system/mailbox.service", unit)
    machine.run("systemctl", "enable", "--quiet", "--now", "mailbox")


@pytest.fixture(scope="module")
def sqlite(folder: Path, wheels: Path, projects: dict[tuple[str, str], Path]) -> Iterator[Machine]:
    """A host with the service on SQLite, with accounts and pages."""
    for machine in machine_for(folder, wheels, projects, ("sqlite", "session")):
        machine.run(*MAIL_URL, "sh", INSTALL, "--no-acme")
        yield machine


@pytest.fixture(scope="module")
def postgresql(
    folder: Path, wheels: Path, projects: dict[tuple[str, str], Path]
) -> Iterator[Machine]:
    """A host with the API on PostgreSQL."""
    for machine in machine_for(folder, wheels, projects, ("postgresql", "token")):
        machine.run(*MAIL_URL, "sh", INSTALL, "--no-acme")
        yield machine


def visit(
    machine: Machine, interface: str, *titles: str, email: str = "somebody@example.com"
) -> str:
    """Use the service; write the notes that do not exist yet; return the list of notes."""
    ca = f"/etc/ssl/{SLUG}/fullchain.pem"
    return machine.run("python3", "/srv/tests/visit.py", DOMAIN, ca, interface, email, *titles)


def main_pid(machine: Machine, unit: str = SLUG) -> str:
    return machine.run("systemctl", "show", "--property=MainPID", "--value", unit)


def wait_for_another(machine: Machine, unit: str, before: str, seconds: int = 10) -> None:
    """Wait until the unit has another process than before."""
    for _ in range(seconds * 10):
        if main_pid(machine, unit) not in ("0", before):
            break
        time.sleep(0.1)
    assert main_pid(machine, unit) not in ("0", before)


def journal(machine: Machine, *which: str) -> str:
    """All lines in the journal until now."""
    machine.run("journalctl", "--sync")
    return machine.run("journalctl", "--no-pager", "--quiet", "--output=cat", *which)


def ready(machine: Machine) -> str:
    """Wait until the service is ready; return the answer of ``/readyz``."""
    return machine.run("python3", f"/opt/{SLUG}/current/deploy/systemd/ready.py")


# --- The files, with each database and each sign-in


@pytest.mark.parametrize("choices", PAIRS, ids="-".join)
def test_every_checker_passes(sqlite: Machine, choices: tuple[str, str]) -> None:
    """The units as systemd 257 reads them, their exposure, the scripts, Nginx's configuration."""
    said = sqlite.run("sh", f"/srv/all/{'-'.join(choices)}/{SLUG}/deploy/systemd/check.sh")
    exposure = {
        name: float(level)
        for name, level in re.findall(r"exposure level for (\S+)\.service: ([0-9.]+)", said)
    }
    assert exposure.pop(SLUG) <= 0.5
    network = {f"{SLUG}-{name}@test_instance" for name in ("outside", "mail-outside")}
    network.add(f"{SLUG}-certificate")
    assert {name for name, level in exposure.items() if level > 0.5} == network, said
    assert set(re.findall(r"not checked, (\S+)", said)) <= {"gixy"}, said


# --- On a host


@pytest.mark.parametrize(("host", "interface"), [("sqlite", "session"), ("postgresql", "token")])
def test_a_user_uses_the_service(host: str, interface: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(host)
    assert "First" in visit(machine, interface, "First")
    assert json.loads(ready(machine))["status"] == "ok"
    refused = machine.run(*READ_URL, f"https://{DOMAIN}/readyz", check=False)
    assert "HTTP Error 404" in refused, "visitors cannot read the readiness"


@pytest.mark.parametrize("host", ["sqlite", "postgresql"])
def test_the_units_are_clean_where_they_run(host: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(host)
    units = f"/etc/systemd/system/{SLUG}*"
    verify = f"systemd-analyze verify --man=no {units}.service {units}.socket {units}.timer"
    assert machine.shell(verify) == ""
    assert machine.run("systemctl", "--failed", "--quiet") == ""
    running = machine.run(
        "systemd-analyze", "security", "--threshold=5", "--no-pager", f"{SLUG}.service"
    )
    assert "Overall exposure" in running
    timers = machine.run("systemctl", "list-timers", "--no-pager")
    assert {f"{SLUG}-backup.timer", f"{SLUG}-certificate.timer"} <= set(timers.split())


def user_of(unit: str, database: str) -> str:
    """The mail sender has a separate user, except with SQLite, where both open one file."""
    return SLUG if database == "sqlite" else unit


@pytest.mark.parametrize("unit", [SLUG, f"{SLUG}-mail"])
@pytest.mark.parametrize("host", ["sqlite", "postgresql"])
def test_the_kernel_agrees_with_the_unit(
    host: str, unit: str, request: pytest.FixtureRequest
) -> None:
    machine: Machine = request.getfixturevalue(host)
    cgroup = f"/sys/fs/cgroup/system.slice/{unit}.service/cgroup.procs"
    processes = machine.run("cat", cgroup).split()
    assert len(processes) >= (3 if unit == SLUG else 1), "a master and two workers"
    root_id = machine.run("id", "-u", user_of(unit, host))
    for process in processes:
        status = dict(
            line.split(":\t", 1)
            for line in machine.run("cat", f"/proc/{process}/status").splitlines()
        )
        assert status["Uid"].split() == [root_id] * 4
        assert root_id != "0"
        assert {status[name] for name in status if name.startswith("Cap")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"


def inside(machine: Machine, script: str, unit: str = SLUG) -> tuple[int, str]:
    """Run Python with the mounts, the network and the user of the service."""
    process = main_pid(machine, unit)
    command = ["nsenter", f"--target={process}", "--user", "--mount", "--net", "--ipc"]
    user, group = machine.run("stat", "--format=%u %g", f"/proc/{process}").split()
    command += [f"--setuid={user}", f"--setgid={group}", "--", "python3", "-c", script]
    return machine.start(*command, check=False)


@pytest.mark.parametrize("host", ["sqlite", "postgresql"])
def test_code_in_the_service_cannot_reach_other_files_or_networks(
    host: str, request: pytest.FixtureRequest
) -> None:
    machine: Machine = request.getfixturevalue(host)
    machine.run("systemctl", "start", f"{SLUG}-backup.service")
    for path in (
        f"/opt/{SLUG}/current/x",
        "/etc/x",
        f"/var/lib/{SLUG}-backups/x",
        f"/run/{SLUG}/x",
    ):
        status, said = inside(machine, f"open({path!r}, 'w')")
        assert status, path
        assert re.search("Read-only file system|Permission denied", said), said
    for path in (f"/var/lib/{SLUG}-backups", SECRETS, "/root", f"/etc/ssl/{SLUG}/privkey.pem"):
        status, said = inside(machine, f"import os; os.listdir({path!r})")
        assert "PermissionError" in said or "NotADirectory" in said, said
    # The service has another loopback interface than the host, where Nginx listens.
    connect = "import socket; socket.create_connection(('127.0.0.1', 443), 5)"
    assert machine.run("python3", "-c", connect) == ""
    assert "ConnectionRefusedError" in inside(machine, connect)[1]
    assert inside(machine, "open('/tmp/x', 'w')")[0] == 0, "the service has a private /tmp"


@pytest.mark.parametrize("host", ["sqlite", "postgresql"])
def test_secrets_are_in_files_alone(host: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(host)
    names = machine.run("ls", SECRETS).split()
    assert {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL"} <= set(names)
    assert machine.run("stat", "-c", "%a %U", SECRETS) == "700 root"
    assert set(machine.shell(f"stat -c '%a %U' {SECRETS}/*").splitlines()) == {"600 root"}
    secret = machine.run("cat", f"{SECRETS}/SECRET_KEY")
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", secret)
    shown = machine.run("systemctl", "show", f"{SLUG}*", "--all")
    logged = machine.run("journalctl", "--no-pager", "--output=export", "--all")
    environment = machine.shell("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
    for place in (shown, logged, environment):
        assert secret not in place
        assert MAIL_PASSWORD not in place
        assert "CREDENTIALS_DIRECTORY" in environment
    # Other users cannot read the secrets, and the service has no other database role.
    loaded = f"/proc/{main_pid(machine)}/root/run/credentials/{SLUG}.service"
    found = set(machine.run("ls", loaded).split())
    assert found.isdisjoint({"MIGRATION_DATABASE_URL", "MAIL_DATABASE_URL", "MAIL_URL"})
    process = machine.run("systemctl", "show", "--value", "--property=MainPID", f"{SLUG}-mail")
    loaded = f"/proc/{process}/root/run/credentials/{SLUG}-mail.service"
    found = {name for name in machine.run("ls", loaded).split() if "DATABASE" in name}
    assert found == {"DATABASE_URL" if host == "sqlite" else "MAIL_DATABASE_URL"}


# --- Mail

REACHES = """
import socket
for address in {addresses}:
    try:
        socket.create_connection(address, 5).close()
        print("yes")
    except OSError:
        print("no")
"""


@pytest.mark.parametrize("host", ["sqlite", "postgresql"])
def test_only_what_sends_mail_reaches_the_mail_server(
    host: str, request: pytest.FixtureRequest
) -> None:
    machine: Machine = request.getfixturevalue(host)
    script = REACHES.format(addresses=[(MAILBOX, 465), ("127.0.0.88", 465), ("127.0.0.1", 443)])
    assert machine.run("python3", "-c", script).split() == ["yes"] * 3
    assert inside(machine, script)[1].split() == ["no"] * 3
    assert inside(machine, script, f"{SLUG}-mail")[1].split() == ["yes", "no", "no"]


@pytest.mark.parametrize("host", ["sqlite", "postgresql"])
def test_the_service_cannot_read_the_password_of_the_mail_server(
    host: str, request: pytest.FixtureRequest
) -> None:
    """With SQLite both have one user, but separate user namespaces hide the processes."""
    machine: Machine = request.getfixturevalue(host)
    process = main_pid(machine, f"{SLUG}-mail")
    folder = f"/run/credentials/{SLUG}-mail.service"
    places = [f"/proc/{process}/root{folder}/MAIL_URL", f"/proc/{process}/environ"]
    for place in [*places, f"/proc/{process}/maps"]:
        assert machine.run("head", "--bytes=9", place), "root may"
        status, said = inside(machine, f"print(open({place!r}, 'rb').read(9))")
        assert status, place
        assert re.search("PermissionError|FileNotFoundError", said), said
    read = f"print(open('{folder}/MAIL_URL', 'rb').read(9))"
    assert re.search("PermissionError|FileNotFoundError", inside(machine, read)[1])
    assert inside(machine, read, f"{SLUG}-mail") == (0, "b'smtps://d'")


@pytest.mark.parametrize(("host", "interface"), [("sqlite", "session"), ("postgresql", "token")])
def test_a_mail_waits_while_it_cannot_be_sent(
    host: str, interface: str, request: pytest.FixtureRequest
) -> None:
    """The mail waits while the mail server is down and after the sender is killed."""
    machine: Machine = request.getfixturevalue(host)
    manage, unit = f"/opt/{SLUG}/current/deploy/systemd/manage.sh", f"{SLUG}-mail"
    machine.run("systemctl", "stop", "mailbox")
    before = machine.run("ls", "/var/mailbox")
    visit(machine, interface, "--ask", email="later@example.com")
    wait_for(machine, f"sh {manage} mail status | grep 'attempts: 1'")
    process = main_pid(machine, unit)
    machine.run("kill", "-KILL", process)
    wait_for_another(machine, unit, process)
    assert machine.run("ls", "/var/mailbox") == before
    machine.run("systemctl", "start", "mailbox")
    machine.run("sh", manage, "mail", "retry")
    wait_for(machine, "grep -l '^X-Recipient: later@example.com' /var/mailbox/*.eml")
    assert "waiting" not in machine.run("sh", manage, "mail", "status")
    said = journal(machine, "--unit", unit)
    assert "mail not sent" in said
    assert "later@example.com" not in said


def wait_for(machine: Machine, command: str, seconds: int = 60) -> None:
    """Wait until a command succeeds."""
    loop = f"until {command} >/dev/null 2>&1; do sleep 0.5; done"
    machine.run("timeout", str(seconds), "sh", "-c", loop)


def test_a_process_that_hangs_is_started_again(sqlite: Machine) -> None:
    """The watchdog's time is 15 minutes; the test sets 5 seconds."""
    unit = f"{SLUG}-mail"
    drop_in = f"/run/systemd/system/{unit}.service.d"
    sqlite.run("mkdir", "-p", drop_in)
    sqlite.write(f"{drop_in}/short.conf", "[Service]\nWatchdogSec=5\n")
    try:
        sqlite.shell(f"systemctl daemon-reload; systemctl restart {unit}")
        process = main_pid(sqlite, unit)
        time.sleep(10)
        assert main_pid(sqlite, unit) == process, "it says that it runs"
        sqlite.run("kill", "-STOP", process)
        wait_for_another(sqlite, unit, process, 60)
    finally:
        sqlite.run("rm", "-r", drop_in)
        sqlite.shell(f"systemctl daemon-reload; systemctl restart {unit}")


def test_what_sends_mail_restarts_with_the_service(sqlite: Machine) -> None:
    """The mail sender gets a new key and new settings together with the service."""
    unit = f"{SLUG}-mail"
    process = main_pid(sqlite, unit)
    sqlite.run("systemctl", "restart", SLUG)
    wait_for_another(sqlite, unit, process, 60)
    sqlite.run("systemctl", "stop", f"{SLUG}.socket", SLUG)
    wait_for(sqlite, f"! systemctl is-active {unit}")
    sqlite.run("systemctl", "start", f"{SLUG}.socket", SLUG)
    wait_for(sqlite, f"systemctl is-active {unit}")
    ready(sqlite)


def test_without_a_mail_server_it_does_not_start(sqlite: Machine) -> None:
    path, unit = f"{SECRETS}/MAIL_URL", f"{SLUG}-mail"
    good = sqlite.run("cat", path)
    try:
        sqlite.write(path, "")
        assert sqlite.start("systemctl", "restart", unit, check=False)[0]
        assert "Refusing to start: MAIL_URL is not set" in journal(sqlite, "--unit", unit)
        assert sqlite.run("systemctl", "is-active", unit, check=False) == "failed"
    finally:
        sqlite.write(path, good + "\n")
        wait_for(sqlite, f"systemctl restart {unit}")


def test_the_limits_are_counted_out_of_others_reach(sqlite: Machine) -> None:
    assert (
        sqlite.run("stat", "-c", "%a %U %G", f"/run/{SLUG}-redis")
        == f"750 {SLUG}-redis {SLUG}-redis"
    )
    listening = sqlite.run("ss", "--tcp", "--udp", "--listening", "--numeric", "--no-header")
    ports = {line.split()[4].rpartition(":")[::2] for line in listening.splitlines()}
    assert {port for address, port in ports if address != "127.0.0.88"} == {"80", "443"}, listening
    socket = sqlite.run("stat", "-c", "%a %U %G", f"/run/{SLUG}/app.sock")
    assert socket == "660 root www-data"


@pytest.mark.parametrize("host", ["sqlite", "postgresql"])
def test_it_comes_back_after_a_kill(host: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(host)
    before = main_pid(machine)
    machine.run("kill", "-KILL", before)
    wait_for_another(machine, SLUG, before)  # no request: it would start the service
    ready(machine)


def under_load(machine: Machine, *command: str) -> dict[str, int]:
    load = ["python3", "/srv/tests/load.py", DOMAIN, "/healthz", *command]
    return json.loads(machine.run(*load).splitlines()[-1])


@pytest.mark.parametrize("host", ["sqlite", "postgresql"])
def test_a_restart_loses_no_request(host: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(host)
    before = main_pid(machine)
    assert set(under_load(machine, "systemctl", "restart", SLUG)) == {"200"}
    assert main_pid(machine) != before


@pytest.mark.parametrize("host", ["sqlite", "postgresql"])
def test_a_kill_loses_only_running_requests(host: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(host)
    before = main_pid(machine)
    answers = under_load(machine, "kill", "-KILL", before)
    # gunicorn dies before an answer (502) or within it.
    cut_off = answers.pop("502", 0) + answers.pop("IncompleteRead", 0)
    assert set(answers) == {"200"}
    assert cut_off <= 6, "one for each client of load.py"
    assert main_pid(machine) not in ("0", before)


def test_the_log_is_in_the_journal(sqlite: Machine) -> None:
    sqlite.run(*READ_URL, f"https://{DOMAIN}/healthz")
    lines = journal(sqlite, "--unit", SLUG).splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    requests = [event for event in events if event.get("path") == "/healthz"]
    assert requests
    nginx = journal(sqlite, "--identifier=nginx")
    assert requests[-1]["request_id"] in nginx, "the same request in the log of Nginx"


def test_the_log_reaches_another_system(
    sqlite: Machine, projects: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    with elsewhere.sending(sqlite, projects["sqlite", "session"], tmp_path / "sent") as way:
        way.prove(lambda path: sqlite.run(*READ_URL, f"https://{DOMAIN}{path}", check=False))


def test_prometheus_reads_the_numbers_and_visitors_do_not(
    sqlite: Machine, projects: dict[tuple[str, str], Path]
) -> None:
    """As in docs/monitoring.md."""
    document = projects["sqlite", "session"] / "docs/monitoring.md"
    kept = sqlite.run("cat", f"/etc/{SLUG}/environment")
    blocks = instructions(document, "How Prometheus gets them")[:3]
    blocks[2] = blocks[2].replace("deploy/systemd/install.sh", INSTALL)
    outside = sqlite.run("cat", f"/etc/{SLUG}/outside")
    follow(sqlite, blocks)
    try:
        ready(sqlite)
        sqlite.run("systemctl", "start", f"{SLUG}-backup.service")
        numbers = sqlite.run(*READ_URL, "http://127.0.0.1:9464/metrics")
        assert "app_requests_total{" in numbers
        assert float(re.findall(r"^app_certificate_seconds (\S+)$", numbers, re.M)[0]) > 0
        assert 0 <= float(re.findall(r"^app_backup_seconds (\S+)$", numbers, re.M)[0]) < 3600
        for there in ("http://127.0.0.1:9464/healthz", f"https://{DOMAIN}/metrics"):
            assert "HTTP Error 404" in sqlite.run(*READ_URL, there, check=False), there
    finally:
        sqlite.run("rm", "-r", f"/etc/systemd/system/{SLUG}.socket.d")
        sqlite.write(f"/etc/{SLUG}/environment", f"{kept}\n")
        sqlite.write(f"/etc/{SLUG}/outside", f"{outside}\n")
        sqlite.run("sh", INSTALL)
        *_, restart = blocks[1].partition("\n")  # without the line that sets the address
        sqlite.shell(restart)


BAD = [
    ("environment", "DOMAIN_NAME", "https://demo.example.com/", "DOMAIN_NAME is 'https:"),
    ("environment", "REDIS_URL", "", "REDIS_URL is not set"),
    ("credentials/SECRET_KEY", "", "short", "SECRET_KEY"),
]


@pytest.mark.parametrize(("file", "name", "value", "said"), BAD, ids=["domain", "redis", "key"])
def test_a_bad_setting_stops_it_and_the_journal_says_why(
    sqlite: Machine, file: str, name: str, value: str, said: str
) -> None:
    path = f"/etc/{SLUG}/{file}"
    good = sqlite.run("cat", path)
    lines = [line for line in good.splitlines() if name and not line.startswith(name)]
    try:
        sqlite.write(path, "\n".join([*lines, f"{name}={value}" if name else value, ""]))
        status, _ = sqlite.start("systemctl", "restart", SLUG, check=False)
        assert status, "it runs with a bad setting"
        reason = journal(sqlite, "--unit", SLUG)
        assert re.search(f"Refusing to start: .*{re.escape(said)}", reason)
        assert "failed" in sqlite.run("systemctl", "is-active", SLUG, check=False)
    finally:
        sqlite.write(path, good + "\n")
        sqlite.run("systemctl", "reset-failed", f"{SLUG}.service", f"{SLUG}.socket")
        sqlite.run("systemctl", "restart", SLUG)
    ready(sqlite)


@pytest.mark.parametrize(("host", "interface"), [("sqlite", "session"), ("postgresql", "token")])
def test_backups_are_written_and_restored(
    host: str, interface: str, request: pytest.FixtureRequest
) -> None:
    machine: Machine = request.getfixturevalue(host)
    visit(machine, interface, "Backed up")
    machine.run("systemctl", "start", f"{SLUG}-backup.service")
    *_, newest = machine.shell(f"ls /var/lib/{SLUG}-backups").split()
    mode = machine.run("stat", "-c", "%a %U", f"/var/lib/{SLUG}-backups/{newest}")
    assert mode == f"600 {SLUG}{'-migrator' if host == 'postgresql' else ''}"
    visit(machine, interface, "Too late")
    manage = f"/opt/{SLUG}/current/deploy/systemd/manage.sh"
    assert "Restored" in machine.run("sh", manage, "db", "restore", f"backups/{newest}")
    notes = visit(machine, interface)
    assert "Backed up" in notes
    assert "Too late" not in notes


def test_the_operator_s_commands(sqlite: Machine) -> None:
    manage = f"/opt/{SLUG}/current/deploy/systemd/manage.sh"
    visit(sqlite, "session", email="else@example.com")
    sqlite.run("sh", manage, "users", "disable", "else@example.com")
    assert sqlite.run("sh", manage, "security", "check")
    key = sqlite.run("cat", f"{SECRETS}/SECRET_KEY")
    sqlite.run("sh", manage, "keys", "rotate")
    assert sqlite.run("cat", f"{SECRETS}/SECRET_KEY_FALLBACKS") == key
    assert sqlite.run("stat", "-c", "%a %U", f"{SECRETS}/SECRET_KEY") == "600 root"
    for name in (SLUG, f"{SLUG}-mail"):
        running = f"/run/credentials/{name}.service/SECRET_KEY"
        assert sqlite.run("cat", running) == key, "it continues with the key from its start"
    new = sqlite.run("cat", f"{SECRETS}/SECRET_KEY")
    refused = sqlite.shell(f"! sh {manage} keys rotate 2>&1")
    assert f"systemctl restart {SLUG}" in refused, "a second rotation now would lose mails"
    assert sqlite.run("cat", f"{SECRETS}/SECRET_KEY") == new
    sqlite.run("systemctl", "restart", SLUG)
    ready(sqlite)
    visit(sqlite, "session", email="new-key@example.com")  # needs an encrypted mail
    sqlite.run("sh", manage, "keys", "rotate")
    assert sqlite.run("cat", f"{SECRETS}/SECRET_KEY_FALLBACKS") == new
    sqlite.run("systemctl", "restart", SLUG)
    ready(sqlite)


# --- Installing again


STATE = f"""cd /etc/{SLUG} && find . -type f -exec sha256sum {{}} + | sort -k2
getent passwd | grep {SLUG}; cd /etc/nginx && sha256sum *.conf; ls -d /opt/{SLUG}/releases/*
cd /etc/systemd/system && find . -name '{SLUG}*' | sort; sha256sum /etc/ssl/{SLUG}/*"""


def test_installing_again_changes_nothing(postgresql: Machine) -> None:
    visit(postgresql, "token", "Kept")
    before = postgresql.shell(STATE)
    said = postgresql.run("sh", INSTALL, "--no-acme")
    assert "has not changed" in said
    assert postgresql.shell(STATE) == before
    assert "Kept" in visit(postgresql, "token")


def test_an_update_loses_no_request(sqlite: Machine) -> None:
    before = sqlite.run("readlink", f"/opt/{SLUG}/current")
    sqlite.shell("echo '# changed' >>/srv/project/app/health.py")
    assert set(under_load(sqlite, "sh", INSTALL)) == {"200"}
    assert sqlite.run("readlink", f"/opt/{SLUG}/current") != before
    assert sqlite.run("readlink", f"/opt/{SLUG}/previous") == before
    for _ in range(2):  # an operator may run it again
        sqlite.run("sh", INSTALL, "--rollback")
        assert sqlite.run("readlink", f"/opt/{SLUG}/current") == before
    assert set(under_load(sqlite, "systemctl", "restart", SLUG)) == {"200"}


MIGRATION = '''"""One more column."""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "9999", "{head}"
branch_labels = depends_on = None
def upgrade(): op.create_table("more", sa.Column("id", sa.Integer, primary_key=True))
def downgrade(): op.drop_table("more")
'''


SAID = {
    "import": "the database was not created",
    "migration": "the migration failed and nothing was started",
    "readiness": "The previous release runs again",
}


@pytest.mark.parametrize("broken", SAID)
def test_a_release_that_does_not_work_is_taken_back(postgresql: Machine, broken: str) -> None:
    """A release that does not start never replaces the old one; other bad ones are rolled back."""
    schema = (
        "from alembic.script import ScriptDirectory as S; print(S('migrations').get_current_head())"
    )
    current = f"/opt/{SLUG}/current"
    before, process = postgresql.run("readlink", current), main_pid(postgresql)
    head = postgresql.shell(f'cd {current} && .venv/bin/python -c "{schema}"')
    postgresql.run("cp", "-R", "/srv/project", "/srv/broken")
    postgresql.shell(
        "cd /srv/broken/deploy;"
        " for f in nginx/tls.conf systemd/app-backup.timer; do echo '# broken' >>$f; done"
    )
    try:
        if broken == "import":
            postgresql.shell("echo 'import nothing_of_that_name' >>/srv/broken/app/__init__.py")
        else:
            migration = MIGRATION.format(head=head)
            if broken == "migration":
                migration = migration.replace("op.drop_table", "op.x").replace("sa.Integer", "sa.X")
            else:
                postgresql.shell(
                    'sed -i \'s/database = "ok" if/database = "no" if/\' /srv/broken/app/health.py'
                )
                postgresql.shell(
                    "sed -i 's/^TIMEOUT = 30/TIMEOUT = 3/' /srv/broken/deploy/systemd/ready.py"
                )
            postgresql.write("/srv/broken/migrations/versions/9999_more.py", migration)
        script = INSTALL.replace("project", "broken")
        status, said = postgresql.start("sh", script, check=False)
        assert status == 1, said
        assert SAID[broken] in said
    finally:
        postgresql.run("rm", "-rf", "/srv/broken")
    assert postgresql.run("readlink", current) == before
    assert postgresql.shell("grep -r '# broken' /etc/nginx /etc/systemd/system || true") == ""
    assert broken == "readiness" or main_pid(postgresql) == process, "it was not even restarted"
    ready(postgresql)


# --- Certificates


def served_certificate(machine: Machine, other_than: str = "") -> str:
    """Serial number and issuer of Nginx's certificate; wait while they are ``other_than``."""
    client = f"openssl s_client -connect 127.0.0.1:443 -servername {DOMAIN}"
    for _ in range(100):
        script = f"{client} </dev/null 2>/dev/null | openssl x509 -noout -serial -issuer"
        if (shown := machine.shell(script)) != other_than:
            break
        time.sleep(0.1)
    return shown


def test_a_real_authority_issues_and_renews(sqlite: Machine) -> None:
    """Pebble is the authority that Let's Encrypt tests with."""
    own = served_certificate(sqlite)
    assert "self-signed" in own
    sqlite.shell(
        "cd /etc/ssl; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc"
        " -days 9 -subj /CN=pebble -addext subjectAltName=DNS:localhost -keyout pebble.key"
        " -out pebble.pem 2>/dev/null"
    )
    files = {"certificate": "/etc/ssl/pebble.pem", "privateKey": "/etc/ssl/pebble.key"}
    listen = {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000"}
    ports = {"httpPort": 80, "tlsPort": 443, "certificateValidityPeriod": 7_776_000}
    sqlite.write("/etc/pebble.json", json.dumps({"pebble": files | listen | ports}))
    pebble = ["systemd-run", "--quiet", "--unit=pebble", "--setenv=PEBBLE_VA_NOSLEEP=1"]
    sqlite.run(
        *pebble, "--setenv=PEBBLE_WFE_NONCEREJECT=0", "pebble", "-config", "/etc/pebble.json"
    )
    # certbot has to trust pebble's own certificate.
    drop_in = f"/run/systemd/system/{SLUG}-certificate.service.d"
    sqlite.run("mkdir", "-p", drop_in)
    sqlite.write(
        f"{drop_in}/ca.conf", "[Service]\nEnvironment=REQUESTS_CA_BUNDLE=/etc/ssl/pebble.pem\n"
    )
    sqlite.shell("while ! ss -tln | grep -q :14000; do sleep 0.1; done")

    said = sqlite.run("sh", INSTALL, "--acme-server", "https://localhost:14000/dir")
    issued = served_certificate(sqlite, other_than=own)
    assert "Pebble" in issued, said
    key = sqlite.run("stat", "-c", "%a %U", f"/etc/ssl/{SLUG}/privkey.pem")
    assert key == "600 root"

    unit = f"{SLUG}-certificate.service"
    sqlite.run("systemctl", "start", unit)
    assert served_certificate(sqlite) == issued, "it is not due"
    renewal = f"/var/lib/{SLUG}-certificate/config/renewal/{SLUG}.conf"
    sqlite.shell(f"sed -i '1i renew_before_expiry = 99 days' {renewal}")
    process = main_pid(sqlite)
    assert set(under_load(sqlite, "systemctl", "start", unit)) == {"200"}
    assert served_certificate(sqlite, other_than=issued) != issued
    assert main_pid(sqlite) == process
    sqlite.shell(f"sed -i '/renew_before_expiry = 99 days/d' {renewal}")


def test_without_a_name_no_authority_is_asked(postgresql: Machine) -> None:
    own = served_certificate(postgresql)
    unit = f"{SLUG}-certificate.service"
    postgresql.shell("cp /etc/hosts /root/hosts; echo 127.0.0.1 localhost >/etc/hosts")
    postgresql.write(f"/etc/{SLUG}/acme", "ACME_SERVER=\nACME_EMAIL=somebody@example.com\n")
    try:
        postgresql.run("systemctl", "start", unit)
    finally:
        postgresql.shell("cp /root/hosts /etc/hosts")
    said = journal(postgresql, "--unit", unit)
    assert f"{DOMAIN} does not resolve yet" in said
    assert served_certificate(postgresql) == own


# --- The provider's forwarder


def test_the_service_reaches_its_provider_and_nothing_else(
    folder: Path, wheels: Path, projects: dict[tuple[str, str], Path]
) -> None:
    for machine in machine_for(folder, wheels, projects, ("mysql", "oidc")):
        status, said = machine.start("sh", INSTALL, check=False)
        assert status == 1
        assert "MAIL_URL_FILE does not name a file" in said
        status, said = machine.start(*MAIL_URL, "sh", INSTALL, check=False)
        assert status == 1
        assert "OIDC_ISSUER is not set" in said
        machine.shell("echo 127.0.0.77 id.example.com tokens.example.com >>/etc/hosts")
        machine.shell(
            "cd /etc/ssl; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc"
            " -days 9 -subj /CN=provider -addext subjectAltName=DNS:id.example.com"
            " -keyout provider.key -out provider.pem 2>/dev/null; cat provider.key provider.pem"
            " >/root/provider.pem; echo a-secret-of-the-provider >/root/client-secret"
        )
        issuer, tokens = "https://id.example.com:8443", "https://tokens.example.com"
        command = f"/usr/bin/python3 /srv/tests/provider.py {issuer} {tokens} /root/provider.pem"
        unit = f"[Service]\nExecStart={command}\n[Install]\nWantedBy=multi-user.target\n"
        machine.write("/etc/systemd/system/provider.service", unit)
        machine.run("systemctl", "enable", "--quiet", "--now", "provider")
        machine.shell("while ! ss -tln | grep -q 127.0.0.77:8443; do sleep 0.1; done")
        said = machine.run(
            *(
                *MAIL_URL,
                f"OIDC_ISSUER={issuer}",
                "OIDC_CLIENT_ID=demo",
                "sh",
                INSTALL,
                "--no-acme",
            ),
            check=False,
        )
        assert "OIDC_CLIENT_SECRET_FILE does not name a file" in said
        known = [
            *(*MAIL_URL, f"OIDC_ISSUER={issuer}", "OIDC_CLIENT_ID=demo"),
            *("OIDC_CLIENT_SECRET_FILE=/root/client-secret", "OIDC_CA_FILE=/etc/ssl/provider.pem"),
        ]
        status, said = machine.start(*known, "sh", INSTALL, "--no-acme", check=False)
        assert status == 1
        assert "id.example.com has the address 127.0.0.77, which is not public" in said
        machine.shell(f"echo OIDC_PRIVATE_NETWORKS=127.0.0.77/32 >>/etc/{SLUG}/environment")
        machine.run("sh", INSTALL, "--no-acme")
        for _ in range(2):
            assert f"{issuer}/authorize" in sign_in(machine)
            programs = machine.shell(f"systemctl show -P ExecStart '{SLUG}-outside@*.service'")
            assert "forwarder.py id.example.com:8443" in programs
            _, reached = inside(machine, FORWARDERS)
            assert reached == "[('127.0.1.1', 8443)] [('127.0.1.2', 443)] no no"
            reach = REACHES.format(addresses=[(MAILBOX, 465), ("127.0.1.2", 443)])
            assert inside(machine, reach, f"{SLUG}-mail")[1].split() == ["yes", "no"]
            assert inside(machine, reach)[1].split() == ["no", "yes"]
            machine.reboot()
            ready(machine)
        threshold = [
            "systemd-analyze",
            "security",
            "--threshold=5",
            "--no-pager",
            f"{SLUG}.service",
        ]
        machine.run(*threshold)


FORWARDERS = """
import socket
def at(*server):
    return [found[4] for found in socket.getaddrinfo(*server, type=socket.SOCK_STREAM)]
def reaches(address):
    try:
        socket.create_connection(address, 2).close()
        return "yes"
    except OSError:
        return "no"
print(at("id.example.com", 8443), at("tokens.example.com", 443),
      reaches(("127.0.0.77", 8443)), reaches(("127.0.0.1", 443)))
"""


def sign_in(machine: Machine) -> str:
    """Press the sign-in button; return the status, and the redirect to the provider."""
    script = """
import re, ssl, urllib.parse, urllib.request as r
from http.cookiejar import CookieJar
class Stay(r.HTTPRedirectHandler):
    def redirect_request(self, *a): return None
tls = ssl.create_default_context()
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
o = r.build_opener(r.HTTPSHandler(context=tls),
                   r.HTTPCookieProcessor(CookieJar()), Stay())
url = "https://%s/auth/login"
token = re.search('csrf_token[^>]*value="([^"]+)', o.open(url).read().decode())[1]
body = urllib.parse.urlencode({"csrf_token": token}).encode()
try:
    print(o.open(r.Request(url, body, {"Referer": url})).status)
except r.HTTPError as answer:
    print(answer.status, answer.headers["Location"])
"""
    return machine.run("python3", "-c", script % DOMAIN)


# --- Last tests: they change the machine permanently


@pytest.mark.parametrize(("host", "interface"), [("sqlite", "session"), ("postgresql", "token")])
def test_it_survives_a_reboot(host: str, interface: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(host)
    visit(machine, interface, "Before the reboot")
    certificate = served_certificate(machine)
    machine.reboot()
    ready(machine)
    assert "Before the reboot" in visit(machine, interface)
    assert served_certificate(machine) == certificate
    visit(machine, interface, email="rebooted@example.com")  # by a mail
    assert machine.run("systemctl", "--failed", "--quiet") == ""
    timers = machine.run("systemctl", "list-timers", "--no-pager")
    assert {f"{SLUG}-backup.timer", f"{SLUG}-certificate.timer"} <= set(timers.split())


LEFT = f"""find / -xdev \\( -path /proc -o -path /sys -o -path /srv -o -path /tmp \\) -prune \\
    -o -name '*{SLUG}*' -print | grep -v -e /journal/ -e /var/lib/postgresql | sort"""


@pytest.mark.parametrize(("host", "interface"), [("sqlite", "session"), ("postgresql", "token")])
def test_uninstalling_leaves_the_data_and_purging_nothing(
    host: str, interface: str, request: pytest.FixtureRequest
) -> None:
    machine: Machine = request.getfixturevalue(host)
    visit(machine, interface, "Still here")
    said = machine.run("sh", f"/opt/{SLUG}/current/deploy/systemd/install.sh", "--uninstall")
    kept = {f"/etc/{SLUG}", f"/etc/ssl/{SLUG}", f"/var/lib/{SLUG}-backups"}
    assert all(path in said for path in kept)
    assert machine.run("systemctl", "list-units", "--all", "--quiet", f"{SLUG}*") == ""
    left = set(machine.shell(LEFT).splitlines())
    assert left - kept <= {
        f"/var/lib/{SLUG}",
        f"/var/lib/{SLUG}-certificate",
        f"/etc/sysusers.d/{SLUG}.conf",
    } | {
        path for path in left if path.startswith((f"/etc/{SLUG}/", f"/var/lib/{SLUG}-certificate/"))
    }, left
    # The files of Debian's Nginx are unchanged again.
    assert machine.run("dpkg", "--verify", "nginx", "nginx-common") == ""
    assert not {"site.conf", "tls.conf"} & set(machine.run("ls", "/etc/nginx").split())

    machine.run("sh", INSTALL)
    assert "Still here" in visit(machine, interface), "it comes back with its data"
    machine.run("sh", INSTALL, "--uninstall", "--purge")
    assert machine.shell(LEFT + " || true") == ""
    assert SLUG not in machine.run("getent", "passwd")
    if host == "postgresql":
        names = "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles"
        assert SLUG not in machine.run("runuser", "-u", "postgres", "--", "psql", "-Atc", names)


# --- Refusals


def test_install_refuses_with_a_reason(sqlite: Machine) -> None:
    status, said = sqlite.start("runuser", "-u", "nobody", "--", "sh", INSTALL, check=False)
    assert (status, said.startswith("Error: not root")) == (1, True), said
    sqlite.run("cp", "/etc/os-release", "/root/os-release")
    for system, reason in (
        ("ID=fedora", "this is fedora"),
        ("ID=debian\nVERSION_ID=12", "too old"),
    ):
        try:
            sqlite.write("/etc/os-release", system + "\n")
            status, said = sqlite.start("sh", INSTALL, check=False)
        finally:
            sqlite.run("cp", "/root/os-release", "/etc/os-release")
        assert status == 1
        assert reason in said
    sqlite.shell("echo 'server {}' >/etc/nginx/conf.d/other.conf")
    status, said = sqlite.start("sh", INSTALL, check=False)
    sqlite.run("rm", "/etc/nginx/conf.d/other.conf")
    assert status == 1
    assert "already serves another site" in said
