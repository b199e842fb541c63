"""The description of the API as a page for people. In production there is no page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Flask, current_app, render_template

from app.security.access import public

PAGE = "/api/v1/docs"
Document = Callable[[Flask], dict[str, Any]]


def init_app(app: Flask, document: Document) -> None:
    """Register the page.

    :param document: makes the description.
    """

    @public
    def page() -> str:
        described = document(current_app)
        operations = [
            {"method": method.upper(), "path": path, **operation}
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
        ]
        schemas = described["components"]["schemas"]
        texts = {name: json.dumps(schema, indent=2) for name, schema in schemas.items()}
        return render_template("openapi.html", operations=operations, schemas=texts)

    app.add_url_rule(PAGE, "openapi_page", page)
