"""The list of a resource, page by page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app import resources
from app.auth.models import User
from app.database import db, now
from app.security.rich_text import RichText
from tests.browser import Browser
from tests.sample.models import Sample


@pytest.mark.parametrize("at_once", [1, 3, resources.PAGE, 3 * resources.PAGE])
def test_every_row_is_on_one_page(app: Flask, alice: Browser, bob: Browser, at_once: int) -> None:
    """The newest first, also where many were written in the same second, and while some are."""
    with app.app_context():
        owner, other = db.session.scalars(select(User).order_by(User.id)).all()
        for number in range(2 * resources.PAGE + 5):
            text = RichText("B")
            moment = now() - timedelta(hours=1, seconds=number // at_once)
            for user in (owner, other):
                db.session.add(Sample(owner_id=user.id, title="A", body=text, created_at=moment))
        db.session.commit()
        mine = select(Sample.id).where(Sample.owner_id == owner.id)
        wanted = db.session.scalars(mine.order_by(Sample.created_at.desc(), Sample.id.desc())).all()

        found, last = [], None
        while last is not None or not found:
            page, last = resources.page(Sample, owner, last)
            assert len(page) <= resources.PAGE
            found += [row.id for row in page]
            resources.create(Sample, owner, title="newer", body="than all of them")
        assert found == wanted
