"""What is not in the code, so that no attack on it works; it fails when it comes in.

An attacker who finds a second way out, a second hash function or native code finds one that nobody
has thought about. Whoever needs one of these adds it to a table here, with the tests that it needs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth.models import User
from app.database import Base, db
from tests import sources
from tests.browser import HOME, SIGN_IN, Browser
from tests.database import migrate
from tests.marks import asvs, practice

pytestmark = practice("audits")

# What opens connections, and who may: each to what a setting of the operator names.
OUTWARD = {
    *("aiohttp", "asyncio", "ftplib", "http.client", "httpx", "imaplib", "poplib", "redis"),
    *("requests", "smtplib", "socket", "socketserver", "urllib.request", "urllib3", "xmlrpc"),
    *("authlib", "grpc", "boto3", "paramiko"),
}
CONNECTS = {
    "app/mail/delivery.py": "the errors of a mail server",
    "app/mail/transport.py": "MAIL_URL",
    "app/metrics/certificate.py": "CERTIFICATE_ADDRESS, without a request",
    "app/security/breaches.py": "BREACHED_PASSWORDS_URL, without redirects",
    "app/security/limit_storage.py": "REDIS_URL",
    # <% if cookiecutter.auth == "oidc" %>
    "app/outbound_addresses.py": "OIDC_ISSUER: which addresses a name has",
    "app/auth/checked_adapter.py": "OIDC_ISSUER, on public addresses",
    "app/auth/code_flow.py": "the errors of the provider",
    "app/auth/outbound.py": "OIDC_ISSUER, without redirects",
    # <% endif %>
}
# Well-known implementations, and of their parts what is used. Hash functions are SHA-2 alone.
CRYPTOGRAPHY = {
    *("Crypto", "Cryptodome", "M2Crypto", "OpenSSL", "bcrypt", "crypt", "cryptography", "ecdsa"),
    *("hashlib", "hmac", "nacl", "passlib", "pyaes", "random", "rsa", "scrypt", "zlib.crc32"),
}
SHA1 = {
    "app/security/breaches.py": "the look-up is the interface's, and protects nothing",
    # <% if cookiecutter.database == "mysql" %>
    "app/database/provisioning.py": "random passwords, as MariaDB stores them: 11.4.1 is met in part",
    # <% endif %>
}
# <% if cookiecutter.auth == "token" %>
CHECKSUMS = {"app/auth/token_form.py": "tells scanners a token from a text, and protects nothing"}
# <% endif %>
APPROVED = {
    *("cryptography.exceptions.UnsupportedAlgorithm", "cryptography.x509.InvalidVersion"),
    "cryptography.x509.load_der_x509_certificate",  # for its date alone
    *(f"cryptography.fernet.{it}" for it in ("Fernet", "InvalidToken", "MultiFernet")),
    "cryptography.hazmat.primitives.hashes.SHA256",
    "cryptography.hazmat.primitives.kdf.hkdf.HKDF",
    *(f"hashlib{it}" for it in ("", ".sha256", ".sha384", ".sha512")),
    *("hmac", "hmac.compare_digest", "hmac.digest"),  # by SHA-256: see WEAK
    # <% if cookiecutter.database == "mysql" %>
    "hashlib.pbkdf2_hmac",  # with SHA-256, in migrating.py
    # <% endif %>
    # <% if cookiecutter.auth == "oidc" %>
    "hashlib.new",  # with what provider_tokens.HASHES lists: SHA-2 as well
    # <% endif %>
}
WEAK = re.compile(r"md[245]|sha-?1|ripemd\d*|crc-?32", re.IGNORECASE)  # by their names
NATIVE = {"_ctypes", "cffi", "ctypes", "cython", "mmap", "numba"}
# What turns a text of a user into a page, or runs it: Markdown, BBCode, style sheets, XSL.
LANGUAGES = {
    *("bbcode", "cmarkgfm", "commonmark", "docutils", "genshi", "lxml", "mako", "markdown"),
    *("markdown2", "markdown_it", "mistune", "sass", "textile", "tinycss2"),
}
RENDERS = {"app/security/rich_text.py": {"markdown_it.MarkdownIt", "markdown_it.token.Token"}}
# A pattern from input freezes a worker; a format from input shows attributes of objects.
PATTERNS = {
    "app/security/access.py": "PublicIdConverter.regex",  # a constant
    "app/security/ownership.py": "tables",  # names of tables, escaped
}
# The SQL of migrations/*.sql, with names that provisioning.py quotes.
FORMATS = {"sql.SQL(wanted).format(**names, **more)", "statement.format(**values)"}
# What writes a line, besides loggers: to standard error.
WRITES = {
    "app/security/logs.py": {"StandardErrorHandler"},
    "wsgi.py": {"print"},  # why it refuses to start
    "app/mail/transport.py": {"path.write_bytes"},  # a mail of development
    "app/database/backups.py": {"unfinished.open"},
    "app/database/dumps.py": {"target.open", "source.open"},  # backups
}
# The functions that open a session; docs/sign-in.md describes the ways that lead to them.
# <% if cookiecutter.auth == "session" %>
WAYS_IN = {"app/auth/password_views.py change", "app/auth/views.py go_on"}
# <% elif cookiecutter.auth == "token" %>
WAYS_IN = {"app/auth/sign_in_answers.py start"}
# <% else %>
WAYS_IN = {"app/auth/views.py callback", "app/auth/views.py emergency"}
# <% endif %>

# What decides who asks: the token in its one place, and the session that the database has for it.
# <% if cookiecutter.auth == "token" %>
ASKED = {
    "request.headers.get('Authorization', '').partition(' ')",
    "request.headers.get('Authorization', '')",
    *("_bearer()", "scheme.lower()", "Secret(text if scheme.lower() == 'bearer' else '')"),
    "tokens.session_of(token)",
    *("token_form.is_personal(token)", "personal_tokens.find(token)"),
    "token_access.refusal(g.personal_token)",
}
# <% else %>
ASKED = {
    *("session.get(SESSION_ID)", "sessions.find(hash_secret(Secret(str(token))))"),
    *("hash_secret(Secret(str(token)))", "Secret(str(token))", "str(token)"),
}
# <% endif %>


def code() -> list[tuple[str, ast.Module]]:
    found = [*sorted(Path("app").rglob("*.py")), Path("wsgi.py"), Path("deploy/gunicorn.conf.py")]
    return [(it.as_posix(), sources.tree(it)) for it in found]


@cache
def imported(tree: ast.AST) -> set[str]:
    """The full name of everything that is imported, and of each attribute of a module."""
    found = set()
    for node in sources.walked(tree):
        if isinstance(node, ast.Import):
            found |= {it.name for it in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{it.name}" for it in node.names}
        elif isinstance(node, ast.Attribute):
            found |= {*re.findall(r"^[\w.]+$", ast.unparse(node))}
    return found


def among(tree: ast.AST, modules: set[str]) -> set[str]:
    """What is imported of these modules."""
    return {
        name for name in imported(tree) if any(f"{name}.".startswith(f"{it}.") for it in modules)
    }


def texts(tree: ast.AST) -> Iterator[str]:
    constants = (it.value for it in sources.walked(tree) if isinstance(it, ast.Constant))
    yield from (it for it in constants if isinstance(it, str))


def patterns(tree: ast.AST) -> Iterator[str]:
    """What is neither a constant nor made of constants, and becomes a regular expression."""
    for node in sources.walked(tree):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and re.fullmatch(r"re\.(?!escape)\w+", name) and node.args:
            if isinstance(node.args[0], ast.JoinedStr):
                nodes = ast.walk(node.args[0])
                parts = [it.value for it in nodes if isinstance(it, ast.FormattedValue)]
            else:
                parts = [node.args[0]]
            yield from (it for it in map(ast.unparse, parts) if not is_constant(it))


def is_constant(expression: str) -> bool:
    """A literal, a name in capitals, or what is escaped."""
    node = ast.parse(expression, mode="eval").body
    return isinstance(node, ast.Constant) or bool(
        re.fullmatch(r"[A-Z][A-Z_]*|re\.escape\(.*\)", expression)
    )


def formats(tree: ast.AST) -> Iterator[str]:
    """What is no constant, and is filled in like a format."""
    for node in sources.walked(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = ast.unparse(node.func.value)
            if node.func.attr in ("format", "format_map") and of not in ("self", "super()"):
                yield from [] if is_constant(of) else [ast.unparse(node)]


@asvs("1.3.6", "13.2.4", "14.2.3", "15.3.2")
def test_only_these_modules_open_connections() -> None:
    """So no input makes the service ask another server, and none leads it on by a redirect."""
    found = {path for path, tree in code() if among(tree, OUTWARD)}
    assert found == set(CONNECTS)


@asvs("11.2.1", "11.2.3", "11.3.1", "11.4.1", "11.4.3")
def test_only_approved_cryptography_is_used() -> None:
    """No cipher, mode, padding or hash function but these."""
    for path, tree in code():
        weak = {"hashlib.sha1"} if path in SHA1 else set()
        # <% if cookiecutter.auth == "token" %>
        weak |= {"zlib.crc32"} if path in CHECKSUMS else set()
        # <% endif %>
        assert among(tree, CRYPTOGRAPHY) <= APPROVED | weak, path
        assert not [it for it in texts(tree) if WEAK.fullmatch(it)], path


@asvs("1.4.1", "1.4.3")
def test_no_code_manages_memory() -> None:
    """What is not Python is in the packages of the lock alone."""
    for path, tree in code():
        assert not among(tree, NATIVE), path
    files = [path for path in Path("app").rglob("*.*") if "__pycache__" not in path.parts]
    assert {path.suffix for path in files} <= {".css", ".html", ".js", ".py", ".svg", ".txt"}


@asvs("1.3.5")
def test_no_text_of_a_user_is_a_program() -> None:
    for path, tree in code():
        assert among(tree, LANGUAGES) == RENDERS.get(path, set()), path


@asvs("1.2.9")
def test_no_regular_expression_is_made_of_input() -> None:
    for path, tree in code():
        assert set(patterns(tree)) <= {PATTERNS.get(path, "")}, path


@asvs("1.3.10")
def test_no_format_is_made_of_input() -> None:
    for path, tree in code():
        allowed = FORMATS if path == "app/database/provisioning.py" else set()
        assert set(formats(tree)) <= allowed, path


@asvs("16.2.3")
def test_the_log_goes_to_standard_error_alone() -> None:
    """A second place is one that nobody protects, rotates or deletes."""
    for path, tree in code():
        calls = {ast.unparse(it.func) for it in sources.walked(tree) if isinstance(it, ast.Call)}
        writes = {it for it in calls if re.search("[A-Z][a-z]+Handler$|^print$|[a-z]Config$", it)}
        writes |= {it for it in calls if re.search(r"(^|\.)(open|write_text|write_bytes)$", it)}
        assert writes <= WRITES.get(path, set()), path


@asvs("6.3.4")
def test_only_listed_functions_open_a_session() -> None:
    """A way in that nobody has written down asks for less than the others."""
    found = set()
    for path, tree in code():
        for function in (it for it in sources.walked(tree) if isinstance(it, ast.FunctionDef)):
            calls = {ast.unparse(it.func) for it in ast.walk(function) if isinstance(it, ast.Call)}
            if calls & {"identity.start_session", "start_session", "sessions.start"}:
                found.add(f"{path} {function.name}")
    assert found == WAYS_IN | {"app/auth/identity.py start_session"}


@asvs("7.2.1", "7.2.2")
def test_the_token_of_a_session_alone_says_who_asks() -> None:
    """Not a header that a proxy should have set, and not a key that is the same every day."""
    found, read = set(), set()
    for path, tree in code():
        for function in (it for it in sources.walked(tree) if isinstance(it, ast.FunctionDef)):
            for node in ast.walk(function):
                targets = node.targets if isinstance(node, ast.Assign) else []
                known = {"g.user", "g.session"} & {*map(ast.unparse, targets)}
                if known and ast.unparse(node.value) != "None":  # type: ignore[attr-defined]
                    found.add(f"{path} {function.name}")
            if path == "app/auth/identity.py" and function.name in ("identify", "_bearer"):
                uses = (it for it in ast.walk(function) if isinstance(it, ast.Call))
                read |= {ast.unparse(it) for it in uses} - {"session.clear()"}
    assert found == {"app/auth/identity.py identify"}
    assert read == ASKED


@asvs("15.3.7")
def test_no_parameter_is_read_from_several_places_at_once() -> None:
    """``request.values`` mixes the query with the body: an attacker overrides one by the other."""
    for path, tree in code():
        names = {ast.unparse(it) for it in sources.walked(tree) if isinstance(it, ast.Attribute)}
        assert not names & {"request.values", "flask.request.values"}, path
        assert not among(tree, {"werkzeug.datastructures.CombinedMultiDict"}), path


@asvs("15.4.1")
def test_no_module_stores_request_data_in_a_global() -> None:
    """Threads share it: one answers with the user, or the text, of another."""
    changes = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem"}
    changes |= {"remove", "setdefault", "update", "appendleft"}
    for path, tree in code():
        assigned = [it for it in tree.body if isinstance(it, ast.Assign | ast.AnnAssign)]
        targets = [it.targets[0] if isinstance(it, ast.Assign) else it.target for it in assigned]
        shared = {ast.unparse(it) for it in targets}
        for function in (it for it in sources.walked(tree) if isinstance(it, ast.FunctionDef)):
            for node in ast.walk(function):
                assert not isinstance(node, ast.Global), f"{path}: {ast.unparse(node)}"
                written = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
                if isinstance(node, ast.Subscript | ast.Attribute) and written:
                    assert ast.unparse(node.value) not in shared, f"{path}: {ast.unparse(node)}"
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    changed = node.func.attr in changes and ast.unparse(node.func.value) in shared
                    assert not changed, f"{path}: {ast.unparse(node)}"


@asvs("6.4.2")
def test_no_account_has_a_hint_or_a_secret_question() -> None:
    columns = {column.name for table in Base.metadata.tables.values() for column in table.columns}
    assert len(columns) > 10
    assert not [it for it in columns if re.search("hint|question|answer|maiden|reminder", it)]


@asvs("6.2.10")
def test_no_password_grows_old() -> None:
    """Forced changes lead to worse passwords, so no column stores a password's age."""
    columns = {column.name for table in Base.metadata.tables.values() for column in table.columns}
    assert not [it for it in columns if re.search("password.*(age|since|changed|rotat)", it)]


