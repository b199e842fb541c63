"""The operations on samples, the same for pages and for an API.

The caller loads a sample with :func:`app.security.access.get_owned`.
"""

from __future__ import annotations

from flask import abort
from sqlalchemy import or_, select

from app import quotas
from app.auth.models import User
from app.database import db
from app.security.sanitization import sanitize_html
from tests.sample.models import Sample

PAGE = 20  # samples


def page(owner: User, before: Sample | None = None) -> tuple[list[Sample], Sample | None]:
    """The owner's newest samples, at most ``PAGE``, and the last of them if older ones follow.

    :param before: only samples older than this one. A key, not an offset: every page costs the same.
    """
    newest = Sample.created_at.desc(), Sample.id.desc()
    query = select(Sample).where(Sample.owner_id == owner.id).order_by(*newest).limit(PAGE + 1)
    if before is not None:
        # Not every database uses the index for the second condition; so the first one repeats a
        # part of it.
        older = or_(Sample.created_at < before.created_at, Sample.id < before.id)
        query = query.where(Sample.created_at <= before.created_at, older)
    samples = list(db.session.scalars(query))
    return samples[:PAGE], samples[PAGE - 1] if len(samples) > PAGE else None


def create(owner: User, title: str, body: str) -> Sample:
    """Write a new sample.

    :raises app.quotas.QuotaError: when the owner's account is full.
    """
    body = sanitize_html(body)
    quotas.charge(owner.id, rows=1, size=quotas.size_of(title, body))
    sample = Sample(owner_id=owner.id, title=title, body=body)
    db.session.add(sample)
    db.session.commit()
    return sample


def update(sample: Sample, version: int, title: str, body: str) -> None:
    """Change a sample.

    :raises werkzeug.exceptions.Conflict: when the sample has changed since ``version``.
    :raises sqlalchemy.orm.exc.StaleDataError: when it changes at this very moment; also 409.
    :raises app.quotas.QuotaError: when the owner's account has no room for the new text.
    """
    if sample.version != version:
        abort(409, "This sample was changed in the meantime. Reload it and try again.")
    before = quotas.size_of(sample.title, sample.body)
    sample.title, sample.body = title, sanitize_html(body)
    db.session.flush()
    quotas.charge(sample.owner_id, size=quotas.size_of(sample.title, sample.body) - before)
    db.session.commit()


def remove(sample: Sample) -> None:
    """Delete a sample."""
    db.session.delete(sample)
    db.session.flush()
    quotas.charge(sample.owner_id, rows=-1, size=-quotas.size_of(sample.title, sample.body))
    db.session.commit()
