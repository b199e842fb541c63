"""Defects in the change of an address: takeover of the account, missing notices to its owner."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

address = partial(Defect, "address")
notices = partial(Defect, "notices")
provider = partial(Defect, "notices", answers={"auth": "oidc"})

THEFT = "test_the_owner_undoes_what_a_thief_did"
MOVES_ON = "test_undo_of_the_first_change_also_reverts_a_second_change"

DEFECTS = [
    address(
        "a stolen session is enough",
        '@blueprint.route("/account/email", methods=["GET", "POST"])\n@fresh\n',
        '@blueprint.route("/account/email", methods=["GET", "POST"])\n',
        "test_a_stolen_session_does_not_change_the_address",
    ),
    address(
        "a session may guess without a delay of its own",
        "return _confirm(session.user, password, session)",
        "return _confirm(session.user, password)",
        "test_a_stolen_session_guesses_the_password_no_faster_here",
    ),
    address(
        "a change has the limit of writes",
        "@account_limits.address_change\n",
        "",
        "test_strangers_get_few_mails_from_one_account",
    ),
    address(
        "whoever has the new address gets a link to somebody else's account",
        "deliver=few and not taken",
        "deliver=few",
        "test_nothing_tells_whether_the_new_address_has_an_account",
    ),
    address(
        "an address with an account costs less",
        'if token := link_issuance.issue("email", email, user):',
        'if not taken and (token := link_issuance.issue("email", email, user)):',
        "test_nothing_tells_whether_the_new_address_has_an_account",
    ),
    address(
        "the link of another account counts",
        "return link if link and link.user_id == user.id else None",
        "return link",
        "test_the_token_of_another_account_counts_for_nobody_else",
    ),
    address(
        "a link counts for each request of the same moment",
        "or user.disabled_at is not None or not links.use(link):",
        "or user.disabled_at is not None:",
        "test_only_one_of_ten_simultaneous_confirmations_changes_the_address",
    ),
    address(
        "a second change waits behind the first",
        '    account_links.end(user, "email")\n    # A row of its own',
        "    # A row of its own",
        "test_only_one_of_two_simultaneously_confirmed_addresses_is_set",
    ),
    address(
        "a second theft soon after the first has no undo",
        "    rows.change(delete(Link).where(*mine), links.OF_ALL)\n",
        "",
        "test_a_second_theft_can_be_undone_as_well",
    ),
    address(
        "an undo counts again and again",
        "not links.use(link):\n        return None\n    changed",
        "user is None:\n        return None\n    changed",
        "test_each_link_counts_once",
    ),
    address(
        "the thief's password stays after an undo",
        "    changed = user.email\n    user.password_hash = stored\n",
        "    changed = user.email\n",
        THEFT,
    ),
    address(
        "the thief stays signed in after an undo",
        "    revocation.end_all(user)\n    for address",
        "    for address",
        THEFT,
    ),
    address(
        "the delay that guesses have made stays after an undo",
        "    throttling.clear(user)\n    _move",
        "    _move",
        THEFT,
    ),
    address(
        "the undo of a later change stays",
        '    account_links.end(user, "undo", after=link.id)\n',
        "",
        MOVES_ON,
    ),
    address(
        "the undo of a later change ends that of an earlier one",
        'account_links.end(user, "undo", after=link.id)',
        'account_links.end(user, "undo")',
        MOVES_ON,
    ),
    address(
        "a reset waits in the mailbox of before",
        '    links.end("reset", old)\n',
        "",
        "test_a_reset_that_waits_in_the_old_mailbox_ends",
    ),
    address(
        "a change that a thief asked for outlives the new password",
        '    account_links.end(user, "email")\n    links.end("reset", user.email)\n',
        '    links.end("reset", user.email)\n',
        "test_a_new_password_ends_a_change_that_waits",
        file="app/auth/accounts.py",
    ),
    address(
        "a reset that somebody else asked for outlives the new password",
        '    links.end("reset", user.email)\n',
        "",
        "test_a_new_password_ends_a_reset_that_waits",
        file="app/auth/accounts.py",
    ),
    address(
        "a session that has just ended changes the address by a link",
        "        user = identity.locked_session().user\n",
        "        user = identity.current_user()\n",
        "test_a_link_changes_no_address_by_a_session_that_has_just_ended",
    ),
    address(
        "a stranger is flooded from many accounts",
        "deliver=few and not taken",
        "deliver=not taken",
        "test_a_stranger_gets_few_mails_from_all_accounts",
    ),
    address(
        "the same, after a reset",
        '    account_links.end(user, "email")\n    notices.send("password", user)\n',
        '    notices.send("password", user)\n',
        "test_a_new_password_ends_a_change_that_waits",
        file="app/auth/password_reset.py",
    ),
    notices(
        "nobody is told of a disabled account",
        '    notices.send("disabled", user)\n',
        "",
        "test_the_owner_is_told_what_an_operator_does",
    ),
    notices(
        "nobody is told of a new password",
        '    notices.send("password", user)\n',
        "",
        "test_the_owner_is_told_of_a_new_password",
        file="app/auth/accounts.py",
    ),
    notices(
        "a notice goes out although nothing ended",
        "if user and ended:",
        "if user:",
        "test_no_notice_is_sent_when_nothing_changed",
    ),
    provider(
        "an address that nobody has verified counts",
        'verified = claims.get("email_verified") in (None, True, "true")',
        "verified = True",
        "test_an_unverified_email_claim_is_not_used",
    ),
    provider(
        "a subject that looks like an address gets mail",
        "return user.issuer == LOCAL or user.email != user.subject.reveal()[:MAX_EMAIL]",
        "return bool(user.email)",
        "test_an_account_without_an_address_gets_no_notice",
    ),
    provider(
        "each sign-out at the provider sends a mail",
        'if ended and "sid" not in claims:',
        "if ended:",
        "test_the_owner_gets_a_mail_when_the_provider_ends_all_sessions",
    ),
]