@asvs("6.3.2")
def test_a_new_service_has_no_account(
    make_app: Callable[..., Flask], environment: dict[str, str], own_database: dict[str, str]
) -> None:
    """Nor does a start, or a first visitor, make one."""
    migrate({**environment, **own_database})
    app = make_app(**own_database)
    for path in (HOME, SIGN_IN):
        Browser(app).get(path)
    with app.app_context():
        assert db.session.scalars(select(User)).all() == []


@asvs("6.3.2")
def test_no_migration_makes_an_account() -> None:
    """A password that is the same in every new service is known to everybody."""
    for path in sorted(Path("migrations/versions").glob("*.py")):
        text = path.read_text("utf-8")
        assert not re.search(r"bulk_insert|INSERT\s+INTO\s+users|\binsert\(", text, re.I), path


@asvs("13.2.4")
def test_checking_an_address_makes_no_dns_query() -> None:
    """To look its domain up would let an attacker choose whom this service asks, and when."""
    calls = [
        it
        for _, tree in code()
        for it in sources.walked(tree)
        if isinstance(it, ast.Call) and ast.unparse(it.func) == "validate_email"
    ]
    assert calls
    for call in calls:
        given = {it.arg: ast.unparse(it.value) for it in call.keywords}
        assert given["check_deliverability"] == "False"


