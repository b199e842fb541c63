"""Defects in the proof that a user gave at the provider, and in the step-up there."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

OIDC = {"auth": "oidc"}
proof = partial(Defect, "auth.identity_provider", answers=OIDC)
step_up = partial(Defect, "auth.step_up", answers=OIDC)

DEFECTS = [
    proof(
        "any acr is strong enough",
        "if settings.acr_values and acr not in settings.acr_values:",
        "if settings.acr_values and acr is None:",
        "test_another_factor_is_not_enough",
    ),
    proof(
        "any amr is strong enough",
        "if settings.amr_values and not any(value in methods for value in settings.amr_values):",
        "if settings.amr_values and amr is None:",
        "test_other_methods_are_not_enough",
    ),
    proof(
        "a word in a text passes for a method",
        "methods = amr if isinstance(amr, list) else []",
        'methods = amr or ""',
        "test_other_methods_are_not_enough",
    ),
    proof(
        "acr is asked for and then forgotten",
        "        provider_proof.check(claims, provider.settings, pending)\n",
        "",
        "test_the_factors_of_a_sign_in",
    ),
    proof(
        "the best acr is not asked for first",
        '{"acr_values": " ".join(settings.acr_values)}',
        '{"acr_values": " ".join(sorted(settings.acr_values, reverse=True))}',
        "test_the_sign_in_request_names_the_required_proof",
    ),
    proof(
        "a provider that names no time is believed",
        "if moment is None or moment < oldest - LEEWAY:",
        "if moment is not None and moment < oldest - LEEWAY:",
        "test_an_old_sign_in_is_not_enough",
    ),
    proof(
        "the age is asked for and not checked",
        "oldest = time.time() - settings.max_age",
        "oldest = 0",
        "test_the_age_of_a_sign_in",
    ),
    proof(
        "a sign-in in the future is young for ever",
        "return value if 0 <= value <= time.time() + LEEWAY else None",
        "return value if 0 <= value else None",
        "test_an_invalid_auth_time_is_refused",
    ),
    proof(
        "the time that was asked for may be a text",
        'if moment is None and claims.get("auth_time") is not None:\n',
        'if moment is None and claims.get("auth_time") is None:\n',
        "test_a_wrong_requested_auth_time_is_refused",
    ),
    proof(
        "userinfo says when the user signed in",
        "return Claims({name: found[name] for name in found if name not in provider_proof.CLAIMS})",
        "return Claims(found)",
        "test_proof_is_read_from_the_id_token_only",
    ),
    proof(
        "a malformed age is no age",
        'problems.append(f"OIDC_MAX_AGE is {max_age!r}; write seconds, {MIN_MAX_AGE} or more")\n',
        "pass\n",
        "test_an_invalid_max_age_is_an_error",
    ),
    step_up(
        "a sign-in without a time is a fresh proof",
        "if (moment := _auth_time(claims)) is None:\n        return None",
        "if (moment := _auth_time(claims)) is None:\n        return datetime.now(UTC)",
        "test_a_sign_in_without_auth_time_is_no_fresh_proof",
    ),
    step_up(
        "what is no time is a fresh proof",
        "not isinstance(value, int | float):\n        return None",
        "not isinstance(value, int | float):\n        return value and time.time()",
        "test_an_invalid_auth_time_is_no_fresh_proof",
    ),
    step_up(
        "who is signed in at the provider need not sign in again",
        "oldest = pending.started_at",
        "oldest = 0.0",
        "test_an_old_auth_time_is_refused_in_a_step_up",
    ),
    step_up(
        "the provider is not told to ask again",
        'asked |= {"prompt": "login", "max_age": str(STEP_UP_MAX_AGE)}',
        "asked |= {}",
        "test_a_step_up_asks_the_provider_to_sign_in_again",
    ),
    step_up(
        "some providers take the age of a step-up for none",
        '"max_age": str(STEP_UP_MAX_AGE)}',
        '"max_age": "0"}',
        "test_what_a_step_up_asks_for",
    ),
    step_up(
        "another user proves it",
        'if (user.issuer, user.subject) != (issuer, Secret(claims["sub"])):',
        "if user.issuer != issuer:",
        "test_the_answer_of_another_user_of_this_service",
    ),
    step_up(
        "the provider proves an emergency account",
        'if (user.issuer, user.subject) != (issuer, Secret(claims["sub"])):',
        'if user.subject != claims["sub"] or not issuer:',
        "test_an_emergency_account_cannot_step_up_at_the_provider",
    ),
    step_up(
        "an answer counts for any session",
        "if g.session is None or g.session.public_id != started.session_id:",
        "if g.session is None:",
        "test_another_session_of_the_user_gains_nothing",
    ),
    step_up(
        "the answer to a step-up signs somebody else in",
        "    if started.session_id:\n        return step_up_views.complete(started, answer)\n",
        "",
        "test_a_step_up_as_somebody_else",
    ),
    step_up(
        "a copy of the cookie shares the proof",
        "identity.prove(step_up.BY_PROVIDER, provider_proof.proven_at(claims))",
        "session.proof, session.proven_at = step_up.BY_PROVIDER, provider_proof.proven_at(claims)",
        "test_the_user_goes_on_after_a_new_sign_in_at_the_provider",
    ),
    step_up(
        "who has left the groups goes on",
        "if members.admit(claims, round_trip.provider().settings) is None:",
        'if not claims["sub"]:',
        "test_leaving_the_group_ends_the_session_in_a_step_up",
    ),
    step_up(
        "a proof lasts as long as the session",
        "return session.proven_at is not None and now() - session.proven_at <= FRESH",
        "return session.proven_at is not None and session.proven_at <= now() + FRESH",
        "test_a_fresh_proof_lasts_ten_minutes",
    ),
    step_up(
        "a stolen session disables accounts",
        '@blueprint.post("/disable")\n@fresh\n',
        '@blueprint.post("/disable")\n',
        "test_a_stolen_session_cannot_use_sensitive_routes",
    ),
    step_up(
        "a stolen session deletes the account at this service",
        '@blueprint.route("/delete", methods=["GET", "POST"])\n@fresh\n@rate_limits',
        '@blueprint.route("/delete", methods=["GET", "POST"])\n@rate_limits',
        "test_deletion_needs_a_fresh_proof",
    ),
    step_up(
        "any password proves an emergency account",
        "if form.validate() and authentication.reauthenticate(session.user, form.password.data):\n"
        "            identity.prove(",
        "if form.validate():\n            identity.prove(",
        "test_guesses_at_an_emergency_account_are_counted",
    ),
    step_up(
        "a password is taken while emergency accounts are off",
        "    if not round_trip.provider().settings.emergency_login:\n        abort(403",
        "    if not round_trip.provider().settings.issuer:\n        abort(403",
        "test_passwords_are_refused_while_emergency_accounts_are_off",
    ),
    step_up(
        "it can be started without end",
        '@rate_limits.limited("step_up", rate_limits.SECOND_FACTOR, signed_in_session)\n',
        "",
        "test_starts_are_limited_by_session",
    ),
]
