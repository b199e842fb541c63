"""What is stored: commits, a database that cannot write, quotas, guesses, the schema's version."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

errors = partial(Defect, "errors")
upkeep = partial(Defect, "upkeep")
quotas = partial(Defect, "quotas")
throttling = partial(Defect, "throttling")
postgresql = partial(Defect, "database", answers={"database": "postgresql"})
mysql = partial(Defect, "database", answers={"database": "mysql"})

COMMITS = "tests/test_commits.py"
READ_ONLY = "tests/test_read_only.py::test_pages_are_served_and_writes_refused"
QUOTA_TESTS = "tests/test_quotas.py"
GUESSES = "tests/test_throttling.py"
UPKEEP = "app/auth/upkeep.py"
QUOTAS = "app/quotas.py"
SERVICE = "app/notes/service.py"
THROTTLING = "app/auth/throttling.py"
ACCOUNTS = "app/auth/accounts.py"
MIGRATION = "migrations/versions/0002_counts_of_an_account.py"
ROLES = "tests/test_roles.py"
PROVISIONING = "tests/test_provisioning.py"
VERSION = f"{ROLES}::test_the_version_of_the_schema_is_only_read_whatever_was_done_to_the_database"

DEFECTS = [
    errors(
        "what is stored is read again after the commit",
        "app/database/__init__.py",
        'session_options={"expire_on_commit": False}',
        "session_options={}",
        f"{COMMITS}::test_each_request_that_is_stored_answers_success",
    ),
    errors(
        "the answer is what was sent, not what is stored",
        SERVICE,
        "    db.session.refresh(note)\n",
        "",
        f"{COMMITS}::test_what_is_answered_is_what_is_stored",
    ),
    upkeep(
        "a page fails when last seen cannot be written",
        UPKEEP,
        "except (DBAPIError, PoolTimeout) as error:",
        "except PoolTimeout as error:",
        READ_ONLY,
    ),
    upkeep(
        "a database that refuses writes is not told",
        UPKEEP,
        "log.warning(",
        "log.debug(",
        READ_ONLY,
    ),
    quotas(
        "an account keeps any number of rows",
        QUOTAS,
        "statement = statement.where(User.stored_rows <= MAX_ROWS - rows)",
        "statement = statement.where(User.id > 0)",
        f"{QUOTA_TESTS}::test_the_last_row_fits_and_no_other",
    ),
    quotas(
        "an edit makes a note as long as it likes",
        SERVICE,
        "quotas.charge(note.owner_id, size=_size(note) - before)",
        "quotas.charge(note.owner_id, size=min(_size(note) - before, 0))",
        f"{QUOTA_TESTS}::test_bytes_are_counted_and_an_edit_counts_the_difference",
    ),
    quotas(
        "the limit is not looked at by the statement that counts",
        QUOTAS,
        "    statement = update(User).where(User.id == owner)\n",
        "    kept = db.session.get_one(User, owner)\n"
        "    if kept.stored_rows + rows > MAX_ROWS:\n"
        "        raise QuotaError\n"
        "    rows, before = min(rows, 0), rows\n"
        "    statement = update(User).where(User.id == owner)\n"
        "    statement = statement.values(stored_rows=User.stored_rows + before - rows)\n",
        f"{QUOTA_TESTS}::test_of_writes_at_once_no_more_are_stored_than_there_is_room_for",
    ),
    quotas(
        "the migration drops the table that notes refer to",
        MIGRATION,
        "            op.add_column(table, column)\n",
        '            with op.batch_alter_table(table, recreate="always") as batch:\n'
        "                batch.add_column(column)\n",
        "tests/test_migrations.py::test_what_accounts_keep_already_is_counted_and_nothing_is_lost",
    ),
    throttling(
        "guesses have no end",
        THROTTLING,
        "return min(FIRST * int(2 ** min(failures - FREE, 10)), LONGEST)",
        "return timedelta(0)",
        f"{GUESSES}::test_after_ten_failures_the_right_password_is_answered_like_a_wrong_one",
    ),
    throttling(
        "a write tells that there is an account",
        ACCOUNTS,
        "    throttling.count_failure(throttling.decoy(name))\n    db.session.commit()\n",
        "",
        f"{GUESSES}::test_a_failure_costs_the_database_the_same_whether_the_account_exists",
    ),
    throttling(
        "whoever tries too early keeps the owner out for longer",
        THROTTLING,
        "        account.refusals += 1\n        return\n",
        "        account.refusals += 1\n",
        f"{GUESSES}::test_an_attempt_that_comes_too_early_makes_nothing_longer",
    ),
    throttling(
        "guesses at once are all looked at",
        ACCOUNTS,
        "    hold(user)\n    if correct and user.password_hash != verified:",
        "    if correct and user.password_hash != verified:",
        f"{GUESSES}::test_of_guesses_at_once_one_is_looked_at",
    ),
    throttling(
        "nobody is told of a hundred failures",
        THROTTLING,
        "ALARM = 100",
        "ALARM = 100_000",
        f"{GUESSES}::test_the_hundredth_failure_is_an_event",
    ),
    throttling(
        "a stolen session guesses the password for ever",
        ACCOUNTS,
        "early = throttling.is_delayed(asking or user)",
        "early = asking is None and throttling.is_delayed(user)",
        f"{GUESSES}::test_a_stolen_session_guesses_the_password_no_faster",
    ),
    postgresql(
        "the app's role writes the version of the schema",
        "app/database/migrating.py",
        "    protect_version(_server_connection(connection), app, connection.engine.url)\n",
        "    _server_connection(connection)\n",
        VERSION,
    ),
    postgresql(
        "a restore gives the version to the app's role",
        "app/database/dumps.py",
        "        protect_version(connection, app, migrator)\n",
        "",
        VERSION,
    ),
    postgresql(
        "half a backup has the name of a whole one",
        "app/database/backups.py",
        'partial = target.with_name(f"{target.name}.partial")',
        "partial = target",
        "tests/test_backups.py::test_half_a_backup_has_no_name_of_a_whole_one",
    ),
    postgresql(
        "everybody may hold the lock of migrations",
        "app/database/migrating.py",
        "    if not has_version(server):\n",
        "    if server:\n",
        f"{PROVISIONING}::test_the_role_of_the_app_cannot_stop_an_upgrade",
    ),
    mysql(
        "the app's user writes the version of the schema",
        "migrations/users.sql",
        "GRANT SELECT ON {granted}.* TO {app};",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {granted}.* TO {app};",
        f"{ROLES}::test_roles_and_database_are_made_and_making_them_again_is_harmless",
    ),
    mysql(
        "everybody knows the name of the lock of migrations",
        "app/database/migrating.py",
        "password, salt = str(migrator.password).encode(), str(migrator.database).encode()",
        'password, salt = b"", str(migrator.database).encode()',
        f"{PROVISIONING}::test_the_name_of_the_lock_of_migrations_is_a_secret",
    ),
]
