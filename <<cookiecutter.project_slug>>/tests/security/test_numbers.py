"""Every number and switch has one owner: the table in ``numbers.list``.

Code and gunicorn are read into the form of the table and compared with it. Whoever changes a
number changes the table as well, and a reviewer sees it. The documents are compared with the code
in ``test_documented_numbers.py``. Headers are in ``sent_headers.py``, Nginx is in ``nginx.list``.
Of a feature that you add, the table has the files that you write into it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from flask import Flask

from tests import sources
from tests.marks import asvs, practice

pytestmark = practice("audits")

PARTS = {"auth", "commands", "database", "mail", "metrics", "security"}  # of app/; not features
DESCRIBE = {"openapi.py", "openapi_paths.py", "development.py", "fields.py"}  # they limit nothing
TRIVIAL = {0, 1, 2, *range(100, 600)}  # inside functions; from 100 on they are statuses of HTTP
# Of the settings of Flask, what the environment decides.
DEPLOYED = re.compile("SECRET|SETTINGS|SERVICE_NAME|STORAGE_URI|TRUSTED_HOSTS")
RATE = re.compile(r"^\d+ per |timeout = \d")  # a number in a text
REDIS = ("compose.yaml", "deploy/systemd/app-redis.service", "deploy/kubernetes/base/valkey.conf")


def table(name: str = "numbers.list") -> dict[str, list[str]]:
    """The lines of the table by the file that they are about."""
    found: dict[str, list[str]] = {}
    file = ""
    for line in Path(__file__).with_name(name).read_text().splitlines():
        if line.startswith("    "):
            found[file].append(line.strip())
        elif line and not line.startswith("#"):
            file = line
            found[file] = []
    return found


def in_code(path: Path, named: Callable[[str], bool] = str.isupper) -> Iterator[str]:
    """Each constant with a number, then each number in a function, as the code has it.

    :param named: whether a name at the level of the module is one of a constant.
    """
    source = path.read_text()
    tree = sources.parsed(source)
    inside = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if named(ast.unparse(target)):
                inside |= {id(inner) for inner in ast.walk(node)}
                text = as_written(node, source)
                if named is not str.isupper or (has_number(node) and "__file__" not in text):
                    yield text
    for node in sources.walked(tree):
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.Constant) or id(child) in inside | inside_index(node):
                continue
            if type(child.value) in (int, float) and child.value not in TRIVIAL:
                yield with_meaning(node, child, source)


def has_number(constant: ast.stmt) -> bool:
    """Whether there is one in it, or in a text: "10 per 5 minutes", "lock_wait_timeout = 10"."""
    values = [node.value for node in ast.walk(constant) if isinstance(node, ast.Constant)]
    return any(type(it) in (int, float) or RATE.search(str(it)) for it in values)


def inside_index(node: ast.AST) -> set[int]:
    """The numbers of ``text[11:19]`` and ``row[3]``: they are places, and limit nothing."""
    indexed = isinstance(node, ast.Slice | ast.Subscript)
    return {id(child) for child in ast.iter_child_nodes(node)} if indexed else set()


def as_written(node: ast.AST, source: str) -> str:
    """In one line: ``0o117`` stays as it is, comments go."""
    text = ast.get_source_segment(source, node) or ""
    return text if text and "\n" not in text else ast.unparse(node)


def with_meaning(node: ast.AST, number: ast.Constant, source: str) -> str:
    """The number with what gives it its meaning: ``String(64)``, ``'connect_timeout': 5``."""
    if isinstance(node, ast.Dict):
        key = node.keys[node.values.index(number)] if number in node.values else None
        return f"{ast.unparse(key) if key else ''}: {as_written(number, source)}"
    return as_written(node, source)


def numbers() -> dict[str, list[str]]:
    files = sorted(Path("app").rglob("*.py"))
    found = {it.as_posix(): list(in_code(it)) for it in files if it.name not in DESCRIBE}
    gunicorn = Path("deploy/gunicorn.conf.py")
    found[gunicorn.as_posix()] = list(in_code(gunicorn, str.islower))
    (redis,) = [Path(name).read_text() for name in REDIS if Path(name).exists()]
    found["Redis"] = re.findall(r"\b(?:save|appendonly|maxmemory|maxmemory-policy) [\w\"]+", redis)
    return {file: lines for file, lines in found.items() if lines}


@asvs("6.3.1")
def test_every_number_is_in_the_table() -> None:
    expected, found = table(), numbers()
    for file in found.keys() | expected.keys():
        if file == "app.config" or (file.startswith("app/") and not Path(file).exists()):
            continue  # it is below, or the whole part is gone
        if file not in expected and file.count("/") > 1 and file.split("/")[1] not in PARTS:
            continue  # a feature of the owner's
        assert found.get(file) == expected.get(file), f"{file}: see tests/security/numbers.list"


def test_every_setting_of_flask_is_in_the_table(app: Flask) -> None:
    defaults = Flask("defaults").config
    changed = {
        f"{name} = {value!r}"
        for name, value in app.config.items()
        if isinstance(value, bool | int | float | str | None) and not DEPLOYED.search(name)
        if name not in defaults or value != defaults[name]
    }
    assert sorted(changed) == table()["app.config"]