@asvs("13.4.6")
def test_nobody_but_the_audit_and_the_metrics_knows_a_version() -> None:
    """What no page can say, an attacker has to guess. Metrics have a listener of their own."""
    known = {"importlib.metadata", "pkg_resources", "platform", "sys.version", "sys.version_info"}
    found = {path for path, tree in code() if among(tree, known)}
    assert found == {"app/security/audits.py", "app/metrics/collector.py"}


def nginx_lines() -> list[str]:
    paths = sorted(Path("deploy/nginx").glob("*.conf"))
    lines = (line for path in paths for line in path.read_text("utf-8").splitlines())
    return [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]


@asvs("13.2.5", "13.4.3")
def test_nginx_includes_only_its_own_files_and_lists_no_folder() -> None:
    """No file that somebody puts beside them, no code, no folder."""
    loads = r"(include|load_module|perl\w*|js_\w+|lua_\w+|ssi|xslt_\w+|dav_\w+|\w*index) "
    own = {f"include {path.name};" for path in Path("deploy/nginx").glob("*.conf")}
    # <% if cookiecutter.deployment == "kubernetes" %>
    own.add("include gateway/*.conf;")  # a ConfigMap of overlays/gateway
    # <% endif %>
    assert {line for line in nginx_lines() if re.match(loads, line)} <= own


