"""What people type: a password, a code or an address in a log, a traceback or a report of an error.

A tool that reports errors sends the local variables of every function on the way. So a form, the
model of a body, a row and each function down to the hash or the mail server hold a
:class:`Secret`, and no text.
"""

from __future__ import annotations

import ast
import copy
import json
import logging
import re
from collections.abc import Callable, Collection, Iterator
# <% if cookiecutter.__interface == "html" %>
from inspect import getmembers
# <% endif %>
from pathlib import Path
from traceback import TracebackException
# <% if cookiecutter.__interface == "json" %>
from typing import Any, cast, get_type_hints
# <% else %>
from typing import Any, cast
# <% endif %>

# <% if cookiecutter.auth != "oidc" %>
import pyotp
# <% endif %>
import pytest
from flask import Flask
from jinja2 import Environment
# <% if cookiecutter.__interface == "json" %>
from pydantic import ValidationError
# <% endif %>
from sqlalchemy import select
from sqlalchemy.exc import StatementError
# <% if cookiecutter.__interface == "html" %>
from werkzeug.datastructures import MultiDict
# <% endif %>
from werkzeug.test import TestResponse
# <% if cookiecutter.__interface == "html" %>
from wtforms import Form
from wtforms.validators import EqualTo, InputRequired, Length
from wtforms.widgets import TextInput
# <% endif %>

# <% if cookiecutter.__interface == "json" %>
from app.api import operation_of
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
from app.auth.claims import Claims
# <% endif %>
from app.auth.models import User
# <% if cookiecutter.__interface == "json" %>
from app.auth.schemas import PasswordChange
# <% endif %>
from app.database import Base, db
from app.database.secret_string import SecretString
# <% if cookiecutter.__interface == "html" %>
from app.fields import SecretField
# <% endif %>
from app.mail import outbox
from app.secret import REDACTED, Secret
from app.security import breaches, hash_slots, passwords
from app.security.logs import JSONFormatter
from tests import sources
# <% if cookiecutter.auth == "oidc" %>
from tests.browser import PASSWORD, STEP_UP, Browser
# <% else %>
from tests.account_actions import change_address, confirm_address, undo_address
from tests.browser import PASSWORD, Browser
from tests.factor_actions import (
    begin_app,
    code_step,
    confirm_app,
    password_step,
    prove_by_code,
    prove_by_password,
)
from tests.factors import with_app
from tests.mailbox import newest_token
# <% endif %>
from tests.marks import asvs, practice
# <% if cookiecutter.auth != "oidc" %>
from tests.own_data_actions import ready_to_delete
from tests.password_actions import ask_for_account, ask_for_reset, open_account, set_password
# <% endif %>
# <% if cookiecutter.__interface == "html" %>
from tests.security.client import forms, is_field
# <% endif %>
from tests.stored import stored_rows

pytestmark = [practice("secret"), asvs("16.2.5")]

ALICE, CAROL, ELSEWHERE = "alice@example.com", "carol@example.com", "elsewhere@example.com"
TYPED = "canary-meadow-7-lantern-quartz"
CODE = "canary"
TABLES = Base.metadata.sorted_tables
NAMES = re.compile(r"(\w+_)?password|confirm|code|token|ticket|(refresh|device)_token|(\w+_)?email")
ADDRESS = re.compile(r"(\w+_)?email|recipient|subject")  # of a column or a parameter


@pytest.fixture
def alice(app: Flask) -> Browser:
    return Browser(app, "203.0.113.1").signed_in_with_password(ALICE)


def reported(caplog: pytest.LogCaptureFixture, act: Callable[[], TestResponse]) -> str:
    """What a tool reports of the error that an action meets: each function with its variables."""
    caplog.clear()
    assert act().status_code == 500
    (error,) = [it.exc_info[1] for it in caplog.records if it.exc_info]
    report = report_of(error)
    assert [it for it in (ALICE, CAROL, ELSEWHERE) if it in report] == []
    return report


