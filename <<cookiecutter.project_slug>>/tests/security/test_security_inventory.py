"""Inventories of ``docs/security-decisions.md``: data, keys, algorithms, connections, events.

What is in no inventory is protected by nobody: a new column of secrets in the export, a key that
nobody rotates, a connection that no firewall expects, an event that nobody reads. Each failure
prints the row to add.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Mapper

# <% if cookiecutter.auth == "oidc" %>
from app.auth.provider_tokens import HASHES
# <% endif %>
from app.commands.reencryption import ENCRYPTED
from app.database import Base
from app.resources import Resource
from app.security import refusals
from app.settings import Settings
from tests import sources
from tests.decisions import CLASSES, DOCUMENT, check, classes, named, rows
from tests.marks import asvs, practice
from tests.policy import SECRET
from tests.security import client

pytestmark = practice("audits")

COLUMN = "| {} | secret | personal | internal columns |"
SETTING = re.compile(r"(?m)^#? ?([A-Z][A-Z_]+)=(.*)$")
CRYPTOGRAPHY = {"argon2": "^PasswordHasher", "hashlib": "", "cryptography.fernet": "Fernet$"}
CRYPTOGRAPHY |= {f"cryptography.hazmat.primitives.{it}": "" for it in ("hashes", "kdf.hkdf")}
# What opens connections, or starts a program that does.
NETWORK = {"socket", "smtplib", "http", "urllib.request", "ftplib", "imaplib", "poplib", "asyncio"}
NETWORK |= {"requests", "urllib3", "httpx", "aiohttp", "redis", "authlib", "subprocess"}
# Words of events that are called like a column of users, and say nothing of who it is.
HARMLESS = {"proof", "kind", "failures"}


def code() -> Iterator[tuple[str, ast.AST]]:
    """Each node of the service's code, with its file."""
    for path in sorted(Path("app").rglob("*.py")):
        yield from ((path.as_posix(), node) for node in sources.nodes(path))


def settings() -> list[tuple[str, str]]:
    """The settings of the service, with the values of the example."""
    return SETTING.findall(Path(".env.example").read_text("utf-8"))


