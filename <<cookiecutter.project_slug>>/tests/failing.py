"""The service with one view more, which fails with everything that it knows: for gunicorn.

``gunicorn tests.failing:app``. A mistake in a view is like that: the exception's text ends in the
log, with whatever the view put into it.
"""

from __future__ import annotations

from flask import current_app, g

from app import create_app
from app.secret import Secret
from app.security.access import public
from tests import sample

app = create_app()
sample.init_app(app)


@app.get("/fail")
@public
def fail() -> str:
    """Raise."""
    made = Secret("made-in-a-view-that-fails")
    raise RuntimeError(current_app.config["SETTINGS"], g.session, g.user, made)
