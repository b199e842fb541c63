"""Parse a file of any type into one list of words.

The tests compare these lists of two renderings. If an answer stays a string, a comment or a word,
only that entry differs, and only by the answer. An answer that breaks out adds or changes entries.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

COMMENT = re.compile(r"^[ \t]*(#.*)$", re.MULTILINE)
# A # at the start of a word begins a comment. Characters with a meaning are separate words.
SHELL = re.compile(
    r"""(?:^|(?<=[\s;&|(){}]))\#[^\n]*  # a comment
    |'[^']*'                            # what stands for itself
    |"(?:\\.|[^"\\])*"                  # what may hold $, ` and \
    |\\.
    |[^\s'"\\$`;&|<>(){}*?\[\]~\#!]+    # a word
    |.""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
DOUBLE = re.compile(r"""[$`\\"!]|[^$`\\"!]+""")
# A number in YAML 1.2, which Kubernetes and Compose read. PyYAML reads YAML 1.1.
NUMBER = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:e[-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-f]+", re.IGNORECASE
)
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def words(name: str, text: str) -> list[str]:
    """The words of the file ``name``.

    :raises ValueError: if it is invalid, or if no parser here knows this type of file.
    """
    path = PurePosixPath(name)
    parse = FORMATS.get(path.name) or FORMATS.get(path.suffix)
    if not parse:
        raise ValueError(f"no parser for {name}: add one to {__name__}")
    try:
        return list(parse(text))
    except (SyntaxError, yaml.YAMLError) as error:
        raise ValueError(f"{name} is invalid: {error}") from error


def python(text: str) -> Iterator[str]:
    yield from comments(text)
    yield from tree(ast.parse(text))


def toml(text: str) -> Iterator[str]:
    yield from comments(text)
    yield from tree(tomllib.loads(text))


def tree(node: Any) -> Iterator[str]:
    """The words of a syntax tree or of parsed data."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for field in node._fields:
            yield from tree(getattr(node, field, None))
    elif isinstance(node, list):
        yield f"{len(node)} of them"
        for part in node:
            yield from tree(part)
    elif isinstance(node, dict):
        yield from tree([part for pair in node.items() for part in pair])
    elif isinstance(node, str):
        yield "text"
        yield node
    else:
        yield repr(node)


def comments(text: str) -> Iterator[str]:
    """The comments on separate lines, which a parser of data leaves out."""
    yield from COMMENT.findall(text)


def yaml_words(text: str) -> Iterator[str]:
    yield from comments(text)
    for document in yaml.compose_all(text, Loader=yaml.CSafeLoader):
        yield "document"
        yield from yaml_node(document)


def yaml_node(node: yaml.Node) -> Iterator[str]:
    if isinstance(node, yaml.ScalarNode):
        is_number = not node.style and NUMBER.fullmatch(node.value)
        yield "a number" if is_number else node.tag
        yield node.value
        return
    yield f"{node.tag}, {len(node.value)} of them"
    for part in node.value:
        for child in part if isinstance(part, tuple) else (part,):
            yield from yaml_node(child)


def shell(text: str) -> Iterator[str]:
    """The words of shell commands, directives of Nginx or instructions of a Dockerfile."""
    for found in SHELL.finditer(text):
        word = found.group()
        if word.startswith('"') and len(word) > 1:
            yield '"'
            yield from DOUBLE.findall(word[1:-1])
            yield '"'
        else:
            yield word


def settings(text: str) -> Iterator[str]:
    """Lines of NAME=VALUE. Markup: quotes at the start, $ and \\ everywhere, # after a space."""
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if line.startswith("#") or not equals:
            yield line
            continue
        yield name
        if value[:1] in ("'", '"'):
            yield "quoted"
        yield from re.split(r"(\s#|[$\\])", value)


def unit(text: str) -> Iterator[str]:
    """A unit of systemd: NAME=VALUE with specifiers such as %i, and %% for a percent sign."""
    for line in text.split("\n"):
        if line.lstrip().startswith(("#", ";")):
            yield "comment"
            yield line
            continue
        yield "continued" if line.endswith("\\") else "line"
        name, _, value = line.partition("=")
        yield name
        *parts, last = re.split(r"(?<!%)((?:%%)*%[^%])", value)
        for part in parts:
            yield part.replace("%%", "%") if not re.fullmatch(r"(?:%%)*%[^%]", part) else part
        yield last.replace("%%", "%")
        yield "a single %" if re.search(r"(?<!%)(?:%%)*%\Z", last) else "no single %"


def markdown(text: str) -> Iterator[str]:
    for token in GITHUB.parse(text):
        yield from markdown_token(token)


def markdown_token(token: Token) -> Iterator[str]:
    escaped = token.type == "text"  # an escape is no markup, but stands in that field
    yield token.type if escaped else f"{token.type} {token.markup} {token.info} {token.attrs}"
    if token.type == "inline":
        for child in token.children or []:
            yield from markdown_token(child)
    else:
        yield token.content


FORMATS: dict[str, Callable[[str], Iterator[str]]] = {
    ".py": python,
    ".toml": toml,
    ".json": lambda text: tree(json.loads(text)),
    ".yaml": yaml_words,
    ".yml": yaml_words,
    ".sh": shell,
    ".conf": shell,
    "nginx.list": shell,
    "Dockerfile": shell,
    ".env": settings,
    ".example": settings,
    ".service": unit,
    ".socket": unit,
    ".timer": unit,
    ".md": markdown,
}
