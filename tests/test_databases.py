"""The service on a database server: `make` commands, its own tests, and the changed files."""

from __future__ import annotations

import getpass
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import pytest

from tests.template import (
    AXES,
    OPTIONS,
    SERVICE,
    TIMEOUT,
    environment,
    files,
    get,
    pass_checks,
    render,
    run,
    serving,
    with_uv,
)

# If only the database differs, two renderings may differ in these files, and in the files of
# _options/database/.
INLINE = {
    "app/database/backups.py",  # how a restore is undone, and the roles that get their rights
    "app/database/commands.py",  # flask db create
    ".github/workflows/ci.yml",  # starts the server
    *(".devcontainer/Dockerfile", "docs/gitlab-ci.yml"),  # install and start it
    ".template/answers.yaml",
    "Dockerfile",  # the tools of backup and restore
    "compose.yaml",  # the server
    "deploy/docker/setup.sh",  # the URLs of its roles
    "pyproject.toml",  # the driver
    "requirements.lock",
    "tests/deployment_policy.py",  # the server and its secrets
    "tests/image_policy.py",  # the packages of its tools
    "tests/security/numbers.list",
    "tests/security/test_tool_settings.py",  # which tests a machine may lack something for
}
DOCUMENTS = {  # texts that depend on the database
    *(".env.example", "README.md", "SECURITY.md"),  # a file has no roles
    *("deploy/docker/README.md", "deploy/docker/deploy.sh", "docs/security-decisions.md"),
    *("tests/security/asvs.list", "tests/security/test_absences.py"),  # MariaDB's passwords
}
ROLES = {  # a server has three roles and an administrator, a file has none
    *("app/database/__init__.py", "app/database/cli_errors.py", "app/settings.py"),
    *("app/security/queries.py", "migrations/env.py", "tests/database.py", "Makefile"),
    "tests/sample/__init__.py",  # the rights that the app has on its table
    "tests/test_deployment_scripts.py",  # their URLs
    "tests/test_mail_process.py",  # how the database goes away
    "app/commands/mail.py",  # the role of the process that sends mail
    # A file uses the number of a deleted row again, unless it is told not to.
    *("migrations/versions/0001_first_tables.py", "migrations/versions/0004_outbox.py"),
}
# With SQLite, all tests run for each auth style. On a database server, auth=session runs the tests
# of stored data and of queries; token and oidc run the tests of their own tables, of statements
# that a server may interpret in another way, and of simultaneous requests.
OF_STORING = """
    test_account_locks test_account_races test_address_races test_addresses test_client
    test_codes test_commits test_deletion test_dialect test_export test_factor_api
    test_factor_data test_factor_mails test_imports test_lists test_logout_races test_mail_outbox
    test_members
    test_migrations test_notes test_notices test_operators test_own_sessions test_plans
    test_private_data test_provider_proof test_quotas test_races test_read_only
    test_reencryption test_replays test_rerendering test_rows test_session_races test_throttling
    test_token_races test_tokens security/test_access security/test_browser_code
    security/test_change_of_address security/test_code_guesses security/test_sign_up_and_reset
    security/test_devices security/test_factor_resets security/test_links security/test_lockout
    security/test_normalization security/test_passkeys security/test_personal_tokens
    security/test_queries security/test_refusals security/test_resources
    security/test_safe_methods security/test_scope security/test_second_factors
    security/test_step_up security/test_stored_text
""".split()
OF_STATEMENTS = """
    test_account_races test_address_races test_dialect test_lists test_mail_outbox test_members
    test_migrations test_plans test_private_data test_provider_proof test_races test_read_only
    test_reencryption test_replays test_rerendering test_rows test_session_races test_throttling
    test_token_races test_tokens
    security/test_personal_tokens security/test_queries security/test_safe_methods
    security/test_scope
""".split()
# Tests of the server itself do not depend on the auth style; they run with session only. Tests that
# ask no database, such as those of slow connections and of Redis, run with SQLite only.
OF_SERVER = """
    test_backups test_instances test_mail_process test_mail_role test_outages test_provisioning
    test_roles test_server_outages test_tls security/test_secrets_stay_secret
""".split()
# The same names everywhere.
MODULES = {f"app/database/{name}.py" for name in ("dialect", "driver_errors", "dumps")}
DRIVERS = {
    "sqlite": set(),
    "postgresql": {"psycopg", "psycopg-binary", "tzdata"},
    "mysql": {"pymysql"},
}


@dataclass(frozen=True)
class Server:
    """A database server: how to run SQL as its administrator, and why it may be missing."""

    name: str
    command: tuple[str, ...]  # runs SQL as this machine's user, and prints bare values
    databases: str
    roles: str
    drop_database: str
    drop_role: str
    unreachable: str  # a URL where nothing answers

    def query(self, sql: str) -> list[str]:
        result = run(*self.command, sql)
        assert result.returncode == 0, result.stdout
        return result.stdout.split()

    def missing(self) -> str:
        """Return why the tests of this server cannot run; empty if they can."""
        if not shutil.which(self.command[0]):
            return f"no {self.name} on this machine; .ci/run installs it"
        answer = run(*self.command, "SELECT 1")
        if answer.returncode:
            return f"{self.name} does not let {getpass.getuser()} in, .ci/run does: {answer.stdout}"
        return ""

    def clean(self, slug: str) -> None:
        """Drop every database and every role whose name begins with ``slug``."""
        for database in self.query(self.databases.format(slug)):
            self.query(self.drop_database.format(database))
        for role in self.query(self.roles.format(slug)):
            self.query(self.drop_role.format(role))


