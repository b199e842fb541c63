"""Kubernetes: external tools check the manifests of all combinations; Podman runs their pods."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live import elsewhere, machines, pods, restricted
from tests.live.compose import AIOSMTPD, POSTGRESQL, VALKEY, wait_until
from tests.live.conftest import BUILD, HERE, program
from tests.live.followed import instructions
from tests.live.images import PINNED, Docker, build, stand_in
from tests.live.mailbox import NAME as MAILBOX
from tests.live.mailbox import PROGRAM, Mailbox, mail_url
from tests.live.pods import Node
from tests.live.restricted import Object
from tests.live.visitor import PASSWORD, Program, Reader
from tests.template import COMBINATIONS, render, run

pytestmark = pytest.mark.kubernetes

VERSION = "1.34.0"  # whose profile the namespace asks for
OVERLAYS = ("production", "gateway")
SERVICES = {
    f"{answers['database']}-{answers['auth']}": answers
    for answers in COMBINATIONS
    if answers["deployment"] == "kubernetes"
}
# Kinds without a schema in Kubernetes itself; tests/live/test_cluster.py checks their fields.
CUSTOM = {"BackendTLSPolicy", "Certificate", "Gateway", "HTTPRoute", "Issuer"}
KINDS = {"CronJob": 1, "ConfigMap": 2, "Deployment": 3, "Job": 1, "Namespace": 1, "Service": 2}
KINDS |= {"ServiceAccount": 2}


def kustomize(folder: Path) -> str:
    result = run(program("kubectl"), "kustomize", folder)
    assert result.returncode == 0, result.stdout
    return result.stdout


def documents(text: str) -> list[Object]:
    return [document for document in yaml.safe_load_all(text) if document]


@dataclass
class Rendered:
    """A service, and its manifests from `kubectl kustomize`."""

    project: Path
    answers: dict[str, str]
    files: dict[str, Path] = field(default_factory=dict)
    overlays: dict[str, list[Object]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.project / "deploy" / "kubernetes"

    def one(self, overlay: str, kind: str, name: str = "web") -> Object:
        """The only object of this kind with this name."""
        (found,) = (
            document
            for document in self.overlays[overlay]
            if document["kind"] == kind and document["metadata"]["name"] == name
        )
        return found


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendered]:
    """All nine combinations, with the manifests of each overlay."""
    program("kubectl")
    found = {}
    for name, answers in SERVICES.items():
        folder = tmp_path_factory.mktemp(name)
        project = render(folder, **answers, project_slug="demo-svc")
        found[name] = Rendered(project, answers)
        for overlay in OVERLAYS:
            text = kustomize(found[name].folder / "overlays" / overlay)
            found[name].files[overlay] = folder / f"{name}-{overlay}.yaml"
            found[name].files[overlay].write_text(text, "utf-8")
            found[name].overlays[overlay] = documents(text)
    return found


@pytest.fixture(params=SERVICES)
def rendered(request: pytest.FixtureRequest, services: dict[str, Rendered]) -> Rendered:
    return services[request.param]


# --- Checks by external tools


def different(services: dict[str, Rendered]) -> list[Path]:
    """The manifests of all combinations; equal texts occur once."""
    files = [file for rendered in services.values() for file in rendered.files.values()]
    return list({file.read_bytes(): file for file in files}.values())


def test_every_manifest_has_the_schema_of_its_kind(
    services: dict[str, Rendered], checkers: Path
) -> None:
    command = [checkers / "kubernetes-validate", "--strict", "-k", VERSION]
    result = run(*command, *different(services))
    assert result.returncode == 0, result.stdout
    unknown = set(re.findall(r"schema for kind (\w+)", result.stdout))
    assert unknown == CUSTOM, "a kind that nobody checks"


def test_a_wrong_field_would_be_found(
    services: dict[str, Rendered], checkers: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    text = services["mysql-token"].files["production"].read_text("utf-8")
    assert "readOnlyRootFilesystem: true" in text
    wrong.write_text(text.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"), "utf-8")
    result = run(checkers / "kubernetes-validate", "--strict", "-k", VERSION, wrong)
    assert result.returncode == 1, result.stdout


def test_checkov_finds_nothing(
    services: dict[str, Rendered], checkers: Path, tmp_path: Path
) -> None:
    """checkov checks all manifests in one run, with all its rules."""
    for file in different(services):
        (tmp_path / file.name).symlink_to(file)
    command = ["checkov", "--framework", "kubernetes", "--skip-download", "--output", "json"]
    (tmp_path / "bad.yaml").write_text(BAD_POD, "utf-8")  # it looks at pods at all
    result = run(
        *(checkers / command[0], *command[1:], "--directory", tmp_path),
        env=os.environ | {"LOG_LEVEL": "ERROR"},
        timeout=300,
    )
    report = json.loads(result.stdout)
    failed = {
        (check["file_path"].strip("/"), check["check_id"], check["resource"])
        for check in report["results"]["failed_checks"]
    }
    assert report["results"]["skipped_checks"] == []
    assert len({check for file, check, resource in failed if file == "bad.yaml"}) > 10
    assert sorted(found for found in failed if found[0] != "bad.yaml") == []


BAD_POD = """\
apiVersion: v1
kind: Pod
metadata: {name: bad}
spec:
  containers:
    - {name: bad, image: bad, securityContext: {privileged: true}}
