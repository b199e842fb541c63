"""The scripts of deploy/systemd, run as on a host: what they write, run and start, and in which order."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.deployment_policy import MIGRATOR, SLUG, UNITS, USER
from tests.host import Host
from tests.marks import asvs, practice, slow
from tests.policy import exposed, settings, unexplained
from tests.scripts import Outcome, Scratch, copied, modes, shown_secrets

TABLE = "MODES in tests/test_deployment_scripts.py"
# Who may read what the scripts write; the first line that fits counts, and root owns all of it but
# OWNERS. Nobody who runs the code may write it.
MODES = [
    (f"etc/{SLUG}/credentials", "0700"),
    (f"etc/{SLUG}/credentials/*", "0600"),
    (f"etc/{SLUG}/nginx-before", "0700"),
    ("etc/ssl/*/privkey.pem", "0600"),  # the key of the certificate
    (f"var/lib/{SLUG}-backups", "0700"),
    ("opt/*/bin/python", "0755"),
    ("*.service.d", "0755"),
    ("*.socket.d", "0755"),
    *((name, "0644") for name in ("*.conf", "*.service", "*.socket", "*.timer", "*.pem", "*.py")),
    *((f"etc/{SLUG}/{name}", "0644") for name in ("acme", "environment", "outside")),
    *((f"etc/{SLUG}/{name}", "0644") for name in ("hosts", "mail-hosts")),
    *((f"opt/*/deploy/{name}/*", "0644") for name in ("monitoring", "systemd")),
    *((f"opt/*/{name}", "0644") for name in ("requirements.lock", "complete")),
    *((f"opt/{SLUG}/{name}", "link") for name in ("current", "previous")),
    *((f"opt/*/{name}", "link") for name in (".venv", "backups")),
    ("*", "0755"),  # folders
]
OWNERS = [f"install -d -m 0700 -o {MIGRATOR} -g {MIGRATOR} /var/lib/{SLUG}-backups"]

# Started and restarted in this order: the code that runs fits the schema, and what did not change
# goes on. The certificate and the timers come last.
STARTED = [
    f"start {SLUG}-redis.service",
    "reload-or-restart nginx.service",
    f"start {SLUG}-migrate.service",
    f"restart {SLUG}.service",
    f"start {SLUG}-mail.service",
    f"enable --quiet --now {SLUG}-backup.timer {SLUG}-certificate.timer",
    f"start {SLUG}-certificate.service",
]
MIGRATION, RESTART = STARTED[2:4]
PIP = (
    "python3 -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:"
    f" --no-deps --requirement /opt/{SLUG}/releases/RELEASE/requirements.lock"
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def installed(host: Host) -> Outcome:
    """The first installation."""
    outcome = host.run("install.sh")
    assert outcome.status == 0, outcome.said
    return outcome


def written(host: Host) -> Iterator[tuple[str, str]]:
    for path, mode in modes(host.folder).items():
        if path.startswith(("etc/", "opt/", "var/")) and path != "etc/os-release":
            yield path, mode


@practice("audits")
@asvs("13.3.2")
def test_installed_files_have_the_allowed_owners_and_modes(host: Host, installed: Outcome) -> None:
    problems = []
    for path, mode in written(host):
        allowed = next(mode for pattern, mode in MODES if fnmatch(path, pattern))
        if mode != allowed:
            problems.append(f"/{path} gets the mode {mode}, and {TABLE} allows {allowed}")
    assert problems == []
    owned = [
        call for call in host.calls(installed, "install") if re.search(" -[og] |owner|group", call)
    ]
    assert owned == OWNERS, "all else is root's"
    assert [call for call in installed.calls if re.match("ch(own|grp)|setfacl", call)] == []
    assert [*host.folder.glob("tmp.*")] == [], "the administrator's password was in there"


@practice("audits")
@asvs("15.2.3")
def test_a_release_is_the_code_and_nothing_else(host: Host, installed: Outcome) -> None:
    """No development settings, no tests, no history; the owner is root, whoever's checkout it was."""
    found = {path.split("/")[4] for path, _ in written(host) if fnmatch(path, "opt/*/releases/*/*")}
    code = {"app", "deploy", "migrations", "requirements.lock", "wsgi.py"}
    assert found == code | {".venv", "backups"}
    (unpacked,) = (call for call in host.calls(installed, "tar") if " -xf" in call)
    assert "--no-same-owner" in unpacked.split()
    assert [call for call in host.calls(installed, "python3") if " pip " in call] == [PIP]


