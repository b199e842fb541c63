-- The time of the newest backup: the app's role reads it, and only `flask db` writes it. Otherwise an
-- attacker who controlled the service could make old backups look new, also after the attack.
-- `flask db upgrade`, `create` and `restore` run this in the database, as the migrator.

REVOKE ALL ON backups FROM {app};
GRANT SELECT ON backups TO {app};
