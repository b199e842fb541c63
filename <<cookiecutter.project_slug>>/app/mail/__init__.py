"""Mail: it waits in the database, and a separate process sends it.

A request that sent mail itself would take as long as the mail server does, which tells an attacker
whether there was something to send, and would lose the mail when the server is down. So
:func:`app.mail.outbox.add` writes a row in the transaction of what the mail reports, and ``flask
mail deliver`` sends it (:mod:`app.mail.delivery`).
"""
