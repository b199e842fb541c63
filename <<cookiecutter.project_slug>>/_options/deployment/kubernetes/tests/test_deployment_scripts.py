"""The scripts of deploy/kubernetes, run with a cluster and a registry that only record their calls."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests import released
from tests.deployment_policy import FILES, VALKEY_USER
from tests.manifests import BASE, FOLDER, kustomization
from tests.marks import asvs, practice
from tests.policy import exposed
from tests.scripts import (
    KEPT,
    Outcome,
    Scratch,
    copied,
    modes,
    named,
    shown_secrets,
    written_backups,
)

# What the scripts run on the operator's machine, besides kubectl and Docker.
PROGRAMS = "awk base64 cat dirname grep head mkdir mktemp mv rm sed seq sh stty tr".split()
DIGEST = "0123456789abcdef" * 4
# It records what would go to a cluster. FAILS is a part of the call that fails.
KUBECTL = """case "$*" in
    *"${FAILS:-nothing fails}"*) exit 1 ;;
    *"get job/${FAILED:-none} "*) echo Failed ;;
    kustomize*) cat "$MANIFESTS" ;;
    *" get secret/web --ignore-not-found "*) ;;
    *" get deployments "*web-secret*) printf '%s\\n' ${DEPLOYED-v7 v7} ;;
    *" get pods "*web-secret*) printf '%s\\n' ${PODS-v7 v7 v7} ;;
    *" get deployments "*) if [ "${RUNNING:-}" ]; then printf 'deployment.apps/%s\\n' mail web; fi ;;
    *api-resources*) sed -n 's/^/x /p' "$KINDS" ;;
    *" get job/"*".status.active}"* | *" get job/"*".status.ready}"*)
        if [ -e "$BUSY" ]; then echo 1; fi ;;
    *"get job/"*) echo Complete ;;
    *"patch --local"*) cat; for patch; do :; done; echo "$patch" ;;
    *"apply --filename -"*) cat >>"$APPLIED" ;;
    apply*" in (web,mail,valkey)"*) cat "$5" >"$APPLIED.pods" ;;
    *"get secret/"*) echo 7 ;;
    *" diff "*) exit 1 ;;
    *" exec "*) echo "what is in it" ;;
esac"""
# A script sleeps while it waits: then the Job of the script before ends, or a signal comes.
SLEEP = """if [ "${SIGNAL:-}" ]; then kill -s "$SIGNAL" "$PPID"; fi
rm -f "$BUSY"
"""
ENGINE = f"""case "$*" in
    {released.LABEL}
    *inspect*) for image; do :; done; echo "$image@sha256:{DIGEST}" ;;
