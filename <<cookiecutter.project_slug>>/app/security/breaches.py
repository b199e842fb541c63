"""Ask a list of breached passwords that is too large to ship, without telling which password it is.

Attackers try what has leaked since `leaked_passwords.txt` was made. A service with the range
interface of Have I Been Pwned gets the first 5 of the 40 digits of SHA-1, sends all digests that
begin so, and some made-up ones, so that the length of the answer says nothing. It cannot know which
of a thousand was meant; but it learns when and how often passwords are chosen here. Therefore
nothing is asked unless ``BREACHED_PASSWORDS_URL`` is set. When it does not answer, the password is
accepted, and an event says so: the failure of others must not lock people out. ASVS 6.2.12.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from contextlib import closing
from http.client import HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from flask import current_app

from app.database import db
from app.secret import Secret
from app.security.logs import security_event

TOLD = 5  # digits of 40, as the interface has it: about a thousand leaked passwords share them
TIMEOUT = 3  # seconds to connect to each address, and for the whole answer: a user waits for it
MAX_ANSWER = 256 * 1024  # bytes; a padded answer has about 40,000


def is_breached(password: Secret) -> bool:
    """Whether the service knows the password. False when it does not answer, or none is set.

    :param password: normalized, as it is hashed for storage.
    """
    url = current_app.config["SETTINGS"].breached_passwords_url
    if not url:
        return False
    db.session.commit()  # the database ends a transaction that is idle for as long as this may take
    # SHA-1 is the interface's; nothing is stored or signed with it.
    digest = hashlib.sha1(password.encoded(), usedforsecurity=False).hexdigest().upper()
    try:
        lines = _answer(url, digest[:TOLD]).split()
        counts = {suffix: int(count) for suffix, _, count in (it.partition(":") for it in lines)}
    except (OSError, HTTPException, ValueError) as error:
        security_event("breached_passwords_not_checked", reason=f"{type(error).__name__}: {error}")
        return False
    return counts.get(digest[TOLD:], 0) > 0  # a made-up line has the count 0


def _answer(url: str, told: str) -> str:
    """The digests that begin with the digits told.

    The address is the operator's, and a redirection is not followed: no user and no server decides
    where this service connects to.

    :raises OSError: when the server does not answer in time, or its certificate is not valid.
    :raises http.client.HTTPException: when the answer is no HTTP.
    :raises ValueError: when it is no list, or too long.
    """
    parts = urlsplit(url)
    tls = ssl.create_default_context()
    with closing(HTTPSConnection(parts.netloc, timeout=TIMEOUT, context=tls)) as connection:
        connection.connect()
        # The timeout of a connection begins anew with each byte.
        late = threading.Timer(TIMEOUT, connection.sock.shutdown, [socket.SHUT_RDWR])
        late.daemon = True
        late.start()
        try:
            path = f"{parts.path.rstrip('/')}/{told}"
            connection.request("GET", path, headers={"Add-Padding": "true", "User-Agent": "app"})
            response = connection.getresponse()
            body = response.read(MAX_ANSWER + 1)
        finally:
            late.cancel()
    if response.status != 200:
        raise ValueError(f"the answer has the status {response.status}")
    if len(body) > MAX_ANSWER:
        raise ValueError(f"the answer has more than {MAX_ANSWER} bytes")
    if response.length or not (response.chunked or response.getheader("Content-Length")):
        raise ValueError("the answer was cut off, or does not say how long it is")
    return body.decode("ascii")
