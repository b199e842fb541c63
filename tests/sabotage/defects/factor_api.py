"""Defects in second factors and fresh proofs of the API."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

TOKEN = {"auth": "token"}
api = partial(Defect, "factor_api", answers=TOKEN)

STALE = "test_a_stale_session_is_told_what_to_do"
REQUIRED = "test_a_service_that_requires_a_second_factor"
EXACT = "test_a_list_that_is_not_exact_does_not_start"

DEFECTS = [
    api(
        "a copied access token goes on after the proof of its owner",
        "session.token_hash, session.public_id = hash_secret(token), new_public_id()",
        "session.token_hash = hash_secret(token)",
        STALE,
    ),
    api(
        "a device that replaces the app cannot say which one it is",
        "    code: SecretText\n    device_token: SecretText | None = None\n\n\nclass AppSecret",
        "    code: SecretText\n\n\nclass AppSecret",
        "test_the_device_that_replaces_the_app_stays_known_if_it_is_named",
    ),
    api(
        "an app is not told that the proof is too old",
        '                "insufficient_user_authentication",\n                max_age=age,\n',
        '                "invalid_token",\n                max_age=age,\n',
        STALE,
    ),
    api(
        "a stale session may take all data along",
        '@blueprint.get("/export")\n@fresh\n',
        '@blueprint.get("/export")\n',
        STALE,
    ),
    api(
        "the password proves where there is a second factor",
        "    if second_factors.of(session.user):\n        raise InvalidInput",
        "    if second_factors.of(session.user) is None:\n        raise InvalidInput",
        "test_only_the_second_factor_is_a_fresh_proof_where_one_exists",
    ),
    api(
        "whoever must set a factor up cannot sign out",
        '@blueprint.post("/logout")\n@part_of_set_up\n',
        '@blueprint.post("/logout")\n',
        REQUIRED,
    ),
    api(
        "without a list every app may ask for a passkey",
        "    if not origins:\n        abort(403",
        "    if origins is None:\n        abort(403",
        "test_without_a_list_there_are_no_passkeys",
    ),
    api(
        "an app without TLS may ask for a passkey",
        'PAGE = r"https://[a-z',
        'PAGE = r"https?://[a-z',
        EXACT,
    ),
    api(
        "an origin may go on with anything",
        "if not ORIGIN.fullmatch(origin) and not (",
        "if not ORIGIN.match(origin) and not (",
        EXACT,
    ),
    api(
        "in production a page of this machine may ask",
        "not (development and LOCAL.fullmatch(origin))",
        "not LOCAL.fullmatch(origin)",
        EXACT,
    ),
    api(
        "each ticket has tries of its own",
        'return hashed_key("account", str(user.id)) if user else client_address()',
        'return hashed_key("ticket", validation.peek("ticket")) if user else client_address()',
        "test_codes_are_limited_by_the_account_whatever_the_ticket",
    ),
    api(
        "a thief in one session keeps the owner out of another",
        'return hashed_key("session", g.session.public_id) if g.get("session")'
        " else client_address()",
        "return f\"user:{g.user.id}\" if g.get('session') else client_address()",
        "test_fresh_proofs_are_limited_by_the_session",
    ),
    api(
        "the sign-in does not go on with a second factor",
        'self.members = {"code": code, "ticket": ticket.reveal(), "factors": factors}',
        'self.members = {"code": code, "factors": factors}',
        "test_an_app_from_set_up_to_removal",
    ),
]
