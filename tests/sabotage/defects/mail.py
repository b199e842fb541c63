"""Defects in mail: readers, recipients, lost mails."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

mail = partial(Defect, "mail")

CONTEXT = "    tls = ssl.create_default_context(cafile=dict(parse_qsl(parts.query)).get(CA_FILE))\n"
UNPROVEN = "test_nothing_is_sent_to_a_mail_server_with_a_wrong_certificate"
ARRIVES = "test_a_mail_arrives_as_it_was_written_and_once"
REFUSED = "test_one_mail_that_is_refused_does_not_hold_up_the_others"
LEASED = "test_a_mail_is_taken_by_one_sender_until_it_must_have_ended"
PAUSES = "test_pauses_grow_and_after_three_days_a_mail_is_given_up"

DEFECTS = [
    mail(
        "a certificate of any name is taken",
        CONTEXT,
        CONTEXT + "    tls.check_hostname = False\n",
        UNPROVEN,
    ),
    mail(
        "a certificate of anybody is taken",
        CONTEXT,
        CONTEXT + "    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE\n",
        UNPROVEN,
    ),
    mail(
        "without an offer of STARTTLS the text is plain",
        '        if parts.scheme == "smtp" and not is_loopback(host):\n',
        "        server.ehlo()\n"
        '        if parts.scheme == "smtp" and server.has_extn("starttls"):\n',
        "test_nothing_is_sent_to_a_mail_server_without_starttls",
    ),
    mail(
        "a carriage return ends the headers",
        "    if not subject.isprintable():",
        '    if "\\n" in subject:',
        "test_no_value_becomes_a_header",
    ),
    mail(
        "vacations answer to the service",
        '    built["Auto-Submitted"] = "auto-generated"',
        '    built["X-Auto"] = "auto-generated"',
        ARRIVES,
    ),
    mail(
        "a domain in another script is sent as it is",
        "@{valid.ascii_domain}",
        "@{valid.domain}",
        "test_names_in_every_script_arrive",
    ),
    mail(
        "texts are stored as they are",
        "content=encrypt(content, PURPOSE)",
        "content=content.reveal()",
        "test_a_reader_of_the_database_finds_no_text",
    ),
    mail(
        "a text is kept after it was sent",
        'state="sent", content="", error=""',
        'state="sent", error=""',
        ARRIVES,
    ),
    mail(
        "one key is for every purpose",
        "info=purpose.encode()",
        'info=b"all"',
        "test_encrypted_text_is_read_only_unchanged_and_for_its_purpose",
    ),
    mail(
        "a rotated key takes the mails along",
        "[settings.secret_key, *reversed(settings.secret_key_fallbacks)]",
        "[settings.secret_key]",
        "test_mails_survive_a_rotated_key_but_not_a_lost_one",
    ),
    mail("a mail is free while it is sent", "due_at=now() + LEASE", "due_at=now()", LEASED),
    mail(
        "a slow sender changes the mail of another",
        "own = Mail.attempts == mail.attempts",
        "own = Mail.id == mail.id",
        LEASED,
    ),
    mail(
        "a transaction is open while a mail is sent",
        "change(statement.values(values))\n    db.session.commit()\n",
        "change(statement.values(values))\n",
        "test_no_transaction_is_open_while_the_server_is_spoken_to",
    ),
    mail(
        "a mail is tried for ever",
        "if final or now() - mail.created_at >= GIVE_UP:",
        "if final:",
        PAUSES,
    ),
    mail(
        "each pause is as long as the first",
        "backoff(FIRST_RETRY, mail.attempts - 1, LONGEST_PAUSE)",
        "FIRST_RETRY",
        PAUSES,
    ),
    mail(
        "a mailbox that does not exist is asked for days",
        "final=final)",
        "final=False)",
        REFUSED,
    ),
    mail(
        "a sender that is refused loses every mail at once",
        "final = is_recipient and NO_MAILBOX.search(reason) is not None",
        "final = is_recipient and code >= 500",
        REFUSED,
    ),
    mail(
        "a refused mail holds up all others",
        "if send is None or code == CLOSING or not isinstance(error, REFUSED):",
        "if error:",
        REFUSED,
    ),
    mail(
        "a closed connection is used again",
        "if send is None or code == CLOSING or not isinstance(error, REFUSED):",
        "if send is None or not isinstance(error, REFUSED):",
        "test_when_the_connection_ends_the_others_wait_for_the_next",
    ),
    mail(
        "an unexpected fault ends the process",
        "except Exception as error:",
        "except (OSError, ValueError) as error:",
        "test_a_mail_with_an_unexpected_fault_does_not_stop_the_process",
        file="app/mail/delivery.py",
    ),
    mail(
        "the log names who gets mail",
        'fields = {"mail": mail.id, ',
        'fields = {"mail": mail.id, "to": mail.recipient, ',
        "test_the_log_names_no_recipient_no_password_and_no_text",
    ),
    mail(
        "a retry sends what is being sent",
        'update(Mail).where(Mail.state != "sent", Mail.error != "")',
        'update(Mail).where(Mail.state != "sent")',
        "test_status_says_what_is_stuck_and_retry_sends_it",
    ),
    mail(
        "sent mails are never deleted",
        'Mail.state.in_(["sent", "given up"])',
        'Mail.state.in_(["given up"])',
        "test_rows_are_deleted_when_nobody_needs_them",
    ),
    mail(
        "without mail no request is served",
        '            mail = "delayed"\n',
        '            database = "unavailable"\n',
        "test_readiness_says_that_mail_is_late_and_stays_ready",
    ),
    mail(
        "production writes links into files",
        "if settings.production and not settings.mail.url:",
        "if settings.production and settings.mail.url is None:",
        "test_production_never_writes_files",
    ),
    mail(
        "a password goes out without TLS",
        'if parts.username and parts.scheme == "smtp" and is_loopback(',
        "if parts.password is False and is_loopback(",
        "test_a_bad_setting_is_named_with_its_cure",
    ),
    mail(
        "SIGTERM ends it in the middle of a mail",
        "lambda *_: stop.set()",
        "lambda *_: sys.exit(1)",
        "test_told_to_stop_it_ends_after_the_mail_that_it_sends",
    ),
]
