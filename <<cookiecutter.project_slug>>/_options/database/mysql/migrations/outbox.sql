-- What the user of the mail process may do: read the mails that wait, record what became of them, and
-- delete them when they are old. It writes no new mail, and reads no other table, whoever makes one.
-- `flask db upgrade` and `restore` run this as the migrator.

GRANT SELECT, UPDATE, DELETE ON {granted} TO {mail};
