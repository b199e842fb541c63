"""The scripts of docker and systemd, stopped at their steps: running one again succeeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.stopped import Left, Machine
from tests.template import ROOT, SERVICE, render

pytestmark = pytest.mark.usefixtures("heard_signals")

PYTHON = """case " $* " in
    *" -m venv "*)
        for place; do :; done
        case " $* " in *" --clear "*) rm -rf "$place" ;; esac
        mkdir -p "$place/bin"
        ln -s "$STEPPING/python" "$place/bin/python"
        ;;
    *" -c import secrets"*)
        [ ! "$NO_RANDOMNESS" ] || exit 1
        /usr/bin/head -c 36 /dev/urandom | /usr/bin/base64
        ;;
    *" outside.py provider "* | *"/outside.py provider "*) echo id.test:443 ;;
    *" outside.py mail "* | *"/outside.py mail "*) echo mail.test:465 ;;
    *" -V "*) echo Python 3 ;;
esac
"""
HOST = {
    "python3": PYTHON,
    "python": PYTHON,
    "pg_lsclusters": "echo 17 main 5432 online",
    "pg_ctlcluster": "",
    "dpkg": "",
    "dpkg-query": """for package; do :; done
[ "$package" = redis-server ] && [ ! -e /opt/installed ] || echo install ok installed
""",
    "apt-get": "case $1 in install) touch /opt/installed ;; esac",
    "runuser": 'while [ "$1" != -- ]; do shift; done; shift; "$@"',
    "systemd-sysusers": """while read -r _ account _; do
    id "$account" >/dev/null 2>&1 || useradd --system --no-create-home "$account"
done <"$1"
""",
    "certbot": """for word; do
    [ "$last" != --config-dir ] || folder=$word
    last=$word
done
mkdir -p "$folder/live/demo"
echo certificate >"$folder/live/demo/fullchain.pem"
echo key >"$folder/live/demo/privkey.pem"
""",
    "getent": 'case $1 in ahosts) ;; *) exec /usr/bin/getent "$@" ;; esac',
    "systemctl": """for unit; do
    case $unit in *.service | *.socket | *.timer) touch "/opt/$1-$unit" ;; esac
done
""",
    "systemd-run": """for last; do :; done