@practice("audits")
@asvs("13.2.3", "13.3.1")
def test_no_secret_is_shown(host: Host, installed: Outcome) -> None:
    """/proc shows command lines to every user of the host, and settings are no place for secrets."""
    assert shown_secrets(installed, host.secrets()) == []
    assert set(host.loaded().values()) <= {"600"}, "what a command gets is for root to read"
    text = (host.folder / f"etc/{SLUG}/environment").read_text("utf-8")
    assert exposed(settings(text.splitlines())) == []
    named = {
        name.partition(":")[0] for unit in UNITS.values() for name in unit.get("LoadCredential", [])
    }
    assert {name for name in host.secrets() if ":" not in name} == named
    key = (host.folder / f"etc/{SLUG}/credentials/SECRET_KEY").read_text("utf-8").strip()
    assert re.fullmatch(r"[\w-]{64}", key), "48 random bytes"
    made = " ".join(text for name, text in host.secrets().items() if name != "MAIL_URL")
    assert all(re.fullmatch(r"[\w-]{64}", it) for it in re.findall(r":([^/:@]+)@", made))


@practice("audits")
def test_settings_are_for_the_service_alone(host: Host, installed: Outcome) -> None:
    files = (host.folder / f"etc/{SLUG}/{name}" for name in ("environment", "acme"))
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    assert unexplained(lines, "ACME_EMAIL", "ACME_SERVER") == []


def test_every_unit_has_its_restrictions(host: Host, installed: Outcome) -> None:
    assert installed.status == 0
    folder = host.folder / "etc/systemd/system"
    for name in UNITS:
        unit = folder / f"{SLUG}{name.removeprefix('app')}"
        source = host.project / "deploy/systemd"
        assert unit.read_text("utf-8") == (source / name).read_text("utf-8")
        if name.endswith(".service"):
            drop_in = Path(f"{unit}.d/hardening.conf")
            assert drop_in.read_text("utf-8") == (source / "hardening.conf").read_text("utf-8")


# What install.sh adds to a unit that reaches a server outside, by the loopback of its own network.
OUTSIDE = {
    "Wants": "", "After": "", "JoinsNamespaceOf": "",
    "RestrictAddressFamilies": "AF_INET",
    "IPAddressAllow": "localhost",
}  # fmt: skip
NETWORKS = {
    (SLUG, f"{SLUG}-migrate", f"{SLUG}-backup"): (f"{SLUG}-outside", "hosts"),
    (f"{SLUG}-mail",): (f"{SLUG}-mail-outside", "mail-hosts"),
}


@pytest.mark.parametrize("units", NETWORKS, ids=["service", "mail"])
def test_a_connection_outside_is_one_forwarder(
    host: Host, installed: Outcome, units: tuple[str, ...]
) -> None:
    """A server has an address of the units' own loopback, and they get that and no more."""
    template, hosts = NETWORKS[units]
    line = rf"^Allowed connection of {units[0]}: (\S+)$"
    allowed = re.findall(line, installed.said, re.MULTILINE)
    # <% if cookiecutter.auth == "oidc" %>
    assert allowed == (["mail.test:465"] if "mail" in hosts else ["id.test:443"])
    # <% else %>
    assert allowed == (["mail.test:465"] if "mail" in hosts else [])
    # <% endif %>
    folder = host.folder / "etc/systemd/system"
    sockets = " ".join(f"{template}@{it}.socket" for it in allowed)
    expected = {name: value or sockets for name, value in OUTSIDE.items()}
    expected["BindReadOnlyPaths"] = f"/etc/{SLUG}/{hosts}:/etc/hosts"
    for unit in units if allowed else ():
        text = (folder / f"{unit}.service.d/outside.conf").read_text("utf-8")
        assert settings(text.replace(str(host.folder), "").splitlines()) == expected
    addresses = [path.read_text("utf-8") for path in sorted(folder.glob(f"{template}@*/*.conf"))]
    addresses = [text for text in addresses if "[Socket]" in text]
    assert len(addresses) == len(allowed)
    for text in addresses:
        assert re.fullmatch(r"\[Socket\]\nListenStream=\nListenStream=127\.0\.1\.\d+:\d+\n", text)
    others = [path.parent.name for path in folder.glob("*/outside.conf")]
    assert {name.removesuffix(".service.d") for name in others} <= {*sum(NETWORKS, ())}