"""


def test_yamllint_and_shellcheck_find_nothing(rendered: Rendered, checkers: Path) -> None:
    command = [checkers / "yamllint", "--strict", "--config-file", rendered.folder / ".yamllint"]
    result = run(*command, rendered.folder)
    assert (result.returncode, result.stdout) == (0, "")
    result = run(program("shellcheck"), "--severity", "style", *rendered.folder.glob("*.sh"))
    assert (result.returncode, result.stdout) == (0, "")


def test_the_operator_s_check_passes_and_would_fail(
    services: dict[str, Rendered], checkers: Path, tmp_path: Path
) -> None:
    """`make deploy-check` fails if one of its checkers has a finding."""
    project = services["postgresql-oidc"].project
    env = os.environ | {"PATH": f"{checkers}:{os.environ['PATH']}"}
    script = "deploy/kubernetes/check.sh"
    result = run("sh", script, cwd=project, env=env)
    assert result.returncode == 0, result.stdout
    for name in ("kubernetes-validate", "checkov", "yamllint", "kubectl"):
        assert f"Checking: {name}" in result.stdout
    # What it finds is its exit status; without the slowest of them, which passes here anyway.
    (tmp_path / "kubernetes-validate").symlink_to(checkers / "kubernetes-validate")
    deployment = project / "deploy/kubernetes/base/web.yaml"
    text = deployment.read_text("utf-8")
    deployment.write_text(text.replace("drop: [ALL]", "dropp: [ALL]", 1), "utf-8")
    try:
        env["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
        result = run("sh", script, cwd=project, env=env)
        assert result.returncode == 1, result.stdout
        assert "not run: " in result.stdout
    finally:
        deployment.write_text(text, "utf-8")


# --- The profile "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_keeps_to_the_restricted_profile(rendered: Rendered, overlay: str) -> None:
    found = dict(restricted.pods(rendered.overlays[overlay]))
    assert set(found) == {
        *(
            "Deployment/web",
            "Deployment/mail",
            "Deployment/valkey",
            "Job/migrate",
            "CronJob/backup",
        ),
    }
    assert restricted.violations(rendered.overlays[overlay]) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("securityContext.runAsUser", 0),
        ("securityContext.runAsNonRoot", None),
        ("securityContext.seccompProfile", None),
        ("hostNetwork", True),
        ("hostUsers", None),
        ("automountServiceAccountToken", None),
        ("volumes.0", {"name": "secrets", "hostPath": {"path": "/"}}),
        ("volumes.0.secret.defaultMode", None),
        ("containers.1.securityContext", None),
        ("containers.1.securityContext.privileged", True),
        ("containers.1.securityContext.readOnlyRootFilesystem", False),
        ("containers.1.securityContext.capabilities.add", ["NET_BIND_SERVICE"]),
        ("containers.1.ports.0.hostPort", 80),
        ("containers.1.resources.limits.memory", None),
        ("containers.1.image", "nginx:latest"),
        ("containers.0.envFrom", [{"secretRef": {"name": "web"}}]),
    ],
)
def test_the_check_of_the_profile_would_find(
    services: dict[str, Rendered], path: str, value: Any
) -> None:
    text = services["sqlite-session"].files["production"].read_text("utf-8")
    (deployment,) = (
        document
        for document in documents(text)
        if (document["kind"], document["metadata"]["name"]) == ("Deployment", "web")
    )
    place: Any = deployment["spec"]["template"]["spec"]
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    assert restricted.violations([deployment])


# --- Kinds and images


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_missing(rendered: Rendered, overlay: str) -> None:
    sqlite = rendered.answers["database"] == "sqlite"
    kinds: dict[str, int] = {}
    for document in rendered.overlays[overlay]:
        kinds[document["kind"]] = kinds.get(document["kind"], 0) + 1
    del kinds["NetworkPolicy"]  # the service's own tests check them
    more = {"PersistentVolumeClaim": 2 if sqlite else 1}
    if not sqlite:
        more |= {"HorizontalPodAutoscaler": 1, "PodDisruptionBudget": 1}
    if overlay == "production":
        more["Certificate"] = 1
    else:
        more |= {"BackendTLSPolicy": 1, "Gateway": 1, "HTTPRoute": 2, "Issuer": 1, "ConfigMap": 3}
    assert kinds == KINDS | more


def test_an_image_outside_is_the_one_of_compose(services: dict[str, Rendered]) -> None:
    """Kubernetes and Docker Compose use the same digest, so that one change renews it."""
    image = services["sqlite-session"].one("production", "Deployment", "valkey")
    (name,) = PINNED.findall(image["spec"]["template"]["spec"]["containers"][0]["image"])
    compose = HERE.parent.parent / "<<cookiecutter.project_slug>>/_options/deployment/docker"
    assert name in (compose / "compose.yaml").read_text("utf-8")


# --- Secrets


OIDC = {"OIDC_CLIENT_SECRET": "given-by-the-provider"}
READY = {"database": "ok", "mail": "ok", "rate_limits": "ok", "status": "ok"}
SERVER = {"DATABASE_HOST": "db.example.com", "ADMIN_DATABASE_URL": "postgresql+psycopg://a:b@c/d"}
SERVER |= {"MAIL_URL": "smtps://demo:given-by-the-mail-server@mail.example.com"}


def write_secrets(
    project: Path, *arguments: str, **values: str
) -> subprocess.CompletedProcess[str]:
    script = "deploy/kubernetes/secrets.sh"
    return run("sh", script, *arguments, cwd=project, env=os.environ | values)


def secret_files(project: Path) -> dict[str, str]:
    folder = project / "deploy" / "kubernetes" / "secrets"
    known = {".gitignore", "kustomization.yaml"}
    return {
        path.name: path.read_text("utf-8") for path in folder.iterdir() if path.name not in known
    }


def test_secrets_are_random_private_and_outside_of_git_and_manifests(tmp_path: Path) -> None:
    for name in ("sqlite-session", "sqlite-oidc", "postgresql-token", "mysql-oidc"):
        project = render(tmp_path / name, **SERVICES[name], project_slug="demo-svc")
        refused = write_secrets(project)
        assert refused.returncode == 1
        asked = {"MAIL_URL"} | ({"OIDC_CLIENT_SECRET"} if "oidc" in name else set())
        asked |= SERVER.keys() if "sqlite" not in name else set()
        found = set(re.findall(r"^  (\w+): ", refused.stdout, re.MULTILINE))
        assert found == asked, "what only the operator knows"
        result = write_secrets(project, **SERVER, **OIDC)
        assert result.returncode == 0, result.stdout
        first = secret_files(project)
        for text in first.values():
            assert not text.strip() or text.strip() not in result.stdout
        assert {
            path.stat().st_mode & 0o777
            for path in (project / "deploy/kubernetes/secrets").iterdir()
            if path.name in first
        } == {0o600}
        assert write_secrets(project, **SERVER, **OIDC).returncode == 0
        assert secret_files(project) == first, "made once"
        found = documents(kustomize(project / "deploy/kubernetes/secrets"))
        assert {document["kind"] for document in found} == {"Secret"}
        given = {s["metadata"]["name"]: set(s["data"]) for s in found}
        assert set().union(*given.values()) == set(first)
        assert not {"MIGRATION_DATABASE_URL", "ADMIN_DATABASE_URL", "MAIL_URL"} & given["web"]
        assert given["mail"] == {"MAIL_URL"} | (
            set() if "sqlite" in name else {"MAIL_DATABASE_URL"}
        )
        git = ["git", "-c", "core.excludesFile=/dev/null"]
        for command in (["init", "--quiet"], ["add", "--all"]):
            assert run(*git, *command, cwd=project).returncode == 0
        staged = run(*git, "ls-files", "deploy/kubernetes/secrets", cwd=project).stdout.split()
        assert [Path(path).name for path in staged] == [".gitignore", "kustomization.yaml"]
        for overlay in OVERLAYS:
            text = kustomize(project / "deploy/kubernetes/overlays" / overlay)
            assert "\nkind: Secret\n" not in text
            assert not [
                name for name, value in first.items() if value.strip() and value.strip() in text
            ]


# --- The operator's commands; stand-ins for kubectl and the engine only record their calls


KUBECTL = """\
#!/bin/sh
# Renders and patches as the real kubectl; records the commands that would change a cluster.
case " $* " in
    " kustomize "* | *" patch --local "*) exec {kubectl} "$@" ;;
    *" get secret/web --ignore-not-found "*)
        test -z "${{UNREADABLE:-}}" || {{ echo "Forbidden" >&2; exit 1; }}
        test -z "${{RUNNING:-}}" || echo secret/web
        exit ;;
    *" api-resources "*) grep -v " ${{UNKNOWN:-nothing}}$" "$KINDS"; exit ;;
