"""Mutants: random defects, in addition to the list of planted ones.

A mutant is one small change of the syntax tree of a module: a reversed comparison, a condition that
is always true, a removed call, another constant. Messages, types and docstrings stay unchanged.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

PLACES = ("app/security", "app/auth", "app/database")
OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
# Each of these is wrong only for the value at the limit, such as < instead of <=.
NEIGHBOUR: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


@dataclass(frozen=True)
class Mutant:
    """One changed expression or statement of a module.

    :param file: the module, from the service's folder on.
    :param text: the whole module with the change.
    """

    file: str
    line: int
    before: str
    after: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.file}:{self.line}: {self.before} -> {self.after}"


def sample(project: Path, number: int, seed: int) -> list[Mutant]:
    """Random mutants of a service, the same for each seed; all places are equally likely."""
    every = [
        mutant
        for place in PLACES
        for path in sorted((project / place).rglob("*.py"))
        for mutant in mutants(path.read_text("utf-8"), path.relative_to(project).as_posix())
    ]
    return random.Random(seed).sample(every, min(number, len(every)))  # noqa: S311 - no secret


def mutants(source: str, file: str) -> Iterator[Mutant]:
    """All mutants of a module."""
    tree = ast.parse(source)
    skipped = {id(inner) for node in ast.walk(tree) for inner in _left_alone(node)}
    starts = [0, *accumulate(len(line.encode()) for line in source.splitlines(keepends=True))]
    for node in ast.walk(tree):
        for old, new in _changes(node) if id(node) not in skipped else ():
            start = starts[old.lineno - 1] + old.col_offset
            end = starts[(old.end_lineno or old.lineno) - 1] + (old.end_col_offset or 0)
            if new == "":  # a decorator, with its "@"
                start -= 1
            text = source.encode()[:start].decode() + new + source.encode()[end:].decode()
            yield Mutant(file, old.lineno, _short(ast.unparse(old)), _short(new), text)


def _left_alone(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes of types, docstrings, imports and messages of errors: mutants do not change them."""
    found: list[ast.AST | None] = []
    if isinstance(node, ast.FunctionDef):
        found = [node.returns, *(argument.annotation for argument in node.args.args)]
        found += [argument.annotation for argument in node.args.kwonlyargs]
    elif isinstance(node, ast.AnnAssign):
        found = [node.annotation]
    elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or (
        isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ):
        found = [node]
    for root in found:
        if root is not None:
            yield from ast.walk(root)


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """The nodes that a mutant may replace, and the text that replaces each."""
    match node:
        case ast.Compare(ops=[operator]):
            for table in (OPPOSITE, NEIGHBOUR):
                if other := table.get(type(operator)):
                    yield node, _text(ast.Compare(node.left, [other()], node.comparators))
        case ast.BoolOp():
            other_operator = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield node, _text(ast.BoolOp(other_operator, node.values))
            for rest in _one_left_out(node.values):
                yield node, _text(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
        case ast.UnaryOp(op=ast.Not()):
            yield node, _text(node.operand)
        case ast.Constant(value=bool()):
            yield node, str(not node.value)
        case ast.Constant(value=int(number)):
            yield node, str(number + 1)
            yield node, str(number * 2 or -1)
        case ast.If() | ast.IfExp():
            yield from ((node.test, "True"), (node.test, "False"))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield node, "return None"
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield node, "pass"
        case ast.FunctionDef():
            yield from ((decorator, "") for decorator in node.decorator_list)
        case ast.Call():
            for keywords in _one_left_out(node.keywords):
                yield node, ast.unparse(ast.Call(node.func, node.args, keywords))


def _one_left_out(items: list[Any]) -> Iterator[list[Any]]:
    return (items[:at] + items[at + 1 :] for at in range(len(items)))


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(ast.fix_missing_locations(node))})"


def _short(text: str) -> str:
    """The first line of a text, for the name of a mutant."""
    first = (text.splitlines() or ["nothing"])[0]
    return first if len(first) <= 60 else f"{first[:57]}..."
