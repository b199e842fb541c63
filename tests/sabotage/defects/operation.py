"""What is told, logged, kept and audited: errors, logs, secrets, audits."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

audits = partial(Defect, "audits")
workflows = partial(Defect, "workflows")
lock = partial(Defect, "lock")
errors = partial(Defect, "errors")
logs = partial(Defect, "logs")
secret_key = partial(Defect, "secret_key")
security_txt = partial(Defect, "security_txt")
headers = partial(Defect, "headers")

AUDITS = "tests/security/test_audits.py"
ERRORS = "tests/security/test_errors.py"
LOGS = "tests/security/test_logs.py"
SECRETS = "tests/security/test_secret_key.py"
SECURITY_YML = ".github/workflows/security.yml"
CI_YML = ".github/workflows/ci.yml"
LEFT_OUT = f"{AUDITS}::test_the_audit_leaves_nothing_out"

DEFECTS = [
    audits(
        "an exception without a reason",
        "app/security/sanitization.py",
        "# nosec B704 # noqa: S704 - clean on write",
        "# nosec",
        f"{AUDITS}::test_every_exception_has_an_id_and_a_reason",
    ),
    audits(
        "Bandit skips a test",
        "pyproject.toml",
        "skips = []",
        'skips = ["B608"]',
        f"{AUDITS}::test_bandit_skips_nothing",
    ),
    audits(
        "Bandit tells high severity alone",
        "Makefile",
        "--recursive app deploy migrations wsgi.py\n\npackages:",
        "--recursive app deploy migrations wsgi.py -lll\n\npackages:",
        LEFT_OUT,
    ),
    audits(
        "Bandit does not look at the migrations",
        "Makefile",
        "--recursive app deploy migrations wsgi.py\n\npackages:",
        "--recursive app deploy wsgi.py\n\npackages:",
        LEFT_OUT,
    ),
    audits(
        "a package that nobody knows is passed over",
        "Makefile",
        "pip_audit --strict ",
        "pip_audit ",
        LEFT_OUT,
    ),
    audits(
        "a predictable random number",
        "app/database/__init__.py",
        "    return secrets.token_urlsafe(16)\n",
        "    import random\n\n    return f'{random.getrandbits(88):022x}'\n",
        "bandit",
    ),
    audits(
        "a setting is evaluated",
        "app/environment.py",
        "    return value.strip()\n",
        "    return str(eval(value)) if value.startswith('[') else value.strip()\n",
        "bandit",
    ),
    audits(
        "a file's name is part of a command",
        "app/commands/keys.py",
        "            os.replace(file.name, path)\n",
        '            os.system(f"mv {file.name} {path}")\n',
        "lint",
        answers={"deployment": "systemd"},
    ),
    audits(
        "an account that may be missing is taken for one",
        "app/auth/accounts.py",
        "    if user is None or not correct:\n",
        "    if not correct:\n",
        "types",
    ),
    audits(
        "start-up enforces no check",
        "app/__init__.py",
        "    security.enforce(app)\n",
        "",
        f"{AUDITS}::test_start_up_refuses_what_was_not_audited",
    ),
    workflows(
        "the audit may write",
        SECURITY_YML,
        "permissions: {}",
        "permissions: write-all",
        f"{AUDITS}::test_the_audit_may_only_read",
    ),
    workflows(
        "an action by its tag",
        SECURITY_YML,
        "upload-sarif@45cbd0c69e560cd9e7cd7f8c32362050c9b7ded2 # v4.32.2",
        "upload-sarif@v4",
        f"{AUDITS}::test_the_audit_may_only_read",
    ),
    workflows(
        "no audit without a change",
        SECURITY_YML,
        "  schedule:\n    - cron:",
        "  workflow_dispatch:\n  # - cron:",
        f"{AUDITS}::test_the_audit_runs_on_every_change_and_every_week",
    ),
    workflows(
        "a known vulnerability is no failure",
        SECURITY_YML,
        "        run: make vulnerabilities\n",
        "        run: make vulnerabilities\n        continue-on-error: true\n",
        f"{AUDITS}::test_the_audit_runs_what_can_be_run_locally",
    ),
    workflows(
        "CI may write",
        CI_YML,
        "permissions: {}",
        "permissions: write-all",
        f"{AUDITS}::test_every_workflow_may_only_read_and_takes_nothing_by_a_tag",
    ),
    workflows(
        "CI takes an action by its tag",
        CI_YML,
        "setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
        "setup-python@v7",
        f"{AUDITS}::test_every_workflow_may_only_read_and_takes_nothing_by_a_tag",
    ),
    workflows(
        "code of forks runs with our permissions",
        CI_YML,
        "  pull_request:\n",
        "  pull_request_target:\n",
        f"{AUDITS}::test_every_workflow_may_only_read_and_takes_nothing_by_a_tag",
    ),
    lock(
        "a package without its hash",
        "requirements.lock",
        "bleach==6.4.0 \\\n",
        "bleach-extras==0.0.1\nbleach==6.4.0 \\\n",
        f"{AUDITS}::test_the_lock_pins_every_package_by_version_and_hash",
    ),
    lock(
        "another version than the one that was audited",
        "requirements.lock",
        "bleach==6.4.0 \\\n",
        "bleach==6.3.0 \\\n",
        "tests/test_settings.py::test_production_starts_when_all_is_well",
    ),
    errors(
        "an error page shows the exception",
        "app/security/errors.py",
        'InternalServerError("An unexpected error occurred. It has been logged.")',
        "InternalServerError(repr(error))",
        f"{ERRORS}::test_no_route_shows_an_exception",
    ),
    errors(
        "an error page shows the statement",
        "app/security/errors.py",
        'ServiceUnavailable("The database does not answer. Please try again shortly.")',
        "ServiceUnavailable(str(error))",
        f"{ERRORS}::test_the_cause_is_in_the_log_alone",
    ),
    errors(
        "an error is not logged",
        "app/security/errors.py",
        '    current_app.logger.error("unexpected error", exc_info=error)\n',
        "",
        f"{ERRORS}::test_the_cause_is_in_the_log_alone",
    ),
    errors(
        "unexpected errors are Flask's",
        "app/security/errors.py",
        "    app.register_error_handler(Exception, unexpected)\n",
        "",
        f"{ERRORS}::test_no_route_shows_an_exception",
    ),
    errors(
        "debug mode starts in production",
        "app/security/errors.py",
        'for name in ("DEBUG", "TESTING",',
        'for name in ("TESTING",',
        f"{ERRORS}::test_start_up_refuses_debug_mode",
    ),
    errors(
        "debug mode is switched on",
        "app/__init__.py",
        "        SECRET_KEY=settings.secret_key,\n",
        "        SECRET_KEY=settings.secret_key,\n        DEBUG=True,\n",
        f"{ERRORS}::test_no_route_shows_an_exception",
    ),
    errors(
        "a forged host is repeated",
        "app/security/errors.py",
        "HOST_REFUSED if isinstance(error, SecurityError) else error.description",
        "error.description",
        f"{ERRORS}::test_an_unknown_host_is_refused_on_every_route",
    ),
    errors(
        "a lost update is an error 500",
        "app/security/errors.py",
        "    app.register_error_handler(StaleDataError, changed_meanwhile)\n",
        "",
        f"{ERRORS}::test_every_error_has_its_format_and_the_request_id",
    ),
    logs(
        "secrets are logged by their name",
        "app/security/logs.py",
        "name: REDACTED if SECRET_NAME.search(name) else value",
        "name: value",
        f"{LOGS}::test_a_field_whose_name_promises_a_secret_is_blanked",
    ),
    logs(
        "the old keys are logged",
        "app/security/logs.py",
        "JSONFormatter([settings.secret_key, *settings.secret_key_fallbacks])",
        "JSONFormatter([settings.secret_key])",
        f"{LOGS}::test_the_keys_are_blanked_wherever_they_occur",
    ),
    logs(
        "a line break gets into a line",
        "app/security/logs.py",
        "json.dumps(entry, default=str)",
        "json.dumps(entry, default=str, ensure_ascii=False)",
        f"{LOGS}::test_no_input_starts_a_line_of_its_own",
    ),
    logs(
        "any request id is believed",
        "app/security/logs.py",
        "sent if REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)",
        "sent or secrets.token_hex(16)",
        f"{LOGS}::test_a_well_formed_request_id_is_kept",
    ),
    logs(
        "the query is logged",
        "app/security/logs.py",
        'environ.get("PATH_INFO", ""),',
        'environ.get("PATH_INFO", "") + "?" + environ.get("QUERY_STRING", ""),',
        f"{LOGS}::test_a_whole_visit_leaves_no_secret_in_the_log",
    ),
    logs(
        "the address is logged",
        "app/auth/accounts.py",
        'security_event("authn_login_fail", account=user.id if user else None)',
        'security_event("authn_login_fail", account=email)',
        f"{LOGS}::test_a_whole_visit_leaves_no_secret_in_the_log",
    ),
    logs(
        "a failed sign-in is not logged",
        "app/auth/accounts.py",
        '        security_event("authn_login_fail", account=user.id if user else None)\n',
        "",
        f"{LOGS}::test_every_security_event_is_logged",
    ),
    logs(
        "Nginx logs the query",
        "deploy/nginx/nginx.conf",
        '"path":"$sent_path"',
        '"path":"$request_uri"',
        "tests/security/test_https.py::test_the_log_holds_no_query_and_no_forged_line",
    ),
    logs(
        "Nginx does not escape",
        "deploy/nginx/nginx.conf",
        "log_format json escape=json",
        "log_format json escape=none",
        "tests/security/test_https.py::test_the_log_holds_no_query_and_no_forged_line",
    ),
    secret_key(
        "a short key is good enough",
        "app/security/secret_key.py",
        "MIN_KEY_LENGTH = 43",
        "MIN_KEY_LENGTH = 16",
        f"{SECRETS}::test_a_guessable_key_is_refused",
    ),
    secret_key(
        "a key from a tutorial is good enough",
        "app/security/secret_key.py",
        " or _consists_of_words(key)",
        "",
        f"{SECRETS}::test_a_guessable_key_is_refused",
    ),
    secret_key(
        "old keys may be weak",
        "app/security/secret_key.py",
        'keys = [app.secret_key or "", *app.config["SECRET_KEY_FALLBACKS"]]',
        'keys = [app.secret_key or ""]',
        f"{SECRETS}::test_a_guessable_key_is_refused",
    ),
    headers(
        "a file is kept for a year under any version",
        "app/pages.py",
        'own = request.args.get("v") == _version(digest)',
        'own = "v" in request.args',
        "tests/test_static.py::test_a_static_file_is_kept_under_its_version_alone",
    ),
    headers(
        "the hash of a file is the one that it had at first",
        "app/pages.py",
        "digest = sha384(Path(str(path)).read_bytes()).digest()",
        "digest = current_app.config.setdefault(path, sha384(Path(path).read_bytes()).digest())",
        "tests/test_static.py::test_another_version_s_file_is_not_kept",
    ),
    security_txt(
        "nobody learns where to report",
        "app/security/security_txt.py",
        '    app.add_url_rule("/.well-known/security.txt", "security_txt", security_txt)\n',
        "",
        "tests/security/test_security_txt.py::test_security_txt_says_where_to_report",
    ),
    secret_key(
        "the settings show the key",
        "app/settings.py",
        "    secret_key: str = field(repr=False)\n",
        "    secret_key: str\n",
        f"{SECRETS}::test_repr_shows_no_secret",
    ),
    secret_key(
        "an account shows its hash",
        "app/auth/models.py",
        'return f"<User {self.id}>"',
        'return f"<User {self.id} {self.password_hash}>"',
        f"{SECRETS}::test_repr_shows_no_secret",
    ),
    headers(
        "caches keep personal pages",
        "app/security/headers.py",
        '    "Cache-Control": "no-store",\n',
        '    "Cache-Control": "private",\n',
        "tests/test_private_data.py::test_no_response_is_kept_but_static_files",
    ),
    secret_key(
        "everybody on the machine reads the database",
        "app/database/commands.py",
        "path.touch(mode=0o600)",
        "path.touch()",
        "tests/test_dialect.py::test_no_file_is_ever_readable_by_others",
    ),
    secret_key(
        "the secrets are committed",
        ".gitignore",
        ".env\n.env.*\n",
        ".env.*\n",
        f"{SECRETS}::test_git_leaves_out_what_is_secret",
    ),
]
