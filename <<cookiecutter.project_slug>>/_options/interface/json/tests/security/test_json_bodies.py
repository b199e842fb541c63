"""Bodies of an API that are longer, or deeper, than anybody needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

import pytest

from app.api import Problem
from app.validation import Model
from tests.browser import API, SAMPLES, SIGN_IN, Browser
from tests.conftest import has_redis
from tests.marks import asvs, practice
from tests.security.client import MAX_BODY

pytestmark = practice("sanitization")


@pytest.mark.parametrize("path", [SAMPLES, SIGN_IN, f"{API}/auth/refresh"])
def test_a_body_without_a_length_is_bounded(
    alice: Browser, environment: dict[str, str], capfd: pytest.CaptureFixture[str], path: str
) -> None:
    """In chunks, without a length in advance: the body is cut off and is then no JSON."""
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    content = BytesIO(b'{"email":"' + b"x" * MAX_BODY * 3 + b'"}')
    capfd.readouterr()
    response = alice.client.open(
        path,
        method="POST",
        base_url="https://service.test",
        headers=alice.headers("POST"),
        input_stream=content,
        content_type="application/json",
        environ_overrides={"REMOTE_ADDR": "", **chunked},
    )
    assert response.status_code in (400, 413)
    assert content.tell() <= MAX_BODY + 65536
    if has_redis(environment):
        assert "sys_rate_limits_degraded" not in capfd.readouterr().err


def test_deeply_nested_json_causes_no_server_error(alice: Browser) -> None:
    for content in (b"[" * 100_000, b'{"email":' * 20_000, b'{"a":' * 5 + b"1e999999" + b"}" * 5):
        for path in (SIGN_IN, SAMPLES, f"{API}/auth/refresh"):
            response = alice.open("POST", path, data=content, content_type="application/json")
            assert response.status_code in (400, 422)


def models(base: type[Model] = Model) -> Iterator[type[Model]]:
    """Every body and every answer of the service."""
    for model in base.__subclasses__():
        yield model
        yield from models(model)


@practice("secret")
@asvs("14.2.4", "16.2.5")
def test_no_repr_of_a_body_or_an_answer_shows_a_secret() -> None:
    """A log line or a report of an error may have one."""
    secret = re.compile(r"token|secret|passw|ticket|uri|code|credential|email")
    found = set()
    for model in {*models()} - {Problem}:  # which only describes an error
        for name, field in model.model_fields.items():
            if secret.search(name) and re.search(r"\b(str|dict)\b", str(field.annotation)):
                hidden = field.repr is False or "Secret" in str(field.annotation)
                assert hidden, f"{model.__name__}.{name}: write Hidden or SecretText"
                found.add(name)
    assert {"access_token", "refresh_token", "ticket", "token", "recovery_codes"} <= found
