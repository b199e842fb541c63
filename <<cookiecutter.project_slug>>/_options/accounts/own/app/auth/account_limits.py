"""Rate limits of accounts: mails to strangers, guesses at links, tickets without end.

What :mod:`app.security.rate_limits` counts on the routes where an account is opened, recovered or
changed, and where a passkey is asked for. A person needs few of each; an office shares one address.
"""

from __future__ import annotations

from app.security.limit_keys import client_address, signed_in_account
from app.security.rate_limits import SIGN_IN, limited

SIGN_UP = "20 per hour"  # each may send a mail to a stranger
FORGOT = "20 per hour"  # each may send a mail to the owner of an account
LINK = "30 per hour"  # pages behind a link of a mail; nobody guesses 256 bits
ADDRESS_CHANGE = "10 per hour"  # each may send a mail to a stranger
PASSKEY_OPTIONS = "60 per 5 minutes"  # each writes a ticket

sign_up = limited("sign_up", SIGN_UP, client_address)
forgot = limited("forgot", FORGOT, client_address)
link = limited("link", LINK, client_address)
address_change = limited("address_change", ADDRESS_CHANGE, client_address, signed_in_account)
# Not by the account: whoever knows its password would use the limit up, and keep its owner out.
passkey = limited("passkey", SIGN_IN, client_address)
passkey_options = limited("passkey_options", PASSKEY_OPTIONS, client_address)
