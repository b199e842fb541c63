"""Deletion of an account: data of the user stays in a table, or comes back.

All rows that belong to the account are deleted with its row, also those of features to come: the
database deletes what refers to it (``ON DELETE CASCADE``), in the same transaction. A sign-in or a
write at the same time waits for the row's lock and then finds no account. The log keeps the id
alone. GDPR article 17; ASVS 7.4.2, 7.5.1.
"""

from __future__ import annotations

import logging

# <% if cookiecutter.auth == "oidc" %>
from sqlalchemy import delete, select

from app.auth import account_lock, notices, revocation
# <% else %>
from sqlalchemy import delete

from app.auth import account_links, account_lock, revocation
# <% endif %>
from app.auth.models import User
from app.database import db
from app.database.rows import change
from app.mail import outbox
from app.mail.models import Mail
from app.secret import Secret
from app.security.logs import security_event

KIND = "deleted"  # of the last mail


def delete_account(user: User, *, by_operator: bool = False) -> bool:
    """Delete an account and all that is stored about its user, for good. The caller commits.

    A last mail says so. A mail that is being sent at this moment still arrives.

    :param by_operator: that it was not the user, for the mail and the log.
    :returns: False when another request has just deleted it.
    """
    if not account_lock.lock(user):
        return False
    account = user.id
    revocation.end_all(user)
    # <% if cookiecutter.auth == "oidc" %>
    told = {user.email} if notices.has_mailbox(user) else set()
    if not _is_shared(user):
        change(delete(Mail).where(Mail.recipient == user.email, Mail.kind != KIND))
    # <% else %>
    told = {user.email, *account_links.undoable(user)}
    account_links.delete_all(user)
    # Not those to the addresses of its links: a stranger's mails would go as well.
    change(delete(Mail).where(Mail.recipient == user.email, Mail.kind != KIND))
    # <% endif %>
    db.session.delete(user)
    db.session.flush()
    for address in sorted(told, key=Secret.reveal):
        _tell(address, by_operator=by_operator)
    by = "an operator" if by_operator else "the user"
    security_event("user_deleted", level=logging.INFO, account=account, by=by)
    return True


# <% if cookiecutter.auth == "oidc" %>
def _is_shared(user: User) -> bool:
    """Whether another account has this address, which the provider says: its mails stay."""
    others = select(User.id).where(User.email == user.email, User.id != user.id).limit(1)
    return db.session.scalar(others) is not None


# <% endif %>
def _tell(address: Secret, *, by_operator: bool) -> None:
    """Mail that the account is deleted; to one address once a day.

    So an attacker who signs up and deletes in turns floods no mailbox.
    """
    if outbox.recent(KIND, address) == 0:
        outbox.add(KIND, address, {"by_operator": by_operator})
