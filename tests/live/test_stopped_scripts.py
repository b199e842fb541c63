"""The scripts of a deployment, stopped at each of their steps: running one again succeeds.

Stand-ins replace the programs that a script calls. The tests check the effect of a signal:
Ctrl-C and a lost connection reach every process of the terminal, a cancelled CI job only the
script.
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import termios
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.compose import wait_until
from tests.live.conftest import program
from tests.live.stopped import SIGNALS, STOPS
from tests.live.test_kubernetes import OIDC, SERVER, SERVICES, fill_in, plural
from tests.template import render, run

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("heard_signals")]

PROGRAM = """\
#!/bin/sh
# It keeps in files what a cluster would: how many pods there are, and which jobs.
cd "$STATE"
step=1
while ! mkdir "steps/$step" 2>/dev/null; do step=$((step + 1)); done
if [ "$step" = "${STOP_AT:-0}" ]; then
    script=$(cut -d ' ' -f 6 /proc/self/stat) # it leads the session
    if [ "$SIGNAL" = TERM ]; then kill -TERM "$script"; else kill "-$SIGNAL" "-$script"; fi
fi
case " $* " in
    *" kustomize "*) cat "$STATE/kinds.yaml" ;;
    *" api-resources "*) cat kinds ;;
    *" image inspect "*) echo "$image@sha256:$DIGEST" ;;
    *" get secret/web --ignore-not-found "*) ;;
    *" get secret/"*) echo 7 ;;
    *" get deployments "*) printf 'deployment.apps/%s\n' mail web ;;
    *" diff "*) exit 1 ;;
    *" scale deployment.apps/"*) for pods; do :; done; echo "$pods" | tee "replicas-${4#*/}" ;;
    *" apply "*" in (web,mail,valkey) "*) echo 1 | tee replicas-mail >replicas-web ;;
    *" delete job backups"*) rm -f job backing-up ;;
    *" delete job"*) rm -f job ;;
    *" apply --filename - "*) touch job backing-up ;;
    *"=migrate "*) touch job ;;
    *" get job/migrate "*conditions*) [ -e slow ] || echo Complete ;;
    *" get job/"*conditions*) echo Complete ;;
    *" create job "* | *" patch --local "*) cat >patched ;;
