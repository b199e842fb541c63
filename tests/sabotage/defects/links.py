"""Defects in mailed links, and in the two flows that set a password by a mail."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

links = partial(Defect, "links")
flows = partial(Defect, "sign_up_and_reset")
pages = partial(Defect, "pages of links", answers={"auth": "session"})

ANSWER = "test_an_answer_does_not_tell_who_has_an_account"
FIND = "        Link.expires_at > now(),\n    )\n    return db.session.scalar(query"
USED = "Link.id == link.id, Link.token_hash == link.token_hash, Link.expires_at > now()"

DEFECTS = [
    pages(
        "an invited person is sent to a page that refuses everybody",
        'purpose == "confirm" and config["SETTINGS"].sign_up != "open"',
        'purpose == "confirm" and config["SETTINGS"].sign_up == ""',
        "test_an_invited_person_is_not_sent_to_a_page_that_refuses",
    ),
    links(
        "the database keeps tokens as they are",
        "    link.token_hash = hash_secret(token)\n",
        "    link.token_hash = token.reveal()\n",
        "test_a_token_is_random_and_the_database_has_its_hash_alone",
    ),
    links(
        "a token is short",
        "    token = Secret(secrets.token_urlsafe(32))\n    link.",
        "    token = Secret(secrets.token_urlsafe(32)[:8] + 35 * 'A')\n    link.",
        "test_a_token_is_random_and_the_database_has_its_hash_alone",
        file="app/auth/link_issuance.py",
    ),
    links(
        "a link counts for ever",
        FIND,
        "    )\n    return db.session.scalar(query",
        "test_an_expired_link_is_refused",
    ),
    links(
        "a link to reset lives as long as one to sign up",
        '    "reset": timedelta(minutes=30),',
        '    "reset": timedelta(hours=24),',
        "test_every_number_is_in_the_table",
    ),
    links(
        "a link counts for every purpose",
        "        Link.purpose.in_(_counting(purpose)),\n",
        "",
        "test_a_link_is_for_one_purpose",
    ),
    links(
        "a link is used by each of several requests at once",
        USED,
        "Link.id == link.id",
        "test_only_one_of_ten_simultaneous_uses_of_a_link_succeeds",
    ),
    links(
        "a link counts again after use",
        "update(Link).where(*counts).values(token_hash=None)",
        "update(Link).where(*counts).values(mails=Link.mails)",
        "test_a_link_counts_once",
    ),
    links(
        "the pause does not grow",
        "backoff(FIRST_PAUSE, link.mails - 1, longest)",
        "FIRST_PAUSE",
        "test_one_mailbox_gets_few_mails_for_many_requests",
    ),
    links(
        "the pause grows for ever: an attacker keeps the owner out",
        "backoff(FIRST_PAUSE, link.mails - 1, longest)",
        "backoff(FIRST_PAUSE, link.mails - 1, DAY)",
        "test_one_mailbox_gets_few_mails_for_many_requests",
    ),
    links(
        "the pause is longer than a link counts: a stranger leaves the owner without one",
        "min(LONGEST_PAUSE, LIFETIMES[purpose])",
        "LONGEST_PAUSE",
        "test_one_mailbox_gets_few_mails_for_many_requests",
    ),
    links(
        "an operator waits as long as a thief likes",
        "    return _renewed(_locked(purpose, email, user))\n",
        '    return issue(purpose, email, user) or Secret("")\n',
        "test_operators_send_links_without_a_pause",
    ),
    links(
        "each request within the pause ends the link before",
        "a day ago\n        return None\n",
        "a day ago\n"
        "        link.token_hash = None\n        db.session.flush()\n        return None\n",
        "test_within_the_pause_the_link_before_still_counts",
    ),
    links(
        "requests at once get a mail each",
        '    options = {**OF_ALL, "populate_existing": True}\n',
        '    db.session.commit()\n    options = {**OF_ALL, "populate_existing": True}\n',
        "test_simultaneous_requests_send_one_mail",
        file="app/auth/link_issuance.py",
    ),
    flows(
        "an unknown address gets no row: its answer is faster",
        '    if token := link_issuance.issue("reset", email):\n',
        '    if exists and (token := link_issuance.issue("reset", email)):\n',
        ANSWER,
    ),
    flows(
        "a mail that nobody gets is not written",
        '        outbox.add("reset", email, values, deliver=exists)\n',
        '        if exists:\n            outbox.add("reset", email, values)\n',
        ANSWER,
    ),
    flows(
        "a disabled account gets a link",
        "exists = user is not None and user.disabled_at is None",
        "exists = user is not None",
        "test_only_the_mail_says_whether_an_account_exists",
    ),
    flows(
        "a known address gets no mail: whoever has it is not told",
        '        outbox.add(kind, email, {"address":'
        ' notices.client(), **links.shown("confirm", token)})\n',
        "        if not known:\n            outbox.add(kind,"
        ' email, links.shown("confirm", token))\n',
        ANSWER,
    ),
    flows(
        "a link enables a disabled account",
        "    if user.disabled_at is not None or user.email != link.email:\n        return None\n",
        "    user.disabled_at = None\n",
        "test_a_disabled_account_stays_as_it_is",
    ),
    flows(
        "a reset ends no session",
        "    throttling.clear(user)\n    db.session.flush()\n    revocation.end_all(user)\n",
        "    throttling.clear(user)\n    db.session.flush()\n",
        "test_a_reset_ends_every_session_and_tells_the_owner",
    ),
    flows(
        "nobody is told of a reset",
        '    notices.send("password", user)\n'
        '    security_event("authn_password_change", level=logging',
        '    security_event("authn_password_change", level=logging',
        "test_a_reset_ends_every_session_and_tells_the_owner",
        file="app/auth/password_reset.py",
    ),
    flows(
        "guesses at the sign-in keep the owner out after a reset",
        "    user.password_hash = stored\n    throttling.clear(user)\n",
        "    user.password_hash = stored\n",
        "test_guesses_at_the_sign_in_do_not_keep_the_owner_out_after_a_reset",
        file="app/auth/password_reset.py",
    ),
    flows(
        "a link stays locked while a password is hashed",
        "    user = accounts.register(link.email, password)  #"
        " first: no row is locked while it hashes\n"
        "    if user is None or not links.use(link):\n        return None\n",
        "    if not links.use(link):\n        return None\n"
        "    user = accounts.register(link.email, password)\n"
        "    if user is None:\n        return None\n",
        "test_no_lock_is_held_while_a_password_is_hashed",
    ),
    flows(
        "an account that is taken back is logged as opened",
        "    if user is None or not links.use(link):\n        return None\n    devices.",
        "    if user is None:\n        return None\n"
        '    security_event("user_created", level=logging.INFO, account=user.id)\n'
        "    if not links.use(link):\n        return None\n    devices.",
        "test_a_link_that_ends_meanwhile_opens_nothing_and_logs_no_success",
    ),
    pages(
        "a page behind a link uses it up when it is opened",
        "    if link is not None:\n        form = NewPasswordForm(",
        "    if link is not None:\n        links.end(purpose, link.email)\n"
        "        db.session.commit()\n        form = NewPasswordForm(",
        "test_a_mail_scanner_changes_nothing",
    ),
    pages(
        "the form sends the token in its address",
        'action="{{ url_for(request.endpoint) }}"',
        'action="{{ request.full_path }}"',
        "test_no_link_on_the_page_contains_the_token",
        file="app/templates/auth/choose.html",
    ),
    pages(
        "the Referer has the address of the page",
        '"Referrer-Policy": "strict-origin",',
        '"Referrer-Policy": "strict-origin-when-cross-origin",',
        "test_our_own_referrer_policy_lets_the_forms_work",
    ),
    pages(
        "whoever asks chooses the host of the link",
        '    link = f"{start}/{purpose}?token={token.reveal()}" if start else ""\n',
        "    from flask import request  # noqa: PLC0415\n\n"
        '    start = "https://" + request.headers.get("X-Forwarded-Host", request.host) + "/auth"\n'
        '    link = f"{start}/{purpose}?token={token.reveal()}"\n',
        "test_links_in_mails_have_the_domain_name_of_the_service",
    ),
    pages(
        "the error log of Nginx quotes the token of a mail",
        "        error_log /dev/stderr emerg;\n",
        "        error_log /dev/stderr warn;\n",
        "test_no_secret_is_written_anywhere",
    ),
]