@asvs("13.4.2")
def test_no_server_logs_or_shows_debug_information() -> None:
    """At the level debug, Nginx logs headers and bodies; gunicorn would read changed code."""
    levels = {line.split()[-1] for line in nginx_lines() if line.startswith("error_log ")}
    assert levels
    assert levels <= {"warn;", "error;", "crit;", "emerg;"}
    assert not [line for line in nginx_lines() if line.startswith("debug_")]
    tree = ast.parse(Path("deploy/gunicorn.conf.py").read_text("utf-8"))
    names = {ast.unparse(it) for it in sources.walked(tree) if isinstance(it, ast.Name)}
    assert not names & {"reload", "spew", "print_config", "check_config"}


@asvs("13.2.5")
def test_nginx_forwards_requests_only_to_the_app() -> None:
    """And serves no folder but that of the certificate authority."""
    lines = nginx_lines()
    asks = r"(proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass |mirror |auth_request |resolver "
    assert {line for line in lines if re.match(asks, line)} == {"proxy_pass http://app;"}
    servers = [line for line in lines if re.match("server [^{]", line)]
    assert servers
    assert not [line for line in servers if not line.startswith("server unix:")]
    folders = {line for line in lines if re.match("(root|alias|try_files) ", line)}
    assert folders <= {"root /var/www/acme;"}


