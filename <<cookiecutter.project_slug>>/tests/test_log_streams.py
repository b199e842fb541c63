"""The log leaves the service: all of it goes to streams that a collector of another system reads.

An attacker who has taken the service over must not be able to change what the log has said. So no
part of it keeps its log in a file of its own: each writes lines of JSON to its standard streams or,
on a host, to the journal, as soon as they happen. How they go on from there is described in the
README of the deployment.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import runpy
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from flask import Flask

# <% if cookiecutter.auth == "session" %>
from app.auth.links import LIFETIMES
# <% endif %>
from app.security.logs import StandardErrorHandler
from tests import live, sources
from tests.browser import HOME, SIGN_IN
from tests.marks import asvs, practice, slow

pytestmark = practice("logs")

PROJECT = Path(__file__).parents[1]
# <% if cookiecutter.__runtime == "host" %>
STREAMS = {"syslog:server=unix:/dev/log,nohostname,tag=nginx"}
# <% else %>
STREAMS = {"/dev/stdout", "/dev/stderr"}
# <% endif %>
DIRECTIVE = re.compile(r"^\s*(access_log|error_log)\s+([^\s;]+)\s*([^;]*);", re.MULTILINE)
# What writes a log elsewhere, or reads from a file where it is written.
ELSEWHERE = re.compile(
    r"\w*FileHandler|(SysLog|Socket|Datagram|HTTP|SMTP|Memory)Handler|(basic|dict|file)Config"
)
WRITABLE = os.O_WRONLY | os.O_RDWR


@asvs("16.4.3")
def test_nginx_writes_to_its_streams() -> None:
    texts = [path.read_text("utf-8") for path in sorted(Path("deploy/nginx").glob("*.conf"))]
    found = [match for text in texts for match in DIRECTIVE.findall(text)]
    assert {name for name, _, _ in found} == {"access_log", "error_log"}
    assert len(found) == sum(len(re.findall(r"(?m)^\s*\w+_log\s", text)) for text in texts)
    for name, target, rest in found:
        assert target in STREAMS, f"{name} {target}: a file of Nginx can be changed or deleted"
        assert name == "error_log" or rest == "json"


# <% if cookiecutter.auth == "session" %>
def test_nginx_writes_no_token_of_any_link(app: Flask) -> None:
    """Its error log quotes the query of a request that fails; a mail leads to such an address."""
    site = Path("deploy/nginx/site.conf").read_text("utf-8")
    (silent,) = re.findall(r'location ~ "(\S+)" \{[^}]* emerg;', site)
    led_to = {f"/auth/{purpose}" for purpose in LIFETIMES}
    pages = led_to & {rule.rule for rule in app.url_map.iter_rules()}
    assert len(pages) > 1
    assert sorted(page for page in pages if not re.search(silent, page)) == []


# <% endif %>
@asvs("16.4.3")
def test_gunicorn_writes_to_its_streams() -> None:
    settings = runpy.run_path("deploy/gunicorn.conf.py")
    assert settings["errorlog"] == "-"
    assert settings["accesslog"] is None  # the app's own line is the access log
    assert not {"logconfig", "logconfig_dict", "logconfig_json", "capture_output"} & settings.keys()


@asvs("16.4.3")
def test_no_code_writes_a_log_elsewhere() -> None:
    for path in sorted([*(PROJECT / "app").rglob("*.py"), *(PROJECT / "deploy").rglob("*.py")]):
        calls = (it.func for it in sources.nodes(path) if isinstance(it, ast.Call))
        names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
        found = {name for name in names if ELSEWHERE.fullmatch(name)}
        assert not found, f"{path.relative_to(PROJECT)} calls {found}: log to standard error"


@asvs("16.4.3")
def test_every_line_of_the_running_service_goes_through_one_handler(app: Flask) -> None:
    names = [it for it in logging.root.manager.loggerDict if it.split(".")[0] == app.name]
    loggers = [logging.root, *map(logging.getLogger, names)]
    assert all(logger.propagate for logger in loggers[1:])
    handlers = [it for logger in loggers for it in logger.handlers]
    ours = [it for it in handlers if isinstance(it, StandardErrorHandler)]
    assert len(ours) == 1
    assert ours[0] in logging.root.handlers
    for other in {*handlers} - {*ours}:
        # pytest collects what is logged; libraries add a handler that writes nothing.
        assert type(other).__module__ == "_pytest.logging" or isinstance(
            other, logging.NullHandler
        ), f"{other} writes lines that nobody collects"


def processes_with(word: str) -> Iterator[Path]:
    """The processes in ``/proc`` that have this word in an environment variable."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (folder / "environ").read_bytes():
                yield folder
        except OSError:  # it has ended, or is another user's
            continue


def written_files(process: Path) -> Iterator[str]:
    """The files that a process can write to; not those that have no name any more."""
    for descriptor in (process / "fd").iterdir():
        try:
            about = (process / "fdinfo" / descriptor.name).read_text()
            target = descriptor.readlink()
        except FileNotFoundError:  # the process, which goes on, has closed it: a connection, say
            continue
        (flags,) = re.findall(r"flags:\s+(\d+)", about)
        if int(flags, 8) & WRITABLE and target.is_file():
            yield str(target)


@slow
@asvs("16.4.3", "16.2.2", "16.2.4")
def test_the_running_servers_write_lines_of_json_and_no_file(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with live.gunicorn(tmp_path, environment) as app, live.nginx(tmp_path, app) as site:
        for path in (HOME, "/nothing", "/%0a{", "/healthz"):
            site.get(path)
        site.request("POST", SIGN_IN, body=b"x", headers={"Sec-Fetch-Site": "cross-site"})
        servers = list(processes_with(f"unix:{app}"))
        files = {name for process in servers for name in written_files(process)}
    assert len(servers) > 1  # the master and its workers
    log = tmp_path / "app.log"  # to which the test has led the standard streams
    database = environment["DATABASE_URL"].removeprefix("sqlite:///")
    assert str(log) in files
    assert {name for name in files - {str(log)} if not name.startswith(database)} == set()
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert {"app.access", "app.security", "gunicorn.error"} <= {it["logger"] for it in lines}
    assert all(it.keys() >= {"time", "level", "event"} for it in lines)
    requests = (tmp_path / "log/access.log").read_text("utf-8").splitlines()
    assert len(requests) >= 5
    assert all(json.loads(line)["logger"] == "nginx" for line in requests)
    times = [it["time"] for it in (*lines, *map(json.loads, requests))]
    assert [it for it in times if datetime.fromisoformat(it).utcoffset() is None] == []