esac
"""


@dataclass
class Script:
    """A script, and a stand-in for kubectl that records its calls."""

    folder: Path
    state: Path
    arguments: tuple[str, ...]

    def environment(self) -> dict[str, str]:
        """What the script finds when it begins."""
        shutil.rmtree(self.state / "steps", ignore_errors=True)
        (self.state / "steps").mkdir()
        known = {"STATE": str(self.state), "TMPDIR": str(self.state / "tmp"), "INTERVAL": "0"}
        known["PATH"] = f"{self.state / 'bin'}:{os.environ['PATH']}"
        return os.environ | known | SERVER | OIDC

    def run(self, **values: str) -> tuple[int, str]:
        """Run the script; return its exit status and output."""
        said = self.state / "said"
        with said.open("w") as output:
            script = subprocess.Popen(
                ["sh", *self.arguments],
                cwd=self.folder,
                env=self.environment() | values,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            status = script.wait(60)
        return status, said.read_text("utf-8")

    def steps(self) -> int:
        """The number of programs that the script has called."""
        return len(list((self.state / "steps").iterdir()))

    def stopped(self, step: int, signal: str, *, last: bool) -> str:
        """Stop the script at this step and run it again; return what is wrong, or "".

        :param last: whether this is the last step, after which the script may succeed.
        """
        for path in (self.folder / "secrets").glob("[A-Zu]*"):
            path.unlink()  # from the very beginning
        status, said = self.run(STOP_AT=str(step), SIGNAL=signal)
        if status != SIGNALS[signal] and not (last and status == 0):
            return f"{signal} at {step}: status {status}\n{said}"
        for replicas in self.state.glob("replicas-*"):
            if replicas.read_text("utf-8").strip() != "1":
                return f"{signal} at {step}: {replicas.name} is 0\n{said}"
        if "restore" not in self.arguments and (self.state / "backing-up").exists():
            return f"{signal} at {step}: the backup goes on"
        if list((self.state / "tmp").iterdir()):
            return f"{signal} at {step}: files are left"
        if list(self.folder.rglob("*.new")) or list(self.folder.rglob("*.part")):
            return f"{signal} at {step}: half a file is left"
        status, said = self.run()
        return "" if status == 0 else f"again after {signal} at {step}: status {status}\n{said}"


def scripts(tmp_path: Path, answers: str, *arguments: str) -> Script:
    """A rendered service with the stand-ins."""
    project = render(tmp_path / "rendered", **SERVICES[answers], project_slug="demo-svc")
    folder = project / "deploy" / "kubernetes"
    fill_in(folder)
    release = folder / "release" / "kustomization.yaml"
    release.write_text(release.read_text("utf-8").replace("sha256:00", "sha256:12"), "utf-8")
    state = tmp_path / "state"
    for name in ("bin", "tmp"):
        (state / name).mkdir(parents=True)
    for name in ("kubectl", "docker"):
        path = state / "bin" / name
        path.write_text(PROGRAM, "utf-8")
        path.chmod(0o755)
    (state / "kinds.yaml").write_text("apiVersion: v1\nkind: Service\n", "utf-8")
    (state / "kinds").write_text(f"{plural('Service')}   v1   true   Service\n", "utf-8")
    return Script(folder, state, arguments)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    ("answers", "arguments"),
    [
        ("sqlite-session", ("deploy.sh", "production")),
        ("postgresql-oidc", ("deploy.sh", "gateway")),
        ("sqlite-session", ("backups.sh", "now")),
        ("sqlite-session", ("backups.sh", "fetch", "x.dump")),
        ("sqlite-session", ("backups.sh", "restore", "x.dump")),
    ],
    ids=lambda part: "-".join(part) if isinstance(part, tuple) else part,
)
def test_a_script_of_kubernetes_can_be_stopped_anywhere(
    tmp_path: Path, answers: str, arguments: tuple[str, ...], signal: str
) -> None:
    program("dash")
    script = scripts(tmp_path, answers, *arguments)
    status, said = script.run()
    assert status == 0, said
    steps = script.steps()
    assert steps > 4
    # Each step is stopped by one of the three signals; with STOPS=1000, by all three.
    first = 1 + [*SIGNALS].index(signal)
    every = range(1, steps + 1) if steps <= STOPS else range(first, steps + 1, 3)
    wrong = [script.stopped(step, signal, last=step == steps) for step in every]
    assert not any(wrong), "\n".join(filter(None, wrong))
    if "restore" not in arguments:
        assert not (script.state / "job").exists() or arguments[0] == "deploy.sh"


def test_a_lost_connection_leaves_no_service_stopped(tmp_path: Path) -> None:
    """The terminal is gone: what a command says fails, and with it the command."""
    program("dash")
    script = scripts(tmp_path, "sqlite-session", "deploy.sh", "production")
    (script.state / "slow").touch()
    replicas = [script.state / f"replicas-{name}" for name in ("mail", "web")]
    terminal, script_side = pty.openpty()
    with (
        open(script_side, "rb+", buffering=0) as given,
        subprocess.Popen(
            ["setsid", "--ctty", "--wait", "sh", *script.arguments],
            cwd=script.folder,
            env=script.environment() | {"INTERVAL": "1"},
            stdin=given,
            stdout=given,
            stderr=given,
        ) as deploying,
    ):
        try:
            wait_until(lambda: replicas[1].exists() and (script.state / "job").exists(), seconds=30)
        finally:
            os.close(terminal)
        assert deploying.wait(30) == 129
    assert [path.read_text("utf-8") for path in replicas] == ["1\n", "1\n"]


@pytest.mark.parametrize("deployment", ["docker", "kubernetes"])
def test_a_terminal_shows_again_what_is_typed(tmp_path: Path, deployment: str) -> None:
    """Ctrl-C at the question for a secret."""
    answers = {"deployment": deployment, "auth": "oidc", "database": "sqlite"}
    project = render(tmp_path, **answers)
    script = {"docker": "setup.sh", "kubernetes": "secrets.sh"}[deployment]
    env = os.environ | {"OIDC_ISSUER": "https://id.test", "OIDC_CLIENT_ID": "demo"}
    terminal, script_side = pty.openpty()
    command = ["setsid", "--ctty", "--wait", "sh", f"deploy/{deployment}/{script}"]
    with (
        open(script_side, "rb+", buffering=0) as given,
        subprocess.Popen(
            command, cwd=project, env=env, stdin=given, stdout=given, stderr=given
        ) as asking,
    ):
        wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, str)
        os.write(terminal, b"\x03")
        assert asking.wait(20) == 130
        assert termios.tcgetattr(terminal)[3] & termios.ECHO
    os.close(terminal)


def test_a_change_of_the_key_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """Between the two files of `setup.sh use-key`: the next key is accepted before it signs."""
    project = render(tmp_path, deployment="docker")
    secrets = project / "secrets"
    programs = tmp_path / "programs"
    programs.mkdir()
    # In the running service: nothing to do.
    (programs / "docker").write_text('#!/bin/sh\ncase "$*" in *" ps "*) echo app-1 ;; esac\n')
    (programs / "docker").chmod(0o755)

    def setup(*arguments: str) -> None:
        path = f"{programs}:{os.environ['PATH']}"
        env = os.environ | {"MAIL_URL": "smtps://mail.test", "PATH": path}
        result = run("sh", "deploy/docker/setup.sh", *arguments, cwd=project, env=env)
        assert result.returncode == 0, result.stdout

    setup()
    setup("rotate-key")
    new, old = ((secrets / name).read_text() for name in ("SECRET_KEY_NEXT", "SECRET_KEY"))
    (secrets / "SECRET_KEY_FALLBACKS").unlink()
    (secrets / "SECRET_KEY_FALLBACKS").write_text(old)  # stopped here
    setup()
    assert (secrets / "SECRET_KEY_FALLBACKS").read_text() == new
    setup("use-key")
    assert (secrets / "SECRET_KEY").read_text() == new
    assert (secrets / "SECRET_KEY_FALLBACKS").read_text() == old
