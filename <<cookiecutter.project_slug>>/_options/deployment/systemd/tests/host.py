"""A scratch folder in the place of a host, for the scripts of deploy/systemd.

Their paths lead below the folder, and stand-ins take the place of the programs that would change
this machine. So no root is needed, and nobody gets a file: the owners are what the scripts ask for.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.deployment_policy import SLUG
from tests.scripts import Outcome, Scratch, below, copied

# The host's programs, which really run. The scripts find no others: no chown, no curl.
PROGRAMS = """awk basename cat chmod cmp cp cut date dirname env find grep head ln ls mkdir mktemp mv
openssl readlink rm rmdir sed sh sha256sum sort stat tail tar touch tr uname""".split()
# install(1) without the owner, which only root may give.
INSTALL = """count=$#
while [ "$count" -gt 0 ]; do
    word=$1 count=$((count - 1))
    shift
    case $word in
        -o | -g) shift && count=$((count - 1)) ;;
        *) set -- "$@" "$word" ;;
    esac
done
exec /usr/bin/install "$@"
"""
PYTHON = f"""case " $* " in
    *" -m venv "*)
        for place; do :; done
        mkdir -p "$place/bin"
        cp "$0" "$place/bin/python" ;;
    *" -c import secrets"*) exec {sys.executable} "$@" ;;
    *"/outside.py provider "*) echo id.test:443 ;;
    *"/outside.py mail "*) grep -q ^smtps: && echo mail.test:465 ;;
    *" -V "*) echo Python 3 ;;
esac"""
# Records what the command would read: of a credential how open its file is, and its text; a key.
SYSTEMD_RUN = """for word; do
    case $word in
        *LoadCredential=*) echo "$(stat -c %a "${word##*:}") $(cat "${word##*:}")" >>"$LOADED" ;;
    esac
done
case " $* " in
    *"${FAILING_COMMAND:-nothing fails}"*) exit 1 ;;
    *" db backup "*) echo "$*" >"$word" ;;
    *" --expect-key "*) key=$(cat); printf %s "$key" >>"$GIVEN"; [ "$key" != "$REFUSED" ] ;;
esac"""
CERTBOT = """for word; do
    [ "${last-}" != --config-dir ] || folder=$word/live/$NAME
    last=$word
done
mkdir -p "$folder"
echo "the certificate" >"$folder/fullchain.pem"
echo "the key of the certificate" >"$folder/privkey.pem"
"""
STANDINS = {
    "id": 'case "$*" in -u) echo 0 ;; *) echo 999 ;; esac',
    "dpkg-query": "echo install ok installed",
    "getent": 'case "$1" in ahosts) ;; *) exit 2 ;; esac',
    "runuser": 'while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done\n[ $# = 0 ] || shift\n"$@"',
    "install": INSTALL,
    "python3": PYTHON,
    "systemd-run": SYSTEMD_RUN,
    "certbot": CERTBOT,
    "systemctl": """case "$*" in
    "${FAILS:-nothing fails}") exit 1 ;;
    *" is-active "*) [ "${RUNS:-all}" = all ] ;;
esac""",
} | dict.fromkeys(
    """apt-get dpkg journalctl nginx pg_lsclusters pg_ctlcluster mariadbd psql systemd-sysusers
    mariadb userdel
    """.split(),
    "",
)


class Host:
    """A Debian with systemd, as far as the scripts see it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.project = folder, folder / "project"
        self.scratch = Scratch(folder, PROGRAMS, STANDINS)
        copied(Path("deploy"), self.project / "deploy")
        for script in (self.project / "deploy/systemd").glob("*.sh"):
            script.write_text(below(folder, script.read_text("utf-8")), "utf-8")
        for name in ("app/__init__.py", "migrations/env.py", "wsgi.py", "requirements.lock"):
            path = self.project / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
            path.chmod(0o666)  # a checkout with a careless umask
        (self.project / ".env").write_text("SECRET_KEY=of-the-development")
        for name in ("etc/nginx", "etc/ssl", "etc/systemd/system", "run/systemd/system", "state"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/os-release").write_text("ID=debian\nVERSION_ID=13\n")
        (folder / "client-secret").write_text("given-by-the-provider")
        (folder / "mail-url").write_text("smtps://demo:given-by-the-mail-server@mail.test\n")

    def run(self, script: str, *arguments: str, **values: str) -> Outcome:
        values = {
            "LOADED": f"{self.folder}/loaded",
            "GIVEN": f"{self.folder}/given",
            "NAME": SLUG,
            "STATE_DIRECTORY": f"{self.folder}/state",
            "ACME_EMAIL": "a@example.com",
            "OPENSSL_CONF": "/dev/null",
            "MAIL_URL_FILE": f"{self.folder}/mail-url",
            "OIDC_ISSUER": "https://id.test",
            "OIDC_CLIENT_ID": "demo",
            "OIDC_CLIENT_SECRET_FILE": f"{self.folder}/client-secret",
            "OIDC_CLIENT_SECRET": "left-in-the-operators-environment",
            **values,
        }
        return self.scratch.run(self.project / "deploy/systemd" / script, *arguments, **values)

    def loaded(self) -> dict[str, str]:
        """What commands got as credentials: the text, and how open its file was."""
        path = self.folder / "loaded"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return {text: mode for mode, _, text in (line.partition(" ") for line in lines)}

    def secrets(self) -> dict[str, str]:
        """Every secret on the host, and every one that a command got, by its file or its text."""
        folder = self.folder / "etc" / SLUG / "credentials"
        return {path.name: path.read_text("utf-8") for path in folder.iterdir()} | {
            f"credential of a command: {text}": text for text in self.loaded()
        }

    def calls(self, outcome: Outcome, program: str) -> list[str]:
        """The command lines of a program, with the paths that they would have on a host."""
        text = "\n".join(outcome.of(program)).replace(str(self.folder), "")
        text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{12}", "RELEASE", text)
        text = re.sub(r"packages/[0-9a-f]{12}", "packages/HASH", text)
        return re.sub(r"(?<=/tmp\.)\w+|(?<=\.new\.)\w+", "*", text).splitlines()
