"""Defects in passkeys and step-up that a hostile authenticator, page or user could use."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

passkeys = partial(Defect, "passkeys", file="app/auth/passkey_ceremonies.py")
requests = partial(Defect, "passkeys", file="app/auth/passkey_requests.py")
fresh = partial(Defect, "step-up", file="app/auth/step_up.py")
sessions = partial(Defect, "fresh sessions")

SIGN_IN = "test_a_hostile_answer_signs_nobody_in"
REGISTER = "test_a_hostile_answer_makes_no_passkey"
NEW_TOKEN = "test_a_proof_gives_the_session_a_new_token"

DEFECTS = [
    Defect(
        "passkeys",
        "guesses at codes use up what the owner of a passkey may do",
        "@account_limits.passkey\n",
        '@limited("second_factor", rate_limits.SECOND_FACTOR, ticket_account)\n',
        "test_wrong_codes_of_others_do_not_keep_the_owner_of_a_passkey_out",
    ),
    passkeys(
        "nobody is verified at a sign-in",
        "sign_count=passkey.sign_count,\n            require_user_verification=True,",
        "sign_count=passkey.sign_count,\n            require_user_verification=False,",
        SIGN_IN,
    ),
    passkeys(
        "nobody is verified at a registration",
        "            require_user_verification=True,\n            supported",
        "            require_user_verification=False,\n            supported",
        REGISTER,
    ),
    requests(
        "signatures with SHA-1 count",
        "    Algorithm.EDDSA,\n",
        "    Algorithm.EDDSA,\n    Algorithm.RSASSA_PKCS1_v1_5_SHA_1,\n",
        REGISTER,
    ),
    passkeys(
        "a frame of another site may ask",
        "    if client_data.cross_origin:\n",
        "    if client_data.cross_origin and not sent:\n",
        SIGN_IN,
    ),
    passkeys(
        "a sign-in by a passkey alone need not tell the account",
        "        is_needed = told is not None or ticket.user_id is None\n",
        "        is_needed = told is not None\n",
        "test_a_passkey_sign_in_needs_a_user_handle",
    ),
    passkeys(
        "any user handle counts",
        "is_needed and base64url_to_bytes(told) != passkeys.handle(user):\n",
        "is_needed and not base64url_to_bytes(told):\n",
        SIGN_IN,
    ),
    passkeys(
        "the passkey of another user is a second factor",
        "        if ticket.user_id not in (None, user.id):\n",
        "        if ticket.user_id == 0:\n",
        "test_the_passkey_of_another_account_is_no_second_factor",
    ),
    passkeys(
        "the proof of another user makes a session fresh",
        "        if ticket.user_id not in (None, user.id):\n",
        '        if ticket.user_id not in (None, user.id) and ticket.purpose != "step-up":\n',
        "test_a_proof_of_another_user_is_refused",
    ),
    passkeys(
        "the counter is not stored",
        "values(sign_count=found.new_sign_count, used_at=now())",
        "values(used_at=now())",
        "test_a_counter_that_does_not_increase_is_refused",
    ),
    passkeys(
        "the counter is not checked",
        "credential_current_sign_count=passkey.sign_count,",
        "credential_current_sign_count=0,",
        "test_a_counter_that_does_not_increase_is_refused",
    ),
    passkeys(
        "two answers with one count both count",
        "update(Passkey).where(*this, Passkey.sign_count == passkey.sign_count)\n",
        "update(Passkey).where(*this)\n",
        "test_only_one_of_two_answers_with_the_same_counter_succeeds",
    ),
    passkeys(
        "an answer nested deeply is an error of ours",
        "    except (*MALFORMED, RecursionError) as error:\n",
        "    except MALFORMED as error:\n",
        "test_garbage_is_refused",
    ),
    passkeys(
        "an id may be longer than WebAuthn allows",
        "MAX_CREDENTIAL_ID = 1023",
        "MAX_CREDENTIAL_ID = 4096",
        REGISTER,
    ),
    passkeys(
        "one account has any number of passkeys",
        "    if len(passkeys.of_user(user)) >= passkeys.MAX_PASSKEYS:\n",
        "    if len(passkeys.of_user(user)) > 10 * passkeys.MAX_PASSKEYS:\n",
        "test_an_account_has_few_passkeys",
    ),
    passkeys(
        "anybody removes the passkey of another user",
        "def remove(user: User, public_id: str) -> bool:\n"
        '    """Remove a passkey of this user; True if there was one. The caller commits."""\n'
        "    theirs = Passkey.user_id == user.id, Passkey.public_id == public_id\n",
        "def remove(user: User, public_id: str) -> bool:\n"
        '    """Remove a passkey of this user; True if there was one. The caller commits."""\n'
        "    theirs = (Passkey.public_id == public_id,)\n",
        "test_nobody_removes_the_passkey_of_another_user",
        file="app/auth/passkeys.py",
    ),
    passkeys(
        "pages without TLS may ask",
        '[f"https://{rp_id()}" if settings.production else request.host_url.rstrip("/")]\n',
        '[f"{scheme}://{rp_id()}" for scheme in ("https", "http") if settings]\n',
        SIGN_IN,
        file="app/auth/relying_party.py",
    ),
    fresh(
        "the password is a proof where there is a second factor",
        "    return session.proof != PASSWORD or not second_factors.of(session.user)\n",
        "    return True\n",
        "test_a_young_sign_in_by_password_is_no_proof_any_more",
    ),
    fresh(
        "a proof is fresh for an hour",
        "FRESH = timedelta(minutes=10)",
        "FRESH = timedelta(minutes=60)",
        "test_a_proof_is_fresh_for_ten_minutes",
    ),
    fresh(
        "what a fresh proof allowed goes on when the session has ended",
        "account_lock.lock(session.user) and as_stored(session) is not None\n",
        "account_lock.lock(session.user)\n",
        "test_the_address_does_not_change_by_a_session_that_has_just_ended",
        file="app/auth/session_lock.py",
    ),
    fresh(
        "while the password is hashed, the session becomes another",
        "    if session and session_lock.as_stored(session) is None:\n",
        "    if session and db.session.get(Session, session.id, populate_existing=True) is None:\n",
        "test_a_proof_is_not_for_the_session_that_has_just_got_the_id",
        file="app/auth/authentication.py",
    ),
    fresh(
        "an answer for a sign-in is a proof",
        '    ticket = tickets.find("step-up", token, session)\n    if ticket:\n',
        '    ticket = tickets.find("step-up", token, session) or tickets.find("passkey", token)\n'
        "    if ticket:\n",
        "test_an_answer_for_a_sign_in_is_no_proof",
    ),
    fresh(
        "wrong proofs are not counted",
        "    authentication.count_failure(session.user, session)\n",
        "",
        "test_wrong_proofs_are_counted_for_the_account",
    ),
    fresh(
        "nothing has to be set up where a second factor is required",
        '    if second_factors.are_required() and session.proof in ("", PASSWORD):\n',
        '    if second_factors.are_required() and session.proof == "":\n',
        "test_a_required_factor_must_be_set_up_before_other_routes",
    ),
    sessions(
        "a stale session does everything",
        "step_up(needs_fresh_proof(current_app, endpoint))",
        "step_up(False)",
        "test_sensitive_routes_give_nothing_to_a_stale_session",
    ),
    sessions(
        "a stale session changes the address",
        '@blueprint.route("/account/email", methods=["GET", "POST"])\n@fresh\n',
        '@blueprint.route("/account/email", methods=["GET", "POST"])\n',
        "test_every_sensitive_route_asks_for_a_fresh_proof",
    ),
    sessions(
        "a stale session makes recovery codes",
        '@blueprint.post("/recovery-codes")\n@fresh\n',
        '@blueprint.post("/recovery-codes")\n',
        "test_every_sensitive_route_asks_for_a_fresh_proof",
    ),
    sessions(
        "a proof keeps the old token",
        "    token = sessions.renew(locked_session(), proof, proven_at)\n    db.session.commit()\n"
        "    session[SESSION_ID] = token.reveal()\n",
        "    this = current_session()\n"
        "    this.proof, this.proven_at = proof, proven_at or this.last_seen_at\n"
        "    db.session.commit()\n",
        NEW_TOKEN,
    ),
    sessions(
        "a thief of a session guesses from many addresses",
        '    return hashed_key("session", g.session.public_id) if g.get("session")'
        " else client_address()\n",
        "    return client_address()\n",
        "test_a_thief_of_a_session_has_five_tries",
    ),
    sessions(
        "a session goes on with the tries of one that has ended",
        'hashed_key("session", g.session.public_id)',
        'hashed_key("session", str(g.session.id))',
        "test_a_session_has_no_tries_of_one_that_has_ended",
    ),
    sessions(
        "failures at the sign-in keep the owner from a proof",
        "throttling.is_delayed(asking or user)\n",
        "throttling.is_delayed(user)\n",
        "test_a_failure_at_the_sign_in_does_not_keep_the_owner_from_a_proof",
    ),
]
