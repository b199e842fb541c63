"""Input, limits, routes and ways to sign in are as ``docs/security-decisions.md`` says.

A document that nobody compares is wrong after the next feature, and whoever relies on it opens what
it calls closed. Each failure prints the row to add. Numbers: ``test_documented_numbers.py``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path

import pytest
from flask import Flask

# <% if cookiecutter.auth == "oidc" %>
from app.auth.step_up import BY_PASSWORD, BY_PROVIDER
# <% else %>
from app.auth import second_factors, sign_in
from app.auth.step_up import PASSWORD
# <% endif %>
from app.secret import Secret
from app.security.access import is_public, needs_fresh_proof
from app.security.passwords import password_problem
# <% if cookiecutter.auth == "token" %>
from app.security.rate_limits import BY_DEFAULT, BY_TOKEN
# <% else %>
from app.security.rate_limits import BY_DEFAULT
# <% endif %>
from app.settings import SERVICE_NAME
from tests import sources
from tests.actions import ABSOLUTE_TIMEOUT, IDLE_TIMEOUT
from tests.decisions import DOCUMENT, HELD, check, named, rows, tables
from tests.marks import asvs, practice
from tests.resources import SAMPLES, WRITABLE
from tests.routes import routes
from tests.security import client
from tests.security.test_numbers import in_code

pytestmark = practice("audits")

# Modules whose constants are decisions, all but the details of how they do it.
DECIDED = ["app/quotas.py", "app/auth/code_guesses.py", "app/auth/sessions.py"]
DECIDED += ["app/auth/throttling.py", "app/auth/tickets.py", "app/session_settings.py"]
DETAILS = {"LEEWAY", "MAX_USER_AGENT", "TOUCH_EVERY"}


def calls(function: str) -> Iterator[tuple[str, ast.Call]]:
    """Each call of a function of this name in the service, with the file that has it."""
    for path in Path("app").rglob("*.py"):
        for node in sources.nodes(path):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == function:
                yield path.as_posix(), node


def test_each_heading_names_a_requirement_that_a_test_names() -> None:
    headings = re.findall(r"(?m)^## .*\((.*)\)$", DOCUMENT.read_text("utf-8"))
    tests = "".join(path.read_text("utf-8") for path in Path("tests").rglob("test_*.py"))
    proven = set(re.findall(r'"([\d.]+)"', "".join(re.findall(r"asvs\(([^)]*)\)", tests))))
    assert {it for heading in headings for it in heading.split(", ")} <= proven
    assert len(headings) == len(re.findall("(?m)^## ", DOCUMENT.read_text("utf-8")))


@asvs("2.1.1")
def test_each_field_of_a_request_has_its_rule(app: Flask) -> None:
    fields = client.fields_of_code(app) | client.query_of_code(app)
    owned = {name for it in (*WRITABLE, SAMPLES) for name in it.fields()} | {"before"}
    row = "| {} | its rule | `app....MAX`, if there is one |"
    check("Field or query", fields - owned, row, fields)


@asvs("2.1.1")
def test_each_kind_of_field_of_a_resource_has_its_rule() -> None:
    source = ast.parse(Path(".template/fields.py").read_text("utf-8"))
    (kinds,) = [
        node.value
        for node in source.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KINDS"
    ]
    assert isinstance(kinds, ast.Dict)
    check("Kind", {str(ast.literal_eval(key)) for key in kinds.keys if key}, "| {} | its rule | |")


@asvs("2.1.2")
# <% if cookiecutter.auth == "oidc" %>
@asvs("7.1.3")
# <% endif %>
def test_each_row_that_names_its_proof_has_one() -> None:
    files = {path.name: path.read_text("utf-8") for path in Path("tests").rglob("test_*.py")}
    found = [row for table in tables(DOCUMENT.read_text("utf-8")) for row in table]
    for row in (row for row in found if "Proven by" in row):
        (proof,) = named(row["Proven by"])
        assert proof in files or any(f"def {proof}(" in text for text in files.values()), (
            f"{DOCUMENT}: there is no {proof} any more; name what proves this: {row}"
        )


@asvs("2.1.3", "6.1.1")
def test_each_rate_limit_is_documented(app: Flask) -> None:
    marked = {getattr(view, "rate_limit", None) for view in app.view_functions.values()}
    # <% if cookiecutter.auth == "token" %>
    limits = [it for it in {BY_DEFAULT, BY_TOKEN, *marked} if it and it.name]
    # <% else %>
    limits = [it for it in {BY_DEFAULT, *marked} if it and it.name]
    # <% endif %>
    row_to_add = "| {} | how often | `client_address` | what it stops | `app....RATE` |"
    check("Limit", {it.name for it in limits}, row_to_add)
    for row in rows("Limit"):
        same = [it for it in limits if f"`{it.name}`" == row["Limit"]]
        keys = {key.__name__ for it in same for key in it.keys}
        assert {row["How often"]} == {it.rate for it in same}, row
        assert set(named(row["Counted by"])) == keys, row


@asvs("6.1.2")
def test_the_words_of_the_context_make_no_password(app: Flask) -> None:
    documented = {name for row in rows("Word") for name in named(row["Where it comes from"])}
    for file, call in calls("password_problem"):
        service, address = [ast.unparse(it).split(".")[-1] for it in call.args[1:]]
        assert service == "SERVICE_NAME"
        assert {service, address} <= documented, f"{file}: add `{address}` to the table of words"
    address = "alexandra.lighthouse@harbour.example"
    for word in (SERVICE_NAME, address, "alexandra", "lighthouse", "harbour"):
        for password in (f"{word * 15}"[:128], f"{word}12345" * 3):
            with app.app_context():
                assert password_problem(Secret(password), SERVICE_NAME, address), password


@asvs("6.1.3")
def test_each_way_to_sign_in_is_documented() -> None:
    # <% if cookiecutter.auth == "oidc" %>
    proofs = {ast.unparse(call.args[1]) for _, call in calls("start_session")}
    assert proofs == {"step_up.BY_PROVIDER", "step_up.BY_PASSWORD"}
    found = {BY_PROVIDER, BY_PASSWORD}
    # <% else %>
    completed = [call.args[1] for _, call in calls("_complete")]
    checked = sources.tree(Path(second_factors.__file__))
    (check_code,) = [it for it in checked.body if getattr(it, "name", "") == "check_code"]
    returned = [it.value for it in ast.walk(check_code) if isinstance(it, ast.Return)]
    texts = {it.value for it in (*completed, *returned) if isinstance(it, ast.Constant)}
    found = {PASSWORD, *(str(text) for text in texts if text)}
    assert {ast.unparse(it) for it in completed} == {"PASSWORD", "proof", "'passkey'"}
    assert {file for file, _ in calls("_complete")} == {"app/auth/sign_in.py"}
    assert sign_in.PASSWORD == PASSWORD
    # <% endif %>
    documented = {name for row in rows("Way") for name in named(row["Proof"])}
    assert documented == found, f"{DOCUMENT}: a row of the table 'Way' for each of {sorted(found)}"


@asvs("6.1.3")
def test_a_session_begins_in_no_other_place() -> None:
    """A new way in is one more to protect: document it in the table of the ways to sign in."""
    places = {f"app/auth/{name}.py" for name in ("password_views", "sign_in_answers", "views")}
    assert {file for file, _ in calls("start_session")} <= places
    starts = {file for file, call in calls("start") if ast.unparse(call.func) == "sessions.start"}
    assert starts == {"app/auth/identity.py"}


@asvs("2.1.3", "6.1.1", "7.1.1", "7.1.2")
def test_each_constant_of_what_is_decided_is_documented() -> None:
    documented = [row for table in tables(DOCUMENT.read_text("utf-8")) for row in table]
    held = {name for row in documented for name in named(row.get(HELD, ""))}
    for module in filter(lambda it: Path(it).exists(), DECIDED):
        names = {line.partition("=")[0].partition(":")[0].strip() for line in in_code(Path(module))}
        constants = {f"{module[:-3].replace('/', '.')}.{it}" for it in names if it.isupper()}
        missing = {it for it in constants if it.rpartition(".")[2] not in DETAILS} - held
        assert not missing, f"{DOCUMENT}: a row of a table that has {sorted(missing)} in {HELD!r}"


@asvs("7.1.1")
def test_whether_sessions_deviate_from_nist_is_said() -> None:
    """SP 800-63B-4 section 2.2.3: a day in total, an hour without activity."""
    hour = timedelta(hours=1)
    idle, total = IDLE_TIMEOUT, ABSOLUTE_TIMEOUT
    follows = idle <= hour and total <= 24 * hour
    assert follows == ("Nothing deviates." in DOCUMENT.read_text("utf-8"))
    assert follows != ("**This service deviates.**" in DOCUMENT.read_text("utf-8"))


@asvs("8.1.1")
@pytest.mark.parametrize(("mark", "asked"), [("public", is_public), ("fresh", needs_fresh_proof)])
def test_who_may_call_each_route_is_documented(app: Flask, mark: str, asked: object) -> None:
    assert callable(asked)
    endpoints = {route.endpoint for route in routes(app)}
    marked = [row for row in rows("Who") if mark in named(row["Mark"])]
    patterns = [pattern for row in marked for pattern in named(row["Routes"])]
    documented = {it for it in endpoints if any(fnmatch(it, pattern) for pattern in patterns)}
    found = {endpoint for endpoint in endpoints if asked(app, endpoint)}
    assert documented == found, (
        f"{DOCUMENT}, the table 'Who': in the row of `{mark}`, add {sorted(found - documented)}"
        f" and remove {sorted(documented - found)}"
    )
    assert all(any(fnmatch(it, pattern) for it in endpoints) for pattern in patterns), patterns
