"""Defects in mailed codes of the API: sign-up, forgotten password, addresses of links."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

codes = partial(Defect, "codes", answers={"auth": "token"})


DEFECTS = [
    codes(
        "sign-up tells who has an account",
        "    sign_up.request_link(body.email)\n    db.session.commit()\n",
        "    sign_up.request_link(body.email)\n"
        "    if db.session.query(User).filter_by(email=body.email).first():\n"
        '        raise InvalidInput(("#/email", "This address is taken."))\n'
        "    db.session.commit()\n",
        "test_asking_for_a_mail_returns_an_empty_answer",
    ),
    codes(
        "a forgotten password tells who has an account",
        "    password_reset.request_link(body.email)\n    db.session.commit()\n",
        "    password_reset.request_link(body.email)\n"
        "    if not db.session.query(User).filter_by(email=body.email).first():\n"
        '        raise NotFound("There is no such account.")\n'
        "    db.session.commit()\n",
        "test_asking_for_a_mail_returns_an_empty_answer",
    ),
    codes(
        "a wrong code is repeated",
        'raise NotFound("This code is invalid or has expired. Ask for a new one.")',
        'raise NotFound(f"The code {body.token} is invalid or has expired.")',
        "test_every_invalid_code_gets_the_same_problem",
        file="app/auth/link_views.py",
    ),
    codes(
        "a weak password uses the code up",
        "        if problem := password_problem(body.password, SERVICE_NAME, link.email):\n",
        "        links.use(link)\n"
        "        db.session.commit()\n"
        "        if problem := password_problem(body.password, SERVICE_NAME, link.email):\n",
        "test_a_code_survives_a_weak_password_and_signs_nobody_in",
    ),
    codes(
        "whoever has a code may choose any password",
        "        if problem := password_problem(body.password, SERVICE_NAME, link.email):\n",
        '        if problem := "":\n',
        "test_a_code_survives_a_weak_password_and_signs_nobody_in",
    ),
    codes(
        "the code is used up when the account is not made",
        "    user = accounts.register(link.email, password)"
        "  # first: no row is locked while it hashes\n"
        "    if user is None or not links.use(link):\n        return None\n",
        "    from app.database import db  # noqa: PLC0415\n\n"
        "    email = link.email\n"
        "    links.use(link)\n"
        "    db.session.commit()\n"
        "    user = accounts.register(email, password)\n"
        "    if user is None:\n        return None\n",
        "test_a_failure_leaves_the_code_and_the_old_password",
    ),
    codes(
        "the token says whose password is set",
        "    stored = hash_password(password)  # before rows are locked: it takes long\n"
        "    user = accounts.find(link.email)\n",
        "    from flask import g  # noqa: PLC0415\n\n"
        "    stored = hash_password(password)\n"
        '    user = g.get("user") or accounts.find(link.email)\n'
        "    link.email = user.email if user else link.email\n",
        "test_the_code_and_not_the_access_token_names_the_account",
    ),
    codes(
        "tokens outlive a reset",
        "    throttling.clear(user)\n    db.session.flush()\n    revocation.end_all(user)\n",
        "    throttling.clear(user)\n    db.session.flush()\n",
        "test_a_reset_ends_every_token_of_the_account",
    ),
    codes(
        "a code may stand in the address",
        '            found = check(query.model_validate, parameters(), "?")\n',
        "            given = {} if query is Model else parameters()\n"
        '            found = check(query.model_validate, given, "?")\n',
        "test_a_code_is_read_only_from_a_json_body",
    ),
    codes(
        "whoever asks chooses where the link leads",
        '    start = current_app.config["SETTINGS"].mail.links\n',
        "    from flask import request  # noqa: PLC0415\n\n"
        '    start = request.headers.get("X-Forwarded-Host")\n'
        '    start = start or current_app.config["SETTINGS"].mail.links\n',
        "test_with_app_url_a_mail_leads_to_the_page_of_the_app",
    ),
    codes(
        "a link may lead over plain HTTP",
        'is_page(links, ("https", "http") if development else ("https",))',
        'is_page(links, ("https", "http"))',
        "test_production_refuses_an_app_url_without_https",
    ),
    codes(
        "every mail gives the password of a URL away",
        'return usable and "@" not in parts.netloc and',
        "return usable and",
        "test_development_refuses_an_invalid_app_url",
    ),
    codes(
        "forgotten passwords flood the mail server",
        '@account_limits.forgot\n@api.operation("Ask for a new password',
        '@api.operation("Ask for a new password',
        "test_each_step_is_limited_by_address",
    ),
    codes(
        "codes can be guessed without end",
        '@account_limits.link\n@api.operation(\n    "Set a new password',
        '@api.operation(\n    "Set a new password',
        "test_each_step_is_limited_by_address",
    ),
    codes(
        "a traceback shows the code",
        "    token: SecretText\n    password: NewPassword\n",
        "    token: str\n    password: NewPassword\n",
        "test_each_secret_field_has_the_secret_type",
    ),
]
