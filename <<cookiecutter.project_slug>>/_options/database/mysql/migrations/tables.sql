-- What the app's user may do with a table. `flask db upgrade` and `restore` run this as the migrator,
-- for every table but alembic_version: the app reads the version of the schema, and a migration alone
-- writes it.

GRANT INSERT, UPDATE, DELETE ON {granted} TO {app};