def steps(host: Host, outcome: Outcome) -> list[str]:
    calls = [call.removeprefix("systemctl ") for call in host.calls(outcome, "systemctl")]
    return [call for call in calls if call in STARTED]


def test_the_migration_is_before_the_service(host: Host, installed: Outcome) -> None:
    assert steps(host, installed) == STARTED
    started = [call for call in host.calls(installed, "systemctl") if f" {SLUG}.service" in call]
    assert started == [
        f"systemctl enable --quiet {SLUG}.socket {SLUG}.service {SLUG}-redis.service {SLUG}-mail.service",
        f"systemctl reset-failed {SLUG}.service {SLUG}.socket {SLUG}-mail.service",
        f"systemctl {RESTART}",
    ]


@pytest.mark.parametrize("given", [None, "smtp.example.com"], ids=["no file", "no URL"])
def test_install_starts_nothing_without_a_mail_server(tmp_path: Path, given: str | None) -> None:
    host = Host(tmp_path)
    if given:
        (tmp_path / "mail-url").write_text(given)
    values = {} if given else {"MAIL_URL_FILE": "/no/file"}
    outcome = host.run("install.sh", **values)
    assert outcome.status != 0
    assert "MAIL_URL" in outcome.said
    assert steps(host, outcome) == []


@slow
def test_a_mail_process_that_does_not_run_fails_the_release(tmp_path: Path) -> None:
    host = Host(tmp_path)
    outcome = host.run("install.sh", FAILS=f"start {SLUG}-mail.service")
    assert outcome.status != 0
    assert "the service does not run" in outcome.said


@slow
def test_a_migration_that_fails_starts_nothing(tmp_path: Path) -> None:
    host = Host(tmp_path)
    outcome = host.run("install.sh", FAILS=MIGRATION)
    assert outcome.status != 0
    assert steps(host, outcome) == STARTED[: STARTED.index(MIGRATION) + 1]


@slow
@pytest.mark.parametrize("fails", ["nothing", "backup"])
def test_an_update_has_a_backup_from_before_its_migration(tmp_path: Path, fails: str) -> None:
    """By the old code, which fits the schema, and as the user who owns the backups."""
    host = Host(tmp_path)
    assert host.run("install.sh").status == 0
    (host.project / "app/__init__.py").write_text("# new\n")
    backups = host.folder / f"var/lib/{SLUG}-backups"
    (backups / "before-update").write_text("from before another update")
    outcome = host.run(
        "install.sh", **({"FAILING_COMMAND": " db backup "} if fails == "backup" else {})
    )
    assert (outcome.status == 0) == (fails == "nothing"), outcome.said
    order = [
        call
        for call in host.calls(outcome, "systemd-run") + host.calls(outcome, "systemctl")
        if " db backup " in call or call.endswith(MIGRATION)
    ]
    backup = order[0]
    assert backup.endswith(f" -m flask --app wsgi db backup /var/lib/{SLUG}-backups/update")
    assert check_of_systemd_run(backup) == MIGRATOR
    assert len(order) == (2 if fails == "nothing" else 1)
    lines = [call for call in outcome.calls if " db backup " in call or call.endswith(MIGRATION)]
    assert " db backup " in lines[0], "before the migration"
    kept = {path.name: path.read_text("utf-8") for path in backups.glob("*update")}
    assert kept.keys() == {"before-update"}
    replaced = kept["before-update"] != "from before another update"
    assert replaced == (fails == "nothing"), "a backup that fails replaces no other"


