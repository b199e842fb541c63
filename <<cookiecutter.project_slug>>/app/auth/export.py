"""Export: everything that is stored about a user, for this user alone.

The thief of a session must not get a hash to guess from, or a token; nobody gets the rows of
another user. So every row with an owner is exported, also those of features to come, by queries
that :mod:`app.security.scope` limits to the signed-in user; but no column whose name looks secret,
and of the tables of accounts only what :data:`SHOWN` names. Rows are read and sent in small parts:
the largest account takes no more memory than a small one, and a slow client holds no connection to
the database. GDPR articles 15 and 20; ASVS 8.2.2, 15.3.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response, stream_with_context
# <% if cookiecutter.auth == "oidc" %>
from sqlalchemy import inspect, select
# <% else %>
from sqlalchemy import inspect, or_, select
# <% endif %>
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import ColumnElement

# <% if cookiecutter.auth != "oidc" %>
from app.auth import account_links, links
# <% endif %>
from app.auth.models import User
from app.database import Base, db, now
# <% if cookiecutter.auth != "oidc" %>
from app.mail.models import Mail
# <% endif %>
from app.secret import Secret
from app.security.limit_keys import signed_in_account
from app.security.logs import security_event
from app.security.ownership import owners
from app.security.rate_limits import limited
from app.settings import SERVICE_NAME

BATCH = 20  # rows in memory at once, as in a list
EXPORT = "10 per hour"  # up to 10 MiB each: more would be a download of 100 MiB an hour
FILE = "account-data.json"
# Matched against the name of each column; a match is never exported. If your column should be
# exported, rename it. To leave out another column: ``mapped_column(info={"not_exported": "why"})``.
SECRET = re.compile(
    r"hash|token|secret|passw|passphrase|credential|cookie|crypt|private|digest|signature|verifier"
    r"|recovery|(?:^|_)(?:key|pin|otp|totp|seed|salt|nonce|sid|jwt|apikey)s?(?:_|$)",
    re.IGNORECASE,
)
ATTEMPTS = ("failures", "failed_at", "refusals")
# The tables of accounts: a new column is not exported until it is named here.
SHOWN = {
    # <% if cookiecutter.auth == "oidc" %>
    "users": (
        *("email", "issuer", "subject", "is_operator", "created_at", "disabled_at"),
        *("stored_rows", "stored_bytes", *ATTEMPTS),
    ),
    # <% else %>
    "users": (
        *("email", "created_at", "disabled_at", "factors_end_at"),
        *("stored_rows", "stored_bytes", *ATTEMPTS),
    ),
    "authenticator_apps": ("created_at", "enabled_at"),
    "passkeys": ("name", "created_at", "used_at"),
    "recovery_codes": (),  # how many there are
    # <% if cookiecutter.auth == "token" %>
    "personal_tokens": ("name", "scopes", "created_at", "expires_at", "last_used_at"),
    # <% endif %>
    "tickets": ("purpose", "expires_at"),
    "links": ("purpose", "email", "expires_at", "mails", "mailed_at"),
    "devices": ("seen_at",),
    "outbox": ("kind", "recipient", "state", "created_at", "due_at"),
    # <% endif %>
    "sessions": (
        *("created_at", "last_seen_at", "address", "device", "proof", "proven_at"),
        # <% if cookiecutter.auth == "session" %>
        "stays",
        # <% endif %>
        *ATTEMPTS,
    ),
}

limit = limited("export", EXPORT, signed_in_account)


def respond(user: User) -> Response:
    """Everything about the signed-in user, as a file in JSON."""
    security_event("user_exported", account=user.id)
    content = stream_with_context(parts(user))
    disposition = {"Content-Disposition": f'attachment; filename="{FILE}"'}
    return Response(content, headers=disposition, content_type="application/json")


def parts(user: User) -> Iterator[str]:
    """The JSON, row by row: the account, and a list for each table."""
    account = {name: getattr(user, name) for name in shown(inspect(User))}
    about = {"service": SERVICE_NAME, "exported_at": now(), "account": account}
    db.session.commit()  # the connection goes back while the client reads
    yield _json(about)[:-1]
    # <% if cookiecutter.auth != "oidc" %>
    yield from _table(inspect(Mail), Mail.recipient == user.email)
    # <% endif %>
    for mapper in owned():
        # <% if cookiecutter.auth == "oidc" %>
        yield from _table(mapper)
        # <% else %>
        if mapper.class_ is links.Link:  # also those that name no account, only the address
            yield from _table(mapper, or_(*account_links.of(user)), options=links.OF_ALL)
        else:
            yield from _table(mapper)
        # <% endif %>
    yield "}\n"


def owned() -> list[Mapper[Any]]:
    """The models whose rows belong to a user, by the names of their tables."""
    found = (mapper for mapper in Base.registry.mappers if owners(mapper))
    return sorted(found, key=lambda mapper: str(mapper.local_table))


def shown(mapper: Mapper[Any]) -> list[str]:
    """The attributes of a model that are exported.

    Not the ids of rows and owners: they reveal how many there are, and say nothing of the user.
    """
    named = SHOWN.get(str(mapper.local_table))
    internal = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
    return [
        it.key
        for it in mapper.column_attrs
        if not SECRET.search(it.key)
        and not SECRET.search(it.columns[0].name)
        and (it.key in named if named is not None else it.key not in internal | {*owners(mapper)})
        and "not_exported" not in it.columns[0].info
    ]


def _table(
    mapper: Mapper[Any], *criteria: ColumnElement[bool], options: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """The user's rows of a table, as one entry of the JSON.

    :param options: execution options: ``unscoped`` where ``criteria`` name the user.
    """
    (key,) = (mapper.attrs[mapper.get_property_by_column(it).key] for it in mapper.primary_key)
    primary = key.class_attribute
    names = shown(mapper)
    columns = [mapper.attrs[name].class_attribute for name in names]
    yield f",\n{_json(str(mapper.local_table))}: ["
    separator = "\n"
    found = select(primary).where(*criteria)
    keys = sorted(db.session.scalars(found, execution_options=options or {}))
    for start in range(0, len(keys), BATCH):
        some = select(primary, *columns).where(primary.in_(keys[start : start + BATCH]))
        rows = db.session.execute(some.order_by(primary), execution_options=options or {}).all()
        db.session.commit()
        for row in rows:
            yield separator + _json(dict(zip(names, row[1:], strict=True)))
            separator = ",\n"
    yield "\n]"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_text)


def _text(value: Any) -> str:
    """An address as its owner reads it, a time as ISO 8601 has it; anything else as text."""
    if isinstance(value, Secret):
        return value.reveal()
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
