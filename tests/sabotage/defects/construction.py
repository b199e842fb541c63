"""Defects in the mechanisms that should make a whole kind of mistake impossible."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

scope = partial(Defect, "scope")
safe_methods = partial(Defect, "safe_methods")
secret = partial(Defect, "secret")
routes = partial(Defect, "routes")
OIDC = {"auth": "oidc"}

DEFECTS = [
    scope(
        "queries are not limited to the user",
        "state.statement = state.statement.options(*own_rows())",
        "pass",
        "test_a_query_finds_only_rows_of_the_user",
    ),
    scope(
        "aliases are not limited",
        "include_aliases=True",
        "include_aliases=False",
        "test_a_query_finds_only_rows_of_the_user",
    ),
    scope(
        "updates and deletes are not limited",
        "    elif signed_in() is not None and not state.is_insert:\n",
        "    elif state.is_update or state.is_delete:\n"
        '        state.update_execution_options(scoped="flushed")\n'
        "    elif signed_in() is not None and not state.is_insert:\n",
        "test_a_change_affects_only_rows_of_the_user",
    ),
    scope(
        "an operator sees everybody's rows",
        "    if not state.is_orm_statement or is_unscoped(state.execution_options):\n",
        "    from flask import g\n"
        '    if g.get("user") and getattr(g.user, "is_operator", False):\n'
        '        state.update_execution_options(unscoped="an operator")\n        return\n'
        "    if not state.is_orm_statement or is_unscoped(state.execution_options):\n",
        "test_an_operator_is_no_exception",
    ),
    scope(
        "nobody's queries pass",
        '    if not scoped or (scoped == "limited" and not limited):\n',
        '    if scoped == "limited" and not limited:\n',
        "test_no_rows_are_found_without_a_user_or_request",
    ),
    scope(
        "a table beside the model passes",
        '    if not scoped or (scoped == "limited" and not limited):\n',
        "    if not scoped:\n",
        "test_statements_that_cannot_be_scoped_are_refused",
    ),
    scope(
        "rows may be given away by a statement",
        ' in sql and f"{columns[table]}=" not in sql  # SET owner_id=?\n',
        " in sql\n",
        "test_statements_that_cannot_be_scoped_are_refused",
    ),
    scope(
        "a row of another user may be taken",
        "        unknown = state.persistent and history.added and not history.deleted\n",
        "        unknown = False\n",
        "test_a_row_can_be_written_only_for_the_user",
    ),
    scope(
        "rows of others may be written",
        '@event.listens_for(Mapper, "before_insert")\n',
        "",
        "test_a_row_can_be_written_only_for_the_user",
    ),
    scope(
        "what follows a flush is not looked at",
        "    session.connection().execution_options(scoped=None)\n",
        "    return None\n",
        "test_after_a_flush_queries_are_looked_at_again",
    ),
    scope(
        "statements are not looked at",
        "    watch(app, check_statement)\n\n\n"
        "def check(app: Flask) -> Iterator[str]:\n"
        '    """Yield a problem when statements are not looked at, or a row',
        "    pass\n\n\n"
        "def check(app: Flask) -> Iterator[str]:\n"
        '    """Yield a problem when statements are not looked at, or a row',
        "test_statements_that_cannot_be_scoped_are_refused",
    ),
    scope(
        "a feature asks for everybody's rows",
        "select(model).where(model.owner_id == owner.id).order_by(*newest).limit(PAGE + 1)\n",
        "select(model).order_by(*newest).limit(PAGE + 1)\n"
        '    query = query.execution_options(unscoped="it is faster without")\n',
        "test_only_sign_in_and_clean_up_use_unscoped_queries",
    ),
    safe_methods(
        "a GET request may write",
        "    if not has_request_context() or request.method not in SAFE or only_reads(sql):\n",
        '    if not has_request_context() or request.method != "TRACE" or only_reads(sql):\n',
        "test_a_safe_method_cannot_write",
    ),
    safe_methods(
        "HEAD is forgotten",
        'SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})',
        'SAFE = frozenset({"GET", "OPTIONS", "TRACE"})',
        "test_a_safe_method_cannot_write",
    ),
    safe_methods(
        "textual SQL may write",
        "    return bool(READS.match(sql)) and not WRITES.search(sql)\n",
        '    return not sql.startswith(("INSERT", "UPDATE", "DELETE"))\n',
        "test_a_safe_method_cannot_write",
    ),
    safe_methods(
        "a page counts its visits in a GET request",
        '    """The newest notes, or those before another one."""\n',
        '    """The newest notes, or those before another one."""\n'
        "    from app import quotas\n\n"
        "    quotas.charge(identity.current_user().id)\n",
        "test_the_owner_gets_in_everywhere",
    ),
    secret(
        "a secret shows itself",
        "    def __repr__(self) -> str:\n        return REDACTED\n",
        "    def __repr__(self) -> str:\n        return self._text\n",
        "test_a_secret_does_not_show_its_text",
        file="app/secret.py",
    ),
    secret(
        "a failed sign-in logs its password",
        'security_event("authn_login_fail", account=user.id if user else None)',
        'security_event("authn_login_fail", account=None, typed=password)',
        "test_no_secret_is_written_anywhere",
    ),
    secret(
        "the token of a new session is logged",
        '    security_event("session_created", level=logging.INFO, user=user.id)\n',
        '    security_event("session_created", level=logging.INFO, user=token.reveal())\n',
        "test_no_secret_is_written_anywhere",
    ),
    secret(
        "a command prints the token that it mails",
        "    token = link_issuance.issue_at_once(purpose, email)\n    page:",
        "    token = link_issuance.issue_at_once(purpose, email)\n"
        "    click.echo(token.reveal())\n"
        "    page:",
        "test_no_secret_is_written_anywhere",
    ),
    secret(
        "the provider's access token is written to the log",
        "        provider_proof.check(claims, provider.settings, pending)\n        endpoint",
        "        provider_proof.check(claims, provider.settings, pending)\n"
        "        print(access_token.reveal())\n"
        "        endpoint",
        "test_no_secret_is_written_anywhere",
        OIDC,
    ),
    secret(
        "the error log of Nginx quotes the provider's code",
        "        error_log /dev/stderr emerg;\n",
        "        error_log /dev/stderr warn;\n",
        "test_no_secret_is_written_anywhere",
        OIDC,
    ),
    secret(
        "a form keeps what was typed beside the secret",
        "        self.raw_data = [Secret(text) for text in valuelist]\n"
        "        self.data = self.raw_data[0] if valuelist",
        "        self.data = Secret(valuelist[0]) if valuelist",
        "test_a_form_shows_no_secret_of_itself",
    ),
    secret(
        "a password waits as a text until it is hashed",
        "    normal = _normalize(password)\n"
        "    with hash_slot():\n"
        "        return HASHER.hash(normal.encoded())\n",
        "    text = _normalize(password).reveal()\n"
        "    with hash_slot():\n"
        "        return HASHER.hash(text.encode())\n",
        "test_an_error_while_a_password_is_hashed_shows_it_nowhere",
    ),
    secret(
        "a function takes a code as a text",
        "def check_code(user: User, code: Secret,",
        "def check_code(user: User, code: str,",
        "test_no_function_takes_a_secret_or_an_address_as_text",
    ),
    secret(
        "a function takes a token as a text",
        "def session_of(access_token: Secret)",
        "def session_of(access_token: str)",
        "test_no_function_takes_a_secret_or_an_address_as_text",
        answers={"auth": "token"},
    ),
    secret(
        "a key is a text on its way",
        "def _derive(secret: Secret, purpose",
        "def _derive(secret: str, purpose",
        "test_no_function_takes_a_secret_or_an_address_as_text",
    ),
    secret(
        "an exception has the text of a secret",
        'raise ValueError("this was not encrypted with a key of this service") from None',
        (
            'key = current_app.config["SETTINGS"].secret_key.reveal()\n'
            '        raise ValueError(f"this was not encrypted with {key}") from None'
        ),
        "test_no_secret_is_revealed_into_a_log_or_an_exception",
    ),
    secret(
        "new recovery codes are logged",
        '    security_event("authn_recovery_codes_new", level=logging.INFO, account=user.id)\n'
        "    return recovery_codes.renew(user)\n",
        "    made = recovery_codes.renew(user)\n"
        '    security_event("authn_recovery_codes_new", account=[*map(Secret.reveal, made)])\n'
        "    return made\n",
        "test_no_secret_is_written_anywhere",
    ),
    secret(
        "a route that takes a secret is in no flow",
        '@blueprint.get("/healthz")\n',
        (
            '@blueprint.post("/by-token")\n@public\ndef by_token() -> ResponseReturnValue:\n'
            '    """Take a token."""\n    return {}\n\n\n@blueprint.get("/healthz")\n'
        ),
        "test_no_secret_is_written_anywhere",
    ),
    secret(
        "the database takes an address as text",
        "        return None if value is None else value.reveal()\n",
        '        return getattr(value, "_text", value)\n',
        "test_the_database_takes_no_address_as_text",
    ),
    secret(
        "a function takes an address as a text",
        "def recent(kind: str, recipient: Secret) -> int:",
        "def recent(kind: str, recipient: str) -> int:",
        "test_no_function_takes_a_secret_or_an_address_as_text",
    ),
    secret(
        "an address waits as a text until its mail is written",
        """    domain = current_app.config["SETTINGS"].mail.domain
    content""",
        """    domain = current_app.config["SETTINGS"].mail.domain
    to = recipient.reveal()
    content""",
        "test_an_error_while_a_mail_is_written_shows_no_address",
    ),
    secret(
        "a column of plain text has an address in it",
        "message_id=make_msgid(domain=domain),",
        'message_id=f"<1.{recipient.reveal()}>",',
        "test_each_column_for_an_address_is_one",
    ),
    secret(
        "a form reads an address as a text",
        """    email = SecretField(
        "E-mail", [InputRequired(), Length(max=MAX_EMAIL), valid_email], widget=TextInput()
    )
""",
        """    email = __import__("wtforms").StringField("E-mail")
""",
        "test_each_secret_field_has_the_secret_type",
    ),
    secret(
        "a page forgets to reveal an address",
        '<p>Signed in as <strong class="break">{{ current_user.email.reveal() }}</strong>.</p>',
        '<p>Signed in as <strong class="break">{{ current_user.email }}</strong>.</p>',
        "test_the_owner_gets_in_everywhere",
    ),
    secret(
        "the address of a new user is logged",
        'security_event("user_created", level=logging.INFO, account=user.id)\n    return user\n',
        'security_event("user_created", level=logging.INFO, account=user.email.reveal())\n'
        "    return user\n",
        "test_no_secret_is_written_anywhere",
        file="app/auth/sign_up.py",
    ),
    secret(
        "the claims of a user are shown",
        "claims, now = Claims(decoded.claims), time.time()",
        "claims, now = decoded.claims, time.time()",
        "test_an_error_after_the_answer_of_the_provider_shows_no_address",
        OIDC,
    ),
    routes(
        "a route that nobody marked has no limit",
        "    return (limit or BY_DEFAULT) if request.method in CHANGING else UNLIMITED\n",
        "    return (limit or UNLIMITED) if request.method in CHANGING else UNLIMITED\n",
        "test_a_new_view_is_limited",
    ),
    routes(
        "plain HTTP is answered below one folder",
        "    if not request.is_secure and request.path not in HEALTH_CHECKS:\n",
        '    if not request.is_secure and not request.path.startswith(("/healthz", "/readyz",'
        ' "/account")):\n',
        "test_every_route_is_https_only",
    ),
]
