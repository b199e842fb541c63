"""Bodies of an API that are longer, or deeper, than anybody needs."""

from __future__ import annotations

from io import BytesIO

import pytest

from tests.browser import API, SAMPLES, SIGN_IN, Browser
from tests.conftest import has_redis
from tests.marks import practice
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


def test_brackets_in_brackets_are_no_error_of_the_service(alice: Browser) -> None:
    for content in (b"[" * 100_000, b'{"email":' * 20_000, b'{"a":' * 5 + b"1e999999" + b"}" * 5):
        for path in (SIGN_IN, SAMPLES, f"{API}/auth/refresh"):
            response = alice.open("POST", path, data=content, content_type="application/json")
            assert response.status_code in (400, 422)
