-- What the app's user may do with a table. `flask db upgrade` and `restore` run this as the migrator,
-- for every table but alembic_version and backups: the app reads the version of the schema and the time
-- of the newest backup, and `flask db` alone writes them.

GRANT INSERT, UPDATE, DELETE ON {granted} TO {app};