esac
echo "kubectl $*" >>"$NOTES"
case " $* " in
    *" apply --filename - "*) cat >"$NOTES.applied" ;;
    *" apply "*" --kustomize secrets "*) test -z "${{BROKEN:-}}" ;;
    *" get job/"*".status.ready}} "*) ;;
    *" get job/${{FAILED:-none}} "*) echo Failed ;;
    *" get job/"*) echo Complete ;;
    *" get secret/"*) echo "${{VERSION:-7}}" ;;
    *" get deployments "*)
        test -z "${{RUNNING:-}}" || printf 'deployment.apps/%s\\n' mail web ;;
    *" diff "*) exit "${{DIFFERENT:-1}}" ;;
    *" create job "*) cat "$CRON" ;;
    *" exec "*) echo "what is in it" ;;
esac
"""
ENGINE = """\
#!/bin/sh
echo "docker $*" >>"$NOTES"
case "$*" in
    *"inspect"*) for image; do :; done; echo "$image@sha256:{digest}" ;;
esac
"""
DIGEST = "0123456789abcdef" * 4
SERVICE = "--selector app.kubernetes.io/component in (web,mail,valkey)"


def plural(kind: str) -> str:
    """The name of the resource, as `kubectl api-resources` lists it."""
    return re.sub("y$", "ie", kind.lower()) + "s"


@dataclass
class Operator:
    """An operator who runs the scripts of a rendered service."""

    rendered: Rendered
    folder: Path

    def __post_init__(self) -> None:
        programs = self.folder / "bin"
        programs.mkdir()
        stubs = {"kubectl": KUBECTL.format(kubectl=program("kubectl"))}
        for name, text in (stubs | {"docker": ENGINE.format(digest=DIGEST)}).items():
            (programs / name).write_text(text, "utf-8")
            (programs / name).chmod(0o755)
        cron = self.rendered.one("production", "CronJob", "backup")
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "backups"}}
        job |= {"spec": cron["spec"]["jobTemplate"]["spec"]}
        (self.folder / "cron.json").write_text(json.dumps(job), "utf-8")
        known = {
            f"{plural(document['kind'])}   {document['apiVersion']}   true   {document['kind']}"
            for overlay in OVERLAYS
            for document in self.rendered.overlays[overlay]
        }
        (self.folder / "kinds").write_text("\n".join(sorted(known)) + "\n", "utf-8")

    def types(self, script: str, *arguments: str, **values: str) -> tuple[int, str]:
        """Run a script; return its exit status and output."""
        known = {"CRON": str(self.folder / "cron.json"), "NOTES": str(self.folder / "notes")}
        known["KINDS"] = str(self.folder / "kinds")
        known["PATH"] = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        path = self.rendered.folder / script
        result = run(
            "sh",
            path,
            *arguments,
            env=os.environ | known | {"INTERVAL": "0"} | values,
            cwd=self.folder,
        )
        return result.returncode, result.stdout

    def notes(self) -> list[str]:
        """The commands to cluster and registry since the last call."""
        path = self.folder / "notes"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture(params=["sqlite-session", "postgresql-oidc"])
def operator(request: pytest.FixtureRequest, tmp_path: Path) -> Operator:
    answers = SERVICES[request.param]
    project = render(tmp_path / "rendered", **answers, project_slug="demo-svc")
    rendered = Rendered(project, answers)
    for overlay in OVERLAYS:
        folder = project / "deploy" / "kubernetes" / "overlays" / overlay
        rendered.overlays[overlay] = documents(kustomize(folder))
    return Operator(rendered, tmp_path)


def fill_in(folder: Path) -> None:
    """Write the values that deploy.sh requires into the files, as an operator does."""
    settings = folder / "base" / "settings.env"
    text = settings.read_text("utf-8").replace("OIDC_ISSUER=\n", "OIDC_ISSUER=https://id.test\n")
    settings.write_text(text.replace("OIDC_CLIENT_ID=\n", "OIDC_CLIENT_ID=demo\n"), "utf-8")
    egress = folder / "base" / "egress.yaml"
    if egress.exists():
        text = egress.read_text("utf-8")
        egress.write_text(text.replace("192.0.2.", "198.51.100."), "utf-8")


def test_one_command_deploys_in_the_right_order(operator: Operator) -> None:
    folder = operator.rendered.folder
    server = operator.rendered.answers["database"] != "sqlite"
    secrets = SERVER | OIDC
    if server:
        # The script sends nothing before it has all values.
        for missing in ("OIDC_ISSUER", "egress.yaml"):
            status, said = operator.types(
                "deploy.sh", "production", "registry.test/team", **secrets
            )
            assert status == 1
            assert missing in said
            assert operator.notes() == []
            if missing == "OIDC_ISSUER":
                egress = (folder / "base" / "egress.yaml").read_text("utf-8")
                fill_in(folder)
                (folder / "base" / "egress.yaml").write_text(egress, "utf-8")
    fill_in(folder)
    status, said = operator.types("deploy.sh", "production", **secrets)
    assert status == 1
    assert "no image was built yet" in said
    status, said = operator.types("deploy.sh", "production", "registry.test/team", **secrets)
    assert status == 0, said
    notes = operator.notes()

    def place(text: str) -> int:
        """The index of the only note with this text."""
        (found,) = (number for number, note in enumerate(notes) if text in note)
        return found

    component = "--selector app.kubernetes.io/component"
    order = [
        "docker push --quiet registry.test/team/demo-svc/app",
        "docker push --quiet registry.test/team/demo-svc/nginx",
        f"{component} notin (web,mail,valkey,migrate)",
        "delete job/migrate",
        f"{component}=migrate",
        "delete networkpolicies.networking.k8s.io,",
        f"{component} in (web,mail,valkey)",
        "rollout status deployment/web",
        "rollout status deployment/mail",
    ]
    places = [place(text) for text in order]
    assert places == sorted(places)
    first = next(n for n, note in enumerate(notes) if "--kustomize secrets" in note)
    assert places[2] < first < places[3], "the Secrets, before a pod wants them"
    text = kustomize(folder / "overlays" / "production")
    for name, count in (("app", 5), ("nginx", 1)):
        image = f"image: registry.test/team/demo-svc/{name}@sha256:{DIGEST}\n"
        assert text.count(image) == count
    if server:
        path = folder / "secrets" / "ADMIN_DATABASE_URL"
        assert path.read_text("utf-8") == "", "erased when its work is done"
    assert not [
        text
        for text in secret_files(operator.rendered.project).values()
        if text.strip() and text.strip() in said
    ]
    # A second time: nothing is built.
    for different in ("1", "0"):
        status, said = operator.types("deploy.sh", "production", RUNNING="1", DIFFERENT=different)
        assert status == 0, said
        notes = operator.notes()
        assert not [note for note in notes if note.startswith("docker")]
        stopped = [note.split(" scale ")[1] for note in notes if " --replicas 0" in note]
        changes = server or different == "1"
        only = [f"deployment.apps/{name} --replicas 0" for name in ("mail", "web")]
        assert stopped == ([] if server or not changes else only), "only SQLite has to stop"
        backup = [note for note in notes if "create job backups-before-update" in note]
        assert len(backup) == changes


def test_secrets_of_the_cluster_are_never_replaced_by_new_ones(operator: Operator) -> None:
    """A second operator or a fresh clone has no secrets in files."""
    values = SERVER | OIDC | {"RUNNING": "1"}
    status, said = operator.types("deploy.sh", "production", "registry.test/team", **values)
    assert status == 1
    assert "the cluster has secrets that are not here" in said
    assert operator.notes() == []
    assert secret_files(operator.rendered.project) == {}


def test_a_secret_that_was_not_taken_stops_the_deployment(operator: Operator) -> None:
    fill_in(operator.rendered.folder)
    values = SERVER | OIDC | {"BROKEN": "1"}
    status, said = operator.types("deploy.sh", "production", "registry.test/team", **values)
    assert status == 1, said
    assert not [note for note in operator.notes() if "component=migrate" in note]


@pytest.mark.parametrize("kind", ["Certificate", "HorizontalPodAutoscaler"])
def test_a_kind_that_the_cluster_does_not_know_is_named_before_a_change(
    operator: Operator, kind: str
) -> None:
    fill_in(operator.rendered.folder)
    if kind not in {it["kind"] for it in operator.rendered.overlays["production"]}:
        pytest.skip("SQLite has no autoscaler")
    values = SERVER | OIDC | {"UNKNOWN": kind}
    status, said = operator.types("deploy.sh", "production", "registry.test/team", **values)
    assert (status, operator.notes()) == (1, [])
    assert f"  {kind} of " in said


def test_a_migration_that_fails_changes_nothing_else(operator: Operator) -> None:
    fill_in(operator.rendered.folder)
    assert write_secrets(operator.rendered.project, **SERVER, **OIDC).returncode == 0
    values = SERVER | OIDC | {"FAILED": "migrate", "RUNNING": "1"}
    status, said = operator.types("deploy.sh", "production", "registry.test/team", **values)
    assert status == 1
    assert "the migration did not succeed" in said
    notes = operator.notes()
    assert not [note for note in notes if "rollout" in note or SERVICE in note]
    back = [note.split("/")[1] for note in notes if " --replicas 1" in note]
    sqlite = operator.rendered.answers["database"] == "sqlite"
    assert back == (["mail --replicas 1", "web --replicas 1"] if sqlite else [])


def test_a_backup_that_fails_stops_the_deployment(operator: Operator) -> None:
    fill_in(operator.rendered.folder)
    assert write_secrets(operator.rendered.project, **SERVER, **OIDC).returncode == 0
    values = SERVER | OIDC | {"FAILED": "backups-before-update", "RUNNING": "1"}
    status, said = operator.types("deploy.sh", "production", "registry.test/team", **values)
    assert status == 1
    assert "the backup did not succeed, so nothing was migrated" in said
    notes = operator.notes()
    assert "delete job backups-before-update" in notes[-1], "nothing of it is left"
    for step in ("component=migrate", " scale ", SERVICE):
        assert not [note for note in notes if step in note and " diff " not in note], step
    # The first deployment has no data, so it makes no backup.
    del values["RUNNING"]
    assert write_secrets(operator.rendered.project, **SERVER, **OIDC).returncode == 0
    status, said = operator.types("deploy.sh", "production", "registry.test/team", **values)
    assert status == 0, said


def test_backups_are_listed_fetched_and_restored(operator: Operator) -> None:
    def command() -> list[str]:
        job = json.loads((operator.folder / "notes.applied").read_text("utf-8"))
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert "args" not in container
        assert restricted.violations([job]) == [
            problem for problem in restricted.violations([job]) if "digest" in problem
        ]
        return list(container["command"])

    status, said = operator.types("backups.sh", "list")
    assert (status, "what is in it" in said, command()) == (0, True, ["sleep", "600"]), said
    status, said = operator.types("backups.sh", "fetch", "2026-01-02T030405.dump")
    assert (status, command()) == (0, ["sleep", "600"]), said
    fetched = operator.folder / "2026-01-02T030405.dump"
    assert fetched.read_text("utf-8") == "what is in it\n"
    assert fetched.stat().st_mode & 0o777 == 0o600
    assert operator.types("backups.sh", "now")[0] == 0
    assert command() == ["flask", "db", "backup", "--keep", "14"]
    assert operator.types("backups.sh", "restore", fetched.name)[0] == 0
    assert command() == ["flask", "db", "restore", f"backups/{fetched.name}"]
    failed = {"FAILED": "backups-restore"}
    assert operator.types("backups.sh", "restore", fetched.name, **failed)[0] == 1
    for wrong in (["restore"], ["fetch"], ["restore", '"],"x'], ["restore", "../x"], ["x"], []):
        operator.notes()
        assert operator.types("backups.sh", *wrong)[0] == 1
        assert operator.notes() == [], wrong


# --- The pods, run for real

DOMAIN = "demo-svc.example.com"
UNPRIVILEGED = {
    **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0000000000000000"),
    "NoNewPrivs": "1",
    "Seccomp": "2",
}


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with pods.node() as running:
        yield running


POD = {"mail": "mail"}  # of a container that is not in the pod "web"
MAIL_AUTHORITY = "/run/secrets/mail/mail-ca.pem"


def container_of(name: str) -> str:
    """The name that Podman gives a container."""
    return f"{POD.get(name, 'web')}-pod-{name}"


@dataclass
class Cluster:
    """A service on the node."""

    node: Node
    project: Path
    images: dict[str, str]
    visitor: Any
    mailbox: Mailbox
    manifests: list[Object] = field(default_factory=list)
    played: list[Path] = field(default_factory=list)

    def use(self, overlay: str) -> None:
        """Use the manifests of this overlay from now on."""
        folder = self.project / "deploy" / "kubernetes" / "overlays" / overlay
        self.manifests = documents(kustomize(folder))

    def play(self, *objects: Object, alias: str = "") -> Path:
        return self.node.play(self.with_settings(*objects), alias)

    def with_settings(self, *objects: Object) -> list[Object]:
        settings = [document for document in self.manifests if document["kind"] == "ConfigMap"]
        return pods.for_podman([*settings, *objects], self.images)

    def one(self, kind: str, name: str) -> Object:
        (found,) = (
            document
            for document in self.manifests
            if (document["kind"], document["metadata"]["name"]) == (kind, name)
        )
        return found

    def run_job(self, job: Object, *more: Object) -> tuple[int, str]:
        """Run a Job to its end; return the exit status and output of its container."""
        played, result = self.node.try_to_play(self.with_settings(*more, job))
        if result.returncode:
            begun = [f"{job['metadata']['name']}-pod-{name}" for name in ("create", "upgrade")]
            said = "".join(self.node.run("logs", name).stdout for name in begun)
            return result.returncode, said + result.stdout
        (container,) = job["spec"]["template"]["spec"]["containers"]
        name = f"{job['metadata']['name']}-pod-{container['name']}"
        status, said = int(self.node("wait", name)), self.node("logs", name).strip()
        self.node.stop(played)
        return status, said

    def backup_job(self, *arguments: str) -> Object:
        """The Job of the CronJob, changed for a restore as README.md says."""
        cron = self.one("CronJob", "backup")
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "backup"}}
        job["spec"] = copy.deepcopy(cron["spec"]["jobTemplate"]["spec"])
        if arguments:
            job["spec"]["template"]["spec"]["containers"][0]["args"] = list(arguments)
        return job

    def start(self) -> None:
        """Start Nginx, app and mail sender; wait until the readiness probes succeed."""
        self.played = [self.play(self.one("Deployment", name)) for name in ("web", "mail")]
        self.wait_until_ready()

    def stop(self) -> None:
        for played in reversed(self.played):
            self.node.stop(played)

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.probe("app", "startup") == 0, self.logs)
        wait_until(lambda: self.probe("nginx", "readiness") == 0, self.logs)
        wait_until(lambda: self.probe("mail", "startup") == 0, self.logs)

    def probe(self, name: str, kind: str) -> int:
        """The exit status of a probe, run as a node runs it."""
        return self.ask_probe(name, kind)[0]

    def ask_probe(self, name: str, kind: str) -> tuple[int, str]:
        """The exit status of a probe and what it prints."""
        pod = self.one("Deployment", POD.get(name, "web"))["spec"]["template"]["spec"]
        (container,) = (found for found in pod["containers"] if found["name"] == name)
        command = container[f"{kind}Probe"]["exec"]["command"]
        result = self.node.run("exec", container_of(name), *command)
        return result.returncode, result.stdout

    def logs(self) -> str:
        names = map(container_of, ("app", "nginx", "mail"))
        return "".join(self.node.run("logs", "--tail", "100", name).stdout for name in names)

    def connect(self, port: int = 8443) -> socket.socket:
        return self.node.connect((self.node.address("web-pod-nginx"), port))

    def certificate(self) -> str:
        """What Nginx has made for itself."""
        shown = "/etc/ssl/demo-svc/fullchain.pem"
        return self.node("exec", "web-pod-nginx", "cat", shown)

    def visit(self, trusted: str) -> Any:
        return self.visitor(DOMAIN, self.connect, trusted, self.mailbox.to)

    def first_process(self, name: str) -> int:
        """The process id, on this machine, of the container's first process."""
        return int(self.node.inspect(container_of(name))["State"]["Pid"])

    def kill(self, name: str) -> None:
        """Send ``kill -9`` to the first process; wait until a new process answers."""
        before = self.first_process(name)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.first_process(name) not in (0, before), self.logs)
        self.wait_until_ready()


