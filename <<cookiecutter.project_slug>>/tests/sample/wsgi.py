"""The service with the samples, for gunicorn: ``tests.sample.wsgi:app``."""

from __future__ import annotations

from app import create_app
from tests import sample

app = create_app()
sample.init_app(app)
