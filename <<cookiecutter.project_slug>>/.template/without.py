"""Python code without what it says about one resource."""

from __future__ import annotations

import ast
import re

from names import Names, camel


def mention(names: Names) -> re.Pattern[str]:
    """Finds the names of a resource in code and in sentences, in each spelling."""
    lower = "|".join(
        {names.many, names.one, *(it.replace("_", " ") for it in (names.many, names.one))}
    )
    upper = camel(names.one)
    return re.compile(
        rf"(?<![A-Za-z])({lower})(?![a-z])|{upper}s?(?![a-z])|(?<![A-Z]){names.one.upper()}S?(?![A-Z])"
    )


def without(text: str, names: Names) -> str:
    """The code without the statements, imports and elements that name the resource.

    A function, a class and a ``with`` go when their first line names it; otherwise only the
    statements in them.
    """
    named = mention(names)
    lines = text.splitlines(keepends=True)
    changes: list[tuple[int, int, str]] = []  # first line, line after the last one, and what is new
    _visit(ast.parse(text).body, named, changes)
    for first, end, new in sorted(changes, reverse=True):
        lines[first:end] = [new] if new else []
    return "".join(lines)


def _visit(
    body: list[ast.stmt], named: re.Pattern[str], changes: list[tuple[int, int, str]]
) -> None:
    left = len(body)
    for node in body:
        first = min([node.lineno, *(it.lineno for it in getattr(node, "decorator_list", []))]) - 1
        inner = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        header = _header(node) if any(inner) else ast.unparse(node)
        if named.search(header):
            new = _rest(node, named)
            changes.append((first, node.end_lineno or first + 1, new))
            left -= not new
        else:
            for part in inner:
                _visit(part, named, changes)
    if body and not left:
        indent = " " * body[0].col_offset
        changes.append((body[0].lineno - 1, body[0].lineno - 1, f"{indent}pass\n"))


def _header(node: ast.stmt) -> str:
    """A statement that has a body, without that body."""
    decorators = "".join(ast.unparse(it) for it in getattr(node, "decorator_list", []))
    parts = [getattr(node, name, None) for name in ("test", "iter", "target")]
    parts += [it.context_expr for it in getattr(node, "items", [])]
    found = [ast.unparse(it) for it in parts if isinstance(it, ast.AST)]
    return " ".join([getattr(node, "name", ""), decorators, *found])


def _rest(node: ast.stmt, named: re.Pattern[str]) -> str:
    """What stays of an import or of a list of several: the others."""
    if isinstance(node, ast.ImportFrom) and not named.search(node.module or ""):
        node.names = [it for it in node.names if not named.search(ast.unparse(it))]
        return f"{ast.unparse(node)}\n" if node.names else ""
    value = getattr(node, "value", None)
    if isinstance(node, ast.Assign) and isinstance(value, ast.Tuple | ast.List):
        if named.search(" ".join(ast.unparse(it) for it in node.targets)):
            return ""
        value.elts = [it for it in value.elts if not named.search(ast.unparse(it))]
        return f"{ast.unparse(node)}\n"
    return ""