@contextmanager
def cluster(docker: Docker, node: Node, project: Path, visitor: Any) -> Iterator[Cluster]:
    """Images, Secrets, Valkey and a mail server on the node; all removed at the end."""
    images = {name: build(docker, project, name) for name in ("app", "nginx")}
    images["valkey"] = stand_in(docker, "valkey", VALKEY)
    images[MAILBOX] = stand_in(docker, MAILBOX, AIOSMTPD)
    node.load(docker, list(images.values()))
    running = Cluster(node, project, images, visitor, Mailbox(project.parent / MAILBOX))
    running.use("production")
    node.clear()  # one service at a time
    trust_mail_server(project, running.mailbox)
    try:
        start_mail_server(running)
        secrets = documents(kustomize(project / "deploy" / "kubernetes" / "secrets"))
        secrets += pods.parts_of_secrets(running.manifests, secrets)
        node.play(pods.for_podman(secrets, images))
        running.play(running.one("Deployment", "valkey"), alias="valkey")
        yield running
    finally:
        node.clear()


def trust_mail_server(project: Path, mailbox: Mailbox) -> None:
    """As README.md says for a mail server with a private authority."""
    secrets = project / "deploy" / "kubernetes" / "secrets"
    (secrets / "MAIL_URL").write_text(f"{mail_url(MAIL_AUTHORITY)}\n", "utf-8")
    shutil.copy(mailbox.authority, secrets / "mail-ca.pem")
    list_ = secrets / "kustomization.yaml"
    text = list_.read_text("utf-8")
    text = text.replace("- MAIL_URL\n", "- MAIL_URL\n      - mail-ca.pem\n", 1)
    assert "mail-ca.pem" in text
    list_.write_text(text, "utf-8")


