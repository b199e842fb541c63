"""Dangerous code: what a user sends is run, starts a program, or becomes an object of any class.

Bandit knows some functions by name and lets all others pass. So a table here has each module that
the service imports, and each name that it takes from a module that can run something. Whatever no
table has must be judged first: could input make it run code? If not, add it.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType

import pytest

from tests import sources
from tests.marks import asvs, practice, slow
from tests.security.make import ROOT
from tests.security.test_audits import CODE

pytestmark = practice("audits")

# Nothing of these runs text, starts a program, reads XML, makes objects of a class that the text
# names, or gives random numbers that can be foreseen; but for what REFUSED has.
MODULES = frozenset(
    """
    __future__ _typeshed.wsgi addresses base64 collections.abc contextlib dataclasses datetime
    email.headerregistry email.message email.policy email.utils functools getpass hashlib hmac
    html.parser http.client io ipaddress itertools json logging math pathlib posixpath re signal smtplib socket
    sqlite3 ssl string tempfile threading time typing unicodedata urllib.parse
    alembic alembic.autogenerate.api alembic.autogenerate.rewriter alembic.command alembic.config
    alembic.context alembic.op alembic.operations alembic.operations.ops alembic.runtime.migration
    alembic.script alembic.util argon2 argon2.exceptions authlib.integrations.base_client
    authlib.integrations.requests_client bleach click cryptography.exceptions cryptography.fernet
    cryptography.hazmat.primitives.hashes cryptography.hazmat.primitives.kdf.hkdf cryptography.x509
    email_validator flask flask.cli flask.sessions flask.typing flask_limiter flask_sqlalchemy_lite
    flask_wtf flask_wtf.csrf gunicorn.glogging itsdangerous joserfc joserfc.errors joserfc.jwk
    joserfc.jws joserfc.jwt jwt limits.storage markdown_it markdown_it.token markupsafe nh3 psycopg psycopg.conninfo
    prometheus_client prometheus_client.core prometheus_client.multiprocess prometheus_client.registry
    prometheus_client.values psycopg.errors psycopg.pq psycopg.sql pydantic pydantic.json_schema pydantic_core
    pydantic_core.core_schema pymysql pyotp redis requests requests.adapters segno sqlalchemy
    sqlalchemy.event sqlalchemy.exc sqlalchemy.orm sqlalchemy.orm.attributes sqlalchemy.orm.exc
    sqlalchemy.pool sqlalchemy.schema sqlalchemy.sql.elements sqlalchemy.types urllib3.exceptions
    webauthn webauthn.helpers webauthn.helpers.cose webauthn.helpers.exceptions
    webauthn.helpers.structs werkzeug.datastructures werkzeug.exceptions
    werkzeug.middleware.proxy_fix werkzeug.routing werkzeug.security werkzeug.wrappers werkzeug.wsgi
    wtforms wtforms.form wtforms.validators wtforms.widgets zxcvbn
    """.split()
)
# Of these, the names that can do none of it.
PARTS = {
    "asyncio": "Event StreamReader StreamWriter Task TaskGroup create_task get_running_loop "
    "open_connection run start_server to_thread wait wait_for",
    "concurrent.futures": "ThreadPoolExecutor TimeoutError",
    "importlib.metadata": "PackageNotFoundError version",
    "importlib.util": "find_spec",  # of a name in the code, not of input
    "os": "SEEK_END defpath environ fchmod fchown fsync geteuid path replace",
    "platform": "python_version",
    "secrets": "token_bytes token_hex token_urlsafe",
    "shutil": "which",
    "subprocess": "CalledProcessError DEVNULL PIPE",
    "sys": "argv exit path stderr stdin",
    # <% if cookiecutter.auth == "token" %>
    "zlib": "crc32",
    # <% endif %>
}
# Who starts programs, and which.
PROGRAMS = {
    "app/database/dumps.py": "pg_dump and pg_restore, or mysqldump and mysql, for the operator",
}
BUILTINS = frozenset({"breakpoint", "compile", "eval", "exec", "globals", "locals"})
# Names that run text, load code or make any object, whatever has them.
REFUSED = frozenset(
    """
    compile_expression from_string render_template_string
    dictConfig fileConfig from_envvar from_object from_pyfile import_string ImportString
    enable_load_extension load_extension get_type_hints PickleType click.edit click.launch
    """.split()
)
# Through these names no code is reached; through others, such as __globals__, all of it.
DUNDERS = frozenset(
    """
    __all__ __doc__ __file__ __init__ __mapper_args__ __module__ __name__ __new__ __slots__
    __table__ __table_args__ __tablename__
    """.split()
)
# Who takes attributes whose names are computed, and which.
COMPUTED = {
    "app/resources.py": "the columns of a row",
    "app/commands/rerendering.py": "the columns of a row",
    "app/auth/export.py": "the columns of a user",
    "app/auth/pending.py": "the fields of a dataclass",
    "app/security/ownership.py": "the columns of a model",
    "app/security/scope.py": "the owner of a row",
}
BY_NAME = ("getattr", "setattr", "delattr")
Use = tuple[int, str, str]


def load(name: str) -> ModuleType | None:
    """A module; None when it is not there: of type checkers alone, or of another program."""
    with suppress(ImportError):
        return importlib.import_module(name)
    return None


def inner_module(module: str, name: str) -> str | None:
    """The module that another one has under this name."""
    found = getattr(load(module), name, None)
    found = load(f"{module}.{name}") if found is None else found
    return found.__name__ if isinstance(found, ModuleType) else None


def uses(file: str, tree: ast.AST) -> Iterator[Use]:
    """The line, the module and the name of each import and of each use of a module.

    The name is empty for the module itself, and "?" where it is passed on as a value.
    """
    bound: dict[str, str] = {}
    for node in sources.walked(tree):
        if isinstance(node, ast.Import):
            for it in node.names:
                top = it.name.split(".")[0]
                bound[it.asname or top] = it.name if it.asname else top
                yield node.lineno, it.name, ""
        elif isinstance(node, ast.ImportFrom):
            package = file.split("/")[: -node.level] if node.level else []
            module = ".".join([*package, node.module or ""]).rstrip(".")
            for it in node.names:
                if inner := inner_module(module, it.name):
                    bound[it.asname or it.name] = inner
                yield node.lineno, inner or module, "" if inner else it.name
    seen = set()
    for node in sources.walked(tree):  # what is around a node comes before it
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in seen:
            names, inside = [], node
            while isinstance(inside, ast.Attribute):
                names.insert(0, inside.attr)
                inside = inside.value
                seen.add(id(inside))
            if isinstance(inside, ast.Name) and inside.id in bound:
                yield from follow(node.lineno, bound[inside.id], names)


def follow(line: int, module: str, names: list[str]) -> Iterator[Use]:
    """The uses in ``module.name.name``."""
    for name in names:
        inner = inner_module(module, name)
        yield line, inner or module, "" if inner else name
        if not inner:
            return
        module = inner
    yield line, module, "?"


def is_allowed(file: str, module: str, name: str) -> bool:
    if name == "*":
        return False
    if module.split(".")[0] == "app":
        return True
    if module in PARTS:
        own = ["run"] if module == "subprocess" and file in PROGRAMS else []
        return name in ["", *PARTS[module].split(), *own]
    return module in MODULES and name != "?" and f"{module}.{name}" not in REFUSED


def modules(file: str, tree: ast.AST) -> Iterator[str]:
    """The modules, and names of modules, that no table has."""
    for line, module, name in uses(file, tree):
        if not is_allowed(file, module, name):
            yield f"{file}:{line}: {module}.{name}".rstrip(".")


def names(file: str, tree: ast.AST) -> Iterator[str]:
    """The names that run text, or through which what does is reached."""
    kinds = {ast.Name: "id", ast.Attribute: "attr", ast.alias: "name"}
    for node in sources.walked(tree):
        name = str(getattr(node, kinds.get(type(node), ""), ""))
        runs = name in REFUSED or (name in BUILTINS and isinstance(node, ast.Name))
        if runs or (name.startswith("__") and name not in DUNDERS):
            yield f"{file}:{node.lineno}: {name}"


def computed(file: str, tree: ast.AST) -> Iterator[str]:
    """Attributes whose names the code does not show."""
    shown = set()
    for node in sources.walked(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in BY_NAME:
            name = node.args[1]
            if isinstance(name, ast.Constant) and not str(name.value).startswith("__"):
                shown.add(id(node.func))
        hidden = isinstance(node, ast.Name) and node.id in BY_NAME and id(node) not in shown
        if hidden and file not in COMPUTED:
            yield f"{file}:{node.lineno}: {ast.unparse(node)}"


def programs(file: str, tree: ast.AST) -> Iterator[str]:
    """Starts of programs with more than a list of words: a shell would read them as its own."""
    plain = {"capture_output", "check", "env", "stderr", "stdin", "stdout", "text"}
    for node in sources.walked(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "subprocess.run":
            words = len(node.args) == 1 and isinstance(node.args[0], ast.List)
            if not words or not {str(it.arg) for it in node.keywords} <= plain:
                yield f"{file}:{node.lineno}: {ast.unparse(node)}"


def found(rule: Callable[[str, ast.AST], Iterator[str]]) -> list[str]:
    """What a rule refuses in the whole service."""
    paths = [it for name in CODE for it in (ROOT / name).rglob("*.py")] + [ROOT / "wsgi.py"]
    files = {it.relative_to(ROOT).as_posix(): sources.tree(it) for it in paths}
    assert len(files) > 30
    return [line for file, tree in files.items() for line in rule(file, tree)]


@asvs("1.2.5", "1.3.2", "1.3.7", "1.4.1", "1.5.1", "1.5.2", "11.5.1")
@slow
def test_every_imported_module_is_listed() -> None:
    assert found(modules) == [], (
        "No table here has these. Could input make them run code, start a program or make any"
        " object? If not, add them to MODULES or PARTS."
    )


@asvs("1.3.2", "1.3.7", "1.5.2")
def test_no_text_is_run() -> None:
    assert found(names) == []


@asvs("1.3.2")
def test_no_attribute_has_a_name_that_input_chooses() -> None:
    assert found(computed) == []


@asvs("1.2.5")
def test_programs_are_started_with_a_list_of_words() -> None:
    assert found(programs) == []


PLANTED = {
    modules: """
        import pickle
        import yaml
        import joblib as reader
        import shelve, marshal
        import xml.etree.ElementTree as tree
        from lxml import etree
        import ctypes
        import multiprocessing
        from multiprocessing.sharedctypes import RawArray
        from builtins import exec as run
        from logging.config import dictConfig
        from importlib import import_module
        from os import system
        from concurrent.futures import ProcessPoolExecutor
        from sqlalchemy.ext import serializer
        from sqlalchemy.ext.serializer import loads
        from jinja2 import Template
        from app.environment import os as tools; tools.system(body)
        from app import environment; environment.os.system(body)
        from .environment import os; os.system(body)
        from . import environment as tools; tools.os.system(body)
        from json import *
        import os; os.system(body)
        import os; os.execv(body, [body])
        import os; getattr(os, "sys" + "tem")(body)
        import os as tools; [tools][0].system(body)
        import os.path; os.popen(body)
        import subprocess; subprocess.Popen(body)
        import subprocess; subprocess.run([body])
        import asyncio; asyncio.create_subprocess_shell(body)
        import runpy; runpy.run_path(body)
        import logging; logging.os.system(body)
        import json; json.decoder.scanner.re.enum.sys.modules[body]
        import sys; sys.modules[body].system(body)
        import click; click.launch(body)
        import importlib.util; importlib.util.module_from_spec(body)
        import importlib; importlib.import_module(body)
        import random; random.getrandbits(128)
        from uuid import uuid1
        import secrets; secrets.randbelow(1000000)
    """,
    names: """
        eval(body)
        run = exec
        compile(body, "", "exec")
        __import__(body)
        __builtins__["eval"](body)
        globals()[body]()
        find.__globals__["os"].system(body)
        ().__class__.__base__.__subclasses__()
        app.jinja_env.from_string(body)
        from flask import render_template_string
        current_app.config.from_pyfile(body)
        connection.load_extension(body)
        column = sqlalchemy.PickleType()
        typing.get_type_hints(body)
    """,
    computed: """
        getattr(row, body)()
        setattr(row, body, 1)
        getattr(find, "__globals__")
        map(getattr, rows, body)
    """,
    programs: """
        subprocess.run(body)
        subprocess.run(f"pg_dump {body}", shell=True)
        subprocess.run(["pg_dump", body], shell=True)
        subprocess.run(["pg_dump"], executable=body)
        subprocess.run(["pg_dump"], **body)
    """,
}
CASES = [(rule, line.strip()) for rule, text in PLANTED.items() for line in text.split("\n")]
CASES = [(rule, line) for rule, line in CASES if line]


@asvs("1.2.5", "1.3.2", "1.3.7", "1.5.1", "1.5.2", "11.5.1")
@pytest.mark.parametrize(("rule", "planted"), CASES, ids=[planted for _, planted in CASES])
def test_what_is_planted_is_found(
    rule: Callable[[str, ast.AST], Iterator[str]], planted: str
) -> None:
    assert [*rule("app/planted.py", ast.parse(planted))]
