-- The database of the service. Accounts are told apart letter by letter: other collations take
-- jose@example.com and josé@example.com for the same address, and one user for the other.

CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