def report_of(error: BaseException | None) -> str:
    assert error
    return "".join(TracebackException.from_exception(error, capture_locals=True).format())


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("in the middle")


# --- On the way to the hash --------------------------------------------------------------------

# <% if cookiecutter.auth == "oidc" %>
ACTIONS: dict[str, Callable[[Flask, Browser], Callable[[], TestResponse]]] = {
    "a wrong password": lambda app, alice: lambda: Browser(app).sign_in(ALICE, TYPED),
    "an unknown account": lambda app, alice: lambda: Browser(app).sign_in(CAROL, TYPED),
    "a fresh proof": lambda app, alice: lambda: alice.submit(STEP_UP, {"password": TYPED}),
}
# <% else %>

def undone(app: Flask, alice: Browser) -> str:
    """The token that undoes a change of address."""
    change_address(alice, ELSEWHERE)
    confirm_address(alice, newest_token(app, ELSEWHERE))
    return newest_token(app, ALICE)


def asked(ask: Callable[[Browser, str], TestResponse], app: Flask, email: str) -> str:
    """The token of the mail that is asked for."""
    ask(Browser(app), email)
    return newest_token(app, email)


def by_token(
    token: Callable[[Flask, Browser], str], act: Callable[[Browser, str, str], TestResponse]
) -> Callable[[Flask, Browser], Callable[[], TestResponse]]:
    """The token of a mail is taken out of it before the action begins."""

    def ready(app: Flask, alice: Browser) -> Callable[[], TestResponse]:
        sent = token(app, alice)
        return lambda: act(Browser(app), sent, TYPED)

    return ready


ACTIONS: dict[str, Callable[[Flask, Browser], Callable[[], TestResponse]]] = {
    "a wrong password": lambda app, alice: lambda: Browser(app).sign_in(ALICE, TYPED),
    "an unknown account": lambda app, alice: lambda: Browser(app).sign_in(CAROL, TYPED),
    "a fresh proof": lambda app, alice: lambda: prove_by_password(alice, TYPED),
    "a change": lambda app, alice: lambda: alice.change_password(TYPED, f"new-{TYPED}"),
    "a new account": by_token(lambda app, _: asked(ask_for_account, app, CAROL), open_account),
    "a reset": by_token(lambda app, _: asked(ask_for_reset, app, ALICE), set_password),
    "an undone change of address": by_token(undone, undo_address),
}
# <% endif %>


