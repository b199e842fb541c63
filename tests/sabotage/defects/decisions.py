"""Changes of the code that contradict ``docs/security-decisions.md``."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

decisions = partial(Defect, "decisions")
inventory = partial(Defect, "inventory")
provider = partial(Defect, "inventory", answers={"auth": "oidc"})
document = "docs/security-decisions.md"
ACCEPTED = "| Accepted weakness | Severity | Found | Until | Why it does no harm |\n"

DEFECTS = [
    decisions(
        "a field of a form without a rule",
        '    code = SecretField("Code", [InputRequired()',
        '    remember = StringField("Remember")\n    code = SecretField("Code", [InputRequired()',
        "test_each_field_of_a_request_has_its_rule",
    ),
    decisions(
        "a kind of field without a rule",
        '    "flag": Kind(',
        '    "money": Kind(),\n    "flag": Kind(',
        "test_each_kind_of_field_of_a_resource_has_its_rule",
    ),
    decisions(
        "a rule about values whose proof is gone",
        "`test_a_link_is_for_one_purpose`",
        "`test_a_link_is_for_a_purpose`",
        "test_each_row_that_names_its_proof_has_one",
        file=document,
    ),
    decisions(
        "a limit is counted by the address alone",
        'limited("address_change", ADDRESS_CHANGE, client_address, signed_in_account)',
        'limited("address_change", ADDRESS_CHANGE, client_address)',
        "test_each_rate_limit_is_documented",
    ),
    decisions(
        "a password may be made of the address",
        "if problem := password_problem(password, SERVICE_NAME, address):",
        'if problem := password_problem(password, SERVICE_NAME, ""):',
        "test_the_words_of_the_context_make_no_password",
        answers={"auth": "oidc"},
    ),
    decisions(
        "a way to sign in that no document has",
        'return _complete(user, "passkey", after_password=purpose == "second factor")',
        'return _complete(user, "key", after_password=purpose == "second factor")',
        "test_each_way_to_sign_in_is_documented",
    ),
    decisions(
        "a page that asks for no fresh proof any more",
        '@blueprint.route("/account/email", methods=["GET", "POST"])\n@fresh\n',
        '@blueprint.route("/account/email", methods=["GET", "POST"])\n',
        "test_who_may_call_each_route_is_documented",
    ),
    decisions(
        "a session lasts longer than documented",
        "| 12 hours | `app.session_settings.ABSOLUTE_TIMEOUT` |",
        "| 8 hours | `app.session_settings.ABSOLUTE_TIMEOUT` |",
        "test_each_number_of_a_decision_is_that_of_the_service",
    ),
    decisions(
        "a number of sessions that is documented no more",
        "| `app.auth.sessions.MAX_SESSIONS` |",
        "| |",
        "test_each_constant_of_what_is_decided_is_documented",
    ),
    decisions(
        "sessions that last for days, as if NIST allowed it",
        "ABSOLUTE_TIMEOUT = timedelta(hours=12)",
        "ABSOLUTE_TIMEOUT = timedelta(days=12)",
        "test_whether_sessions_deviate_from_nist_is_said",
    ),
    decisions(
        "a number that nothing holds",
        "Deny by default: a route without a mark",
        "At most 7 routes are public: a route without a mark",
        "test_each_number_of_a_decision_names_a_check",
    ),
    decisions(
        "a weakness is accepted for ever",
        f"{ACCEPTED}|---|---|---|---|---|\n",
        f"{ACCEPTED}|---|---|---|---|---|\n| GHSA-aa-bb-cc | low | 2030-01-01 | | no call |\n",
        "test_the_audit_fails_with_the_reason",
    ),
    decisions(
        "the audit passes over a weakness without a day",
        " $$accepted \\\n",
        " --ignore-vuln GHSA-aaaa-bbbb-cccc \\\n",
        "test_a_target_runs_this_and_nothing_else",
    ),
    inventory(
        "a new column without a class",
        "    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)\n",
        "    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)\n"
        "    birthday: Mapped[datetime | None] = mapped_column(UTCDateTime)\n",
        "test_each_column_has_a_class",
    ),
    inventory(
        "a secret that is stored as it is",
        "| `authenticator_apps` | `secret`, `new_secret` |",
        "| `authenticator_apps` | `secret`, `new_secret`, `created_at` |",
        "test_only_secret_columns_are_hashed_or_encrypted",
    ),
    inventory(
        "a class without rules",
        "| Internal | as text; encrypt the disk |",
        "| Internal | |",
        "test_each_class_has_rules_for_its_protection",
    ),
    inventory(
        "an event with an address",
        'security_event("user_exported", account=user.id)',
        'security_event("user_exported", account=user.id, email=user.email)',
        "test_no_event_contains_secret_or_personal_data",
    ),
    inventory(
        "a column that users write, without a rule",
        "| `passkeys.name` | its owner | once, after a fresh proof |\n",
        "",
        "test_a_field_that_writes_a_column_has_its_rule",
    ),
    inventory(
        "a key for a purpose that nobody knows of",
        'PURPOSE = "mail in the outbox"',
        'PURPOSE = "mails in the outbox"',
        "test_each_key_is_in_the_inventory",
    ),
    inventory(
        "an old hash function",
        "    digest_method = staticmethod(hashlib.sha256)\n",
        "    digest_method = staticmethod(hashlib.sha1)\n",
        "test_each_algorithm_is_in_the_inventory",
    ),
    inventory(
        "a connection that no firewall expects",
        "import json\nimport logging\nimport re\nimport sys\n",
        "import json\nimport logging\nimport re\nimport socket\nimport sys\n",
        "test_each_connection_is_documented",
    ),
    inventory(
        "an event that nobody reads",
        'security_event("sys_restore"',
        'security_event("sys_restored"',
        "test_each_event_is_in_the_inventory",
    ),
    provider(
        "an algorithm of the provider that nobody has judged",
        '    "Ed25519": "sha512",\n',
        '    "Ed25519": "sha512",\n    "ES256K": "sha256",\n',
        "test_each_algorithm_is_in_the_inventory",
    ),
]
