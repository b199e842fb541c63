-- The users of the service. `flask db create` runs database.sql and this as an administrator; what
-- stands in braces comes from DATABASE_URL, MIGRATION_DATABASE_URL and MAIL_DATABASE_URL.

CREATE USER IF NOT EXISTS {migrator} IDENTIFIED BY {migrator_password};
CREATE USER IF NOT EXISTS {app} IDENTIFIED BY {app_password};
CREATE USER IF NOT EXISTS {mail} IDENTIFIED BY {mail_password};

-- Changes the schema: only `flask db` connects as this user.
ALTER USER {migrator} IDENTIFIED BY {migrator_password} REQUIRE {tls};
GRANT ALL ON {granted}.* TO {migrator} WITH GRANT OPTION;

-- Reads rows; tables.sql allows it to write them. An attacker who controls the service can do no more.
ALTER USER {app} IDENTIFIED BY {app_password} REQUIRE {tls};
GRANT SELECT ON {granted}.* TO {app};

-- Sends mail: outbox.sql lets it see the mails that wait, and no account. What it is told by a mail
-- server comes from outside.
ALTER USER {mail} IDENTIFIED BY {mail_password} REQUIRE {tls};