@pytest.mark.parametrize("action", ACTIONS)
def test_an_error_while_a_password_is_hashed_shows_it_nowhere(
    app: Flask,
    alice: Browser,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    act = ACTIONS[action](app, alice)
    monkeypatch.setattr(hash_slots, "watch", fail)
    report = reported(caplog, act)
    assert "in hash_slot" in report
    assert REDACTED in report
    assert TYPED not in report


def test_an_error_after_the_right_password_shows_it_nowhere(
    app: Flask, alice: Browser, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # <% if cookiecutter.auth == "oidc" %>
    monkeypatch.setattr("app.auth.identity.start_session", fail)
    # <% else %>
    monkeypatch.setattr("app.auth.sign_in.devices.recognize", fail)
    # <% endif %>
    report = reported(caplog, lambda: Browser(app).sign_in(ALICE, PASSWORD))
    assert PASSWORD not in report


def test_an_error_while_a_list_of_breaches_is_asked_shows_it_nowhere(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaches, "_answer", fail)
    asking = make_app(BREACHED_PASSWORDS_URL="https://breaches.example/range")
    with asking.app_context(), pytest.raises(RuntimeError) as error:
        passwords.password_problem(Secret(TYPED))
    report = report_of(error.value).partition("in password_problem")[2]
    assert REDACTED in report
    assert TYPED not in report
# <% if cookiecutter.auth != "oidc" %>


@pytest.mark.parametrize("step", ["sign-in", "fresh proof", "first code"])
def test_an_error_while_a_code_is_checked_shows_it_nowhere(
    app: Flask,
    alice: Browser,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    if step == "first code":
        begin_app(alice)
        act = lambda: confirm_app(alice, CODE)  # noqa: E731
    elif step == "fresh proof":
        with_app(app, ALICE)
        act = lambda: prove_by_code(alice, CODE)  # noqa: E731
    else:
        with_app(app, ALICE)
        password_step(browser := Browser(app), ALICE, PASSWORD)
        act = lambda: code_step(browser, CODE)  # noqa: E731
    monkeypatch.setattr(pyotp.TOTP, "at", fail)
    report = reported(caplog, act)
    assert "in _step" in report
    assert CODE not in report
# <% endif %>


# --- On the way to the mailbox -----------------------------------------------------------------

# <% if cookiecutter.auth == "oidc" %>

def test_an_error_after_the_answer_of_the_provider_shows_no_address(
    app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.auth.identity.start_session", fail)
    report = reported(caplog, lambda: Browser(app).register(CAROL))
    assert "in callback" in report
    assert "claims = [redacted]" in report


def test_claims_are_not_shown() -> None:
    claims = Claims({"sub": ALICE, "email": ALICE})
    shown = f"{claims} {claims!r}" + json.dumps({"claims": claims}, default=str)
    assert ALICE not in shown
    assert (claims["email"], len(claims), dict(claims)["sub"]) == (ALICE, 2, ALICE)
# <% else %>

def confirmed(app: Flask, alice: Browser) -> Callable[[], TestResponse]:
    change_address(alice, ELSEWHERE)
    sent = newest_token(app, ELSEWHERE)
    return lambda: confirm_address(alice, sent)


MAILS: dict[str, Callable[[Flask, Browser], Callable[[], TestResponse]]] = {
    "a new account": lambda app, alice: lambda: ask_for_account(Browser(app), CAROL),
    "a known account": lambda app, alice: lambda: ask_for_account(Browser(app), ALICE),
    "a reset": lambda app, alice: lambda: ask_for_reset(Browser(app), ALICE),
    "a new address": lambda app, alice: lambda: change_address(alice, ELSEWHERE),
    "a changed address": confirmed,
    "a new device": lambda app, alice: lambda: Browser(app, "192.0.2.9").sign_in(ALICE, PASSWORD),
    "a deleted account": lambda app, alice: ready_to_delete(alice),
}


@pytest.mark.parametrize("action", MAILS)
def test_an_error_while_a_mail_is_written_shows_no_address(
    app: Flask,
    alice: Browser,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    act = MAILS[action](app, alice)
    monkeypatch.setattr(outbox, "encrypt", fail)
    report = reported(caplog, act)
    assert "in add" in report
    assert "recipient = [redacted]" in report
# <% endif %>


def test_a_log_line_shows_no_address() -> None:
    address = Secret(ALICE)
    fields = {"msg": "to %s", "args": (address,), "to": address, "all": [address, {"of": address}]}
    line = JSONFormatter().format(logging.makeLogRecord(fields))
    assert ALICE not in line
    assert json.loads(line)["to"] == REDACTED


def test_a_template_that_forgets_to_reveal_an_address_shows_none() -> None:
    page = Environment(autoescape=True).from_string("{{ address }} {{ address.reveal() }}")
    assert page.render(address=Secret("o'a@b.example")) == f"{REDACTED} o&#39;a@b.example"


# --- Rows --------------------------------------------------------------------------------------


def test_each_column_for_an_address_is_one(app: Flask, alice: Browser) -> None:
    """By its name, and by what is in it after each kind of row was written."""
    # <% if cookiecutter.auth == "oidc" %>
    Browser(app).register(CAROL)
    with app.app_context():
        outbox.add("deleted", Secret(ELSEWHERE), {"by_operator": True})
        db.session.commit()
    # <% else %>
    ask_for_account(Browser(app), CAROL)
    change_address(alice, ELSEWHERE)
    # <% endif %>
    columns = {f"{table}.{it.name}": it.type for table in TABLES for it in table.columns}
    named = {name for name in columns if ADDRESS.fullmatch(name.partition(".")[2])}
    held = set()
    with app.app_context():
        for table in TABLES:
            for row in stored_rows(table):
                held |= {f"{table}.{name}" for name, it in row.items() if has_address(it)}
    assert held >= {"users.email", "outbox.recipient"}
    hidden = {name for name, kind in columns.items() if isinstance(kind, SecretString)}
    assert (named | held) - hidden == set()


def has_address(value: object) -> bool:
    return isinstance(value, str) and any(it in value for it in (ALICE, CAROL, ELSEWHERE))


def test_the_database_takes_no_address_as_text(app: Flask, alice: Browser) -> None:
    """One that skipped ``normalize_email`` fails where it is used, and is not stored."""
    with app.app_context():
        user = db.session.scalars(select(User).where(User.email == Secret(ALICE))).one()
        with pytest.raises(StatementError, match="no attribute 'reveal'"):
            db.session.scalars(select(User).where(User.email == ALICE)).all()
        user.email = CAROL  # type: ignore[assignment]
        with pytest.raises(StatementError, match="no attribute 'reveal'"):
            db.session.flush()
        db.session.rollback()


# --- Forms and bodies --------------------------------------------------------------------------

# <% if cookiecutter.__interface == "html" %>

class Typed(Form):
    """Each kind of field with a secret."""

    password = SecretField("Password", [InputRequired()])
    confirm = SecretField("Once more", [EqualTo("password", "They differ.")])
    code = SecretField("Code", [InputRequired(), Length(max=8)], widget=TextInput())


def typed(**fields: str) -> Typed:
    return Typed(MultiDict(fields))


def test_a_form_shows_no_secret_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    form = typed(password=TYPED, confirm=TYPED, code=CODE)
    assert form.validate(), form.errors
    with caplog.at_level(logging.INFO):
        logging.getLogger("app").info("form %s", form.data)
    shown = caplog.text + str([vars(field) for field in form])
    assert REDACTED in caplog.text
    assert TYPED not in shown
    assert CODE not in shown
    assert form.password.data.reveal() == TYPED


def test_the_rules_of_a_form_apply_to_a_secret() -> None:
    wrong = typed(password=TYPED, confirm=TYPED[:-1], code="x" * 9)
    assert not wrong.validate()
    assert wrong.errors.keys() == {"confirm", "code"}
    empty = typed(password="", confirm="")
    assert not empty.validate()
    assert empty.errors.keys() == {"password", "code"}
    assert empty.password.data == empty.code.data == Typed().code.data == Secret("")


def test_the_page_repeats_a_code_but_no_password() -> None:
    form = typed(password=TYPED, confirm=TYPED, code=CODE)
    assert f'value="{CODE}"' in form.code()
    assert TYPED not in form.password() + form.confirm()


def test_each_secret_field_has_the_secret_type(app: Flask) -> None:
    found = {
        f"{form.__name__}.{name}": field.field_class
        for form in forms()
        for name, field in getmembers(form, is_field)
        if NAMES.fullmatch(name)
    }
    assert found
    assert {name for name, kind in found.items() if kind is not SecretField} == set()
# <% else %>

def test_a_body_shows_no_secret_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    sent = {"current_password": TYPED, "new_password": TYPED, "device_token": TYPED}
    body = PasswordChange.model_validate_json(json.dumps(sent))
    with caplog.at_level(logging.INFO):
        logging.getLogger("app").info("body %s %r", body, body.model_dump())
    assert REDACTED in caplog.text
    assert TYPED not in caplog.text
    assert body.new_password.reveal() == TYPED


@pytest.mark.parametrize("wrong", [{"new_password": [TYPED]}, {TYPED: 1}, {"current_password": 5}])
def test_a_refused_body_repeats_nothing(wrong: dict[str, Any]) -> None:
    sent = {"current_password": TYPED, "new_password": TYPED, **wrong}
    with pytest.raises(ValidationError) as error:
        PasswordChange.model_validate_json(json.dumps(sent))
    assert TYPED not in str(error.value).replace(f"\n{TYPED}\n", "")  # the name of a field


def test_each_secret_field_has_the_secret_type(app: Flask) -> None:
    bodies = {
        operation.body
        for view in app.view_functions.values()
        if (operation := operation_of(view)) and operation.body
    }
    found = {
        f"{body.__name__}.{name}": kind
        for body in bodies
        for name, kind in get_type_hints(body).items()
        if NAMES.fullmatch(name)
    }
    assert found
    assert {name for name, kind in found.items() if kind not in (Secret, Secret | None)} == set()
# <% endif %>


# --- The source --------------------------------------------------------------------------------


def taken(folder: str) -> Iterator[tuple[str, str, str]]:
    """Each parameter of a function: where it is, its name and its type."""
    for path in Path("app", folder).rglob("*.py"):
        for node in sources.nodes(path):
            if isinstance(node, ast.arg) and node.annotation:
                yield f"{path}:{node.lineno}", node.arg, ast.unparse(node.annotation)


# Of parameters. Each of the other types is a row, a mark of Markdown or a yes, and no text.
HIDDEN = re.compile(r"(\w+_)?(password|token|secret|ticket|verifier|nonce)|code")
NO_TEXT = {"bool", "PersonalToken", "Ticket", "Token"}


def test_no_function_takes_a_secret_or_an_address_as_text() -> None:
    """The passwords of the database are in its address; app/database takes them apart."""
    found = [
        (place, name, kind)
        for folder in ("auth", "commands", "mail", "security")
        for place, name, kind in taken(folder)
        if HIDDEN.fullmatch(name) or ADDRESS.fullmatch(name)
        if kind not in NO_TEXT
    ]
    assert {name for _, name, _ in found} >= {"password", "token", "email", "recipient"}
    assert [it for it in found if it[2] not in ("Secret", "Secret | None")] == []


SHOWING = {"reveal", "encoded"}  # what makes a text of a Secret
WRITING = {"debug", "info", "warning", "error", "exception", "critical", "log"}  # of a logger
SINKS = re.compile(r"print|warn|abort|security_event|respond|\w+(Error|Exception|Warning)")


def written_secrets(module: ast.AST, shown: Collection[str] = SHOWING) -> Iterator[str]:
    """Where a Secret's text goes into a log, an exception or an answer about an error.

    It goes there directly, by a variable of the function, or by a function that returns it.
    ``click.ClickException`` is what a command prints for the operator, who has typed the address
    in it.

    :param shown: the names of the functions that return the text of a Secret.
    """
    for part in ast.walk(module):
        if not isinstance(part, ast.FunctionDef | ast.Module):
            continue
        inside = [it for node in part.body for it in ast.walk(node)]
        known = variables(inside, shown)
        calls = [it for it in inside if isinstance(it, ast.Call) and writes(it.func)]
        calls += [it.exc for it in inside if isinstance(it, ast.Raise) and is_raised(it.exc)]
        for call in calls:
            if any(reveals(it, shown, known) for it in (*call.args, *call.keywords)):
                yield f"{call.lineno} {ast.unparse(call.func)}"


def variables(inside: Collection[ast.AST], shown: Collection[str]) -> set[str]:
    """The variables that get the text of a Secret."""
    return {
        name.id
        for it in inside
        if isinstance(it, ast.Assign | ast.AnnAssign | ast.NamedExpr) and reveals(it.value, shown)
        for target in (it.targets if isinstance(it, ast.Assign) else [it.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }


def showing_functions(modules: Collection[ast.AST]) -> set[str]:
    """The names of the functions that return the text of a Secret, also by another function.

    What is passed to a function is not returned by it: most often it is hashed or compared.
    """
    functions = [
        (it.name, without_arguments(part.value))
        for module in modules
        for it in ast.walk(module)
        if isinstance(it, ast.FunctionDef) and it.returns and "str" in ast.unparse(it.returns)
        for part in ast.walk(it)
        if isinstance(part, ast.Return | ast.Yield) and part.value
    ]
    found: set[str] = set()
    more = set(SHOWING)
    while more - found:
        found |= more
        more = {name for name, value in functions if reveals(value, found)}
    return found


def without_arguments(value: ast.expr) -> ast.expr:
    """The expression, with nothing in the parentheses of its calls."""

    class Emptied(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.Call:
            return ast.Call(func=self.visit(node.func), args=[], keywords=[])

    return cast(ast.expr, Emptied().visit(copy.deepcopy(value)))


def writes(function: ast.expr) -> bool:
    """Whether a function writes its arguments somewhere, or makes an exception of them."""
    *owner, name = ast.unparse(function).split(".")
    if name in WRITING:
        return bool(owner) and "log" in owner[-1].lower()
    return SINKS.fullmatch(name) is not None and owner != ["click"]


def is_raised(what: ast.expr | None) -> bool:
    return isinstance(what, ast.Call) and not ast.unparse(what.func).startswith("click.")


def reveals(
    node: ast.AST | None, functions: Collection[str], variables: Collection[str] = ()
) -> bool:
    """Whether an expression calls one of these functions or methods, or has one of the variables."""
    return node is not None and any(
        (isinstance(it, ast.Attribute) and it.attr in functions)
        or (isinstance(it, ast.Call) and ast.unparse(it.func) in functions)
        or (isinstance(it, ast.Name) and it.id in variables)
        for it in ast.walk(node)
    )


def test_no_secret_is_revealed_into_a_log_or_an_exception() -> None:
    modules = {it: sources.tree(it) for it in sorted(Path("app").rglob("*.py"))}
    shown = showing_functions(modules.values())
    found = [
        f"{it}:{at}" for it, module in modules.items() for at in written_secrets(module, shown)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'log.warning("x", extra={"to": it.reveal()})',
        'current_app.logger.error("x %s", it.reveal())',
        'logging.info(f"{it.encoded()!r}")',
        'security_event("x", account=it.reveal())',
        'raise ValueError(f"{it.reveal()} is wrong")',
        'raise Refused("x" + it.reveal()) from None',
        "problem = RefusedError(it.reveal())",
        "print(it.reveal())",
        'abort(403, f"not you, {it.reveal()}")',
        "text = it.reveal()\n    raise ValueError(text)",
        'if text := it.reveal():\n        log.info("x", extra={"to": text})',
        "log.info(*map(Secret.reveal, [it]))",
    ],
)
def test_each_way_into_a_log_is_found(line: str) -> None:
    assert list(written_secrets(ast.parse(f"def f(it):\n    {line}")))


def test_a_function_that_returns_the_text_is_followed() -> None:
    module = ast.parse(
        "def text(it) -> str:\n    return f'<{it.reveal()}>'\n"
        "def by_another(it) -> str | None:\n    return text(it).lower()\n"
        "def hashed(it) -> str:\n    return sha256(it.encoded()).hexdigest()\n"
        "def f(it):\n    log.info(by_another(it))\n    log.info(hashed(it))\n"
    )
    assert showing_functions([module]) == {*SHOWING, "text", "by_another"}
    assert set(written_secrets(module, showing_functions([module]))) == {"8 log.info"}


@pytest.mark.parametrize(
    "line", ["hash_it(it.reveal())", 'log.info("x", extra={"to": it})', "raise ValueError(it)"]
)
def test_a_secret_may_be_used_and_logged_hidden(line: str) -> None:
    assert not list(written_secrets(ast.parse(f"def f(it):\n    {line}")))