case " $* " in *" db backup "*) touch "$last" ;; esac
""",
} | dict.fromkeys(("journalctl", "nginx", "psql"), "")
PLACES = ("etc", "opt", "var/lib", "var/www", "run")
OIDC = {"OIDC_ISSUER": "https://id.test", "OIDC_CLIENT_ID": "demo"}


@dataclass
class Host:
    """A machine, and the project that is installed there."""

    machine: Machine
    project: Path

    @property
    def install(self) -> str:
        return str(self.project / "deploy" / "systemd" / "install.sh")

    def runs(self, before: Left | None, *command: str) -> Left:
        after = self.machine.run(before, *command)
        assert after.statuses == (0,), after.said
        return after


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    folder = tmp_path_factory.mktemp("host")
    answers = {"deployment": "systemd", "database": "postgresql", "auth": "oidc"}
    project = render(folder, **answers, project_slug="demo")
    secret = folder / "client-secret"
    secret.write_text("given")
    values = {"OIDC_CLIENT_SECRET_FILE": str(secret), "STATE_DIRECTORY": "/var/lib/state"}
    mail_url = folder / "mail-url"
    mail_url.write_text("smtps://mail.test")
    values["MAIL_URL_FILE"] = str(mail_url)
    values["ACME_EMAIL"] = "a@example.com"
    return Host(Machine(folder / "machine", HOST, **OIDC, **values), project)


@pytest.fixture(scope="module")
def updated(host: Host) -> Left:
    """A machine with two releases; the second one is active."""
    first = host.runs(None, host.install)
    with (host.project / "app" / "__init__.py").open("a") as code:
        code.write("# new\n")
    return host.runs(first, host.install)


SCRIPTS = [*SERVICE.glob("_options/**/deploy/*/*.sh"), *ROOT.glob("tools/**/*.sh")]


def test_a_script_that_hears_one_signal_hears_all_three() -> None:
    """Ctrl-C, a cancelled CI job, a lost connection: dash runs no EXIT trap by itself.

    The entry points of containers are no such scripts: they pass signals on.
    """
    traps = "\ntrap 'exit 129' HUP\ntrap 'exit 130' INT\ntrap 'exit 143' TERM\n"
    texts = {"/".join(path.parts[-3:]): path.read_text("utf-8") for path in SCRIPTS}
    hearing = {name: text for name, text in texts.items() if "\ntrap 'exit 1" in text}
    assert len(hearing) > 8
    assert [name for name, text in hearing.items() if traps not in text] == []


@pytest.mark.systemd
def test_an_installation_can_be_stopped(host: Host) -> None:
    wrong = host.machine.wrong(None, PLACES, host.install)
    assert not wrong, "\n".join(wrong)


@pytest.mark.systemd
@pytest.mark.parametrize("action", ["update", "rollback", "uninstall", "purge", "certificate"])
def test_what_follows_can_be_stopped(host: Host, updated: Left, action: str) -> None:
    commands = {
        "update": (host.install, "--no-acme"),
        "rollback": (host.install, "--rollback"),
        "uninstall": (host.install, "--uninstall"),
        "purge": (host.install, "--uninstall", "--purge"),
        "certificate": (str(Path(host.install).with_name("certificate.sh")),),
    }
    if action == "update":
        with (host.project / "app" / "__init__.py").open("a") as code:
            code.write("# newer\n")
    wrong = host.machine.wrong(updated, PLACES, *commands[action])
    assert not wrong, "\n".join(wrong)


@pytest.mark.systemd
def test_a_program_that_fails_leaves_no_empty_secret(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C may stop only the program that writes a secret; the next run accepts all secrets."""
    monkeypatch.setitem(host.machine.values, "NO_RANDOMNESS", "yes")
    left = host.machine.run(None, host.install)
    assert left.statuses == (1,), left.said
    credentials = left.files("etc/demo/credentials")
    assert credentials  # it came that far
    assert not [name for name in credentials if "SECRET_KEY" in name]


# A container keeps the keys that it was started with. The others must accept what it signs.
DOCKER = """case " $* " in
    *" --force-recreate "*)
        for name; do :; done
        key=$(cat secrets/SECRET_KEY)
        for other in /opt/with-*; do
            [ ! -e "$other" ] || grep -qxF -e "$key" "$other" || touch /opt/refused
        done
        cat secrets/SECRET_KEY secrets/SECRET_KEY_FALLBACKS >"/opt/new-$name"
        mv "/opt/new-$name" "/opt/with-$name"
        ;;
    *" migrate "*) touch /opt/half && sleep 0.05 && rm /opt/half ;;
    *" ps --services "*) printf 'app-1\\napp-2\\n' ;;
esac
"""


@pytest.mark.docker
@pytest.mark.parametrize("action", ["first", "update", "rotate-key", "rotate-roles", "use"])
def test_the_scripts_of_docker_can_be_stopped(tmp_path: Path, action: str) -> None:
    answers = {"deployment": "docker", "database": "mysql", "auth": "oidc"}
    project = render(tmp_path, **answers, project_slug="demo")
    given = OIDC | {"OIDC_CLIENT_SECRET": "x", "MAIL_URL": "smtps://mail.test"}
    machine = Machine(tmp_path / "machine", {"docker": DOCKER}, **given)
    host = Host(machine, project)
    deploy, setup = (str(project / "deploy/docker" / name) for name in ("deploy.sh", "setup.sh"))
    before = None if action == "first" else host.runs(None, deploy)
    if action == "use":
        before = host.runs(before, setup, "rotate-key")
    command = (setup, action) if action.startswith("rotate") else (deploy,)
    wrong = machine.wrong(before, ("opt", str(project / "secrets")[1:]), *command)
    assert not wrong, "\n".join(wrong)
