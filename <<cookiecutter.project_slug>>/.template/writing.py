"""The files of a new resource, from those of its source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from fields import KINDS, Example, Field, ShapeError, expanded
from names import Names, label, renamed
from source import MODULES, Source


def written(source: Source, names: Names, fields: list[Field]) -> dict[Path, str]:
    """The files of the new resource that are only its own.

    :raises ShapeError: when the source does not have the expected shape.
    """
    files = {}
    for path in source.package():
        text = path.read_text("utf-8")
        if path.stem == "__init__":
            text = re.sub(r'\A""".*?"""', f'"""{label(source.names.many)}."""', text, flags=re.S)
        elif path.stem == "views":
            text = _first_text(text, source.fields, fields)
        elif MODULES[path.stem]:
            text = expanded(text, source.fields, fields)
            text = _with_imports(text, path.name, fields)
        files[Path("app", names.many, path.name)] = renamed(text, source.names, names)
    for path in source.pages():
        text = _page(path.read_text("utf-8"), source.fields, fields)
        place = Path("app", "templates", names.many, path.name)
        files[place] = renamed(text, source.names, names, python=False)
    return files


def entry(source: Source, names: Names, fields: list[Field]) -> str:
    """The statement in ``tests/resources.py``: what the attacks send to the new resource.

    :raises ShapeError: when that of the source does not have the expected shape.
    """
    call = source.entry.value
    if not isinstance(call, ast.Call):
        raise ShapeError
    parts = {str(it.arg): ast.unparse(it.value) for it in call.keywords}
    if not {"make", "plain", "rich", "values"} <= parts.keys() or "**texts" not in parts["make"]:
        raise ShapeError
    others = [field for field in fields if KINDS[field.kind].value]
    stored = "".join(f"{field.name}={KINDS[field.kind].stored}, " for field in others)
    parts["make"] = parts["make"].replace("**texts", f"{stored}**texts")
    parts["plain"] = repr(tuple(field.name for field in fields if field.kind == "text"))
    parts["rich"] = repr(tuple(field.name for field in fields if field.kind == "rich"))
    values = "".join(f', "{field.name}": {KINDS[field.kind].value}' for field in others)
    parts["values"] = parts["values"].removesuffix("}") + values + "}"
    lines = [f"    {name}={value},\n" for name, value in parts.items() if value != "()"]
    text = f"{source.names.many.upper()} = {ast.unparse(call.func)}(\n{''.join(lines)})\n"
    return renamed(text, source.names, names)


def imports(field: Field, file: str) -> list[str]:
    """The imports that a field of this kind needs in a module."""
    return [line for name, line in KINDS[field.kind].imports if name == file]


def _with_imports(text: str, file: str, fields: list[Field]) -> str:
    wanted = {line for field in fields for line in imports(field, file)}
    start = "from __future__ import annotations\n"
    if start not in text:
        raise ShapeError
    return text.replace(start, start + "".join(f"{line}\n" for line in sorted(wanted)), 1)


def _first_text(text: str, example: Example, fields: list[Field]) -> str:
    if re.search(rf"\.({example.text}|{example.rich})\b", text):
        raise ShapeError
    first = next(field.name for field in fields if field.kind == "text")
    return re.sub(rf'("label": )"{example.text}"', rf'\1"{first}"', text)


def _page(text: str, example: Example, fields: list[Field]) -> str:
    """A page with a line for each field but the first text, which is its heading."""
    lines = []
    first = next(field for field in fields if field.kind == "text")
    for line in text.split("\n"):
        if f"row.{example.rich}.html " in line:
            for field in fields:
                indent = line[: len(line) - len(line.lstrip())]
                value = (
                    f'"yes" if row.{field.name} else "no"'
                    if field.kind == "flag"
                    else f"row.{field.name}"
                )
                if field.kind == "rich":
                    lines.append(line.replace(f"row.{example.rich}.", f"row.{field.name}."))
                elif field is not first:
                    lines.append(f"{indent}<p>{label(field.name)}: {{{{ {value} }}}}</p>")
        elif not ("{#" in line and all(field.kind != "rich" for field in fields)):
            lines.append(line)
    return "\n".join(lines)
