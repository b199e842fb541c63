"""Defects in what a browser sends and stores: CSRF, cookies, headers."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

csrf = partial(Defect, "csrf")
cookies = partial(Defect, "cookies")
headers = partial(Defect, "headers")
redirects = partial(Defect, "redirects")


DEFECTS = [
    csrf(
        "a route is exempted",
        "        csrf_protect.protect()\n",
        '        if request.endpoint != "notes.delete":\n            csrf_protect.protect()\n',
        "test_forms_without_a_csrf_token_are_refused",
    ),
    csrf(
        "a whole blueprint is exempted",
        "        csrf_protect.protect()\n",
        '        if request.blueprint != "notes":\n            csrf_protect.protect()\n',
        "test_forms_without_a_csrf_token_are_refused",
    ),
    csrf(
        "the referrer is not checked",
        "        WTF_CSRF_TIME_LIMIT=None,\n",
        "        WTF_CSRF_TIME_LIMIT=None,\n        WTF_CSRF_SSL_STRICT=False,\n",
        "test_forms_without_our_referrer_are_refused",
    ),
    csrf(
        "a form without its token",
        """          <form method="post" action="{{ url_for('account.revoke', """
        """public_id=entry.public_id) }}">
            <input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
""",
        """          <form method="post" action="{{ url_for('account.revoke', """
        """public_id=entry.public_id) }}">
""",
        "test_a_template_keeps_every_rule",
    ),
    csrf(
        "a token from before sign-in is valid after it",
        "    session.clear()\n    session[SESSION_ID]",
        "    session[SESSION_ID]",
        "test_a_token_from_before_sign_in_is_refused_after_it",
    ),
    cookies(
        "a browser gets the cookie of a session that is not stored",
        "    db.session.commit()\n    session.clear()\n    session[SESSION_ID] = token.reveal()\n",
        "    session.clear()\n    session[SESSION_ID] = token.reveal()\n    db.session.commit()\n",
        "test_a_browser_stays_signed_in_when_a_new_session_cannot_be_stored",
    ),
    csrf(
        "a link deletes a note",
        '@blueprint.post("/<public_id:public_id>/delete")',
        '@blueprint.route("/<public_id:public_id>/delete", methods=["GET", "POST"])',
        "test_reading_changes_nothing",
    ),
    csrf(
        "a sibling subdomain is trusted",
        'site in ("same-origin", "none")',
        'site in ("same-origin", "same-site", "none")',
        "test_another_origin_is_refused_even_with_a_good_token",
    ),
    csrf(
        "an origin with our prefix is accepted",
        'origin == f"{request.scheme}://{request.host}"',
        'origin.startswith(f"{request.scheme}://{request.host}")',
        "test_another_origin_is_refused_even_with_a_good_token",
    ),
    csrf(
        "cross-site requests use up the visitor's limit",
        "    cross_origin,\n    access,\n    rate_limits,\n",
        "    access,\n    rate_limits,\n    cross_origin,\n",
        "test_another_origin_cannot_use_up_the_visitors_limits",
    ),
    csrf(
        "a key rotation invalidates open forms",
        'WTF_CSRF_SECRET_KEY=[*reversed(app.config["SECRET_KEY_FALLBACKS"]), app.secret_key]',
        "WTF_CSRF_SECRET_KEY=[app.secret_key]",
        "test_an_open_form_survives_one_key_rotation",
    ),
    csrf(
        "the response reveals which check failed",
        '    error.description = "This form is no longer valid."\n',
        "",
        "test_the_answer_does_not_tell_which_check_failed",
    ),
    cookies(
        "sign-out only removes the cookie",
        "    if g.session is not None:\n"
        "        sessions.end(g.session)\n"
        "        db.session.commit()\n"
        "    return signed_out",
        "    return signed_out",
        "test_a_saved_cookie_is_worthless_after_the_end",
    ),
    cookies(
        "SameSite is dropped",
        '        SESSION_COOKIE_SAMESITE="Lax",\n',
        "",
        "test_every_cookie_of_every_route_has_every_attribute",
    ),
    cookies(
        "the prefix is dropped",
        'SESSION_COOKIE_NAME="__Host-session" if production else "session"',
        'SESSION_COOKIE_NAME="session"',
        "test_every_cookie_of_every_route_has_every_attribute",
    ),
    cookies(
        "scripts can read the cookie, and start-up does not check",
        '        "SESSION_COOKIE_HTTPONLY": True,\n',
        "",
        "test_start_up_notices_a_weaker_attribute",
    ),
    cookies(
        "the cookie outlives the browser",
        "    session.clear()\n    session[SESSION_ID]",
        "    session.clear()\n    session.permanent = True\n    session[SESSION_ID]",
        "test_the_cookie_ends_with_the_browser",
    ),
    cookies(
        "an idle session goes on",
        "        or at - session.last_seen_at > idle\n",
        "",
        "test_a_session_expires",
    ),
    cookies(
        "an active session never ends",
        "        or at - session.created_at > absolute\n",
        "",
        "test_a_session_expires",
    ),
    cookies(
        "sessions last two weeks",
        "IDLE_TIMEOUT = timedelta(minutes=30)",
        "IDLE_TIMEOUT = timedelta(days=14)",
        "test_the_timeouts_are_those_of_owasp",
    ),
    cookies(
        "the database stores the tokens unhashed",
        "return sha256(secret.encoded()).hexdigest()",
        "return secret.reveal()",
        "test_the_database_holds_nothing_that_signs_in",
    ),
    cookies(
        "the cookie is signed with SHA-1",
        "    digest_method = staticmethod(hashlib.sha256)\n",
        "",
        "test_the_cookie_is_signed_with_sha256",
    ),
    cookies(
        "disabling leaves the sessions",
        "    ended = revocation.end_all(user)\n",
        "    ended = 0\n",
        "test_disabling_ends_sessions_for_good",
        file="app/auth/accounts.py",
    ),
    cookies(
        "a session of a disabled account goes on",
        "        session.user.disabled_at is not None\n        or at",
        "        at",
        "test_a_user_who_is_disabled_in_the_database_is_signed_out",
    ),
    cookies(
        "a new password leaves the old sessions",
        "    revocation.end_all(user)\n    devices.remember(user)\n",
        "    devices.remember(user)\n",
        "test_a_password_change_keeps_this_browser_signed_in_with_a_new_cookie",
        file="app/auth/accounts.py",
    ),
    cookies(
        "the browser keeps what it has stored",
        '    response.headers["Clear-Site-Data"] = clear\n',
        "",
        "test_sign_out_clears_what_the_browser_kept",
    ),
    cookies(
        "an account has unlimited sessions",
        "    for surplus in of_user(user)[MAX_SESSIONS - 1 :]:\n        end(surplus)\n",
        "",
        "test_one_account_has_a_limited_number_of_open_sessions",
    ),
    headers(
        "inline styles are allowed",
        '"style-src": "\'self\'"',
        "\"style-src\": \"'self' 'unsafe-inline'\"",
        "test_public_page",
    ),
    headers(
        "forms may go anywhere",
        '    "form-action": "\'self\'",\n',
        "",
        "test_public_page",
    ),
    headers(
        "the pages can be framed",
        '"frame-ancestors": "\'none\'"',
        '"frame-ancestors": "\'self\'"',
        "test_the_policy_allows_nothing_but_our_own_files",
    ),
    headers(
        "errors go out without headers",
        "if it[0].lower() not in sent]",
        'if it[0].lower() not in sent and status < "4"]',
        "test_errors",
    ),
    headers(
        "every origin may read",
        '    "Cross-Origin-Opener-Policy"',
        '    "Access-Control-Allow-Origin": "*",\n    "Cross-Origin-Opener-Policy"',
        "test_another_origin_may_read_nothing",
    ),
    csrf(
        "a form of another site is filled in and waits for a click",
        'own = request.headers.get("Sec-Fetch-Site") == "same-origin"',
        "own = True",
        "test_a_form_of_another_site_is_not_filled_in",
    ),
    csrf(
        "a password is shown again",
        '    if secret - {"csrf_token"} or not any(',
        "    fields = fields or [*request.form.items(multi=True)]\n    if not any(",
        "test_no_secret_is_kept",
    ),
    csrf(
        "a form without text is shown again",
        "request.form.items(multi=True) if it[0] not in secret]",
        "request.form.items(multi=True)]",
        "test_a_form_without_text_is_not_shown_again",
    ),
    csrf(
        "a page for nobody has a token",
        '    status, token = (400, generate_csrf()) if signed_in else (401, "")\n',
        "    status, token = 400 if signed_in else 401, generate_csrf()\n",
        "test_text_survives_the_end_of_the_session",
    ),
    redirects(
        "a redirect with a backslash leaves the site",
        r'r"/(?![/\\])[^\\\x00-\x20\x7f]*"',
        r'r"/(?!/)[^\x00-\x20\x7f]*"',
        "test_a_foreign_target_is_refused",
    ),
    redirects(
        "sign-in leads wherever it is told",
        'return own_path(request.args.get("next"))',
        'return request.args.get("next")',
        "test_sign_in_does_not_redirect_to_other_sites",
    ),
]
