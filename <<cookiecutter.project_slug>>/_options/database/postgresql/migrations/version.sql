-- The version of the schema: the app's role reads it, and only a migration writes it. Otherwise an
-- attacker who controls the running service could make every instance unready and stop every upgrade.
-- `flask db upgrade`, `create` and `restore` run this in the database, as the migrator.

REVOKE ALL ON alembic_version FROM {app};
GRANT SELECT ON alembic_version TO {app};
