"""Defects in known devices, and in the notice of a new one."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

devices = partial(Defect, "devices", file="app/auth/devices.py")
pages = partial(Defect, "devices", answers={"auth": "session"})
api = partial(Defect, "devices", answers={"auth": "token"})

CONFIRM = "    correct = _confirm(user, password) if user else _refuse(email, password)\n"
NOTICE = "            notices.send(KIND, user, proof=proof)\n"
FORGET = "    devices.forget_others(user)\n"

DEFECTS = [
    devices(
        "nobody is told of a new device",
        NOTICE,
        "            return\n",
        "test_the_owner_is_told_of_a_sign_in_from_a_new_device",
    ),
    devices(
        "every sign-in is told of: nobody reads it any more",
        "        if device := known.get(_hash(user, token)):\n",
        "        if (device := known.get(_hash(user, token))) and user.disabled_at:\n",
        "test_a_known_device_is_not_told_of",
    ),
    devices(
        "a device is known before the password is right",
        CONFIRM,
        "    if user:\n        from app.auth import devices\n        devices.remember(user)\n"
        + CONFIRM,
        "test_a_wrong_password_does_not_tell_whether_a_device_is_known",
        file="app/auth/authentication.py",
    ),
    devices(
        "the end of one's sessions makes the devices of everybody unknown",
        "    theirs = select(Device).where(\n        Device.user_id == user.id, Device.seen_at >",
        "    theirs = select(Device).where(\n        Device.seen_at >",
        "test_an_operator_who_ends_all_sessions_makes_every_device_new",
    ),
    devices(
        "a token that a client has made up becomes known",
        "    token = Secret(secrets.token_urlsafe(32))\n",
        "    token = next(iter(device_tokens.sent()), Secret(secrets.token_urlsafe(32)))\n",
        "test_a_planted_token_does_not_become_known",
    ),
    devices(
        "the database keeps tokens as they are",
        '    return sha256(f"{user.id} {token.reveal()}".encode("utf-8", "surrogatepass"))'
        ".hexdigest()",
        "    return token.reveal()",
        "test_the_database_has_a_hash_that_differs_by_account",
    ),
    devices(
        "the database tells which accounts share a device",
        '    return sha256(f"{user.id} {token.reveal()}".',
        "    return sha256(token.reveal().",
        "test_the_database_has_a_hash_that_differs_by_account",
    ),
    devices(
        "a thief's device stays known after a new password",
        FORGET,
        "",
        "test_a_new_password_makes_every_other_device_new",
        file="app/auth/revocation.py",
    ),
    devices(
        "an own device is new after a new password",
        "        if device.token_hash not in kept:\n            _delete(device)\n",
        "        _delete(device)\n",
        "test_a_new_password_makes_every_other_device_new",
    ),
    devices(
        "whoever knows the password floods the mailbox",
        "        if outbox.recent(KIND, user.email) < MAX_NOTICES:\n    " + NOTICE[4:],
        NOTICE[4:],
        "test_many_sign_ins_from_new_devices_send_few_mails",
    ),
    devices(
        "an account has unlimited devices",
        "    for surplus in [*known.values()][MAX_DEVICES - 1 :]:\n        _delete(surplus)\n",
        "",
        "test_only_the_newest_devices_are_known",
    ),
    devices(
        "a device is known for ever",
        "        Device.user_id == user.id, Device.seen_at > now() - device_tokens.KEEP\n",
        "        Device.user_id == user.id\n",
        "test_a_device_is_forgotten_after_the_longest_time",
    ),
    devices(
        "the mail quotes the User-Agent",
        NOTICE,
        "            from flask import request  # noqa: PLC0415\n\n"
        "            from app.mail import outbox  # noqa: PLC0415\n\n"
        '            values = {"address": str(request.user_agent), "proof": proof}\n'
        "            outbox.add(KIND, user.email, values)\n",
        "test_the_mail_quotes_nothing_of_the_request",
    ),
    devices(
        "whoever signs up is told of the own device",
        "    devices.remember(user)  # the first sign-in on it needs no notice\n",
        "",
        "test_who_signs_up_is_not_told_of_the_own_device",
        file="app/auth/sign_up.py",
    ),
    pages(
        "script reads the cookie of the device",
        'secure=production, httponly=True, samesite="Lax"',
        'secure=production, httponly=False, samesite="Lax"',
        "test_the_cookie_has_every_protection",
    ),
    pages(
        "another user of the browser makes the first one unknown",
        "    tokens = [token, *(other for other in sent() if other != token)][:MOST]\n",
        "    tokens = [token]\n",
        "test_users_of_one_browser_are_all_known",
    ),
    pages(
        "signing out makes the device unknown",
        '    return identity.sign_out(url_for("home"), clear=\'"cache", "storage"\')\n',
        '    return identity.sign_out(url_for("home"))\n',
        "test_sign_out_clears_what_the_browser_kept",
    ),
    api(
        "the answer to a sign-in does not have the token",
        "    return SignedIn(**pair.model_dump(), device_token=device_tokens.given())\n",
        "    return SignedIn(**pair.model_dump(), device_token=None)\n",
        "test_the_device_of_the_client_is_known_after_the_first_sign_in",
    ),
]