def test_only_nginx_gets_a_new_certificate(host: Host, installed: Outcome) -> None:
    assert installed.status == 0
    outcome = host.run("certificate.sh")
    assert outcome.status == 0, outcome.said
    folder = host.folder / "etc/ssl" / SLUG
    assert modes(folder) == {"privkey.pem": "0600", "fullchain.pem": "0644"}
    assert (folder / "privkey.pem").read_text("utf-8") == "the key of the certificate\n"
    assert host.calls(outcome, "systemctl") == ["systemctl reload nginx.service"]
    assert host.calls(outcome, "certbot") == [
        "certbot certonly --quiet --non-interactive --agree-tos --no-eff-email"
        " --email a@example.com --config-dir /state/config --work-dir /state/work"
        " --logs-dir /state/log --webroot --webroot-path /var/www/acme"
        f" --domain << cookiecutter.domain_name >> --cert-name {SLUG} --key-type ecdsa"
        " --keep-until-expiring"
    ]


# --- Commands of the operator, and of install.sh

# <% if cookiecutter.database == "sqlite" %>
OF_OPERATORS = {"MAIL_URL"}
# <% else %>
OF_OPERATORS = {"MAIL_URL", "MAIL_DATABASE_URL", "MIGRATION_DATABASE_URL"}
# <% endif %>


@pytest.mark.parametrize(
    ("arguments", "user", "hidden"),
    [
        (["users", "list"], USER, OF_OPERATORS),
        (["db", "upgrade"], MIGRATOR, {"MAIL_URL"}),
    ],
    ids=["users", "db"],
)
def test_a_command_runs_as_the_user_for_it(
    host: Host, installed: Outcome, arguments: list[str], user: str, hidden: set[str]
) -> None:
    outcome = host.run("manage.sh", *arguments)
    assert (installed.status, outcome.status) == (0, 0)
    (call,) = host.calls(outcome, "systemd-run")
    given = set(re.findall(r"(?:LoadCredential=|--setenv=)(\w+?)(?:_FILE)?[:=]/etc", call))
    credentials = {name for name in host.secrets() if ":" not in name}
    assert given == credentials - hidden
    assert check_of_systemd_run(call) == user
    assert shown_secrets(outcome, host.secrets()) == []


def test_a_rotation_begins_with_what_is_encrypted_in_the_database(
    host: Host, installed: Outcome
) -> None:
    """By the user of the service: root may not reach the database. Then root, who alone writes the
    files that hold the keys."""
    outcome = host.run("manage.sh", "keys", "rotate", RUNS="nothing")
    assert (installed.status, outcome.status) == (0, 0)
    first, second = host.calls(outcome, "systemd-run")
    assert first.endswith(" flask --app wsgi keys reencrypt")
    assert second.endswith(" flask --app wsgi keys rotate --reencrypted")
    assert [check_of_systemd_run(call) for call in (first, second)] == [USER, "root"]
    for call, hidden in ((first, OF_OPERATORS), (second, {"MAIL_URL"})):
        given = set(re.findall(r"(?:LoadCredential=|--setenv=)(\w+?)(?:_FILE)?[:=]/etc", call))
        assert given == {name for name in host.secrets() if ":" not in name} - hidden
    assert shown_secrets(outcome, host.secrets()) == []
    (keys,) = (host.calls(host.run("manage.sh", "keys", "reencrypt"), "systemd-run"),)
    assert [check_of_systemd_run(call) for call in keys] == [USER]


@pytest.mark.parametrize("other", [None, SLUG, f"{SLUG}-mail"], ids=["none", "service", "mail"])
def test_a_rotation_stops_when_the_service_has_another_key(
    host: Host, installed: Outcome, other: str | None
) -> None:
    """After a rotation without a restart, a unit still has the key before: another one would lose
    what it encrypts."""
    assert installed.status == 0
    units = [SLUG, f"{SLUG}-mail"]
    keys = {unit: f"the-key-that-{unit}-was-started-with" for unit in units}
    for unit, key in keys.items():
        place = host.folder / f"run/credentials/{unit}.service"
        place.mkdir(parents=True, exist_ok=True)
        (place / "SECRET_KEY").write_text(key)
    given = host.folder / "given"
    given.write_text("")
    outcome = host.run("manage.sh", "keys", "rotate", REFUSED=keys.get(other or "", "none"))
    asked = units if other is None else units[: units.index(other) + 1]
    assert given.read_text("utf-8") == "".join(keys[unit] for unit in asked)
    calls = [call.partition(" wsgi ")[2] for call in host.calls(outcome, "systemd-run")]
    rotation = ["keys rotate --reencrypted"] if other is None else []
    assert calls == ["keys reencrypt --expect-key"] * len(asked) + rotation
    assert (outcome.status == 0) == (other is None)
    assert shown_secrets(outcome, host.secrets() | keys) == []