SEEN = [
    ("import requests", OUTWARD),
    ("from urllib.request import urlopen", OUTWARD),
    ("import urllib.request as u", OUTWARD),
    ("from urllib import request", OUTWARD),
    ("from cryptography.hazmat.primitives.ciphers.modes import ECB", CRYPTOGRAPHY),
    ("import hashlib\nhashlib.md5(b'')", CRYPTOGRAPHY),
    ("from hashlib import blake2b", CRYPTOGRAPHY),
    ("import hmac\nhmac.new(key, text, name)", CRYPTOGRAPHY),
    ("import ctypes.util", NATIVE),
    ("import markdown", LANGUAGES),
]


@pytest.mark.parametrize(("code", "modules"), SEEN, ids=[code for code, _ in SEEN])
def test_the_search_finds_planted_code(code: str, modules: set[str]) -> None:
    assert among(ast.parse(code), modules) - APPROVED


def test_patterns_and_formats_are_seen() -> None:
    code = "re.search(text, x)\nre.compile(f'{text}')\nre.match(r'a', x)\nre.sub(f'{ALL}', '', x)"
    code += "\nre.search(f'a{re.escape(text)}', x)"
    assert list(patterns(ast.parse(code))) == ["text", "text"]
    code = "text.format(x)\n'{}'.format(x)\nTEXT.format(x)\nrow.title.format_map(x)"
    assert list(formats(ast.parse(code))) == ["text.format(x)", "row.title.format_map(x)"]