def start_mail_server(running: Cluster) -> None:
    """Beside the pods, with verified TLS."""
    running.node(
        *("run", "--detach", "--name", MAILBOX, "--network", f"{pods.NETWORK}:alias={MAILBOX}"),
        *("--volume", f"{PROGRAM}:/mailbox.py:ro", "--volume", f"{running.mailbox.folder}:/mails"),
        *(f"localhost/{running.images[MAILBOX]}", "python3", "/mailbox.py", "0.0.0.0", "465"),  # noqa: S104
        *("/mails/server.pem", "/mails"),
    )


@pytest.fixture(scope="module")
def sqlite(
    docker: Docker, node: Node, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A service with SQLite and pages, before its first certificate."""
    answers = SERVICES["sqlite-session"]
    project = render(tmp_path_factory.mktemp("run"), **answers, project_slug="demo-svc")
    assert write_secrets(project, **SERVER).returncode == 0
    with cluster(docker, node, project, Reader) as running:
        data = running.one("PersistentVolumeClaim", "data")
        status, said = running.run_job(running.one("Job", "migrate"), data)
        assert (status, said) == (0, "Database schema is at head.")
        running.start()
        yield running


def processes(first: int) -> Iterator[dict[str, str]]:
    """``/proc/PID/status`` of a process and its children."""
    text = Path(f"/proc/{first}/status").read_text("utf-8")
    yield {key: rest.strip() for key, _, rest in (x.partition(":") for x in text.splitlines())}
    for child in Path(f"/proc/{first}/task/{first}/children").read_text("utf-8").split():
        yield from processes(int(child))


def check_readiness(running: Cluster, visitor: Any) -> None:
    """The startup probe checks all dependencies; visitors cannot see its result."""
    status, said = running.ask_probe("app", "startup")
    assert status == 0, said
    assert READY.items() <= json.loads(said.removeprefix("200 ")).items(), "Valkey knows us"
    assert visitor.request("GET", "/readyz")[0] == 404


def users_of(running: Cluster, name: str) -> list[int]:
    """The user map of a container: first id inside, first id outside, number of ids."""
    first = running.first_process(name)
    return [int(number) for number in Path(f"/proc/{first}/uid_map").read_text("utf-8").split()]


def check_confinement(running: Cluster) -> None:
    """No process is root, can gain privileges, or can write outside of volumes."""
    secrets = [text.strip() for text in secret_files(running.project).values() if text.strip()]
    for name, count in (("app", 3), ("nginx", 4), ("mail", 1)):
        first = running.first_process(name)
        found, user = list(processes(first)), users_of(running, name)[1] + 10001
        assert len(found) >= count
        for process in found:
            users = {*process["Uid"].split(), *process["Gid"].split()}
            assert users == {str(user)}, process["Name"]
            assert {key: process[key] for key in UNPRIVILEGED} == UNPRIVILEGED, process["Name"]
        mounts = Path(f"/proc/{first}/mountinfo").read_text("utf-8").splitlines()
        (root,) = (line.split() for line in mounts if line.split()[4] == "/")
        assert "ro" in root[5].split(",")
        for place in ("/", "/etc", "/srv", "/usr/bin"):
            refused = running.node.run("exec", container_of(name), "touch", f"{place}/x")
            assert "Read-only file system" in refused.stdout, place
        environment = Path(f"/proc/{first}/environ").read_bytes().decode()
        assert not [secret for secret in secrets if secret in environment]
    assert not [secret for secret in secrets if secret in running.logs()]
    # Only the mail sender has the password of the mail server.
    found = running.node("exec", "web-pod-app", "find", "/run/secrets", "-name", "MAIL*")
    assert found == ""
    found = running.node("exec", "mail-pod-mail", "find", "/run/secrets", "-name", "*MIGRATION*")
    assert found == ""


def check_mail(running: Cluster, visitor: Any) -> None:
    """The service works without its mail server; no mail is lost or sent twice."""

    def status() -> str:
        return running.node.run("exec", "mail-pod-mail", "flask", "mail", "status").stdout

    for kind in ("startup", "readiness", "liveness"):
        assert running.probe("mail", kind) == 0
    running.node("stop", "--time", "1", MAILBOX)
    visitor.ask_to_sign_up("late@example.com")
    wait_until(lambda: "attempts: 1" in status(), status)
    assert running.probe("mail", "liveness") == 0, "a restart would not help"
    check_readiness(running, visitor)
    running.kill("mail")
    running.node("start", MAILBOX)
    running.node("exec", "mail-pod-mail", "flask", "mail", "retry")
    wait_until(lambda: running.mailbox.to("late@example.com"), status)
    wait_until(lambda: "waiting" not in status(), status)
    assert len(running.mailbox.to("late@example.com")) == 1


def test_sqlite_from_sign_up_to_a_note_over_https(sqlite: Cluster) -> None:
    visitor = sqlite.visit(sqlite.certificate())
    visitor.sign_up("somebody@example.com")
    visitor.write("Kept in a volume")
    assert "Kept in a volume" in visitor.notes()
    for kind in ("startup", "readiness", "liveness"):
        assert sqlite.probe("app", kind) == 0
    for name in ("app", "nginx"):
        assert sqlite.node.run("healthcheck", "run", f"web-pod-{name}").returncode == 0
    check_readiness(sqlite, visitor)
    # A killed container is started again, and the sign-in and the note are still there.
    for name in ("app", "nginx"):
        sqlite.kill(name)
        visitor.tls = ssl.create_default_context(cadata=sqlite.certificate())
        assert "Kept in a volume" in visitor.notes()
    check_mail(sqlite, visitor)


def test_sqlite_is_confined(sqlite: Cluster) -> None:
    check_confinement(sqlite)
    database = sqlite.node.volume("data") / "database.sqlite3"
    assert database.stat().st_mode & 0o777 == 0o600


def test_sqlite_is_backed_up(sqlite: Cluster) -> None:
    status, said = sqlite.run_job(
        sqlite.backup_job(), sqlite.one("PersistentVolumeClaim", "backups")
    )
    assert status == 0, said
    (file,) = sqlite.node.volume("backups").iterdir()
    assert file.read_bytes().startswith(b"SQLite format 3")
    assert file.stat().st_mode & 0o777 == 0o600


def test_plain_http_is_redirected_and_other_names_get_nothing(sqlite: Cluster) -> None:
    def answer(host: str) -> bytes:
        with sqlite.connect(8080) as connection:
            connection.sendall(f"GET /notes/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            with suppress(ConnectionResetError):
                return connection.recv(1000)
        return b""

    assert f"\r\nLocation: https://{DOMAIN}/notes/\r\n".encode() in answer(DOMAIN)
    assert answer("10.0.0.1") == b""


def test_the_log_reaches_another_system(sqlite: Cluster, tmp_path: Path) -> None:
    """A collector on the node finds the logs where a kubelet puts them, in the same format."""
    logs = BUILD / "pods"
    shutil.rmtree(logs, ignore_errors=True)
    for name in ("app", "nginx", "mail"):
        folder = logs / f"demo-svc_{POD.get(name, 'web')}-77d4c9_4711" / name
        folder.mkdir(parents=True)
        os.link(sqlite.node.log(container_of(name)), folder / "0.log")
    collector = instructions(sqlite.project / "deploy/kubernetes/README.md", "On each node")
    visitor = sqlite.visit(sqlite.certificate())
    binds = {"/var/log/pods": logs}
    with (
        machines.booted(tmp_path / "node", machines.make_root(), binds) as node,
        elsewhere.sending(node, sqlite.project, tmp_path / "sent", more=collector) as way,
    ):
        way.prove(lambda path: visitor.request("GET", path))


def test_a_request_that_was_begun_outlives_the_end_of_nginx(sqlite: Cluster) -> None:
    """Each rolling update stops Nginx first, and the app five seconds later."""
    visitor = sqlite.visit(sqlite.certificate())
    head = f"POST /auth/login HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 100\r\n\r\n"
    with visitor.tls.wrap_socket(sqlite.connect(), server_hostname=DOMAIN) as connection:
        connection.sendall(head.encode() + b"a" * 50)
        before = sqlite.first_process("nginx")
        os.kill(before, signal.SIGTERM)
        wait_until(lambda: not reachable(sqlite), sqlite.logs)
        assert sqlite.first_process("nginx") == before, "it waits for us"
        connection.sendall(b"a" * 50)
        assert connection.recv(100).startswith(b"HTTP/1.1 4"), "an answer of the app"
    wait_until(lambda: sqlite.first_process("nginx") not in (0, before), sqlite.logs)
    sqlite.wait_until_ready()


def reachable(running: Cluster) -> bool:
    try:
        running.connect().close()
    except OSError:
        return False
    return True


def addresses(running: Cluster, sent: str) -> set[str]:
    """The client addresses in the logs of Nginx and the app, for X-Forwarded-For ``sent``."""
    visitor = running.visit(running.certificate())
    visitor.headers["X-Forwarded-For"] = sent
    assert visitor.request("GET", "/?from=here")[0] == 200
    lines = [json.loads(line) for line in running.logs().splitlines() if line.startswith("{")]
    seen = [line for line in lines if line.get("path") == "/" and line.get("address")]
    return {seen[-1]["address"], seen[0]["address"]}


def test_the_visitor_s_address_is_believed_from_a_gateway_alone(sqlite: Cluster) -> None:
    """Nginx ignores the header, except in `gateway`: there it uses the gateway's entry."""
    assert addresses(sqlite, "203.0.113.9, 203.0.113.10") == {pods.GATEWAY}
    sqlite.stop()
    sqlite.use("gateway")
    sqlite.start()
    assert addresses(sqlite, "203.0.113.9, 203.0.113.10") == {"203.0.113.10"}, "the last one"


# --- PostgreSQL beside the pods, over TLS


def openssl(folder: Path, *arguments: str | Path) -> None:
    result = run(program("openssl"), *arguments, cwd=folder)
    assert result.returncode == 0, result.stdout


def make_authority(folder: Path) -> None:
    """``ca.pem``, which signs what :func:`make_certificate` asks for."""
    openssl(
        folder,
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
        *("-days", "30", "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )


def make_certificate(folder: Path, name: str, subject: str) -> tuple[str, str]:
    """Certificate and key for a subject such as ``DNS:example.com``."""
    openssl(
        folder,
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
        *("-days", "30", "-subj", f"/CN={name}", "-CA", "ca.pem", "-CAkey", "ca.key"),
        *("-addext", f"subjectAltName={subject}", "-addext", "extendedKeyUsage=serverAuth"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-keyout", f"{name}.key", "-out", f"{name}.pem"),
    )
    return tuple((folder / f"{name}.{kind}").read_text("utf-8") for kind in ("pem", "key"))


def start_postgresql(docker: Docker, node: Node, authority: Path) -> None:
    """A PostgreSQL server with TLS in the pods' network, with the administrator postgres."""
    image = stand_in(docker, "postgres", POSTGRESQL[0], {"docker-entrypoint.sh": POSTGRESQL[1]})
    node.load(docker, [image])
    make_certificate(authority, "database", "DNS:database")
    (authority / "password").write_text("administrator", "utf-8")
    (authority / "hba").write_text(
        "local all all trust\nhostssl all all all scram-sha-256\n", "utf-8"
    )
    folder = node.folder / "postgresql"
    shutil.copytree(authority, folder)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 999, 999)  # the image's user
    settings = {"ssl": "on", "ssl_cert_file": "/tls/database.pem", "hba_file": "/tls/hba"}
    settings |= {"ssl_key_file": "/tls/database.key", "fsync": "off"}
    settings |= {"listen_addresses": "*"}
    options = [part for name, text in settings.items() for part in ("-c", f"{name}={text}")]
    node(
        *("run", "--detach", "--name", "database", "--network", f"{pods.NETWORK}:alias=database"),
        *("--user", "999:999", "--volume", f"{folder}:/tls"),
        *("--env", "POSTGRES_PASSWORD_FILE=/tls/password"),
        *("--env", "POSTGRES_INITDB_ARGS=--auth=scram-sha-256", f"localhost/{image}"),
        *("postgres", *options),
    )
    wait_for_postgresql(node)


def wait_for_postgresql(node: Node) -> None:
    ready = ("exec", "database", "pg_isready", "--quiet", "--host", "localhost")
    wait_until(lambda: node.run(*ready).returncode == 0, lambda: node("logs", "database"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    make_authority(folder)
    return folder


def tls_secret(certificate: str, key: str) -> Object:
    """The Secret that cert-manager writes for a certificate."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tls"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": certificate, "tls.key": key},
    }


@pytest.fixture(scope="module")
def server(
    docker: Docker, node: Node, authority: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """PostgreSQL with tokens, and a certificate; its first deployment made the database."""
    answers = SERVICES["postgresql-token"]
    project = render(tmp_path_factory.mktemp("run"), **answers, project_slug="demo-svc")
    # As README.md says it for a server with a private authority.
    admin = "postgresql+psycopg://postgres:administrator@database/postgres"
    values = SERVER | {"DATABASE_HOST": "database", "ADMIN_DATABASE_URL": admin}
    assert write_secrets(project, **values).returncode == 0
    secrets = project / "deploy" / "kubernetes" / "secrets"
    for name in (f"{role}DATABASE_URL" for role in ("", "MIGRATION_", "MAIL_", "ADMIN_")):
        url = (secrets / name).read_text("utf-8").strip()
        trusted = "?sslrootcert=/run/secrets/app/database-ca.pem"
        (secrets / name).write_text(url + trusted, "utf-8")
    shutil.copy(authority / "ca.pem", secrets / "database-ca.pem")
    list_ = secrets / "kustomization.yaml"
    text = list_.read_text("utf-8")
    list_.write_text(text.replace("- SECRET_KEY\n", "- SECRET_KEY\n      - database-ca.pem\n", 1))
    with cluster(docker, node, project, Program) as running:
        node.play([tls_secret(*make_certificate(authority, "first", f"DNS:{DOMAIN}"))])
        start_postgresql(docker, node, authority)
        status, said = running.run_job(running.one("Job", "migrate"))
        assert (status, said) == (0, "Database schema is at head.")
        running.start()
        yield running


def test_postgresql_from_sign_up_to_a_note_over_https(server: Cluster, authority: Path) -> None:
    visitor = server.visit((authority / "ca.pem").read_text("utf-8"))
    visitor.sign_up("somebody@example.com")
    visitor.write("Kept on a server")
    assert "Kept on a server" in visitor.notes()
    check_readiness(server, visitor)
    for name in ("app", "nginx"):
        server.kill(name)
        assert "Kept on a server" in visitor.notes()
    check_mail(server, visitor)


def test_postgresql_is_confined_and_in_a_user_namespace(server: Cluster) -> None:
    for name in ("app", "mail"):
        inside, outside, count = users_of(server, name)
        assert inside == 0
        assert outside >= 1_000_000, "root in the pod would be nobody on the node"
        assert count >= 65536
    check_confinement(server)


def test_a_new_certificate_is_taken_without_a_restart(server: Cluster, authority: Path) -> None:
    def serial() -> int:
        with visitor.tls.wrap_socket(server.connect(), server_hostname=DOMAIN) as connection:
            return int(connection.getpeercert()["serialNumber"], 16)

    visitor = server.visit((authority / "ca.pem").read_text("utf-8"))
    first, process = serial(), server.first_process("nginx")
    certificate, key = make_certificate(authority, "second", f"DNS:{DOMAIN}")
    folder = server.node.volume("tls")  # where the node puts what a Secret holds
    (folder / "privkey.pem").write_text(key, "utf-8")
    (folder / "fullchain.pem").write_text(certificate, "utf-8")
    wait_until(lambda: serial() != first, server.logs)
    assert server.first_process("nginx") == process
    assert visitor.request("GET", "/healthz")[0] == 200


def test_the_web_process_cannot_change_a_table_and_the_job_needs_no_administrator(
    server: Cluster,
) -> None:
    folder = "/run/secrets"
    listed = server.node("exec", "web-pod-app", "find", folder, "-type", "f").split()
    assert not [path for path in listed if re.search("MIGRATION|ADMIN|MAIL", path)]
    listed = server.node("exec", "mail-pod-mail", "find", folder, "-type", "f").split()
    listed = [Path(path).name for path in listed if "DATABASE" in path]
    assert listed == ["MAIL_DATABASE_URL"], "a break-in there reads no account"
    code = (
        "from sqlalchemy import create_engine, text; from wsgi import app;"
        "from app.database import dialect;"
        "url = app.config['SETTINGS'].database_url.reveal();"
        "create_engine(**dialect.engine_options(url)).connect().execute(text('DROP TABLE notes'))"
    )
    refused = server.node.run("exec", "web-pod-app", "python", "-c", code)
    assert "must be owner of table notes" in refused.stdout, refused.stdout[-500:]
    # The next deployment: deploy.sh has emptied the file.
    (server.project / "deploy/kubernetes/secrets/ADMIN_DATABASE_URL").write_text("", "utf-8")
    secrets = documents(kustomize(server.project / "deploy" / "kubernetes" / "secrets"))
    server.node.play(
        pods.for_podman([s for s in secrets if s["metadata"]["name"] == "admin"], {}), replace=True
    )
    assert server.run_job(server.one("Job", "migrate"))[0] == 0


def test_postgresql_is_backed_up_and_restored(server: Cluster, authority: Path) -> None:
    visitor = server.visit((authority / "ca.pem").read_text("utf-8"))
    visitor.sign_up("later@example.com")
    visitor.write("Before the backup")
    volume = server.one("PersistentVolumeClaim", "backups")
    status, said = server.run_job(server.backup_job(), volume)
    assert status == 0, said
    (file,) = server.node.volume("backups").iterdir()
    visitor.write("After the backup")
    status, said = server.run_job(server.backup_job("restore", f"backups/{file.name}"), volume)
    assert status == 0, said
    assert visitor.request("GET", "/api/v1/notes")[0] == 401, "everybody is signed out"
    assert visitor.sign_in("later@example.com") == 200
    assert "Before the backup" in visitor.notes()
    assert "After the backup" not in visitor.notes()


def test_without_its_database_the_pod_stays_and_says_so(server: Cluster, authority: Path) -> None:
    """The readiness probe ignores the database: visitors get 503, no refused connection."""
    visitor = server.visit((authority / "ca.pem").read_text("utf-8"))
    server.node("stop", "--time", "5", "database")
    assert server.probe("app", "readiness") == 0
    assert server.probe("app", "liveness") == 0

    def says_so() -> bool:
        status, said = server.ask_probe("app", "startup")
        assert status == 1, "but a new pod would not count"
        text = said.removeprefix("503 ")
        return text != said and json.loads(text)["database"] == "unavailable"

    wait_until(says_so, server.logs)  # a busy machine needs longer than one probe waits
    status, text = visitor.post("auth/token", email="a@example.com", password=PASSWORD)
    assert status == 503
    assert "postgres" not in text.lower()
    server.node("start", "database")
    wait_for_postgresql(server.node)
    assert server.probe("app", "startup") == 0