def test_a_rotation_stops_when_a_running_unit_has_another_key(
    host: Host, installed: Outcome
) -> None:
    """Its key may be where this systemd does not show it; then nobody knows."""
    assert installed.status == 0
    shutil.rmtree(host.folder / "run/credentials", ignore_errors=True)
    outcome = host.run("manage.sh", "keys", "rotate")
    assert outcome.status != 0
    assert host.calls(outcome, "systemd-run") == []


def check_of_systemd_run(call: str) -> str:
    """The user of a command; it has no variable but the paths of secrets, and opens no file."""
    assert " --property=UMask=0077 " in call
    assert re.findall(r"--setenv=(\S+)", call) == re.findall(
        rf"--setenv=(\w+_FILE=/etc/{SLUG}/credentials/\w+)", call
    )
    (user,) = re.findall(r"--uid=(\S+)", call)
    return user


# <% if cookiecutter.database != "sqlite" %>
def test_the_database_is_created_by_its_administrator_alone(host: Host, installed: Outcome) -> None:
    """And a password that this needs for a moment is gone afterwards."""
    (call,) = host.calls(installed, "systemd-run")
    assert call.endswith(" -m flask --app wsgi db create")
    # <% if cookiecutter.database == "postgresql" %>
    assert check_of_systemd_run(call) == "postgres"
    (psql,) = host.calls(installed, "psql")
    assert psql.endswith(f'--command ALTER ROLE "{MIGRATOR}" PASSWORD NULL')
    # <% else %>
    assert check_of_systemd_run(call) == "root"
    # <% endif %>
    assert not list(host.folder.glob("tmp.*")), "no file of a password is left"


@slow
def test_a_service_from_before_the_role_of_mail_gets_one(tmp_path: Path) -> None:
    """A user of the host and a role, on the server of the other roles."""
    host = Host(tmp_path)
    elsewhere = "postgresql+psycopg://{}:pw@db.example.com:5433/svc?sslrootcert=/a@b"
    given = {
        "DATABASE_URL": elsewhere.format("svc"),
        "MIGRATION_DATABASE_URL": elsewhere.format("svc-migrator"),
        "ADMIN_DATABASE_URL": elsewhere.format("admin"),
    }
    for values in ({}, given):
        secrets = tmp_path / f"etc/{SLUG}/credentials"
        for path in secrets.glob("*"):
            path.unlink()
        assert host.run("install.sh", **values).status == 0
        first = (secrets / "MAIL_DATABASE_URL").read_text("utf-8")
        (secrets / "MAIL_DATABASE_URL").unlink()
        outcome = host.run("install.sh", **values)
        assert outcome.status == 0, outcome.said
        (call,) = (it for it in host.calls(outcome, "systemd-run") if it.endswith(" db create"))
        assert re.search(f"MAIL_DATABASE_URL(:|_FILE=)/etc/{SLUG}/credentials/", call)
        assert shown_secrets(outcome, host.secrets()) == []
        second = (secrets / "MAIL_DATABASE_URL").read_text("utf-8")
        own = re.fullmatch(rf"(\S+//){USER}-mail(:[\w-]{{64}})?(@\S+)\n", second)
        assert own
        start, password, rest = own.groups()
        url = (secrets / "DATABASE_URL").read_text("utf-8")
        assert (url.startswith(start), url.endswith(f"{rest}\n")) == (True, True)
        # At the socket, PostgreSQL asks the system who it is.
        assert (password is None) == ("+psycopg" in url and "/run/" in url)
        assert (second == first) == (password is None)
        users = (tmp_path / f"etc/sysusers.d/{SLUG}.conf").read_text("utf-8")
        assert f"u {USER}-mail - " in users


