"""Defects for requirements that were picked at random: at first, their tests missed them."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

OIDC = {"auth": "oidc"}
absence = partial(Defect, "absences")
script = partial(Defect, "headers", guard="test_no_script_contains_a_forbidden_construct")

EACH_AREA = 'for (const area of document.querySelectorAll("textarea[data-toolbar]")) {\n'
FIRST_META = '    <meta name="color-scheme"'
IDENTIFY = "    g.user = g.session = None\n    if (token := session.get(SESSION_ID))"

DEFECTS = [
    # 1: encoding and sanitization
    Defect(
        "auth.export",
        "JSON is put together from texts",
        "    return json.dumps(value, ensure_ascii=False, default=_text)\n",
        "    if isinstance(value, dict):\n"
        "        parts = (f'\"{key}\": {_json(it)}' for key, it in value.items())\n"
        "        return '{' + ', '.join(parts) + '}'\n"
        "    return f'\"{_text(value)}\"'\n",
        "test_strange_texts_come_back_as_they_are",
    ),
    script(
        "a script runs a text of the page",
        EACH_AREA,
        f"setTimeout(document.body.dataset.after, 1000);\n{EACH_AREA}",
    ),
    Defect(
        "sanitization",
        "the name of a device is stored as it was sent",
        'device="".join(c for c in device if c.isprintable())[:MAX_USER_AGENT],',
        "device=device,",
        "test_the_name_of_a_device_is_short_and_printable",
    ),
    # 3: pages
    Defect(
        "auth.export",
        "a browser shows the export as a page",
        'content_type="application/json")\n\n\ndef parts(',
        'content_type="text/html")\n\n\ndef parts(',
        "test_everything_of_the_user_is_in_it_and_nothing_of_others",
    ),
    Defect(
        "cookies",
        "each page has the token of its session",
        FIRST_META,
        f'    <meta name="sid" content="{{{{ session.sid }}}}">\n{FIRST_META}',
        "test_no_answer_shows_a_token_of_a_cookie",
    ),
    Defect(
        "cookies",
        "a refused text waits in the cookie",
        '    return render_template("resources/form.html", form=form), status\n',
        "    from flask import session\n\n    session['draft'] = form.body.data\n"
        '    return render_template("resources/form.html", form=form), status\n',
        "test_no_text_of_a_user_makes_a_cookie_too_long",
    ),
    Defect(
        "headers",
        "a page has a referrer policy of its own",
        FIRST_META,
        f'    <meta name="referrer" content="unsafe-url">\n{FIRST_META}',
        "test_a_template_keeps_every_rule",
    ),
    script(
        "a script needs a plug-in",
        EACH_AREA,
        f'new ActiveXObject("Scripting.Dictionary");\n{EACH_AREA}',
    ),
    script(
        "a name of a name becomes a property",
        EACH_AREA,
        f"FORMATS[location.hash][location.search] = 1;\n{EACH_AREA}",
    ),
    Defect(
        "redirects",
        "sign-out leads where the address says",
        "return signed_out(redirect(target), clear)",
        'return signed_out(redirect(request.args.get("next") or target), clear)',
        "test_no_route_redirects_to_a_target_from_the_request",
    ),
    # 6: passwords, accounts
    Defect(
        "passwords",
        "an empty current password is right",
        "    if not authentication.reauthenticate(session, current):\n        security_event("
        '"authn_password_change_fail"',
        "    if current and not authentication.reauthenticate(session, current):\n"
        '        security_event("authn_password_change_fail"',
        "test_a_new_password_needs_the_old_one_and_a_fresh_proof",
        answers={"auth": "token"},
    ),
    Defect(
        "passwords",
        "a password ends after ninety days",
        "    factor_resets.carry_out(user)\n",
        "    from datetime import timedelta\n\n    from app.database import now\n\n"
        "    if now() - user.created_at > timedelta(days=90):\n        return None\n"
        "    factor_resets.carry_out(user)\n",
        "test_an_old_password_still_works",
    ),
    absence(
        "a start makes an account",
        "    security.enforce(app)\n    return app\n",
        "    security.enforce(app)\n    with app.app_context():\n"
        "        from sqlalchemy import inspect, insert\n\n"
        "        from app.auth.models import User\n        from app.database import db\n\n"
        "        if inspect(db.engine).has_table('users'):\n"
        "            columns = {'email': 'admin@example.com', 'created_at': database.now()}\n"
        "            db.session.execute(insert(User).values(**columns))\n"
        "            db.session.commit()\n    return app\n",
        "test_a_new_service_has_no_account",
    ),
    Defect(
        "devices",
        "a second factor on a new device is not told",
        "    devices.recognize(user, proof)\n",
        "    if proof == PASSWORD:\n        devices.recognize(user, proof)\n",
        "test_the_owner_is_told_of_a_second_factor_on_a_new_device",
    ),
    Defect(
        "links",
        "links that open an account count for a year",
        '"confirm": timedelta(hours=24),',
        '"confirm": timedelta(days=365),',
        "test_no_link_has_a_long_lifetime",
    ),
    Defect(
        "recovery codes",
        "new codes do not end those on the lost paper",
        "    remove(user)\n    drawn",
        "    drawn",
        "test_new_recovery_codes_end_the_old_ones",
    ),
    # 7: sessions
    absence(
        "a header of a proxy says who asks",
        IDENTIFY,
        "    if name := request.headers.get('X-Remote-User'):\n"
        "        g.user = sessions.by_name(name)\n        return\n" + IDENTIFY,
        "test_the_token_of_a_session_alone_says_who_asks",
    ),
    Defect(
        "auth.sessions",
        "the session before a sign-in goes on",
        "    identity.leave()\n",
        "",
        "test_sign_in_ends_the_session_before_it",
    ),
    Defect(
        "auth.sessions",
        "the session before a sign-in by the provider goes on",
        "    identity.leave()\n    sid,",
        "    sid,",
        "test_sign_in_ends_the_session_before_it",
        answers=OIDC,
    ),
    Defect(
        "headers",
        "the page after a form has no button to sign out",
        "{% block title %}Your recovery codes{% endblock %}\n",
        "{% block title %}Your recovery codes{% endblock %}\n"
        "{% block navigation %}{% endblock %}\n",
        "test_no_page_leaves_the_button_out",
    ),
    Defect(
        "auth.sessions",
        "a page shows the newest sessions alone",
        "sessions=sessions.running(db.session.scalars(sessions.NEWEST)),",
        "sessions=sessions.running(db.session.scalars(sessions.NEWEST.limit(3))),",
        "test_a_user_sees_as_many_sessions_as_there_may_be",
    ),
    # 10: the provider
    Defect(
        "auth.identity_provider",
        "the state is the time",
        "state=Secret(secrets.token_urlsafe(32)),",
        'state=Secret(f"{time.time():.32f}"),',
        "test_the_authorization_request_has_the_right_parameters",
        answers=OIDC,
    ),
    Defect(
        "auth.identity_provider",
        "the phone number is asked for as well",
        'DEFAULT_SCOPES = "openid email"',
        'DEFAULT_SCOPES = "openid email phone"',
        "test_only_used_scopes_are_requested",
        answers=OIDC,
    ),
    # 11: cryptography
    Defect(
        "reencryption",
        "the key has 64 bits",
        "HKDF(SHA256(), KEY_LENGTH, salt=None, info=purpose.encode()).derive(secret.encoded())",
        "HKDF(SHA256(), 8, salt=None, info=purpose.encode()).derive(secret.encoded()) * 4",
        "test_stored_text_is_encrypted_by_fernet_with_a_derived_key",
    ),
    absence(
        "a weak hash function by its name",
        "    digest = sha256(name.encode()).hexdigest()\n    return f",
        '    import hmac\n\n    digest = hmac.digest(b"limits", name.encode(), "md5").hex()\n'
        "    return f",
        "test_only_approved_cryptography_is_used",
    ),
    Defect(
        "secret_key",
        "the key is not random",
        "head -c 48 /dev/urandom",
        "head -c 48 /dev/zero",
        "test_only_the_operator_enters_the_folder_of_secrets",
    ),
    # 13: configuration
    absence(
        "a typed domain is looked up",
        "strip(), check_deliverability=False,",
        "strip(), check_deliverability=True,",
        "test_checking_an_address_makes_no_dns_query",
    ),
    absence(
        "Nginx loads whatever is beside its files",
        "    include site.conf;\n",
        "    include site.conf;\n    include /etc/nginx/conf.d/*.conf;\n",
        "test_nginx_includes_only_its_own_files_and_lists_no_folder",
    ),
    absence(
        "Nginx lists a folder",
        "        root /var/www/acme;\n",
        "        root /var/www/acme;\n        autoindex on;\n",
        "test_nginx_includes_only_its_own_files_and_lists_no_folder",
    ),
    absence(
        "Nginx logs all that it gets",
        "error_log /dev/stderr warn;",
        "error_log /dev/stderr debug;",
        "test_no_server_logs_or_shows_debug_information",
    ),
    Defect(
        "secret_key",
        "the code has a key for who forgets it",
        'secrets.token_urlsafe(48) if development else "")',
        'secrets.token_urlsafe(48) if development else "Zk3v9Qx_7LmT2cRbW8yHd5NsPfGj1uAe6iOoKt")',
        "test_production_refuses_to_start_with_nothing_set",
    ),
    absence(
        "a page tells a version",
        '    return {"status": "ok"}\n',
        '    import platform\n\n    return {"status": "ok", "python": platform.python_version()}\n',
        "test_nobody_but_the_audit_and_the_metrics_knows_a_version",
    ),
    # 15: construction
    Defect(
        "audits",
        "production has a package of the tests",
        "\nwerkzeug==",
        "\npytest==9.0.0\nwerkzeug==",
        "test_production_has_no_package_of_the_tests",
        file="requirements.lock",
    ),
    Defect(
        "passwords",
        "the look-up of breached passwords goes where it is sent",
        "    if response.status != 200:\n",
        '    if onward := response.getheader("Location"):\n'
        '        return _answer(onward.rpartition("/")[0], told)\n'
        "    if response.status != 200:\n",
        "test_without_an_answer_the_password_is_accepted_and_an_event_says_so",
    ),
    Defect(
        "sanitization",
        "a form takes its fields from the address",
        "        sent = request.form if self.is_submitted() else None\n",
        "        sent = request.form or request.args if self.is_submitted() else None\n"
        "        if self.is_submitted() and request.args:\n"
        "            sent = request.form.copy()\n            sent.update(request.args)\n",
        "test_no_form_takes_a_field_from_the_address",
    ),
    absence(
        "threads share the user of a request",
        "def identify() -> None:\n",
        "LAST: dict[str, User] = {}\n\n\ndef remember(user: User) -> None:\n"
        '    LAST["user"] = user\n\n\ndef identify() -> None:\n',
        "test_no_module_stores_request_data_in_a_global",
    ),
    # 16: logs
    absence(
        "a copy of the log goes to a file",
        '            sys.stderr.write(self.format(record) + "\\n")\n',
        '            sys.stderr.write(self.format(record) + "\\n")\n'
        '            with open("/tmp/log", "a") as copy:\n'
        "                copy.write(self.format(record))\n",
        "test_the_log_goes_to_standard_error_alone",
    ),
    Defect(
        "logs",
        "the token of a link is logged",
        'security_event("user_address_changed", level=logging.INFO, account=user.id)',
        'security_event("user_address_changed", level=logging.INFO, account=user.id, link=token)',
        "test_no_random_token_is_in_the_log",
    ),
    Defect(
        "passkeys",
        "a failed sign-in by a passkey is no event",
        'security_event("authn_login_fail", account=ticket.user_id, reason=f"passkey: {error}")',
        "pass",
        "test_a_removed_passkey_signs_nobody_in",
    ),
    Defect(
        "errors",
        "a page shows why a library refused",
        "form.form_errors.append(REFUSED)",
        'form.form_errors.append(f"{REFUSED} ({error})")',
        "test_a_hostile_answer_makes_no_passkey",
    ),
]