def imports() -> Iterator[tuple[str, str, str]]:
    """Each import: the file, the module, and the name, if one is imported from it."""
    for file, node in code():
        if isinstance(node, ast.Import):
            yield from ((file, it.name, "") for it in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((file, str(node.module), it.name) for it in node.names)


def own_models() -> list[Mapper[Any]]:
    """The models of the service that follow no rule."""
    found = [it for it in Base.registry.mappers if it.class_.__module__.startswith("app.")]
    named_there = {name for row in rows("Table") for name in named(row["Table"])}
    return [
        it
        for it in found
        if not issubclass(it.class_, Resource) or str(it.local_table) in named_there
    ]


@asvs("14.1.1", "8.1.2")
def test_each_column_has_a_class() -> None:
    models = {str(it.local_table): it for it in own_models()}
    check("Table", models, COLUMN)
    for table, mapper in models.items():
        columns = {column.name for column in mapper.columns}
        documented = [name for names in classes(table).values() for name in names]
        assert sorted(documented) == sorted(columns), (
            f"{DOCUMENT}, the row of `{table}`: add {sorted(columns - {*documented})} to one class"
            f" and remove {sorted({*documented} - columns)}. Secret: who has it is somebody else;"
            " Personal: about a user or written by one; Internal: nothing of both."
        )


@asvs("14.1.2")
def test_each_class_has_rules_for_its_protection() -> None:
    assert [row["Class"] for row in rows("Class")] == [*CLASSES, "Public"]
    for row in rows("Class"):
        empty = [title for title, cell in row.items() if not cell]
        assert not empty, f"{DOCUMENT}: what of {empty} for the class {row['Class']}?"


@asvs("14.2.4")
def test_only_secret_columns_are_hashed_or_encrypted() -> None:
    encrypted = {column for _, column, _ in ENCRYPTED}
    for mapper in own_models():
        secret = classes(str(mapper.local_table))["Secret"]
        for attribute in mapper.column_attrs:
            stored = attribute.key.endswith("_hash") or any(
                it.class_ is mapper.class_ and it.key == attribute.key for it in encrypted
            )
            assert stored == (attribute.key in secret), (
                f"{mapper.local_table}.{attribute.key}: what {DOCUMENT} calls Secret has a name"
                " like ..._hash, or is in ENCRYPTED of app/commands/reencryption.py."
            )


@asvs("14.2.4")
def test_no_event_contains_secret_or_personal_data() -> None:
    by_class = [classes(str(it.local_table)) for it in own_models()]
    telling = {name for it in by_class for name in it["Secret"] | it["Personal"]} - HARMLESS
    for file, node in code():
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("security_event"):
            said = {keyword.arg for keyword in node.keywords}
            assert not said & telling, f"{file}:{node.lineno}: give the id of the row instead"


@asvs("8.1.2")
def test_a_field_that_writes_a_column_has_its_rule() -> None:
    columns = {f"{model.local_table}.{it.key}" for model in own_models() for it in model.columns}
    ruled = {name for row in rows("Column") for name in named(row["Column"])}
    assert ruled <= columns, f"{DOCUMENT}: there is no {sorted(ruled - columns)}"
    names = [{name.partition(".")[2] for name in some} for some in (columns, ruled)]
    missing = client.FIELDS & names[0] - names[1]
    assert not missing, f"{DOCUMENT}, the table 'Column': who writes {sorted(missing)}, and when?"


@asvs("11.1.1", "11.1.2")
def test_each_key_is_in_the_inventory() -> None:
    secret = {it.name.upper() for it in fields(Settings) if "Secret" in str(it.type)}
    secret |= {name for name, _ in settings() if SECRET.match(name)}
    known = re.findall(r"\b[A-Z][A-Z_]+\b", Path("README.md").read_text("utf-8"))
    check("Key", secret, "| {} | holders | what it protects | its end |", {*secret, *known})
    purposes = {
        str(node.value.value)
        for _, node in code()
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PURPOSE"
        if isinstance(node.value, ast.Constant)
    }
    documented = {it for row in rows("Key") for it in re.findall('purpose "(.+?)"', row["Key"])}
    assert documented == purposes, f"{DOCUMENT}: a row for the key of each purpose"


@asvs("11.1.2")
def test_each_algorithm_is_in_the_inventory() -> None:
    found = {
        name
        for _, module, name in imports()
        if module in CRYPTOGRAPHY and name and re.search(CRYPTOGRAPHY[module], name)
    }
    for _, node in code():
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if owner in ("Algorithm", "hashlib") or (owner == "pyotp" and node.attr.isupper()):
                found |= {node.attr} - {"new"}
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ALGORITHM":
            found.add(str(ast.literal_eval(node.value)))
    # <% if cookiecutter.auth == "oidc" %>
    found |= {*HASHES}
    # <% endif %>
    groups = re.findall("(?m)^ssl_ecdh_curve (.+);", Path("deploy/nginx/tls.conf").read_text())
    found |= {name.lstrip("?") for name in groups[0].split(":")}
    check("Algorithm", found, "| {} | for what | whether a quantum computer breaks it |")


@asvs("13.1.1")
def test_each_connection_is_documented() -> None:
    opening = {
        file
        for file, module, name in imports()
        if {module, module.split(".")[0]} & NETWORK and name != "CalledProcessError"
    }
    documented = {it for row in rows("To") for it in named(row["Opened in"]) if it[:4] == "app/"}
    assert documented == opening, (
        f"{DOCUMENT}, the table 'To': name {sorted(opening - documented)} in 'Opened in', with the"
        f" setting and the protection, and remove {sorted(documented - opening)}"
    )
    section = DOCUMENT.read_text("utf-8").partition("(13.1.1)")[2].partition("\n## ")[0]
    places = {name for name, value in settings() if "://" in value or name.endswith("_HOST")}
    missing = places - {*named(section)}
    assert not missing, f"{DOCUMENT}, the table 'To': a row for {sorted(missing)}"


@asvs("16.1.1")
def test_each_event_is_in_the_inventory() -> None:
    found = set(refusals.EVENTS.values())
    for file, node in code():
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("security_event"):
            if isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
            else:
                assert file == "app/security/refusals.py", "its constants are the only ones"
    check("Event", found, "| {} | what happened |")