esac"""
GIVEN = {
    "MAIL_URL": "smtps://demo:of-the-mail-server@mail.example.com",
    "DATABASE_HOST": "db.example.com",
    "ADMIN_DATABASE_URL": "postgresql+psycopg://root:of-the-administrator@db/postgres",
    "OIDC_CLIENT_SECRET": "given-by-the-provider",
}

# In this order. The Secrets are there before a pod wants them, and what changes tables is there
# before the new code, which needs the new tables. The first time there is nothing to back up.
ORDER = {
    "images": "docker push --quiet registry.test/",
    "resources": "apply .* component notin (web,mail,valkey,migrate)",
    "secrets": "apply .* --kustomize secrets",
    "migration": "apply .* component=migrate",
    "service": "apply .* component in (web,mail,valkey)",
    "ready": "rollout status deployment/web",
    "mail": "rollout status deployment/mail",
}
BACKUP = "create job backups-before-update --from cronjob/backup"
REENCRYPTION = " exec -i deployment/web -c app -- flask keys reencrypt --expect-key"


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    folder = tmp_path / "deploy/kubernetes"
    copied(FOLDER, folder)
    released.written(tmp_path)
    # What deploy.sh asks an operator for.
    for name in ("base/settings.env", "base/egress.yaml"):
        if (path := folder / name).exists():
            text = path.read_text("utf-8").replace("192.0.2.", "198.51.100.")
            text = re.sub(r"(?m)^(OIDC_ISSUER|OIDC_CLIENT_ID)=$", r"\1=demo", text)
            path.write_text(text, "utf-8")
    listed = [it for it in kustomization("base")["resources"] if it.endswith(".yaml")]
    text = "\n---\n".join((folder / "base" / it).read_text("utf-8") for it in listed)
    (tmp_path / "manifests").write_text(text, "utf-8")
    kinds = {f"{it['apiVersion']} true {it['kind']}" for it in BASE}
    (tmp_path / "kinds").write_text("\n".join(sorted(kinds)) + "\n", "utf-8")
    standins = {"kubectl": KUBECTL, "docker": ENGINE, "sleep": SLEEP, **released.STANDINS}
    return Scratch(tmp_path, [*PROGRAMS, *released.PROGRAMS], standins)


def run(scratch: Scratch, name: str, *arguments: str, **values: str) -> Outcome:
    files = ("kinds", "manifests", "applied", "busy")
    fixed = {name.upper(): f"{scratch.folder}/{name}" for name in files}
    fixed |= {"INTERVAL": "0"} | GIVEN
    return scratch.run(f"deploy/kubernetes/{name}", *arguments, **fixed | values)


def secrets(scratch: Scratch) -> dict[str, str]:
    """The files that the scripts have written."""
    folder = scratch.folder / "deploy/kubernetes/secrets"
    own = (".gitignore", "kustomization.yaml")
    return {path.name: path.read_text() for path in folder.iterdir() if path.name not in own}


def steps(outcome: Outcome) -> list[str]:
    """The steps of a deployment, each where it begins."""
    found = []
    for call in outcome.calls:
        for name, pattern in ORDER.items():
            text = call.replace("app.kubernetes.io/", "").replace("--selector ", "")
            if re.search(re.sub(r"([()])", r"\\\1", pattern), text) and name not in found:
                found.append(name)
    return found


def test_a_deployment_is_these_steps(scratch: Scratch) -> None:
    outcome = run(scratch, "deploy.sh", "production", "registry.test/team")
    assert (outcome.status, steps(outcome)) == (0, list(ORDER)), outcome.said
    assert shown_secrets(outcome, secrets(scratch) | GIVEN) == []
    release = (scratch.folder / "deploy/kubernetes/release/kustomization.yaml").read_text("utf-8")
    assert release.count(f"digest: sha256:{DIGEST}\n") == 2, "what was pushed is what is deployed"
    # A pod reads a Secret when it starts: a changed one has another version, and so other pods.
    pods = (scratch.folder / "applied.pods").read_text("utf-8")
    versions = re.findall(r"^ +(\w+)-secret: (\S+)", pods, re.MULTILINE)
    assert sorted(versions) == [("mail", '"7"'), ("web", '"7"'), ("web", '"7"')]
    # <% if cookiecutter.database != "sqlite" %>
    assert secrets(scratch)["ADMIN_DATABASE_URL"] == "", "erased when its work is done"
    applied = [
        call
        for call in outcome.calls
        if call.endswith("apply --server-side --force-conflicts --kustomize secrets")
    ]
    assert len(applied) == 2, "and in the cluster"
    # <% endif %>


def test_a_release_takes_the_place_of_the_build(scratch: Scratch) -> None:
    outcome = run(scratch, "deploy.sh", "production", **released.GENUINE)
    assert (outcome.status, steps(outcome)) == (0, list(ORDER)[1:]), outcome.said
    release = (scratch.folder / "deploy/kubernetes/release/kustomization.yaml").read_text("utf-8")
    for target in ("app", "nginx"):
        name, digest = released.image(target).split("@")
        assert f"  - name: {target}\n    newName: {name}\n    digest: {digest}\n" in release
    assert not [call for call in outcome.of("docker") if " build " in call]


@pytest.mark.parametrize(
    "values",
    [{"SIGNER": "thief"}, {"LABEL": ""}, {"RELEASE": "app:v1"}, {"registry": "registry.test"}],
    ids=str,
)
def test_no_other_release_is_started(scratch: Scratch, values: dict[str, str]) -> None:
    given = dict(values)
    arguments = ["production", given.pop("registry")] if "registry" in given else ["production"]
    outcome = run(scratch, "deploy.sh", *arguments, **(released.GENUINE | given))
    assert outcome.status == 1
    assert "Nothing was deployed" in outcome.said or "leave out the registry" in outcome.said
    assert steps(outcome) == []
    release = Path("release/kustomization.yaml")
    assert (scratch.folder / "deploy/kubernetes" / release).read_text() == (
        FOLDER / release
    ).read_text()


def test_a_migration_that_fails_is_the_last_step(scratch: Scratch) -> None:
    outcome = run(scratch, "deploy.sh", "production", "registry.test/team", FAILED="migrate")
    assert outcome.status == 1
    assert steps(outcome) == list(ORDER)[: list(ORDER).index("migration") + 1]
    assert "the migration did not succeed" in outcome.said


def test_an_update_begins_with_a_backup(scratch: Scratch) -> None:
    """Nobody else can take back what a migration does to the data."""
    outcome = run(scratch, "deploy.sh", "production", "registry.test/team", RUNNING="yes")
    assert (outcome.status, steps(outcome)) == (0, list(ORDER)), outcome.said
    calls = outcome.calls
    (backup,) = (number for number, call in enumerate(calls) if BACKUP in call)
    (migration,) = (number for number, call in enumerate(calls) if call.endswith("=migrate"))
    first = next(number for number, call in enumerate(calls) if " apply " in call)
    # With the new image and rules: an update may be what makes backups work again.
    assert first < backup < migration
    stops = [number for number, call in enumerate(calls) if "scale " in call]
    # <% if cookiecutter.database == "sqlite" %>
    # The pod that sends mail first: it may wait for the mail server, and visitors would wait too.
    assert [calls[number].split()[-3:] for number in stops] == [
        [f"deployment.apps/{name}", "--replicas", "0"] for name in ("mail", "web")
    ]
    assert all(backup < number < migration for number in stops)
    # <% else %>
    assert stops == [], "visitors notice nothing"
    # <% endif %>


def test_a_second_deployment_keeps_the_backup_from_before_the_migration(scratch: Scratch) -> None:
    """The rollout has failed after the migration, and the operator tries again."""
    assert run(scratch, "backups.sh", "before-update").status == 0
    applied = (scratch.folder / "applied").read_text("utf-8")
    (command,) = re.findall(r'"value": (\["sh", .*\])}', applied)
    assert written_backups(scratch.folder, json.loads(command)) == KEPT


def test_a_backup_that_fails_is_the_last_step(scratch: Scratch) -> None:
    given = {"RUNNING": "yes", "FAILED": "backups-before-update"}
    outcome = run(scratch, "deploy.sh", "production", "registry.test/team", **given)
    assert outcome.status == 1
    assert steps(outcome) == list(ORDER)[: list(ORDER).index("migration")]
    assert not [call for call in outcome.calls if "scale " in call], "and nothing has stopped"
    assert "the backup did not succeed, so nothing was migrated" in outcome.said


# The scripts that wait for what a stopped one has begun, and the Job of that.
WAITING = {
    "restore": (("backups.sh", "restore", "1.dump"), "backups-restore"),
    # <% if cookiecutter.database != "sqlite" %>
    "migration": (("deploy.sh", "production", "registry.test/team"), "migrate"),
    # <% endif %>
}


@pytest.mark.parametrize("waiting", WAITING)
def test_what_a_stopped_script_has_begun_may_end(scratch: Scratch, waiting: str) -> None:
    command, job = WAITING[waiting]
    (scratch.folder / "busy").touch()
    outcome = run(scratch, *command)
    assert outcome.status == 0, outcome.said
    ends = outcome.calls.index("sleep 0")
    assert min(begins_again(outcome, job)) > ends, "half of it would be neither old nor new"


@pytest.mark.parametrize("waiting", WAITING)
@pytest.mark.parametrize(("signal", "status"), [("HUP", 129), ("INT", 130), ("TERM", 143)])
def test_a_signal_during_that_ends_the_script_alone(
    scratch: Scratch, waiting: str, signal: str, status: int
) -> None:
    command, job = WAITING[waiting]
    (scratch.folder / "busy").touch()
    outcome = run(scratch, *command, SIGNAL=signal)
    assert (outcome.status, begins_again(outcome, job)) == (status, []), outcome.said


@pytest.mark.parametrize("waiting", WAITING)
def test_an_error_of_the_cluster_does_not_mean_that_nothing_runs(
    scratch: Scratch, waiting: str
) -> None:
    command, job = WAITING[waiting]
    outcome = run(scratch, *command, FAILS=f"get job/{job} --ignore-not-found")
    assert (outcome.status, begins_again(outcome, job)) == (1, []), outcome.said


def begins_again(outcome: Outcome, job: str) -> list[int]:
    """Where the script deletes the Job or applies another one."""
    ends = f" delete job[ /]{job} | apply .*(component={job}|filename -)$"
    return [number for number, call in enumerate(outcome.calls) if re.search(ends, call)]


def test_pods_that_do_not_become_ready_are_shown(scratch: Scratch) -> None:
    """The log of the Deployment would be that of a healthy pod of the release before."""
    fails = {"FAILS": "rollout status deployment/web"}
    outcome = run(scratch, "deploy.sh", "production", "registry.test/team", **fails)
    assert outcome.status == 1
    assert "the new pods do not become ready" in outcome.said
    rollout, pods, logs = outcome.of("kubectl")[-3:]
    assert fails["FAILS"] in rollout
    assert pods.endswith(" get pods --selector app.kubernetes.io/component=web")
    assert " logs --selector app.kubernetes.io/component=web --all-containers --prefix " in logs


@practice("audits")
@asvs("13.2.3", "13.3.2")
def test_only_the_operator_reads_the_secrets(scratch: Scratch) -> None:
    outcome = run(scratch, "secrets.sh")
    assert outcome.status == 0, outcome.said
    values, found = secrets(scratch), modes(scratch.folder / "deploy/kubernetes/secrets")
    assert values.keys() == {file for files in FILES.values() for file in files}
    assert {found[name] for name in values if values[name]} == {"0600"}
    assert shown_secrets(outcome, values) == []
    assert re.fullmatch(VALKEY_USER, values["users.acl"]), (
        "a password, and no commands of an operator"
    )
    assert re.fullmatch(r"[\w-]{64}\n", values["SECRET_KEY"]), "48 random bytes"
    (password,) = re.findall(">(\\S+)", values["users.acl"])
    assert values["REDIS_URL"] == f"redis://:{password}@valkey:6379/0\n"
    assert exposed({"REDIS_URL": values["REDIS_URL"]}), "so it is a file"
    again = run(scratch, "secrets.sh")
    assert (again.status, secrets(scratch)) == (0, values), "made once"
    failed = run(scratch, "secrets.sh", "rotate", FAILS="keys reencrypt")
    assert (failed.status, secrets(scratch)) == (1, values), "and nothing has changed"
    rotation = run(scratch, "secrets.sh", "rotate")
    assert rotation.status == 0
    # The key that the pods have now will be the only old one: what it cannot read would be lost.
    (call,) = (it for it in rotation.of("kubectl") if " get " not in it)
    assert call.endswith(REENCRYPTION)
    rotated = secrets(scratch)
    assert shown_secrets(rotation, rotated) == []
    assert rotated["SECRET_KEY"] != rotated["SECRET_KEY_FALLBACKS"] == values["SECRET_KEY"]


@pytest.mark.parametrize(
    "given",
    [
        {"PODS": "v7 v6 v7"},
        {"DEPLOYED": "v7 v6"},
        {"PODS": "v v7"},
        {"DEPLOYED": "", "PODS": ""},
        {"FAILS": "get secret/web"},
        {"FAILS": "get deployments"},
        {"FAILS": "get pods"},
    ],
    ids=["old pod", "step back", "no version", "nothing", "Secret", "Deployments", "pods"],
)
def test_a_rotation_needs_pods_that_have_the_present_key(
    scratch: Scratch, given: dict[str, str]
) -> None:
    """The kubelet writes a changed Secret into the file of a pod whose process still has the key
    before: the file is no proof of what the process encrypts with."""
    assert run(scratch, "secrets.sh").status == 0
    before = secrets(scratch)
    refused = run(scratch, "secrets.sh", "rotate", **given)
    assert (refused.status, secrets(scratch)) == (1, before)
    assert not [call for call in refused.of("kubectl") if " exec " in call]
    assert ("First deploy" in refused.said) == ("FAILS" not in given)
    both = "--selector app.kubernetes.io/component in (web,mail)"
    accepted = run(scratch, "secrets.sh", "rotate")
    assert accepted.status == 0, accepted.said
    assert sum(both in call for call in accepted.calls) == 2


# <% if cookiecutter.database != "sqlite" %>
def test_a_service_from_before_the_role_of_mail_gets_one(scratch: Scratch) -> None:
    """From the administrator, whose URL is asked for once more: the first deployment erased it."""
    deploy = ("deploy.sh", "production", "registry.test/team")
    assert run(scratch, *deploy).status == 0
    folder = scratch.folder / "deploy/kubernetes/secrets"
    (folder / "MAIL_DATABASE_URL").unlink()
    (folder / "DATABASE_URL").write_text("postgresql+psycopg://svc:pw@db.test:5433/svc?a=/b@c\n")
    outcome = run(scratch, *deploy, ADMIN_DATABASE_URL="")
    assert outcome.status == 1
    assert "ADMIN_DATABASE_URL: an administrator" in outcome.said
    assert "MAIL_DATABASE_URL" not in secrets(scratch)
    assert steps(outcome) == [], "nothing was changed"
    outcome = run(scratch, *deploy)
    assert outcome.status == 0, outcome.said
    values = secrets(scratch)
    made = r"postgresql\+psycopg://svc-mail:[\w-]{64}@db\.test:5433/svc\?a=/b@c\n"
    assert re.fullmatch(made, values["MAIL_DATABASE_URL"])
    assert values["ADMIN_DATABASE_URL"] == ""
    assert shown_secrets(outcome, values) == []


# <% endif %>
def test_a_backup_is_read_in_the_pod_of_its_own_job(scratch: Scratch) -> None:
    """`kubectl wait pod` fails at once before there is a pod, and finds the one of the run before."""
    for action in (("list",), ("fetch", "1.dump")):
        outcome = run(scratch, "backups.sh", *action)
        assert outcome.status == 0, outcome.said
        (call,) = (it for it in outcome.of("kubectl") if " wait " in it)
        ready = f"--for jsonpath={{.status.ready}}=1 job/backups-{action[0]}"
        assert f" wait {ready} --timeout " in call


def test_only_the_operator_reads_a_backup(scratch: Scratch) -> None:
    outcome = run(scratch, "backups.sh", "fetch", "1.dump")
    assert outcome.status == 0, outcome.said
    assert modes(scratch.folder)["1.dump"] == "0600"


@pytest.mark.parametrize("action", ["fetch", "restore"])
@pytest.mark.parametrize("name", ["", "../etc/passwd", "a/b", "a b", '1"]', "$(id)"])
def test_a_backup_has_a_name_and_no_path(scratch: Scratch, action: str, name: str) -> None:
    """It becomes a part of a command in the cluster, and of a file here."""
    outcome = run(scratch, "backups.sh", action, name)
    assert (outcome.status, outcome.of("kubectl")) == (1, []), outcome.said


@pytest.mark.parametrize("name", [name for name in GIVEN if name != "DATABASE_HOST"])
def test_a_secret_that_is_typed_is_not_shown(scratch: Scratch, name: str) -> None:
    others = GIVEN | {name: ""}
    shown = scratch.shown("deploy/kubernetes/secrets.sh", typed=GIVEN[name], **others)
    if name in secrets(scratch):
        assert secrets(scratch)[name].strip() == GIVEN[name], shown
    assert GIVEN[name] not in shown


CHECKERS = "yamllint shellcheck hadolint kubectl kubernetes-validate checkov".split()
SCRIPTS = named("deploy/kubernetes", "deploy/container", "deploy/release")
CHECKED = [
    "yamllint --strict --config-file deploy/kubernetes/.yamllint deploy/kubernetes",
    f"shellcheck --severity style {SCRIPTS}",
    "hadolint Dockerfile",
]
for _overlay in ("production", "gateway"):
    CHECKED += [
        f"kubectl kustomize deploy/kubernetes/overlays/{_overlay} --output {_overlay}.yaml",
        f"kubernetes-validate --quiet --strict -k 1.34.0 {_overlay}.yaml",
        f"checkov --framework kubernetes --compact --quiet --skip-download --file {_overlay}.yaml",
        f"grep -q ^kind: Secret$ {_overlay}.yaml",
    ]


@pytest.mark.parametrize("finds", ["nothing", *CHECKERS])
def test_a_finding_of_a_checker_fails(tmp_path: Path, finds: str) -> None:
    copied(Path("deploy"), tmp_path / "deploy")
    # What kubectl writes, others read.
    written = 'for file; do :; done; case "$*" in kustomize*) : >"$file" ;; esac'
    found = f'{written}; [ "${{0##*/}}" != {finds} ]'
    programs = ["dirname", "env", "grep", "mktemp", "rm"]
    scratch = Scratch(tmp_path, programs, dict.fromkeys(CHECKERS, found))
    outcome = scratch.run("deploy/kubernetes/check.sh")
    assert (outcome.status != 0) == (finds != "nothing"), outcome.said
    called = [re.sub(r" /\S*/", " ", call) for call in outcome.calls]
    called = [call for call in called if call.split()[0] in (*CHECKERS, "grep")]
    assert called == CHECKED, "none hides the others"


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.sh")), ids=lambda path: path.name)
def test_a_signal_leaves_nothing_behind(script: Path) -> None:
    """dash runs no EXIT trap when a signal ends it."""
    text = script.read_text(encoding="utf-8")
    assert re.search("^trap .* EXIT$", text, re.M)
    assert "\ntrap 'exit 129' HUP\ntrap 'exit 130' INT\ntrap 'exit 143' TERM\n" in text


def test_an_error_of_the_cluster_is_no_permission_to_write_new_secrets(scratch: Scratch) -> None:
    outcome = run(scratch, "deploy.sh", "production", FAILS="get secret/web --ignore-not-found")
    assert outcome.status == 1
    assert "does not say whether it has secrets" in outcome.said
    assert secrets(scratch) == {}