SERVERS = {
    "postgresql": Server(
        name="PostgreSQL",
        command=("psql", "--no-psqlrc", "-At", "-d", "postgres", "-c"),
        databases="SELECT datname FROM pg_database WHERE datname LIKE '{}%'",
        roles="SELECT rolname FROM pg_roles WHERE rolname LIKE '{}%'",
        drop_database='DROP DATABASE "{}" WITH (FORCE)',
        drop_role='DROP ROLE "{}"',
        unreachable="postgresql+psycopg://{}:x@127.0.0.1:1/x",
    ),
    "mysql": Server(
        name="MySQL or MariaDB",
        command=("mariadb" if shutil.which("mariadb") else "mysql", "-N", "-e"),
        databases="SHOW DATABASES LIKE '{}%'",
        roles="SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user LIKE '{}%'",
        drop_database="DROP DATABASE `{}`",
        drop_role="DROP USER {}",
        unreachable="mysql+pymysql://{}:x@127.0.0.1:1/x",
    ),
}


@dataclass(frozen=True)
class Service:
    server: Server
    auth: str
    slug: str
    folder: Path
    values: dict[str, str]

    def make(self, *arguments: str, **values: str) -> tuple[int, str]:
        result = run(
            *("make", "--no-print-directory", *arguments),
            cwd=self.folder,
            env=self.values | values,
            timeout=TIMEOUT,
        )
        return result.returncode, result.stdout


@pytest.fixture(scope="module", params=product(SERVERS, AXES["auth"]), ids="-".join)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service for the server with each auth style, and a unique database name."""
    database, auth = request.param
    server = SERVERS[database]
    if reason := server.missing():
        pytest.skip(reason)
    slug = f"t-{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp(f"{database}-{auth}")
    home = folder / "home"
    home.mkdir()
    project = render(folder, database=database, auth=auth, project_slug=slug)
    try:
        yield Service(server, auth, slug, project, with_uv(folder / "programs", environment(home)))
    finally:
        server.clean(slug)


def test_make_db_makes_the_database_once(service: Service) -> None:
    status, output = service.make("db")
    assert status == 0, output
    assert service.server.query(service.server.databases.format(service.slug)) == [service.slug]
    assert len(service.server.query(service.server.roles.format(service.slug))) == 3
    status, output = service.make("db")
    assert status == 0, output
    assert "already exists" in output


def test_make_run_serves_the_service(service: Service) -> None:
    with serving("run", service.folder, service.values, service.folder.parent / "run.log") as host:
        assert get(host, "/.well-known/security.txt")[0] == 200
        assert get(host, "/readyz")[0] == 200, "the database is migrated"


@pytest.mark.parametrize("command", ["db", "run", "test"])
def test_a_server_that_does_not_answer_is_named_with_the_cure(
    service: Service, command: str
) -> None:
    nowhere = {
        name: service.server.unreachable.format(name.lower())
        for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL", "ADMIN_DATABASE_URL")
    }
    status, output = service.make(command, **nowhere)
    assert status != 0
    assert "apt-get install" in output
    assert "Traceback" not in output
    assert "Serving" not in output


def test_a_backup_comes_back(service: Service) -> None:
    status, output = service.make("backup", "FILE=backups/one")
    assert status == 0, output
    status, output = service.make("restore", "FILE=backups/one")
    assert status == 0, output


def test_the_suite_of_the_service_passes(service: Service) -> None:
    chosen = OF_STORING + OF_SERVER if service.auth == "session" else OF_STATEMENTS
    files = (f"tests/{name}.py" for name in chosen)
    only = [name for name in files if (service.folder / name).exists()]
    # All attacks run once with SQLite, against pages and API; each server gets a sample.
    pass_checks(service.folder, service.values, all_attacks=False, only=only)
    left = service.server.query(service.server.databases.format(service.slug))
    assert left == [service.slug], "the tests remove their databases"


def test_every_file_of_tests_that_is_named_exists() -> None:
    folders = [SERVICE / "tests", *OPTIONS.glob("*/*/tests")]
    assert [
        name
        for name in OF_STORING + OF_STATEMENTS + OF_SERVER
        if not any((it / f"{name}.py").exists() for it in folders)
    ] == []


@pytest.mark.parametrize(("one", "other"), list(combinations(AXES["database"], 2)))
def test_the_database_changes_few_files(one: str, other: str, tmp_path: Path) -> None:
    here, there = (render(tmp_path / choice, database=choice) for choice in (one, other))
    contents = [
        {str(path.relative_to(folder)): path.read_bytes() for path in files(folder)}
        for folder in (here, there)
    ]
    different = {name for name, _ in contents[0].items() ^ contents[1].items()}
    overlays = [
        {str(path.relative_to(folder)) for path in files(folder)}
        for folder in (
            OPTIONS / "database" / one,
            OPTIONS / "database" / other,
            OPTIONS / "storage" / "server",
        )
    ]
    # SQLite needs no server, so these files exist only with a server.
    file_or_server = {"Makefile"} | ROLES | overlays[2] if "sqlite" in (one, other) else set()
    assert different - {".env"} - DOCUMENTS == INLINE | file_or_server | overlays[0] | overlays[1]
    assert overlays[0] & overlays[1] >= MODULES
    locked = [pins(folder / "requirements.lock") for folder in (here, there)]
    assert {pin.partition("==")[0] for pin in locked[0] - locked[1]} == DRIVERS[one]
    assert {pin.partition("==")[0] for pin in locked[1] - locked[0]} == DRIVERS[other]


def pins(lock: Path) -> set[str]:
    """Each package with its version and its hashes."""
    return set(re.split(r"^(?=\w)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))
