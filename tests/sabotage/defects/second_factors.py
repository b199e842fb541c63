"""Defects in second factors, passkeys and step-up: each way around them."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

steps = partial(Defect, "two steps", file="app/auth/sign_in.py")
tickets = partial(Defect, "tickets", file="app/auth/tickets.py")
apps = partial(Defect, "authenticator apps", file="app/auth/totp.py")
codes = partial(Defect, "recovery codes", file="app/auth/recovery_codes.py")
factors = partial(Defect, "second factors", file="app/auth/second_factors.py")
around = partial(Defect, "around second factors")

RANDOM = "test_recovery_codes_are_random_and_stored_as_hashes"
STORED = "test_a_ticket_is_random_and_stored_as_a_hash"
SET_UP = "test_an_app_protects_after_its_first_code"
FORGOTTEN = "test_a_right_password_keeps_the_count_of_wrong_codes"
COUNTED = "this = *_this(ticket), Ticket.tries < MAX_TRIES, Ticket.expires_at > now()"

DEFECTS = [
    apps(
        "a thief's app is shown to the owner",
        "return _readable(app.new_secret) if app and app.session_id == session.id else None",
        "return _readable(app.new_secret) if app else None",
        "test_an_app_that_another_session_has_begun_is_not_shown",
    ),
    apps(
        "another session confirms what was begun",
        "_step(app.new_secret, code) if app and app.session_id == session.id else None",
        "_step(app.new_secret, code) if app else None",
        "test_an_app_that_another_session_has_begun_is_not_shown",
    ),
    apps(
        "where the key is lost, recovery codes are lost as well",
        "    except ValueError:\n        security_event(",
        "    except ZeroDivisionError:\n        security_event(",
        "test_a_recovery_code_works_without_the_encryption_key",
    ),
    Defect(
        "second factors",
        "who has the old phone stays signed in",
        "    if replaces:\n        revocation.end_all(user, but=session)\n",
        "",
        "test_a_new_phone_replaces_the_old_one_with_its_first_code",
    ),
    Defect(
        "second factors",
        "a link of before moves the account without the new factor",
        '    account_links.end(user, "email")  # an older link',
        "    # an older link",
        "test_a_new_factor_ends_the_link_that_moves_the_account",
    ),
    Defect(
        "second factors",
        "after a refused passkey, each right code is wrong",
        """ action="{{ url_for('second_step.code', next=next_page()) }}\"""",
        "",
        "test_after_a_refused_passkey_the_other_form_of_the_page_works",
    ),
    Defect(
        "second factors",
        "a thief who was thrown out sets the password",
        "        return False  # its owner has ended this session while the password was hashed\n",
        "        pass\n",
        "test_the_password_does_not_change_by_a_session_that_has_just_ended",
    ),
    steps(
        "the password alone signs in",
        "    if second_factors.of(user):\n",
        "    if second_factors.of(user) and not password:\n",
        "test_the_password_alone_opens_no_route",
    ),
    steps(
        "a ticket that was used meanwhile counts",
        "    if proof and tickets.use(ticket):\n",
        "    if proof and (tickets.use(ticket) or code):\n",
        "test_a_ticket_counts_once_at_the_same_time",
    ),
    steps(
        "a disabled account is open to its passkey",
        "    return account_lock.lock(user) and user.disabled_at is None\n",
        "    return account_lock.lock(user)\n",
        "test_a_disabled_account_is_closed_to_its_passkey",
    ),
    steps(
        "wrong codes are not counted",
        "    authentication.count_failure(user, checked=checked)\n",
        "",
        FORGOTTEN,
    ),
    steps(
        "tries are not counted",
        "    if ticket is None or not tickets.count_try(ticket):\n        return None\n    user =",
        "    if ticket is None:\n        return None\n    user =",
        "test_a_ticket_has_five_tries",
    ),
    tickets(
        "it counts for every purpose",
        "        Ticket.purpose == purpose,\n",
        "",
        "test_a_ticket_is_for_one_purpose",
    ),
    tickets(
        "it counts for every session",
        "        Ticket.session_id == (session.id if session else None),\n",
        "",
        "test_a_ticket_of_a_session_is_for_that_session",
    ),
    tickets(
        "it counts for ever",
        "        Ticket.expires_at > now(),\n    )\n",
        "    )\n",
        "test_a_challenge_to_register_ends_after_five_minutes",
    ),
    tickets(
        "it counts for an hour",
        "LIFETIME = timedelta(minutes=5)",
        "LIFETIME = timedelta(minutes=60)",
        "test_a_ticket_ends_after_five_minutes",
    ),
    tickets(
        "it has many tries",
        "MAX_TRIES = 5",
        "MAX_TRIES = 50",
        "test_a_ticket_has_five_tries",
    ),
    tickets(
        "tries at once are not all counted",
        COUNTED,
        "this = *_this(ticket), Ticket.expires_at > now()",
        "test_tries_at_once_are_all_counted",
    ),
    tickets(
        "it counts again",
        "    return change(delete(Ticket).where(*this), OF_ALL) == 1\n",
        "    return change(update(Ticket).where(*this).values(tries=0), OF_ALL) == 1\n",
        "test_a_ticket_counts_once",
    ),
    tickets(
        "the database keeps it as it is",
        "        token_hash=hash_secret(token),\n",
        "        token_hash=token.reveal(),\n",
        STORED,
    ),
    tickets(
        "it is short",
        "    token = Secret(secrets.token_urlsafe(32))\n",
        "    token = Secret(secrets.token_urlsafe(8))\n",
        STORED,
    ),
    tickets(
        "a challenge counts again",
        ".values(challenge=None)",
        ".values(challenge=challenge)",
        "test_a_challenge_is_good_for_one_answer",
    ),
    tickets(
        "a challenge is always the same",
        "    challenge = secrets.token_urlsafe(32)",
        "    challenge = 43 * 'A'",
        "test_the_options_ask_for_what_is_checked",
    ),
    apps(
        "a code counts again",
        "AuthenticatorApp.id == app.id, AuthenticatorApp.last_step < step",
        "AuthenticatorApp.id == app.id, AuthenticatorApp.last_step <= step",
        "test_a_code_counts_once",
    ),
    apps(
        "an older code counts after a newer one",
        "AuthenticatorApp.id == app.id, AuthenticatorApp.last_step < step",
        "AuthenticatorApp.id == app.id, AuthenticatorApp.last_step != step",
        "test_an_older_code_is_refused_after_a_newer_one",
    ),
    apps(
        "clocks may differ by two steps",
        "DRIFT = 1",
        "DRIFT = 2",
        "test_clocks_may_differ_by_one_step",
        file="app/auth/totp_codes.py",
    ),
    apps(
        "clocks must not differ",
        "DRIFT = 1",
        "DRIFT = 0",
        "test_clocks_may_differ_by_one_step",
        file="app/auth/totp_codes.py",
    ),
    apps(
        "it is enabled by any code",
        "    step = _step(app.new_secret, code) if",
        "    step = 1 if",
        SET_UP,
    ),
    apps(
        "it protects before its first code, and locks the owner out",
        "    return app is not None and app.secret is not None\n",
        "    return app is not None\n",
        SET_UP,
    ),
    apps(
        "a new one replaces the one that is enabled before its first code",
        "    app.new_secret, app.session_id = encrypt(secret, PURPOSE), session.id\n",
        "    app.new_secret, app.session_id = encrypt(secret, PURPOSE), session.id\n"
        "    app.secret = app.secret and app.new_secret\n",
        "test_a_new_phone_replaces_the_old_one_with_its_first_code",
    ),
    apps(
        "the secret is the same when it is begun anew",
        "    secret = new_secret()\n",
        "    secret = pending(session) or new_secret()\n",
        "test_a_secret_is_new_each_time",
    ),
    apps(
        "a lost key is no error in the log",
        'security_event("crypt_decrypt_fail", level=logging.ERROR, of=PURPOSE)',
        'security_event("crypt_decrypt_fail", of=PURPOSE)',
        "test_a_recovery_code_works_without_the_encryption_key",
    ),
    apps(
        "the secret is stored as it is",
        "encrypt(secret, PURPOSE), session.id",
        "secret.reveal(), session.id",
        "test_the_secret_is_encrypted_for_this_alone",
    ),
    codes(
        "one counts again",
        "    return change(delete(RecoveryCode).where(*theirs), OF_ALL) == 1\n",
        "    number = select(func.count()).where(*theirs)\n"
        "    return db.session.scalar(number, execution_options=OF_ALL) == 1\n",
        "test_a_recovery_code_counts_once",
    ),
    codes(
        "the database keeps them as they are",
        '    return hash_secret(Secret(f"{user.id} {code.reveal()}"))\n',
        "    return code.reveal()\n",
        RANDOM,
    ),
    codes(
        "they are short enough to guess",
        "BYTES = 16",
        "BYTES = 5",
        RANDOM,
    ),
    codes(
        "the old ones count on",
        "    remove(user)\n    drawn",
        "    drawn",
        "test_new_recovery_codes_end_the_old_ones",
    ),
    factors(
        "nobody is told of a used recovery code",
        '        notices.send("recovery_code_used", user, left=left)\n',
        "",
        "test_the_owner_is_told_of_a_used_recovery_code",
    ),
    factors(
        "recovery codes are the only factor",
        '    if not of(user):\n        abort(409, "Rec',
        '    if not user.id:\n        abort(409, "Rec',
        "test_recovery_codes_stand_in_for_a_factor",
    ),
    factors(
        "other sessions outlive a removed factor",
        "    revocation.end_all(user, but=session)\n    notices",
        "    notices",
        "test_to_remove_a_factor_ends_the_other_sessions",
    ),
    factors(
        "the last one is removed where one is required",
        "        if are_required():\n",
        "        if are_required() and not user.id:\n",
        "test_the_last_required_factor_cannot_be_removed",
    ),
    factors(
        "recovery codes outlive the last factor",
        "        recovery_codes.remove(user)\n",
        "",
        "test_with_the_last_factor_the_recovery_codes_go",
    ),
    factors(
        "a passkey is no second factor",
        '        found.append("passkey")\n',
        "        pass\n",
        "test_a_passkey_signs_in_alone_and_as_a_second_factor",
    ),
    around(
        "tickets outlive the password",
        "    tickets.end_all(user)\n",
        "",
        "test_a_ticket_ends_with_the_password_it_was_given_for",
        file="app/auth/revocation.py",
    ),
    around(
        "a sign-in is completed after all sessions have ended",
        "    tickets.revoke_all()\n    db.session.commit()\n    count = last = 0\n",
        "    count = last = 0\n",
        "test_a_ticket_ends_with_the_sessions_of_everybody",
        file="app/auth/revocation.py",
    ),
    around(
        "a session that has just ended ends all others",
        "    this = identity.locked_session()\n    count =",
        "    this = identity.current_session()\n    count =",
        "test_a_session_that_has_just_ended_ends_no_other",
    ),
    around(
        "a token that has just ended ends all others",
        "    this = identity.locked_session()\n    revocation.end_all(",
        "    this = identity.current_session()\n    revocation.end_all(",
        "test_a_session_that_has_just_ended_ends_no_other",
        answers={"auth": "token"},
    ),
    around(
        "an app that a thief began waits for the owner",
        "    totp.forget_pending(user)\n",
        "",
        "test_an_app_that_waits_ends_with_the_session",
        file="app/auth/revocation.py",
    ),
    around(
        "a right password forgets wrong codes",
        "and not is_refused(user, session):\n        return True\n",
        "and not is_refused(user, session):\n        throttling.clear(user)\n        return True\n",
        FORGOTTEN,
        file="app/auth/authentication.py",
    ),
    around(
        "guesses are limited by address alone",
        '    return hashed_key("account", str(user.id)) if user else client_address()\n',
        "    return client_address()\n",
        "test_many_tickets_and_addresses_give_no_more_tries",
        file="app/auth/second_step_views.py",
    ),
]
