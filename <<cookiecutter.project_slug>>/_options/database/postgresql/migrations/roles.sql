-- The roles of the service. `flask db create` runs this as an administrator, statement by
-- statement, and passes over a role that is there. The names and passwords in braces come from
-- DATABASE_URL, MIGRATION_DATABASE_URL and MAIL_DATABASE_URL. Then it makes the database, owned by
-- the migrator, and runs privileges.sql in it.

CREATE ROLE {migrator};
CREATE ROLE {app};
CREATE ROLE {mail};

-- Changes the schema: only `flask db` connects as this role.
ALTER ROLE {migrator} WITH LOGIN NOCREATEDB NOCREATEROLE PASSWORD {migrator_password};

-- Reads and writes rows. An attacker who controls the running service can do no more than that.
ALTER ROLE {app} WITH LOGIN NOCREATEDB NOCREATEROLE PASSWORD {app_password};

-- Sends mail: outbox.sql lets it see the mails that wait, and no account. What it is told by a mail
-- server comes from outside.
ALTER ROLE {mail} WITH LOGIN NOCREATEDB NOCREATEROLE PASSWORD {mail_password};
