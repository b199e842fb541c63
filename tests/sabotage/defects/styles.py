"""What only some services have: access tokens, a provider of accounts, roles of a database."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

token = partial(Defect, "token", answers={"auth": "token"})
identity_provider = partial(Defect, "identity_provider", answers={"auth": "oidc"})
forwarder = partial(Defect, "identity_provider", answers={"auth": "oidc", "deployment": "systemd"})
database = partial(Defect, "database", answers={"database": "postgresql"})

TOKENS = "app/auth/tokens.py"
TOKEN_TESTS = "tests/test_tokens.py"
PROVIDER_TOKENS = "app/auth/provider_tokens.py"
CODE_FLOW = "app/auth/code_flow.py"
MEMBERS = "app/auth/members.py"
PROVIDER = "tests/test_identity_provider.py"
WRONG = f"{PROVIDER}::test_an_id_token_that_is_wrong"
REPLAYS = "tests/test_replays.py"
LOGOUT = "tests/test_provider_logout.py"
ADDRESSES = "tests/test_provider_addresses.py"
CHECKED = "app/auth/checked_adapter.py"
FORWARDER_TESTS = "tests/test_forwarder.py"
PRIVILEGES = "migrations/privileges.sql"

DEFECTS = [
    token(
        "an access token never expires",
        TOKENS,
        '"strict_aud": True,',
        '"strict_aud": True, "verify_exp": False,',
        f"{TOKEN_TESTS}::test_an_access_token_expires",
    ),
    token(
        "the token chooses how it is checked",
        TOKENS,
        "algorithms=[ALGORITHM]",
        'algorithms=[header["alg"]]',
        f"{TOKEN_TESTS}::test_a_header_chooses_nothing",
    ),
    token(
        "any token of ours is an access token",
        TOKENS,
        'if key is None or header["typ"] != TYPE:',
        "if key is None:",
        f"{TOKEN_TESTS}::test_a_header_chooses_nothing",
    ),
    token(
        "an audience is not asked for",
        TOKENS,
        '"strict_aud": True,',
        '"verify_aud": False,',
        f"{TOKEN_TESTS}::test_a_wrong_claim_is_refused",
    ),
    token(
        "the subject need not be the session's",
        TOKENS,
        'return session if session and claims["sub"] == str(session.user_id) else None',
        "return session",
        f"{TOKEN_TESTS}::test_a_wrong_claim_is_refused",
    ),
    token(
        "a refresh token has more than one use",
        TOKENS,
        ".where(this_session, Session.token_hash == sessions.hash_token(token))",
        ".where(this_session)",
        f"{TOKEN_TESTS}::test_a_second_use_ends_the_whole_sign_in",
    ),
    token(
        "a thief may go on after a second use",
        TOKENS,
        "    db.session.execute(delete(Session).where(this_session))\n    db.session.commit()\n",
        "",
        f"{TOKEN_TESTS}::test_a_second_use_ends_the_whole_sign_in",
    ),
    token(
        "a token may stand in the address",
        "app/auth/identity.py",
        'request.headers.get("Authorization", "").partition(" ")',
        'request.headers.get("Authorization", f"Bearer {request.args.get(\'access_token\')}")'
        '.partition(" ")',
        f"{TOKEN_TESTS}::test_another_scheme_or_place_is_not_read",
    ),
    token(
        "unknown fields are ignored",
        "app/validation.py",
        'extra="forbid"',
        'extra="ignore"',
        "tests/test_api.py::test_every_model_refuses_what_it_does_not_know",
    ),
    token(
        "a form may send JSON",
        "app/security/csrf.py",
        'request.mimetype != "application/json" and',
        'request.mimetype not in ("application/json", "text/plain") and',
        "tests/security/test_csrf_forms.py::test_no_form_does_anything_even_with_a_token",
    ),
    token(
        "every origin may read",
        "app/security/cors.py",
        'return request.headers.get("Origin") in current_app.config["CORS_ORIGINS"]',
        'return "Origin" in request.headers',
        "tests/security/test_cors.py::test_it_is_closed",
    ),
    token(
        "origins may bring cookies",
        "app/security/cors.py",
        '        response.headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS\n',
        '        response.headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS\n'
        '        response.headers["Access-Control-Allow-Credentials"] = "true"\n',
        "tests/security/test_cors.py::test_credentials_are_never_allowed",
    ),
    identity_provider(
        "an answer need not be of this browser",
        "app/auth/pending.py",
        'if not kept or not hmac.compare_digest(kept["state"].encode(), state.encode()):',
        "if not kept:",
        f"{PROVIDER}::test_a_wrong_state",
    ),
    identity_provider(
        "an answer can be used again",
        "app/auth/pending.py",
        "    del session[PENDING]\n",
        "",
        f"{PROVIDER}::test_an_answer_that_failed_is_not_tried_again",
    ),
    identity_provider(
        "PKCE is left out",
        CODE_FLOW,
        "state=pending.state, nonce=pending.nonce, code_verifier=pending.verifier",
        "state=pending.state, nonce=pending.nonce",
        f"{PROVIDER}::test_what_the_provider_is_asked",
    ),
    identity_provider(
        "the answer of another provider is taken",
        CODE_FLOW,
        'if ("iss" in answer or promised) and answer.get("iss") != provider.settings.issuer:',
        'if promised and "iss" not in answer:',
        f"{PROVIDER}::test_mix_up",
    ),
    identity_provider(
        "an ID token can be played again",
        PROVIDER_TOKENS,
        '    _require(hmac.compare_digest(str(claims.get("nonce", "")), nonce), "nonce")\n',
        "",
        WRONG,
    ),
    identity_provider(
        "an ID token for another service is taken",
        PROVIDER_TOKENS,
        '    _require(client_id in audiences, "aud")\n',
        "",
        WRONG,
    ),
    identity_provider(
        "a claim of who asked is not looked at",
        PROVIDER_TOKENS,
        '    _require(claims.get("azp", client_id if len(audiences) == 1 else None) == client_id, '
        '"azp")\n',
        "",
        WRONG,
    ),
    identity_provider(
        "another access token may be put in its place",
        PROVIDER_TOKENS,
        '        _require(hmac.compare_digest(str(at_hash).encode(), half.encode()), "at_hash")\n',
        "",
        WRONG,
    ),
    identity_provider(
        "userinfo may be somebody else's",
        CODE_FLOW,
        'if not isinstance(found, dict) or found.get("sub") != subject:',
        "if not isinstance(found, dict):",
        f"{PROVIDER}::test_the_userinfo_of_somebody_else",
    ),
    identity_provider(
        "an account is known by its address",
        MEMBERS,
        'known = User.issuer == settings.issuer, User.subject == claims["sub"]',
        'known = User.issuer == settings.issuer, User.email == claims.get("email")',
        f"{PROVIDER}::test_a_claimed_address_opens_no_account_here",
    ),
    identity_provider(
        "who has no group gets in",
        MEMBERS,
        "if settings.allowed_groups and not groups & settings.allowed_groups:",
        "if groups and settings.allowed_groups and not groups & settings.allowed_groups:",
        "tests/test_members.py::test_only_the_allowed_groups_get_in",
    ),
    identity_provider(
        "who leaves the group stays signed in",
        MEMBERS,
        "        if user is not None:\n            sessions.end_all(user)\n",
        "",
        "tests/test_members.py::test_who_leaves_the_group_is_signed_out_everywhere",
    ),
    identity_provider(
        "an ID token signs somebody out",
        PROVIDER_TOKENS,
        '    _require("nonce" not in claims, "nonce in a logout token")\n',
        "",
        "tests/test_provider_logout.py::test_a_wrong_logout_token_ends_nothing",
    ),
    identity_provider(
        "any certificate is the provider's",
        "app/auth/outbound.py",
        "self.verify = settings.ca_file or True",
        "self.verify = False",
        "tests/test_provider_outages.py::test_another_certificate_authority_is_not_believed",
    ),
    identity_provider(
        "a redirect leads the service into the network",
        "app/auth/outbound.py",
        "allow_redirects=False",
        "allow_redirects=True",
        "tests/test_provider_outages.py::test_a_broken_provider_is_a_503_and_it_recovers",
    ),
    identity_provider(
        "an answer counts as often as its cookie is copied",
        "app/auth/pending.py",
        'if not single_use.use("state", state, LIFETIME):',
        "if not state:",
        f"{REPLAYS}::test_one_start_asks_the_token_endpoint_once",
    ),
    identity_provider(
        "another instance does not know which answer was used",
        "app/auth/pending.py",
        "    db.session.commit()\n",
        "",
        f"{REPLAYS}::test_another_instance_knows_what_was_used",
    ),
    identity_provider(
        "answers are not limited",
        "app/auth/views.py",
        '@rate_limits.limited("callback", CALLBACK, client_address)\n',
        "",
        f"{REPLAYS}::test_answers_are_limited_by_address",
    ),
    identity_provider(
        "an answer by HEAD is not counted",
        "app/security/rate_limits.py",
        "limit if only_reads or",
        'limit if only_reads and request.method == "GET" or',
        f"{REPLAYS}::test_answers_are_limited_by_address",
    ),
    identity_provider(
        "a logout token ends the next session as well",
        "app/auth/backchannel.py",
        """if not single_use.use("logout", f"{known.settings.issuer} {claims['jti']}", KEPT):""",
        'if not claims["jti"]:',
        f"{LOGOUT}::test_a_logout_token_that_is_sent_again_ends_no_new_session",
    ),
    identity_provider(
        "a logout that failed cannot be sent again",
        "app/auth/backchannel.py",
        '            raise RefusedError("jti: used before")\n',
        '            raise RefusedError("jti: used before")\n        db.session.commit()\n',
        f"{LOGOUT}::test_a_logout_that_failed_can_be_sent_again",
    ),
    identity_provider(
        "a logout token is forgotten while it is still good",
        "app/auth/backchannel.py",
        "KEPT = MAX_AGE + 2 * LEEWAY",
        "KEPT = LEEWAY",
        f"{LOGOUT}::test_the_id_is_remembered_for_as_long_as_the_token_is_taken",
    ),
    identity_provider(
        "a logout token need not expire",
        PROVIDER_TOKENS,
        '    _require(kind in LOGOUT_TYPES, "typ")\n    _require("exp" in claims, "exp")\n',
        '    _require(kind in LOGOUT_TYPES, "typ")\n',
        f"{LOGOUT}::test_a_wrong_logout_token_ends_nothing",
    ),
    identity_provider(
        "a token of any type ends sessions",
        PROVIDER_TOKENS,
        '    _require(kind in LOGOUT_TYPES, "typ")\n',
        "",
        f"{LOGOUT}::test_a_wrong_logout_token_ends_nothing",
    ),
    identity_provider(
        "the provider leads the service to any address",
        "app/addresses.py",
        "return found.is_global and not special",
        "return True",
        f"{ADDRESSES}::test_a_token_endpoint_inside_is_not_connected_to",
    ),
    identity_provider(
        "a name is looked up again after it was looked at",
        CHECKED,
        'return {**server, "host": self.address}, options',
        "return server, options",
        f"{ADDRESSES}::test_another_address_a_moment_later_is_not_connected_to",
    ),
    identity_provider(
        "a certificate for the address is enough",
        CHECKED,
        'options["server_hostname"] = server["host"]',
        'options["server_hostname"] = self.address',
        f"{ADDRESSES}::test_the_certificate_is_for_the_name_and_not_for_the_address",
    ),
    identity_provider(
        "what was sent is sent again to the next address",
        CHECKED,
        "if not _is_unconnected(error):",
        "if not error.args:",
        f"{ADDRESSES}::test_what_was_sent_is_not_sent_to_the_next_address",
    ),
    forwarder(
        "a forwarder leads to any address",
        "deploy/systemd/forwarder.py",
        "await asyncio.to_thread(permitted, host, port, allowed)",
        "[host]",
        f"{FORWARDER_TESTS}::test_it_does_not_lead_inside",
    ),
    forwarder(
        "every server that the provider names gets a forwarder",
        "deploy/systemd/outside.py",
        "        permitted(host, port, allowed)\n",
        "",
        f"{FORWARDER_TESTS}::test_a_server_inside_gets_no_forwarder",
    ),
    forwarder(
        "any text of the provider's becomes the name of a unit",
        "deploy/systemd/outside.py",
        " or not HOST_NAME.fullmatch(host)",
        "",
        f"{FORWARDER_TESTS}::test_what_is_no_name_of_a_host_gets_no_forwarder",
    ),
    forwarder(
        "a forwarder of the provider's is like one of the operator's",
        "deploy/systemd/network.sh",
        'if say "$named" | grep -qxF "$forwarder"; then',
        "if true; then",
        f"{FORWARDER_TESTS}::test_only_what_the_operator_names_may_be_anywhere",
    ),
    database(
        "a tool of another version writes backups that cannot be restored",
        "app/database/dumps.py",
        '    _check_version(url, program, call("--version"))\n',
        "",
        "tests/test_dialect.py::test_a_backup_that_could_not_be_restored_is_none",
    ),
    database(
        "the app's role may do everything",
        PRIVILEGES,
        "GRANT USAGE ON SCHEMA public TO {app};",
        "GRANT ALL ON SCHEMA public TO {app};",
        "tests/test_roles.py::test_the_role_of_the_app_reads_and_writes_rows_alone",
    ),
    database(
        "the app's role may empty tables",
        PRIVILEGES,
        "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app};",
        "GRANT ALL ON TABLES TO {app};",
        "tests/test_roles.py::test_the_role_of_the_app_reads_and_writes_rows_alone",
    ),
    database(
        "the name in the server's certificate is not looked at",
        "app/database/dialect.py",
        'VERIFIED = "verify-full"',
        'VERIFIED = "require"',
        "tests/test_tls.py::test_a_certificate_for_another_name_is_refused",
    ),
    database(
        "the server's messages show the values",
        "app/database/dialect.py",
        'line = str(error).partition("\\n")[0]',
        "line = str(error)",
        "tests/security/test_queries.py::test_values_are_hidden_from_exceptions",
    ),
    database(
        "a list is sorted by the key that all notes have",
        "app/notes/service.py",
        "newest = Note.created_at.desc(), Note.id.desc()",
        "newest = (Note.id.desc(),)",
        "tests/test_plans.py",
    ),
]
