"""Defects in storage: commits, read-only databases, quotas, throttling, schema versions."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

errors = partial(Defect, "errors")
best_effort = partial(Defect, "best_effort")
quotas = partial(Defect, "quotas")
throttling = partial(Defect, "throttling")
postgresql = partial(Defect, "database", answers={"database": "postgresql"})
mysql = partial(Defect, "database", answers={"database": "mysql"})
MAIL_ROLE = "test_the_mail_role_has_no_other_rights"

DEFECTS = [
    errors(
        "a row is read again after the commit",
        '{"expire_on_commit": False, "class_": RequestSession}',
        '{"class_": RequestSession}',
        "test_each_request_that_is_stored_answers_success",
        file="app/database/__init__.py",
    ),
    errors(
        "the answer is what was sent, not what is stored",
        "html = markup(stored)",
        "html = Markup(render(source) + ' ')",
        "test_values_in_memory_match_the_stored_row",
    ),
    best_effort(
        "a page fails when last seen cannot be written",
        "except (DBAPIError, PoolTimeout) as error:",
        "except PoolTimeout as error:",
        "test_pages_are_served_and_writes_refused",
    ),
    best_effort(
        "a database that refuses writes is not told",
        "log.warning(",
        "log.debug(",
        "test_pages_are_served_and_writes_refused",
        file="app/auth/best_effort.py",
    ),
    quotas(
        "an account keeps any number of rows",
        "statement = statement.where(User.stored_rows <= MAX_ROWS - rows)",
        "statement = statement.where(User.id > 0)",
        "test_the_last_row_fits_and_no_other",
    ),
    quotas(
        "a deletion gives no room back",
        "quotas.charge(row.owner_id, rows=-1, size=-_size_of(row))",
        "quotas.charge(row.owner_id, rows=-1)",
        "test_all_that_users_write_is_counted",
    ),
    quotas(
        "an edit makes a note as long as it likes",
        "size=size - before)",
        "size=min(size - before, 0))",
        "test_bytes_are_counted_and_an_edit_counts_the_difference",
    ),
    quotas(
        "the limit is not looked at by the statement that counts",
        "    statement = update(User).where(User.id == owner)\n",
        "    kept = db.session.get_one(User, owner)\n"
        "    if kept.stored_rows + rows > MAX_ROWS:\n"
        "        raise QuotaError\n"
        "    rows, before = min(rows, 0), rows\n"
        "    statement = update(User).where(User.id == owner)\n"
        "    statement = statement.values(stored_rows=User.stored_rows + before - rows)\n",
        "test_simultaneous_writes_do_not_exceed_the_quota",
    ),
    quotas(
        "the migration drops the table that notes refer to",
        "            op.add_column(table, column)\n",
        '            with op.batch_alter_table(table, recreate="always") as batch:\n'
        "                batch.add_column(column)\n",
        "test_what_accounts_keep_already_is_counted_and_nothing_is_lost",
    ),
    throttling(
        "guesses at an account are not delayed",
        "return backoff(FIRST, failures - FREE, LONGEST)",
        "return timedelta(0)",
        "test_after_ten_failures_the_right_password_is_answered_like_a_wrong_one",
    ),
    throttling(
        "a write reveals that an account exists",
        "    if throttling.count_failure(throttling.decoy(name)):\n"
        "        lockout.mail_nobody(name)\n    db.session.commit()\n",
        "",
        "test_a_failure_costs_the_database_the_same_whether_the_account_exists",
    ),
    throttling(
        "whoever tries too early keeps the owner out for longer",
        "        account.refusals += 1\n        return False\n",
        "        account.refusals += 1\n",
        "test_an_early_attempt_does_not_extend_the_delay",
    ),
    throttling(
        "guesses at once are all looked at",
        "    if not account_lock.lock(user):\n        return False\n    if"
        " correct and user.password_hash != verified:",
        "    if correct and user.password_hash != verified:",
        "test_only_one_of_simultaneous_guesses_is_checked",
    ),
    throttling(
        "nobody is told of a hundred failures",
        "MAX_FAILURES = 100",
        "MAX_FAILURES = 100_000",
        "test_the_hundredth_failure_is_an_event",
    ),
    throttling(
        "a stolen session guesses the password for ever",
        "or throttling.is_delayed(asking or user)",
        "or (asking is None and throttling.is_delayed(user))",
        "test_a_stolen_session_guesses_the_password_no_faster",
    ),
    postgresql(
        "the app's role writes the version of the schema",
        "    grant_tables(_server_connection(connection), roles)\n",
        "    _server_connection(connection)\n",
        "test_the_version_of_the_schema_and_the_newest_backup_are_only_read_whatever_was_done",
    ),
    postgresql(
        "a restore gives the version to the app's role",
        "        grant_tables(connection, roles)\n",
        "",
        "test_the_version_of_the_schema_and_the_newest_backup_are_only_read_whatever_was_done",
    ),
    postgresql(
        "the app's role writes when the newest backup was",
        '"backups": "backups.sql", ',
        "",
        "test_the_version_of_the_schema_and_the_newest_backup_are_only_read_whatever_was_done",
    ),
    postgresql(
        "a backup counts whose end is missing",
        'f"--file={os.devnull}"',
        '"--list"',
        "test_an_unreadable_backup_is_refused",
    ),
    mysql(
        "the app's user writes when the newest backup was",
        'ONLY_READ = ("alembic_version", "backups")',
        'ONLY_READ = ("alembic_version",)',
        "test_the_version_of_the_schema_and_the_newest_backup_are_only_read_whatever_was_done",
    ),
    postgresql(
        "the mail process has the rights of the app",
        "GRANT SELECT, UPDATE, DELETE ON outbox TO {mail};\n",
        "GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {mail};\n",
        MAIL_ROLE,
    ),
    postgresql(
        "the mail process reads what a later migration makes",
        "GRANT USAGE ON SCHEMA public TO {mail};\n",
        "GRANT USAGE ON SCHEMA public TO {mail};\n"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {mail};\n",
        MAIL_ROLE,
    ),
    postgresql(
        "the mail process writes mails",
        "GRANT SELECT, UPDATE, DELETE ON outbox TO {mail};\n",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO {mail};\n",
        MAIL_ROLE,
    ),
    postgresql(
        "after a restore no mail is sent",
        "        grant_tables(connection, roles)\n",
        "        grant_tables(connection, roles._replace(mail=None))\n",
        MAIL_ROLE,
    ),
    postgresql(
        "the mail process starts with any role",
        "settings.database_url != settings.mail_database_url:",
        "not settings.database_url:",
        "test_the_mail_process_refuses_to_start_with_another_role",
    ),
    postgresql(
        "the mail process may have the role of the app",
        "if mail and is_web_or_command and not malformed:",
        "if not mail and is_web_or_command and not malformed:",
        "test_its_role_is_no_other_processs",
    ),
    postgresql(
        "an update does not make the role of the mail process",
        "        if failure or incomplete:\n",
        "        if failure:\n",
        "test_an_update_makes_the_role_and_loses_no_mail",
    ),
    postgresql(
        "an incomplete backup has the final name",
        'unfinished = target.with_name(f"{target.name}.partial")',
        "unfinished = target",
        "test_an_unfinished_backup_has_another_file_name",
    ),
    postgresql(
        "a restore that is stopped leaves the sessions of the backup",
        "        _end_sessions(file)  # stopped by a signal, perhaps after the last table\n",
        "",
        "test_a_command_that_is_stopped_cleans_up",
    ),
    postgresql(
        "everybody may hold the lock of migrations",
        '    if not has_table(server, "alembic_version"):\n',
        "    if server:\n",
        "test_the_role_of_the_app_cannot_stop_an_upgrade",
    ),
    mysql(
        "a restore connects as the app's user as well",
        "if not is_migrated(migration_engine()):",
        "if not is_migrated():",
        "test_the_commands_connect_as_the_migrator_alone",
    ),
    mysql(
        "the app's user writes the version of the schema",
        "GRANT SELECT ON {granted}.* TO {app};",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {granted}.* TO {app};",
        "test_roles_and_database_are_made_and_making_them_again_is_harmless",
    ),
    mysql(
        "the mail process has the rights of the app of MySQL",
        "ALTER USER {mail} IDENTIFIED BY {mail_password} REQUIRE {tls};\n",
        "ALTER USER {mail} IDENTIFIED BY {mail_password} REQUIRE {tls};\n"
        "GRANT SELECT ON {granted}.* TO {mail};\n",
        "test_an_update_makes_the_role_and_loses_no_mail",
    ),
    mysql(
        "the mail process writes mails of MySQL",
        "GRANT SELECT, UPDATE, DELETE ON {granted} TO {mail};\n",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {granted} TO {mail};\n",
        MAIL_ROLE,
    ),
    mysql(
        "everybody knows the name of the lock of migrations",
        "password, salt = str(migrator.password).encode(), str(migrator.database).encode()",
        'password, salt = b"", str(migrator.database).encode()',
        "test_the_name_of_the_lock_of_migrations_is_a_secret",
    ),
    mysql(
        "of a deadlock the loser gives up",
        "return _has_number(error, DEADLOCK)",
        "return False",
        "test_the_loser_of_a_deadlock_is_repeated",
    ),
    mysql(
        "what was written before a deadlock is lost unseen",
        "if not simultaneous or not left:",
        "if not simultaneous:",
        "test_the_loser_of_a_deadlock_raises_after_an_earlier_write",
    ),
]
