"""Defects in the lock after 100 failures, the reset of second factors, the key rotation."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

lockout = partial(Defect, "lockout")
guesses = partial(Defect, "guesses at codes")
reset = partial(Defect, "resets of factors")
reencryption = partial(Defect, "reencryption")
systemd = partial(reencryption, answers={"deployment": "systemd"})
kubernetes = partial(reencryption, answers={"deployment": "kubernetes"})

CODES = "test_wrong_codes_count_as_wrong_passwords_do"
CARRIED_OUT = "test_after_three_days_a_password_sign_in_removes_the_factors"
LAPSED = "test_a_reset_that_has_lapsed_is_shown_nowhere_and_cancelled_by_nobody"
MOVED = "test_a_new_address_ends_a_reset_of_second_factors"
BEGUN = "test_the_owner_is_told_at_once_and_nothing_ends_for_three_days"

DEFECTS = [
    lockout(
        "a guesser goes on for ever",
        "return throttling.is_locked_out(asking or user) or throttling.is_delayed(asking or user)",
        "return throttling.is_delayed(asking or user)",
        "test_after_a_hundred_failures_the_right_password_is_answered_like_a_wrong_one",
    ),
    lockout(
        "a passkey of the owner gives a guesser a hundred new tries",
        "    if after_password:\n        throttling.clear(user)\n",
        "    throttling.clear(user)\n    if after_password:\n",
        "test_a_passkey_sign_in_works_and_does_not_unlock_the_password",
    ),
    lockout(
        "a wrong code that comes early is free",
        "authentication.count_failure(user, checked=checked)",
        "authentication.count_failure(user)",
        CODES,
    ),
    lockout(
        "a ticket from before the lock goes on",
        "checked = not throttling.is_locked_out(user)",
        "checked = True",
        CODES,
    ),
    guesses(
        "wrong codes of the second step are not counted apart",
        "    code_guesses.count(user)\n",
        "",
        "test_wrong_codes_at_once_are_all_counted",
    ),
    guesses(
        "codes count for ever",
        "of_app = not code_guesses.are_used_up(user)",
        "of_app = True",
        "test_a_new_password_gives_no_new_guesses",
    ),
    guesses(
        "the link of a mail gives new guesses",
        "    throttling.clear(user)\n    security_event",
        "    throttling.clear(user)\n"
        "    from app.auth import code_guesses\n"
        "    code_guesses.forget(user)\n    security_event",
        "test_the_link_of_the_lock_gives_no_new_guesses",
        file="app/auth/lockout.py",
    ),
    guesses(
        "a passkey of the owner gives a guesser new codes",
        "        throttling.clear(user)\n        code_guesses.forget(user)\n",
        "        throttling.clear(user)\n    code_guesses.forget(user)\n",
        "test_a_passkey_lets_codes_count_again_after_the_password",
    ),
    guesses(
        "the owner is locked out of a session that runs",
        "    throttling.clear(session)\n    code_guesses.forget(session.user)\n",
        "    throttling.clear(session)\n",
        "test_an_open_session_continues_and_can_reset_the_count",
    ),
    guesses(
        "nobody is told that codes do not count any more",
        '        notices.send("codes_end", user)\n',
        "",
        "test_the_owner_is_told_once",
    ),
    guesses(
        "the owner is told of each further wrong code",
        "AuthenticatorApp.user_id == user.id, AuthenticatorApp.wrong_codes < MAX_WRONG\n",
        "AuthenticatorApp.user_id == user.id, AuthenticatorApp.wrong_codes >= 0\n",
        "test_the_owner_is_told_once",
    ),
    guesses(
        "a wrong code of one user counts for all",
        "    theirs = AuthenticatorApp.user_id == user.id, AuthenticatorApp.wrong_codes",
        "    theirs = AuthenticatorApp.user_id > 0, AuthenticatorApp.wrong_codes",
        "test_wrong_codes_at_once_are_all_counted",
    ),
    reset(
        "second factors end while the mail that tells of it waits",
        "    if not by and outbox.may_be_unread(",
        "    if by and outbox.may_be_unread(",
        "test_nothing_ends_before_the_owner_had_a_day_to_read_the_mail",
    ),
    reset(
        "second factors end in the minute in which the owner is told",
        'unread = or_(Mail.state != "sent", Mail.due_at > now())',
        'unread = Mail.state != "sent"',
        "test_nothing_ends_before_the_owner_had_a_day_to_read_the_mail",
    ),
    reset(
        "a mail of last week delays a reset",
        "Mail.kind == kind, Mail.created_at >= since",
        "Mail.kind == kind, Mail.created_at <= now()",
        "test_an_older_mail_that_was_not_sent_delays_no_new_reset",
    ),
    lockout(
        "the hundredth failure at an unknown address writes less",
        "    if throttling.count_failure(throttling.decoy(name)):\n"
        "        lockout.mail_nobody(name)\n",
        "    throttling.count_failure(throttling.decoy(name))\n",
        "test_a_locked_out_account_cannot_be_told_from_an_unknown_one",
    ),
    lockout(
        "whoever has a former mailbox opens the account",
        "    return user if user.email == link.email and links.use(link) else None\n",
        "    return user if links.use(link) else None\n",
        "test_a_link_to_a_former_address_opens_nothing",
    ),
    lockout(
        "a disabled account gets a link",
        "    _write(user.email, token, deliver=user.disabled_at is None)\n",
        "    _write(user.email, token, deliver=True)\n",
        "test_a_disabled_account_gets_no_mail",
    ),
    lockout(
        "each failure after the hundredth sends a mail",
        "    if account.failures % MAX_FAILURES:\n",
        "    if account.failures < MAX_FAILURES:\n",
        "test_a_mail_goes_out_with_each_hundred_and_no_more",
    ),
    reset(
        "nobody has time to cancel",
        "    if end is None or end > now():\n",
        "    if end is None:\n",
        BEGUN,
    ),
    reset(
        "the owner is not told",
        "        outbox.add(KIND, user.email, values)\n",
        "",
        BEGUN,
    ),
    reset(
        "sessions go on without the second factor",
        '        revocation.end_all(user)\n        notices.send("factors_removed"',
        '        notices.send("factors_removed"',
        CARRIED_OUT,
    ),
    reset(
        "a reset waits for ever for a thief of the password",
        "    return None if end is None or end + LAPSE < now() else end\n",
        "    return end\n",
        "test_a_reset_that_nobody_uses_lapses",
    ),
    reset(
        "an owner who is in again loses what is set up then",
        "        factor_resets.cancel(user, factor_resets.FACTOR)\n",
        "        pass\n",
        "test_whoever_uses_a_second_factor_needs_no_reset",
        file="app/auth/sign_in.py",
    ),
    reset(
        "an operator is talked out of the delay",
        "        if user.disabled_at is None:\n            raise click.ClickException(\n",
        "        if user.id < 0:\n            raise click.ClickException(\n",
        "test_factors_of_a_disabled_account_are_removed_at_once",
    ),
    reset(
        "a new address takes the ways to cancel away",
        "    factor_resets.cancel(user, factor_resets.OPERATOR, to=old)\n",
        "",
        "test_a_new_address_by_an_operator_ends_a_reset",
    ),
    reset(
        "a reset that was mailed to the former mailbox goes on after a change",
        "    factor_resets.cancel(user, factor_resets.ADDRESS, to=old)\n",
        "",
        MOVED,
    ),
    reset(
        "a reset that was mailed to a thief goes on after an undo",
        "    factor_resets.cancel(user, factor_resets.ADDRESS)  # the",
        "    # the",
        MOVED,
    ),
    reset(
        "a reset that has lapsed is cancelled weeks later",
        "    pending = due(user) is not None\n",
        "    pending = user.factors_end_at is not None\n",
        LAPSED,
    ),
    reset(
        "the account page warns of a reset that has lapsed",
        "{% set due = reset_due(current_user) %}",
        "{% set due = current_user.factors_end_at %}",
        LAPSED,
        answers={"auth": "session"},
    ),
    reset(
        "the profile warns of a reset that has lapsed",
        "factors_end_at=factor_resets.due(user)",
        "factors_end_at=user.factors_end_at",
        LAPSED,
        answers={"auth": "token"},
    ),
    reset(
        "a restore brings a cancelled reset back",
        'connection.execute(update(table("users", column(RESET))).values({RESET: None}))',
        "pass",
        "test_a_restore_revives_no_reset_that_was_cancelled",
    ),
    reset(
        "passkeys stay",
        "    passkeys.remove_all(user)\n",
        "",
        CARRIED_OUT,
    ),
    reset(
        "a reset counts again and again",
        "    user.factors_end_at = None\n    had",
        "    had",
        CARRIED_OUT,
    ),
    reset(
        "a second request begins the delay anew",
        "    if end is None:\n        user.factors_end_at",
        "    if user.id:\n        user.factors_end_at",
        "test_a_second_reset_keeps_the_first_time_and_a_new_one_has_a_new_link",
    ),
    reset(
        "the link of a mail cancels nothing",
        "    return user is not None and cancel(user, MAIL)\n",
        "    return user is not None\n",
        "test_the_owner_keeps_the_factors_by_the_mailed_link",
    ),
    reset(
        "the account page says nothing",
        "{% if due %}",
        "{% if false %}",
        "test_the_owner_keeps_the_factors_in_an_open_session",
        answers={"auth": "session"},
    ),
    Defect(
        "notices",
        "a sign-in by a code looks like one by the password alone",
        "notices.send(KIND, user, proof=proof)",
        'notices.send(KIND, user, proof="password")',
        "test_the_mail_about_a_new_device_names_the_factors",
    ),
    reencryption(
        "the text of a mail that was just sent comes back",
        "where(model.id == last, column == stored)",
        "where(model.id == last)",
        "test_a_row_that_changes_meanwhile_is_not_overwritten",
    ),
    reencryption(
        "the first hundred alone",
        "        while rows := _after(last, model, column):\n",
        "        if rows := _after(last, model, column):\n",
        "test_reencryption_works_in_batches",
    ),
    reencryption(
        "authenticator apps are lost with the second rotation",
        "    (AuthenticatorApp, AuthenticatorApp.secret, totp.PURPOSE),\n",
        "",
        "test_every_encrypted_column_is_named",
    ),
    reencryption(
        "a value that no key reads stops every rotation",
        "                    unreadable += 1\n                    continue\n",
        "                    raise\n",
        "test_undecryptable_rows_are_counted_and_skipped",
    ),
    reencryption(
        "a key that was never deployed is rotated away",
        "if not hmac.compare_digest(key.encode(), expected",
        "if not expected and hmac.compare_digest(key.encode(), expected",
        "test_the_scripts_tell_which_key_should_run",
    ),
    reencryption(
        "the script of Docker goes on when nothing was encrypted anew",
        "--expect-key <secrets/SECRET_KEY\n",
        "--expect-key <secrets/SECRET_KEY || true\n",
        "test_a_rotation_begins_with_what_the_running_service_has_encrypted",
    ),
    reencryption(
        "the other instance of Docker may have another key",
        "            asked=yes\n",
        "            asked=yes\n            break\n",
        "test_a_rotation_begins_with_what_the_running_service_has_encrypted",
    ),
    kubernetes(
        "the script of Kubernetes goes on when nothing was encrypted anew",
        "--expect-key <SECRET_KEY\n",
        "--expect-key <SECRET_KEY || true\n",
        "test_only_the_operator_reads_the_secrets",
    ),
    kubernetes(
        "a pod of before the last deployment may have another key",
        "    for started in ${versions:-none}; do\n",
        "    for started in v$version; do\n",
        "test_a_rotation_needs_pods_that_have_the_present_key",
    ),
    systemd(
        "the operator's command encrypts nothing anew",
        '    [ "$runs" ] || run_flask "$user" keys reencrypt\n',
        "",
        "test_a_rotation_begins_with_what_is_encrypted_in_the_database",
    ),
    systemd(
        "a key that the service does not have yet is rotated away",
        ' --expect-key <"$its_key" #',
        " #",
        "test_a_rotation_stops_when_the_service_has_another_key",
    ),
    reencryption(
        "a rotation that was stopped ends the service at its next start",
        "                if key != secret_key\n",
        "",
        "test_a_rotation_that_was_stopped_keeps_nobody_out",
    ),
    systemd(
        "ctrl-c leaves a copy of a key",
        "        except BaseException:  # Ctrl-C too: the file holds a key\n",
        "        except OSError:\n",
        "test_an_interrupt_leaves_no_second_copy_of_a_key",
    ),
    systemd(
        "a rotation encrypts nothing anew",
        "    if not reencrypted:\n        renew_all()\n",
        "",
        "test_two_rotations_lose_no_mail",
    ),
]
