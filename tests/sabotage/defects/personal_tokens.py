"""Defects in personal access tokens: scope, lifetime, notices, storage."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

TOKEN = {"auth": "token"}
pat = partial(Defect, "personal_tokens", answers=TOKEN)

ACCOUNT = "test_account_routes_refuse_personal_tokens"
SCOPE = "test_a_scope_allows_what_it_says"
EVERYWHERE = "test_whatever_signs_out_everywhere_ends_all_tokens"

DEFECTS = [
    pat(
        "a token makes further tokens and changes the password",
        'ACCOUNT = ("/api/v1/auth/", "/api/v1/me/")\n',
        'ACCOUNT = ("/api/v1/auth/", "/api/v1/me/sessions/")\n',
        ACCOUNT,
    ),
    pat(
        "a token opens what asks for a fresh proof",
        ".startswith(ACCOUNT) and not needs_fresh_proof(app, endpoint)",
        ".startswith(ACCOUNT)",
        "test_routes_that_need_a_fresh_proof_refuse_personal_tokens",
    ),
    pat(
        "a token that reads writes",
        'scope = "read" if request.method in SAFE else "write"',
        'scope = "read"',
        SCOPE,
    ),
    pat(
        "a token stands for its owner on every public route",
        "if g.personal_token and token_access.refusal(g.personal_token) is None:",
        "if g.personal_token:",
        "test_public_account_routes_ignore_personal_tokens",
    ),
    pat(
        "a token counts for ever",
        "    if seen >= row.expires_at:\n",
        "    if seen < row.created_at:\n",
        "test_a_token_that_has_ended_is_refused_and_its_use_logged",
    ),
    pat(
        "tokens outlive a new password",
        "    personal_tokens.end_all(user)\n",
        "",
        EVERYWHERE,
    ),
    pat(
        "tokens outlive the end of all sessions of the service",
        "    personal_tokens.revoke_all()\n",
        "",
        EVERYWHERE,
    ),
    pat(
        "a disabled account goes on by its tokens",
        "    if not row or row.user.disabled_at is not None:\n",
        "    if not row:\n",
        "test_tokens_of_a_disabled_account_are_refused",
    ),
    pat(
        "the token is stored as it is",
        "        token_hash=hash_secret(drawn),\n        name=name,",
        "        token_hash=drawn.reveal(),\n        name=name,",
        "test_only_a_hash_is_stored_and_the_text_is_shown_once",
    ),
    pat(
        "a stolen session makes a token",
        '@blueprint.post("")\n@fresh\n@rate_limits.credential_change\n@api.operation(\n'
        '    "Make a personal access token',
        '@blueprint.post("")\n@rate_limits.credential_change\n@api.operation(\n'
        '    "Make a personal access token',
        "test_a_new_token_needs_a_fresh_proof",
    ),
    pat(
        "the owner does not learn of a new token",
        'notices.send("personal_token", user, may',
        'str("personal_token").format(user=user, may',
        "test_a_mail_tells_of_a_new_token",
    ),
    pat(
        "a script uses up what its owner may do",
        '    if limit is None and g.get("user") and g.get("personal_token"):\n',
        '    if limit is None and g.get("user") is None:\n',
        "test_a_token_has_a_limit_of_its_own",
    ),
    pat(
        "the checksum is not looked at",
        "if checksum(body) == end else None",
        "if len(end) == CHECKSUM else None",
        "test_malformed_tokens_are_refused_without_a_query",
    ),
    pat(
        "scanners do not find a token",
        "_pat_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}",
        "_pat_[A-Za-z0-9_-]{53}[0-9A-Za-z]{6}",
        "test_scanners_of_secrets_recognise_a_token",
    ),
    pat(
        "a stranger has the description made each time",
        'made = app.extensions.get("openapi") or app.make_response(document(app)).data',
        "made = app.make_response(document(app)).data",
        "test_the_openapi_description_is_made_once",
    ),
    pat(
        "production shows the API as a page",
        '    if not app.config["SETTINGS"].production:\n        openapi_page',
        '    if app.config["SETTINGS"]:\n        openapi_page',
        "test_production_has_no_openapi_page",
    ),
]
