"""The differences of development. Production does not call this module."""

from __future__ import annotations

import logging
from threading import Event

from flask import Flask, request
from werkzeug.wrappers import Response

# <% if cookiecutter.__interface == "html" %>
from app import components
# <% endif %>
from app.mail import delivery
from app.security.logs import JSONFormatter
from app.security.safe_methods import SAFE

REQUEST = "{time} {method} {path} {status} in {milliseconds} ms"
LEFT_OUT = ("logger", "request_id", "address")  # one developer needs none of them


def init_app(app: Flask) -> None:
    """Write the log for people, and render each template as it is now."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JSONFormatter):
            handler.setFormatter(ReadableFormatter(handler.formatter.known_secrets))
    # The service logs each request; the line of the development server would be a second one.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app.jinja_env.auto_reload = True
    # <% if cookiecutter.__interface == "html" %>
    components.init_app(app)
    # <% endif %>
    if not app.config["SETTINGS"].mail.url.reveal():
        app.after_request(write_mails)


def write_mails(response: Response) -> Response:
    """Write the mails of this request as files and show their links, in place of a mail server."""
    if request.method not in SAFE:
        delivery.deliver_due(Event())
    return response


class ReadableFormatter(JSONFormatter):
    """A short line for each entry, and a traceback as Python prints it."""

    def write(self, entry: dict[str, object]) -> str:
        values = {name: escaped(value) for name, value in entry.items() if name != "exception"}
        values["time"] = values["time"][11:19]
        if entry["logger"] == "app.access":
            line = REQUEST.format(**values)
        else:
            head = [values.pop(name) for name in ("time", "level", "event")]
            fields = [f"{k}={v}" for k, v in values.items() if k not in LEFT_OUT and v != "None"]
            line = " ".join([*head, *fields])
        return f"{line}\n{entry['exception']}" if "exception" in entry else line


def escaped(value: object) -> str:
    """The value without control characters, which could move the cursor of a terminal."""
    return str(value).encode("unicode_escape").decode()
