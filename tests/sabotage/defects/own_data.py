"""Defects in the user's own data: deletion, export, sign-up permission."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

deletion = partial(Defect, "auth.deletion")
export = partial(Defect, "auth.export")
sign_up = partial(Defect, "auth.sign_up")
OIDC, TOKEN = {"auth": "oidc"}, {"auth": "token"}

DEFECTS = [
    deletion(
        "mails stay in the outbox",
        "Mail.recipient == user.email, Mail.kind != KIND",
        "Mail.recipient.in_([]), Mail.kind != KIND",
        "test_nothing_is_left_in_any_table_but_the_last_mail",
    ),
    deletion(
        "the account is only disabled",
        "    db.session.delete(user)\n    db.session.flush()\n    for address",
        "    user.disabled_at = user.created_at\n    db.session.flush()\n    for address",
        "test_nothing_is_left_in_any_table_but_the_last_mail",
    ),
    deletion(
        "a feature's rows refer to an account that cannot go",
        'owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))',
        'owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))',
        "test_foreign_keys_to_a_user_cascade_on_deletion",
    ),
    deletion(
        "a stolen session is enough",
        '@blueprint.route("/delete", methods=["GET", "POST"])\n@fresh\n',
        '@blueprint.route("/delete", methods=["GET", "POST"])\n',
        "test_a_stolen_session_is_not_enough",
    ),
    deletion(
        "a stolen token is enough",
        '@blueprint.post("/delete")\n@fresh\n',
        '@blueprint.post("/delete")\n',
        "test_a_stolen_session_is_not_enough",
        TOKEN,
    ),
    deletion(
        "the mails of somebody else with the address go too",
        "return db.session.scalar(others) is not None",
        "return False",
        "test_the_mails_of_another_account_with_the_address_stay",
        OIDC,
    ),
    deletion(
        "the browser keeps its copies",
        "    g.user = g.session = None\n"
        "    return identity.signed_out("
        'current_app.make_response(render_template("account/deleted.html")))\n',
        '    g.user = g.session = None\n    return render_template("account/deleted.html")\n',
        "test_every_session_ends_and_the_browser_forgets",
    ),
    deletion(
        "the last mails flood a stranger",
        "    if outbox.recent(KIND, address) == 0:\n        outbox.add(",
        "    if address:\n        outbox.add(",
        "test_nobody_is_flooded_with_last_mails",
    ),
    deletion(
        "who leaves takes the mails of a stranger along",
        "    account_links.delete_all(user)\n    # Not those",
        "    from sqlalchemy import select  # noqa: PLC0415\n\n"
        "    from app.auth.links import OF_ALL, Link  # noqa: PLC0415\n\n"
        "    typed = select(Link.email).where(Link.user_id == user.id)\n"
        "    typed = db.session.scalars(typed, execution_options=OF_ALL).all()\n"
        "    change(delete(Mail).where(Mail.recipient.in_(typed), Mail.kind != KIND))\n"
        "    account_links.delete_all(user)\n    # Not those",
        "test_deleting_an_account_keeps_mails_of_other_users",
    ),
    deletion(
        "the log keeps the address",
        'security_event("user_deleted", level=logging.INFO, account=account, by=by)',
        'security_event("user_deleted", level=logging.INFO, account=account, by=by, who=told)',
        "test_the_log_has_the_id_alone",
    ),
    deletion(
        "the next account gets the id",
        "        # The log keeps the id of a deleted account: no other one may get it.\n"
        "        sqlite_autoincrement=True,\n",
        "",
        "test_the_id_of_a_deleted_account_is_not_reused",
    ),
    deletion(
        "a write at the same time says that the account is full",
        '            abort(401, "Please sign in.")  # another'
        " request has just deleted the account\n",
        "            raise QuotaError\n",
        "test_a_write_at_the_same_time_leaves_nothing_behind",
    ),
    deletion(
        "of two deletions, one is an error",
        "    found = change(statement(User, user.id)) > 0\n    if found:\n",
        "    found = change(statement(User, user.id)) > 0\n    if True:\n",
        "test_of_two_deletions_at_once_both_end_well",
    ),
    deletion(
        "an operator deletes by a slip of the keyboard",
        'rows for good?", abort=True)',
        'rows for good?", abort=False)',
        "test_an_account_is_deleted_only_when_that_is_confirmed",
    ),
    export(
        "whatever is new in the table of accounts is exported",
        "and (it.key in named if named is not None"
        " else it.key not in internal | {*owners(mapper)})",
        "and it.key not in internal | {*owners(mapper)}",
        "test_every_column_is_exported_as_its_class_says",
    ),
    export(
        "a name that looks secret is no obstacle",
        "        if not SECRET.search(it.key)\n        and not SECRET.search(it.columns[0].name)\n",
        "        if True\n",
        "test_columns_with_secret_names_are_never_exported",
    ),
    export(
        "the rows of others are in it",
        "    keys = sorted(db.session.scalars(found, execution_options=options or {}))\n",
        '    all_rows = {"unscoped": "the export"}\n'
        "    keys = sorted(db.session.scalars(found, execution_options=all_rows))\n",
        "test_only_sign_in_and_clean_up_use_unscoped_queries",
    ),
    export(
        "the mails of everybody are in it",
        "yield from _table(inspect(Mail), Mail.recipient == user.email)",
        'yield from _table(inspect(Mail), Mail.recipient != "")',
        "test_the_mails_of_others_are_not_in_it",
    ),
    export(
        "links that name no account are missing in it",
        "or_(*account_links.of(user)), options=links.OF_ALL)",
        "links.Link.user_id == user.id)",
        "test_links_to_the_address_are_in_it_though_they_name_no_account",
    ),
    export(
        "all rows are read at once",
        "BATCH = 20  # rows in memory at once",
        "BATCH = 20_000  # rows in memory at once",
        "test_the_export_uses_little_memory_and_no_idle_connection",
    ),
    export(
        "a slow client keeps a connection to the database",
        "        db.session.commit()\n        for row in rows:",
        "        for row in rows:",
        "test_the_export_uses_little_memory_and_no_idle_connection",
    ),
    export(
        "it can be asked for without end",
        'EXPORT = "10 per hour"',
        'EXPORT = "1000 per hour"',
        "test_downloads_are_limited",
    ),
    export(
        "the browser shows it as a page",
        "    return Response(content, headers=disposition, content_type",
        "    return Response(content, content_type",
        "test_everything_of_the_user_is_in_it_and_nothing_of_others",
    ),
    sign_up(
        "a closed sign-up still mails links",
        "    require_open()\n    known",
        "    known",
        "test_sign_up_is_refused_unless_it_is_open",
        TOKEN,
    ),
    sign_up(
        "a link from before opens an account after sign-up was closed",
        "Link.purpose.in_(_counting(purpose))",
        'Link.purpose.in_([purpose, "invite"] if purpose == "confirm" else [purpose])',
        "test_the_setting_decides_which_sign_up_links_are_valid",
    ),
    sign_up(
        "any word opens sign-up",
        'read.choice("SIGN_UP", "open", "invite", "closed")',
        'read("SIGN_UP", "open")',
        "test_an_unknown_value_of_sign_up_is_an_error",
    ),
    sign_up(
        "a changed address leaves the links of the old mailbox",
        "    account_links.delete_all(user)\n    user.email = new\n",
        "    user.email = new\n",
        "test_an_operator_changes_an_address",
    ),
    sign_up(
        "a disabled password leaves the sessions",
        "        db.session.flush()\n"
        "        ended = revocation.end_all(user)\n        db.session.commit()\n",
        "        db.session.commit()\n",
        "test_an_operator_sends_a_link_for_a_new_password",
    ),
]