# <% endif %>
@pytest.mark.parametrize("purge", [[], ["--purge"]], ids=["kept", "purged"])
def test_an_uninstallation_keeps_the_data_unless_told(tmp_path: Path, purge: list[str]) -> None:
    """And then it leaves no key, no backup and no settings behind."""
    host = Host(tmp_path)
    assert host.run("install.sh").status == 0
    places = [f"etc/{SLUG}", f"etc/ssl/{SLUG}", f"var/lib/{SLUG}-backups"]
    for place in places:
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "of-the-operator").touch()
    outcome = host.run("install.sh", "--uninstall", *purge)
    assert outcome.status == 0, outcome.said
    assert not (tmp_path / f"opt/{SLUG}").exists()
    assert not [*(tmp_path / "etc/systemd/system").glob(f"{SLUG}*")]
    kept = [place for place in places if (tmp_path / place / "of-the-operator").exists()]
    assert kept == ([] if purge else places)


WIDER = ("certificate.service", "outside@.service")  # need a network
FINDS = {"shellcheck": "exit 1", "nginx": "exit 1", "gixy": "exit 1"}
FINDS |= {"verify": "echo unknown", "security": "exit 1"}
SCRIPTS = " ".join(path.name for path in sorted(Path("deploy/systemd").glob("*.sh")))
PLACED = {
    kind: sorted(SLUG + name.removeprefix("app") for name in UNITS if name.endswith(kind))
    for kind in (".service", ".socket", ".timer")
}
CHECKED = [
    f"shellcheck --external-sources --severity=style {SCRIPTS}",
    "systemd-analyze --version",
    f"systemd-analyze verify --man=no {' '.join(it for names in PLACED.values() for it in names)}",
    *(
        "systemd-analyze security --offline=true --no-pager"
        f" --threshold={20 if name.endswith(WIDER) else 5} {name}"
        for name in PLACED[".service"]
    ),
    "nginx -t -q -e error.log -c nginx.conf",
    "gixy nginx.conf",
]


@pytest.mark.parametrize("finds", ["nothing", *FINDS])
def test_a_finding_of_a_checker_fails(tmp_path: Path, finds: str) -> None:
    copied(Path("deploy"), tmp_path / "deploy")
    systemd = f"""case $1 in
        --version) echo "systemd 257" ;;
        {finds}) {FINDS.get(finds, ":")} ;;
    esac"""
    checkers = dict.fromkeys(("shellcheck", "nginx", "gixy"), "")
    checkers |= {finds: FINDS[finds]} if finds in checkers else {}
    scratch = Scratch(
        tmp_path,
        "basename cat cp dirname grep install mkdir mktemp openssl rm sed".split(),
        {"systemd-analyze": systemd, **checkers},
    )
    outcome = scratch.run("deploy/systemd/check.sh", OPENSSL_CONF="/dev/null")
    assert (outcome.status != 0) == (finds != "nothing"), outcome.said
    called = [re.sub(r" \S*/", " ", call) for call in outcome.calls]
    called = [it for it in called if it.split()[0] in (*checkers, "systemd-analyze")]
    assert called == CHECKED, "none hides the others"


@pytest.mark.parametrize("status", [200, 503])
def test_a_release_without_its_database_is_not_ready(tmp_path: Path, status: int) -> None:
    """install.sh takes it back then."""
    text = Path("deploy/systemd/ready.py").read_text(encoding="utf-8")
    path = str(tmp_path / "app.sock")
    for old, new in ((f"/run/{SLUG}/app.sock", path), ("TIMEOUT = 30", "TIMEOUT = 0")):
        assert old in text
        text = text.replace(old, new)
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.0 %d -\r\nContent-Length: 0\r\n\r\n" % status)

        server = threading.Thread(target=answer, daemon=True)
        server.start()
        result = subprocess.run(
            [sys.executable, "-c", text], check=False, timeout=30, capture_output=True
        )
        server.join(30)
    assert asked[0].startswith(b"GET /readyz HTTP/1.1\r\n")
    assert (result.returncode == 0) == (status == 200)
