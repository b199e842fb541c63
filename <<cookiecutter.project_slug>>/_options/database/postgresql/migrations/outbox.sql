-- What the role of the mail process may do: read the mails that wait, record what became of them, and
-- delete them when they are old. It writes no new mail, and reads no other table, whoever makes one.
-- `flask db upgrade`, `create` and `restore` run this in the database, as the migrator.

GRANT SELECT, UPDATE, DELETE ON outbox TO {mail};
