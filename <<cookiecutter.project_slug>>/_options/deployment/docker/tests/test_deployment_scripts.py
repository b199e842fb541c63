"""The scripts of deploy/docker, run with a stand-in for Docker that records its calls."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests import released
from tests.deployment_policy import SECRETS
from tests.marks import asvs, practice, slow
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

# What the scripts run on the operator's machine, besides Docker.
PROGRAMS = "base64 cat chmod dirname head mkdir mv rm setsid sh stty tr"
GIVEN = {name: f"given-{name}" for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")}
GIVEN["MAIL_URL"] = "smtps://demo:given-password@smtp.example.com"

# In this order. Each step begins after the one before has succeeded: the backup is that of the old
# schema, and the app that runs is never older or newer than its schema allows.
# <% if cookiecutter.database == "sqlite" %>
SERVERS = "valkey"
# <% else %>
SERVERS = "database valkey"
# <% endif %>
BACKUP = (
    "run --rm --no-deps backup sh -c rm -f backups/update && flask db backup backups/update && "
    "{ [ ! -e backups/before-update ] || mv backups/before-update backups/before-update-older; } "
    "&& mv backups/update backups/before-update"
)
MIGRATION = "run --rm --no-deps --no-TTY migrate"
# Who reads the mails first, then who writes them.
REPLACED = ["mail", "app-1", "app-2"]
INSTANCES = [f"up --detach --no-deps --force-recreate --wait {name}" for name in REPLACED]
STEPS = [
    "config --quiet",
    "build",
    f"up --detach --wait {SERVERS}",
    "run --rm create",
    BACKUP,
    MIGRATION,
    *INSTANCES,
    "up --detach --no-deps --wait nginx",
    "up --detach --no-deps certbot backup",
    "ps",
]
DOCKER = f"""case "$*" in
    {released.LABEL}
    *"${{FAILS:-nothing fails}}"*) exit 1 ;;
    *" ps --services "*) for name in ${{RUNNING-app-1 app-2 mail nginx}}; do echo "$name"; done ;;
    *" exec "*) cat >>given ;;
esac"""
# What Docker noted of the keys that an instance is started with.
KEYS = """case "$*" in *--force-recreate*)
    for name; do :; done
    printf '%s ' "$name" $(cat secrets/SECRET_KEY secrets/SECRET_KEY_FALLBACKS) >>keys; echo >>keys ;;
