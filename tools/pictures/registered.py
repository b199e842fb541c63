"""Print as JSON the functions that a service calls for each request. Runs in its own Python.

It starts no server and opens no database: it creates the application as production does, and reads
the functions from Flask, in order of their calls. It finds the functions that the database session
calls in the sources.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from app import create_app
from app.settings import Settings

SETTINGS = {
    "APP_ENV": "production",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "DATABASE_URL": "sqlite:////nowhere/data.sqlite3",
    "REDIS_URL": "redis+unix:///nowhere/redis.sock",
    "DOMAIN_NAME": "service.example.com",
    "OIDC_ISSUER": "https://accounts.example.com",
    "OIDC_CLIENT_ID": "service",
    "OIDC_CLIENT_SECRET": secrets.token_urlsafe(48),
}
Row = tuple[str, str, str]  # name, place, what it does
WATCH = re.compile(r"watch\(app, (\w+)\)")  # a practice registers a check of each statement


def row(called: Any) -> Row:
    """The row of a function or object that Flask calls for each request."""
    called = inspect.unwrap(called.func if isinstance(called, partial) else called)
    kind = called if hasattr(called, "__qualname__") else type(called)
    module = import_module(kind.__module__)
    name = kind.__qualname__.split(".<locals>")[0].removesuffix(".init_app")
    name = re.sub(r"\._+", ".", name)
    if module.__name__.startswith("app."):
        return name, place(module.__name__), sentence(kind.__doc__ or module.__doc__)
    return name, module.__name__.partition(".")[0], ""  # of a library


def place(module: str) -> str:
    """The path of a module of the service."""
    return str(Path(str(sys.modules[module].__file__)).relative_to(Path.cwd()))


def sentence(text: str | None, most: int = 92) -> str:
    """The first sentence of a docstring without markup. Longer than ``most``: up to its colon."""
    first = re.split(r"(?<=[.;]) ", re.sub(r":\w+:|`", "", " ".join((text or "").split())))[0]
    return (first if len(first) <= most else first.partition(":")[0]).rstrip(".;")


def layers(outermost: Any) -> Iterator[Row]:
    """The WSGI middlewares around Flask, the outermost first; each one refers to the next."""
    around = outermost
    while not inspect.ismethod(around):  # Flask's own is a method
        yield row(around)
        cells = inspect.getclosurevars(around).nonlocals if inspect.isfunction(around) else {}
        (around,) = [it for it in (*cells.values(), getattr(around, "app", None)) if callable(it)]


def listeners() -> Iterator[Row]:
    """The functions that check each statement before the database gets it."""
    for path in sorted(Path("app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                listens = any("listens_for" in ast.unparse(it) for it in node.decorator_list)
                if listens and "flush" not in node.name:  # they mark both ends of a flush
                    yield node.name, str(path), sentence(ast.get_docstring(node))
            elif isinstance(node, ast.Call) and (given := WATCH.fullmatch(ast.unparse(node))):
                module = import_module(".".join(path.with_suffix("").parts))
                yield row(getattr(module, given[1]))


def feature(views: str) -> Iterator[Row]:
    """The modules that the example's views import, without the example's own modules."""
    own = views.rpartition(".")[0]
    seen = set()
    for node in ast.parse(inspect.getsource(import_module(views))).body:
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "app":
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                module = whole if whole in sys.modules else str(node.module)
                if not module.startswith(own) and module not in seen:
                    seen.add(module)
                    doc = sentence(sys.modules[module].__doc__)
                    yield module.rpartition(".")[2], place(module), doc


def called(functions: dict[Any, list[Callable[..., Any]]]) -> list[Row]:
    """Rows of functions: first those for all requests, then those of single blueprints."""
    own = [row(it) for it in functions.get(None, [])]
    return own + [row(it) for name, some in functions.items() if name for it in some]


app = create_app(Settings.from_environment(SETTINGS))
print(
    json.dumps(
        {
            "layers": list(layers(app.wsgi_app)),
            "before": called(app.before_request_funcs),
            "feature": list(feature("app.notes.views")),
            "statements": list(listeners()),
            "after": called(app.after_request_funcs)[::-1],
        }
    )
)
