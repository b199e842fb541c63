"""request.svg: how a request passes Nginx, the practices and a feature, for each auth style.

This module has no list of steps: it reads those of Nginx from ``deploy/nginx/`` of the service, and
the others from Flask, in order of their calls (:mod:`tools.pictures.registered`). Only functions of
libraries have their descriptions here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from html import escape
from pathlib import Path

Row = tuple[str, str, str]  # name, place, what it does

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGETS = {
    auth: ROOT / "<<cookiecutter.project_slug>>/_options/auth" / auth / "docs/request.svg"
    for auth in ("session", "token", "oidc")
}
OVERVIEW = ROOT / "docs/request.svg"  # the drawing of auth=session, for README.md
# Functions of libraries: the practice that registers each, and its description.
LIBRARIES = {
    "ProxyFix": ("https", "Take address and scheme of the client from the headers of Nginx"),
    "Limiter.check_request_limit": ("rate_limits", "Count the request against its route's limits"),
    "CSRFProtect": ("csrf", "Check the token of a form, where a route has one"),
    "Limiter.inject_headers": (
        "rate_limits",
        "Tell the client what a limit has left, if on",
    ),
}
SINGLE = ("ssl_protocols", "client_max_body_size", "limit_req", "limit_conn")
WIDTH, LEFT, HEAD, LINE, GAP = 1230, 24, 30, 21, 30  # pixels
COLUMNS = (16, 280, 510)  # of a box
LONG = 40  # letters of a location
STYLE = """\
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --soft: #57606a; --box: #f6f8fa; --line: #afb8c1; --page: #fff;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b3; --box: #161b22; --line: #57606a; --page: #0d1117; }
}
text { font: 12.5px system-ui, sans-serif; fill: var(--ink); }
.head { font-weight: 600; font-size: 14px; }
.code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 12px; }
.soft { fill: var(--soft); }
.page { fill: var(--page); } .box { fill: var(--box); stroke: var(--line); }
.way { stroke: var(--soft); fill: none; stroke-width: 1.5; }
"""


def nginx(service: Path) -> Iterator[Row]:
    """Rows for Nginx: limits of a connection, then each server of site.conf with its locations."""
    folder = service / "deploy/nginx"
    for name in ("tls.conf", "nginx.conf"):
        for line in (folder / name).read_text("utf-8").splitlines():
            words = line.partition("#")[0].strip().rstrip(";")
            if words.partition(" ")[0] in SINGLE:
                yield words.partition(" ")[0], f"deploy/nginx/{name}", words.partition(" ")[2]
    text = re.sub(r"(?m)^\s*#.*\n|\s+#\s.*$", "", (folder / "site.conf").read_text("utf-8"))
    (own_name,) = set(re.findall(r"server_name ([^;_]+);", text))
    text = text.replace(own_name, "DOMAIN_NAME")  # one drawing for all names
    for server in re.findall(r"(?ms)^server \{\n(.*?)^\}", text):
        other = "" if "server_name DOMAIN_NAME" in server else ", any other name"
        port = "HTTPS" if " ssl" in server else "HTTP"
        bare = re.sub(r"(?ms)^    location.*?^    \}\n", "", server)
        answers = unless(bare)
        answers += re.findall(r"(?m)^    (return [^;]+|ssl_reject_handshake on);", bare)
        for answer in answers:
            yield f"{port}{other}", "deploy/nginx/site.conf", answer
        for path, body in re.findall(r"(?ms)^    location (.*?) \{\n(.*?)^    \}", server):
            does = unless(body)
            does += re.findall(r"(?m)^        (return [^;]+|include proxy.conf|root [^;]+);", body)
            kind, _, pattern = path.partition(" ")
            long = len(path) > LONG
            text = f"{pattern}: " * long + "; ".join(does).replace("include ", "")
            name = f"{kind} ..." if long else path
            yield f"{port} {name}{other}", "deploy/nginx/site.conf", text


def unless(block: str) -> list[str]:
    """What a block of Nginx answers to other methods than those that it names."""
    answers = re.findall(r"if \((.*?)\) \{\s*(return [^;]+)", block)
    return [f"{code} unless {re.sub(r'[^A-Z|]', '', test)}" for test, code in answers]


def steps(service: Path, python: Path | str) -> dict[str, list[Row]]:
    """The boxes of the drawing and their rows."""
    found = subprocess.run(
        [python, HERE / "registered.py"],
        cwd=service,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(service),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise RuntimeError(found.stderr)
    said = json.loads(found.stdout)
    return {
        "Nginx: the only part that visitors reach": list(nginx(service)),
        "gunicorn, over a Unix socket: around Flask, outermost first": said["layers"],
        "Flask, before the route, in this order": said["before"],
        "The feature: what its routes call": said["feature"],
        "Each statement, before the database gets it": said["statements"],
        "Flask, after the route; then the layers above, from the inside": said["after"],
    }


def label(row: Row) -> Row:
    """The row, with a description if the function is of a library."""
    name, place, text = row
    if text:
        return row
    module, text = LIBRARIES[name]
    return name, f"{place}, {module}.py", text


def drawn(service: Path, python: Path | str) -> str:
    """The drawing as SVG."""
    y, parts = 20, []
    for number, (head, rows) in enumerate(steps(service, python).items()):
        height = HEAD + LINE * len(rows) + 10
        if number:
            parts.append(f'<path class="way" d="M{WIDTH // 2} {y - GAP + 3}v22m-5 -6l5 6l5 -6"/>')
        inside = f'width="{WIDTH - 2 * LEFT}" height="{height}" rx="6"'
        parts.append(f'<rect class="box" x="{LEFT}" y="{y}" {inside}/>')
        at = f'x="{LEFT + COLUMNS[0]}" y="{y + 21}"'
        parts.append(f'<text class="head" {at}>{escape(head)}</text>')
        for line, row in enumerate(map(label, rows)):
            for x, kind, text in zip(COLUMNS, ("code", "code soft", ""), row, strict=True):
                at = f'x="{LEFT + x}" y="{y + HEAD + LINE * line + 14}"'
                parts.append(f'<text class="{kind}" {at}>{escape(text)}</text>')
        y += height + GAP
    size = f'viewBox="0 0 {WIDTH} {y - GAP + 20}" width="{WIDTH}" height="{y - GAP + 20}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            "<title>How a request passes Nginx, the practices and a feature</title>",
            f"<style>\n{STYLE}</style>",
            '<rect class="page" width="100%" height="100%"/>',
            *parts,
            "</svg>\n",
        ]
    )