esac"""


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    copied(Path("deploy/docker"), tmp_path / "deploy/docker")
    released.written(tmp_path)
    shutil.copy("compose.yaml", tmp_path)
    standins = {"docker": f"{DOCKER}\n{KEYS}", **released.STANDINS}
    return Scratch(tmp_path, [*PROGRAMS.split(), *released.PROGRAMS], standins)


def run(scratch: Scratch, name: str, *arguments: str, **values: str) -> Outcome:
    return scratch.run(f"deploy/docker/{name}", *arguments, **(GIVEN | values))


def steps(outcome: Outcome) -> list[str]:
    return [call.removeprefix("docker compose ") for call in outcome.of("docker")]


def secrets(scratch: Scratch) -> dict[str, str]:
    folder = scratch.folder / "secrets"
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_deployment_is_these_steps(scratch: Scratch) -> None:
    outcome = run(scratch, "deploy.sh")
    assert (outcome.status, steps(outcome)) == (0, STEPS), outcome.said
    # /proc shows a command line to every user of the host.
    assert shown_secrets(outcome, secrets(scratch)) == []
    # Ctrl-C reaches every process of its session, and would end this step half way.
    assert outcome.of("setsid") == [f"setsid docker compose {MIGRATION}"]


@pytest.mark.parametrize("step", [BACKUP, MIGRATION], ids=["backup", "migration"])
def test_a_step_that_fails_is_the_last(scratch: Scratch, step: str) -> None:
    outcome = run(scratch, "deploy.sh", FAILS=step)
    assert outcome.status != 0
    assert steps(outcome) == STEPS[: STEPS.index(step) + 1]


def test_a_second_deployment_keeps_the_backup_from_before_the_migration(scratch: Scratch) -> None:
    """An instance has not started after the migration, and the operator tries again."""
    (call,) = (it for it in steps(run(scratch, "deploy.sh")) if " db backup " in it)
    command = ["sh", "-c", call.partition(" sh -c ")[2]]
    assert written_backups(scratch.folder, command) == KEPT


def test_a_release_takes_the_place_of_the_build(scratch: Scratch) -> None:
    outcome = run(scratch, "deploy.sh", **released.GENUINE)
    assert outcome.status == 0, outcome.said
    compose = [call for call in outcome.of("docker") if call.startswith("docker compose ")]
    assert [call.removeprefix("docker compose ") for call in compose] == [
        step for step in STEPS if step != "build"
    ]
    # Under the names that compose.yaml has: nothing else by these names may run.
    named = [call.split()[2:] for call in outcome.of("docker") if call.startswith("docker tag ")]
    slug = "<< cookiecutter.project_slug >>"
    targets = ("app", "nginx", "certbot")
    assert named == [[released.image(target), f"{slug}-{target}"] for target in targets]
    assert f"image: {slug}-app\n" in Path("compose.yaml").read_text("utf-8")


@pytest.mark.parametrize("values", [{"SIGNER": "thief"}, {"LABEL": ""}, {"RELEASE": "app:v1"}])
def test_no_other_release_is_started(scratch: Scratch, values: dict[str, str]) -> None:
    outcome = run(scratch, "deploy.sh", **(released.GENUINE | values))
    assert outcome.status == 1
    assert "Nothing was deployed" in outcome.said
    touched = [call for call in outcome.of("docker") if " compose " in call or " tag " in call]
    assert touched == ["docker compose config --quiet"]


@practice("audits")
@asvs("11.5.1", "13.2.3", "13.3.2")
def test_only_the_operator_enters_the_folder_of_secrets(scratch: Scratch) -> None:
    """Containers run as other users than the operator: they read the files, which Docker mounts."""
    outcome = run(scratch, "setup.sh")
    assert outcome.status == 0, outcome.said
    found = modes(scratch.folder)
    assert found.pop("secrets") == "0700"
    written = {name: mode for name, mode in found.items() if name.startswith("secrets/")}
    assert set(written.values()) == {"0444"}
    assert set(written) == {f"secrets/{name}" for name in SECRETS}
    values = secrets(scratch)
    assert values["MAIL_URL"].strip() == GIVEN["MAIL_URL"]
    made = "".join(value for name, value in values.items() if name != "MAIL_URL")
    random = [values["SECRET_KEY"].strip(), *re.findall(r":([^/:@]+)@", made)]
    assert all(re.fullmatch(r"[\w-]{64}", it) for it in random), "48 random bytes"
    assert {*outcome.of("head")} == {"head -c 48 /dev/urandom"}, "not of a time or a name"
    again = run(scratch, "setup.sh")
    assert (again.status, secrets(scratch)) == (0, values), "made once"


@pytest.mark.parametrize("name", sorted({"MAIL_URL", "OIDC_CLIENT_SECRET"} & SECRETS))
def test_a_secret_that_is_typed_is_not_shown(scratch: Scratch, name: str) -> None:
    others = {other: value for other, value in GIVEN.items() if other != name}
    shown = scratch.shown("deploy/docker/setup.sh", typed=GIVEN[name], **others)
    assert secrets(scratch)[name].strip() == GIVEN[name], shown
    assert GIVEN[name] not in shown


CHECKERS = ["shellcheck", "hadolint", "gixy", "docker"]
CHECKED = [
    f"shellcheck --severity=style {named('deploy/docker', 'deploy/container', 'deploy/release')}",
    "hadolint Dockerfile",
    "gixy deploy/nginx/nginx.conf",
    "docker compose version",
    "docker compose config --quiet",
]


@pytest.mark.parametrize("finds", ["nothing", *CHECKERS])
def test_a_finding_of_a_checker_fails(tmp_path: Path, finds: str) -> None:
    copied(Path("deploy"), tmp_path / "deploy")
    found = f'case "$*" in *" version") ;; *) [ "${{0##*/}}" != {finds} ] ;; esac'
    scratch = Scratch(tmp_path, ["dirname"], dict.fromkeys(CHECKERS, found))
    outcome = scratch.run("deploy/docker/check.sh")
    assert (outcome.status != 0) == (finds != "nothing"), outcome.said
    called = [call for call in outcome.calls if not call.startswith("dirname ")]
    assert called == CHECKED, "none hides the others"


LISTED = "ps --services --status running --status paused"


def reencryptions(*instances: str) -> list[str]:
    return [f"exec -T {name} flask keys reencrypt --expect-key" for name in instances]


@pytest.mark.parametrize("running", ["app-1 app-2", "app-1", "app-2"])
def test_a_rotation_begins_with_what_the_running_service_has_encrypted(
    scratch: Scratch, running: str
) -> None:
    """The key that each has now will be the only old one: what it cannot read would be lost."""
    assert run(scratch, "setup.sh").status == 0
    before, given = secrets(scratch), {"RUNNING": f"{running} mail nginx"}
    expected = [LISTED, *reencryptions(*running.split())]
    for fails in expected:
        failed = run(scratch, "setup.sh", "rotate-key", **given, FAILS=fails)
        assert (failed.status, secrets(scratch)) == (1, before)
        assert steps(failed) == expected[: expected.index(fails) + 1]
    (scratch.folder / "given").unlink(missing_ok=True)
    rotated = run(scratch, "setup.sh", "rotate-key", **given)
    assert (rotated.status, steps(rotated)) == (0, expected)
    assert {*secrets(scratch)} - {*before} == {"SECRET_KEY_NEXT"}
    assert shown_secrets(rotated, secrets(scratch)) == []
    assert (scratch.folder / "given").read_text() == before["SECRET_KEY"] * len(running.split())


def test_a_rotation_without_a_service_that_runs_changes_nothing(scratch: Scratch) -> None:
    assert run(scratch, "setup.sh").status == 0
    before = secrets(scratch)
    refused = run(scratch, "setup.sh", "rotate-key", RUNNING="mail nginx")
    assert (refused.status, steps(refused), secrets(scratch)) == (1, [LISTED], before)
    assert "deploy/docker/deploy.sh" in refused.said


# <% if cookiecutter.database != "sqlite" %>
def test_a_service_from_before_the_role_of_mail_gets_one(scratch: Scratch) -> None:
    """Without a step of the operator: `create`, which every deployment runs, makes the role."""
    assert run(scratch, "deploy.sh").status == 0
    before = secrets(scratch)
    (scratch.folder / "secrets/MAIL_DATABASE_URL").unlink()
    outcome = run(scratch, "deploy.sh")
    assert (outcome.status, steps(outcome)) == (0, STEPS), outcome.said
    after = secrets(scratch)
    assert after.pop("MAIL_DATABASE_URL") != before.pop("MAIL_DATABASE_URL")
    assert after == before


def test_the_passwords_of_all_roles_are_rotated(scratch: Scratch) -> None:
    assert run(scratch, "setup.sh").status == 0
    before = secrets(scratch)
    assert run(scratch, "setup.sh", "rotate-roles").status == 0
    changed = {name for name, value in secrets(scratch).items() if value != before[name]}
    assert changed == {"DATABASE_URL", "MIGRATION_DATABASE_URL", "MAIL_DATABASE_URL"}


# <% endif %>
@practice("audits")
@asvs("13.2.3")
@pytest.mark.parametrize("given", ["", "smtp.example.com", "https://smtp.example.com", "smtp://"])
def test_nothing_is_deployed_without_a_mail_server(scratch: Scratch, given: str) -> None:
    outcome = run(scratch, "deploy.sh", MAIL_URL=given)
    assert outcome.status == 1
    assert "secrets/MAIL_URL" in outcome.said
    assert steps(outcome) == []
    assert "MAIL_URL" not in secrets(scratch)


@slow
def test_instances_accept_each_others_signatures_during_a_rotation(scratch: Scratch) -> None:
    """A visitor's requests go to both, in turns."""
    keys = []
    for script in (["deploy.sh"], ["setup.sh", "rotate-key"], ["deploy.sh"]):
        outcome = run(scratch, *script)
        assert outcome.status == 0, outcome.said
        keys.append(secrets(scratch)["SECRET_KEY"].strip())
    old, _, new = keys
    assert old != new
    lines = (scratch.folder / "keys").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in lines] == REPLACED * 3
    running: dict[str, list[str]] = {}
    for line in lines:
        name, *given = line.split()
        running[name] = given  # the first of them signs
        for signing, *_ in running.values():
            assert all(signing in accepted for accepted in running.values()), line
    assert running == {name: [new, old] for name in REPLACED}
    assert {name for name in secrets(scratch) if "KEY" in name} == {
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
    }
