"""Defects that make a claim of asvs.list false: input that runs as code, weak randomness."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

audits = partial(Defect, "audits")

secret = partial(Defect, "secret")
passwords = partial(Defect, "passwords")
rate_limits = partial(Defect, "rate_limits")

DRAWN = "test_every_token_comes_from_the_random_generator"
LAST_LINE = "    return value.strip()\n"  # of the function that reads a setting

DEFECTS = [
    audits(
        "a program is started by a function that no judge knows",
        LAST_LINE,
        (
            "    if value.startswith('!'):\n        import asyncio\n\n"
            "        asyncio.run(asyncio.create_subprocess_shell(value[1:]))\n"
            f"{LAST_LINE}"
        ),
        "test_every_imported_module_is_listed",
    ),
    audits(
        "a file that input names is run",
        LAST_LINE,
        "    import runpy\n\n    return str(runpy.run_path(value)['value'])\n",
        "test_every_imported_module_is_listed",
    ),
    audits(
        "objects come out of text",
        LAST_LINE,
        "    import yaml\n\n    return str(yaml.unsafe_load(value))\n",
        "test_every_imported_module_is_listed",
    ),
    audits(
        "a module is reached by way of another",
        LAST_LINE,
        "    import logging\n\n    return str(logging.os.popen(value).read())\n",
        "test_every_imported_module_is_listed",
    ),
    audits(
        "a mail's text is read as a template",
        '    content = Secret(render_template(f"mail/',
        '    content = Secret(current_app.jinja_env.from_string(f"mail/',
        "test_no_text_is_run",
    ),
    secret(
        "the token of a session is the hash of a time",
        "    token = Secret(secrets.token_urlsafe(32))\n    expiry",
        "    token = Secret(hash_secret(Secret(str(now()))))\n    expiry",
        DRAWN,
    ),
    secret(
        "a new proof counts the token of a session up",
        "    token = Secret(secrets.token_urlsafe(32))\n    session.token_hash",
        '    token = Secret(f"{session.id:043}")\n    session.token_hash',
        DRAWN,
    ),
    secret(
        "the token of a link is the hash of its address",
        "    token = Secret(secrets.token_urlsafe(32))\n    link",
        "    token = Secret(hash_secret(Secret(link.email)))\n    link",
        DRAWN,
    ),
    secret(
        "a ticket is its number",
        "    token = Secret(secrets.token_urlsafe(32))\n    ",
        '    token = Secret(f"{now().timestamp():043}")\n    ',
        DRAWN,
        file="app/auth/tickets.py",
    ),
    secret(
        "a challenge is the time",
        "challenge = secrets.token_urlsafe(32)",
        'challenge = f"{now().timestamp():043}"',
        DRAWN,
    ),
    secret(
        "a device is its user",
        "    token = Secret(secrets.token_urlsafe(32))\n    device",
        '    token = Secret(f"{user.id:043}")\n    device',
        DRAWN,
    ),
    secret(
        "recovery codes are counted",
        "b32encode(secrets.token_bytes(BYTES)).decode() for _ in",
        'b32encode(f"{number:016}".encode()).decode() for number in',
        DRAWN,
    ),
    secret(
        "recovery codes have less than 128 bits",
        "BYTES = 16",
        "BYTES = 15",
        DRAWN,
        file="app/auth/recovery_codes.py",
    ),
    secret(
        "public ids are times",
        "    return secrets.token_urlsafe(16)\n",
        '    return f"{datetime.now(UTC).timestamp():022.6f}".replace(".", "0")\n',
        DRAWN,
    ),
    secret(
        "a public id has 96 bits",
        "    return secrets.token_urlsafe(16)\n",
        '    return secrets.token_urlsafe(12).ljust(22, "0")\n',
        "test_every_random_value_is_long_enough",
    ),
    secret(
        "the secret of an app is its user",
        "Secret(pyotp.random_base32(SECRET_LENGTH))",
        'Secret("A" * SECRET_LENGTH)',
        "test_the_secret_of_an_app_is_what_the_library_drew",
    ),
    secret(
        "tokens come from a generator that can be foreseen",
        LAST_LINE,
        f"    import random\n\n    random.seed(value)\n{LAST_LINE}",
        "test_every_imported_module_is_listed",
    ),
    secret(
        "a refresh token is the hash of a time",
        "    new = Secret(new_token())\n",
        "    new = Secret(hash_secret(Secret(str(now()))))\n",
        DRAWN,
        answers={"auth": "token"},
    ),
    secret(
        "a nonce is a time",
        "nonce=Secret(secrets.token_urlsafe(32))",
        'nonce=Secret(f"{time.time_ns():043}")',
        "test_values_sent_to_the_provider_are_random",
        answers={"auth": "oidc"},
    ),
    secret(
        "the verifier of PKCE is the state",
        "verifier=Secret(secrets.token_urlsafe(48))",
        'verifier=Secret(f"{redirect_uri:_<64}")',
        "test_values_sent_to_the_provider_are_random",
        answers={"auth": "oidc"},
    ),
    rate_limits(
        "what is behind a link of a mail is counted under no key",
        'link = limited("link", LINK, client_address)',
        'link = limited("link", LINK, lambda: "")',
        "test_every_limited_route_comes_to_its_limit",
    ),
    passwords(
        "letters that look alike are one in a password",
        "    return Secret(normalize(password.reveal(), MAX_LENGTH))\n",
        '    return Secret(normalize(password.reveal(), MAX_LENGTH, "NFKC"))\n',
        "test_both_unicode_forms_of_a_password_match",
    ),
]
