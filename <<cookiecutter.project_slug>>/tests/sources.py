"""The source code of the service, for tests that look at it: each file is parsed once."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


def tree(path: Path) -> ast.Module:
    """A module. Tests share it and change nothing in it."""
    return parsed(path.read_text(encoding="utf-8"))


def nodes(path: Path) -> list[ast.AST]:
    """All nodes of a module, from the outside to the inside."""
    return walked(tree(path))


def names(path: Path) -> set[str]:
    """Every name, attribute, keyword and key of a module."""
    found = {getattr(node, "id", getattr(node, "attr", "")) for node in nodes(path)}
    for node in nodes(path):
        if isinstance(node, ast.keyword) and node.arg and node.arg != "server_default":
            found.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


@cache
def parsed(source: str) -> ast.Module:
    """By the text and not by the path: a test may write a file twice."""
    return ast.parse(source)


@cache
def walked(module: ast.Module) -> list[ast.AST]:
    return list(ast.walk(module))
