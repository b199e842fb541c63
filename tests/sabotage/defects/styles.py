"""Defects of single auth styles and databases: access tokens, providers, database roles."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

token = partial(Defect, "token", answers={"auth": "token"})
identity_provider = partial(Defect, "identity_provider", answers={"auth": "oidc"})
forwarder = partial(Defect, "identity_provider", answers={"auth": "oidc", "deployment": "systemd"})
database = partial(Defect, "database", answers={"database": "postgresql"})


DEFECTS = [
    token(
        "an access token never expires",
        '"strict_aud": True,',
        '"strict_aud": True, "verify_exp": False,',
        "test_an_access_token_expires",
    ),
    token(
        "the token chooses how it is checked",
        "algorithms=[ALGORITHM]",
        'algorithms=[header["alg"]]',
        "test_a_token_header_cannot_choose_the_key_or_algorithm",
    ),
    token(
        "any token of ours is an access token",
        'if key is None or header["typ"] != TYPE:',
        "if key is None:",
        "test_a_token_header_cannot_choose_the_key_or_algorithm",
    ),
    token(
        "an audience is not asked for",
        '"strict_aud": True,',
        '"verify_aud": False,',
        "test_a_wrong_claim_is_refused",
    ),
    token(
        "the subject need not be the session's",
        'return session if session and claims["sub"] == str(session.user_id) else None',
        "return session",
        "test_a_wrong_claim_is_refused",
    ),
    token(
        "a refresh token has more than one use",
        ".where(this_session, Session.token_hash == hash_secret(token))",
        ".where(this_session)",
        "test_reuse_of_a_refresh_token_ends_the_session",
    ),
    token(
        "a thief may go on after a second use",
        "    db.session.execute(delete(Session).where(this_session),"
        " execution_options=sessions.OF_ALL)\n    db.session.commit()\n",
        "",
        "test_reuse_of_a_refresh_token_ends_the_session",
    ),
    token(
        "a token may stand in the address",
        'request.headers.get("Authorization", "").partition(" ")',
        'request.headers.get("Authorization", f"Bearer {request.args.get(\'access_token\')}")'
        '.partition(" ")',
        "test_another_scheme_or_place_is_not_read",
    ),
    token(
        "unknown fields are ignored",
        'extra="forbid"',
        'extra="ignore"',
        "test_every_model_refuses_unknown_fields",
    ),
    token(
        "a form may send JSON",
        'request.mimetype != "application/json" and',
        'request.mimetype not in ("application/json", "text/plain") and',
        "test_forms_are_refused_even_with_a_csrf_token",
    ),
    token(
        "every origin may read",
        'return request.headers.get("Origin") in current_app.config["CORS_ORIGINS"]',
        'return "Origin" in request.headers',
        "test_cors_is_closed_by_default",
    ),
    token(
        "origins may bring cookies",
        '        response.headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS\n',
        '        response.headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS\n'
        '        response.headers["Access-Control-Allow-Credentials"] = "true"\n',
        "test_credentials_are_never_allowed",
    ),
    identity_provider(
        "an answer need not be of this browser",
        'if not kept or state != Secret(kept["state"]):',
        "if not kept:",
        "test_a_wrong_state",
    ),
    identity_provider(
        "an answer can be used again",
        "    del session[PENDING]\n",
        "",
        "test_an_answer_that_failed_is_not_tried_again",
    ),
    identity_provider(
        "PKCE is left out",
        "            code_verifier=pending.verifier.reveal(),\n            **",
        "            **",
        "test_the_authorization_request_has_the_right_parameters",
    ),
    identity_provider(
        "the answer of another provider is taken",
        'if ("iss" in answer or promised) and answer.get("iss") != provider.settings.issuer:',
        'if promised and "iss" not in answer:',
        "test_mix_up",
    ),
    identity_provider(
        "an ID token can be played again",
        '    _require(nonce == str(claims.get("nonce", "")), "nonce")\n',
        "",
        "test_an_id_token_that_is_wrong",
    ),
    identity_provider(
        "an ID token for another service is taken",
        '    _require(client_id in audiences, "aud")\n',
        "",
        "test_an_id_token_that_is_wrong",
    ),
    identity_provider(
        "a claim of who asked is not looked at",
        '    _require(claims.get("azp", client_id if len(audiences) == 1 else None) == client_id, '
        '"azp")\n',
        "",
        "test_an_id_token_that_is_wrong",
    ),
    identity_provider(
        "another access token may be put in its place",
        '        _require(hmac.compare_digest(str(at_hash).encode(), half.encode()), "at_hash")\n',
        "",
        "test_an_id_token_that_is_wrong",
    ),
    identity_provider(
        "userinfo may be somebody else's",
        'if not isinstance(found, dict) or subject != found.get("sub"):',
        "if not isinstance(found, dict):",
        "test_the_userinfo_of_somebody_else",
    ),
    identity_provider(
        "an account is known by its address",
        'known = User.issuer == settings.issuer, User.subject == Secret(claims["sub"])',
        'known = User.issuer == settings.issuer, User.email == Secret(claims.get("email", ""))',
        "test_a_claimed_address_opens_no_account_here",
    ),
    identity_provider(
        "who has no group gets in",
        "if settings.allowed_groups and not groups & settings.allowed_groups:",
        "if groups and settings.allowed_groups and not groups & settings.allowed_groups:",
        "test_only_the_allowed_groups_get_in",
    ),
    identity_provider(
        "who leaves the group stays signed in",
        "        if user is not None:\n            revocation.end_all(user)\n",
        "",
        "test_leaving_the_group_ends_all_sessions",
    ),
    identity_provider(
        "an ID token signs somebody out",
        '    _require("nonce" not in claims, "nonce in a logout token")\n',
        "",
        "test_a_wrong_logout_token_ends_nothing",
    ),
    identity_provider(
        "any certificate is the provider's",
        "self.verify = settings.ca_file or True",
        "self.verify = False",
        "test_a_certificate_of_another_authority_is_not_trusted",
    ),
    identity_provider(
        "a redirect leads the service into the network",
        "allow_redirects=False",
        "allow_redirects=True",
        "test_a_broken_provider_is_a_503_and_it_recovers",
    ),
    identity_provider(
        "an answer counts as often as its cookie is copied",
        'if not single_use.use("state", state, LIFETIME):',
        "if not state:",
        "test_one_start_asks_the_token_endpoint_once",
    ),
    identity_provider(
        "another instance does not know which answer was used",
        "    db.session.commit()\n",
        "",
        "test_used_values_are_known_to_other_instances",
        file="app/auth/pending.py",
    ),
    identity_provider(
        "answers are not limited",
        '@rate_limits.limited("callback", CALLBACK, client_address)\n',
        "",
        "test_answers_are_limited_by_address",
    ),
    identity_provider(
        "an answer by HEAD is not counted",
        "        return limit or UNLIMITED\n",
        '        return (limit or UNLIMITED) if request.method == "GET" else UNLIMITED\n',
        "test_answers_are_limited_by_address",
    ),
    identity_provider(
        "a logout token ends the next session as well",
        """if not single_use.use("logout", Secret(f"{issuer} {claims['jti']}"), KEPT):""",
        'if not claims["jti"]:',
        "test_a_logout_token_that_is_sent_again_ends_no_new_session",
    ),
    identity_provider(
        "a logout that failed cannot be sent again",
        '            raise RefusedError("jti: used before")\n',
        '            raise RefusedError("jti: used before")\n        db.session.commit()\n',
        "test_a_logout_that_failed_can_be_sent_again",
    ),
    identity_provider(
        "a logout token is forgotten while it is still good",
        "KEPT = MAX_AGE + 2 * LEEWAY",
        "KEPT = LEEWAY",
        "test_the_token_id_is_stored_until_the_token_expires",
    ),
    identity_provider(
        "a logout token need not expire",
        '    _require(kind in LOGOUT_TYPES, "typ")\n    _require("exp" in claims, "exp")\n',
        '    _require(kind in LOGOUT_TYPES, "typ")\n',
        "test_a_wrong_logout_token_ends_nothing",
    ),
    identity_provider(
        "a token of any type ends sessions",
        '    _require(kind in LOGOUT_TYPES, "typ")\n',
        "",
        "test_a_wrong_logout_token_ends_nothing",
    ),
    identity_provider(
        "the provider leads the service to any address",
        "return found.is_global and not special",
        "return True",
        "test_a_token_endpoint_with_a_private_address_is_refused",
    ),
    identity_provider(
        "a name is looked up again after it was looked at",
        'return {**server, "host": self.address}, options',
        "return server, options",
        "test_dns_rebinding_is_refused",
    ),
    identity_provider(
        "a certificate for the address is enough",
        'options["server_hostname"] = server["host"]',
        'options["server_hostname"] = self.address',
        "test_the_certificate_is_for_the_name_and_not_for_the_address",
    ),
    identity_provider(
        "what was sent is sent again to the next address",
        "if not _is_unconnected(error):",
        "if not error.args:",
        "test_a_request_is_not_repeated_at_the_next_address",
    ),
    forwarder(
        "a forwarder leads to any address",
        "await asyncio.to_thread(permitted, host, port, allowed)",
        "[host]",
        "test_the_forwarder_refuses_private_addresses",
    ),
    forwarder(
        "every server that the provider names gets a forwarder",
        "        permitted(host, port, allowed)\n",
        "",
        "test_a_server_with_a_private_address_gets_no_forwarder",
    ),
    forwarder(
        "any text of the provider's becomes the name of a unit",
        " or not HOST_NAME.fullmatch(host)",
        "",
        "test_an_invalid_host_name_gets_no_forwarder",
    ),
    forwarder(
        "a forwarder of the provider's is like one of the operator's",
        'if say "$named" | grep -qxF "$forwarder"; then',
        "if true; then",
        "test_only_servers_named_by_the_operator_may_be_private",
    ),
    database(
        "a tool of another version writes backups that cannot be restored",
        '    _check_version(url, program, call("--version"))\n',
        "",
        "test_a_backup_that_cannot_be_restored_is_refused",
    ),
    database(
        "the app's role may do everything",
        "GRANT USAGE ON SCHEMA public TO {app};",
        "GRANT ALL ON SCHEMA public TO {app};",
        "test_the_role_of_the_app_reads_and_writes_rows_alone",
    ),
    database(
        "the app's role may empty tables",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app};",
        "GRANT ALL ON TABLES TO {app};",
        "test_the_role_of_the_app_reads_and_writes_rows_alone",
    ),
    database(
        "the name in the server's certificate is not looked at",
        'VERIFIED = "verify-full"',
        'VERIFIED = "require"',
        "test_a_certificate_for_another_name_is_refused",
    ),
    database(
        "the server's messages show the values",
        'line = str(error).partition("\\n")[0]',
        "line = str(error)",
        "test_values_are_hidden_from_exceptions",
    ),
    database(
        "a list is sorted by the key that all notes have",
        "newest = model.created_at.desc(), model.id.desc()",
        "newest = (model.id.desc(),)",
        "test_plans.py",
    ),
]
