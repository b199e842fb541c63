"""Accounts whose names look alike, which a collation may take for the same one."""

from __future__ import annotations

from flask import Flask

from app.auth.models import User
from app.database import db, dialect
from app.secret import Secret
from tests.browser import ACCOUNT_KEY, account
from tests.marks import slow


@slow
def test_accounts_that_look_alike_are_different(app: Flask) -> None:
    names = ["jose@example.com", "josé@example.com", "JOSE@example.com", "\U0001f980@example.com"]
    if dialect.NAME != "MySQL":  # it takes a space at the end for none; no e-mail address has one
        names.append("jose@example.com ")
    with app.app_context():
        db.session.add_all([User(**account(name)) for name in names])
        db.session.commit()
        key = getattr(User, ACCOUNT_KEY)
        for name in names:
            assert db.session.query(key).filter(key == Secret(name)).all() == [(name,)]
