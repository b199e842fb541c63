"""Defects in operation: errors, logs, secrets, audits."""

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
ACTIONS = """\
  - package-ecosystem: github-actions
    directory: /
    schedule:
      interval: weekly
"""

DEFECTS = [
    audits(
        "an exception without a reason",
        "# clean on write # nosec B704 # noqa: S704",
        "# nosec",
        "test_every_exception_has_an_id_and_a_reason",
    ),
    audits(
        "Bandit skips a test",
        "skips = []",
        'skips = ["B608"]',
        "test_the_checkers_examine_all_files",
    ),
    audits(
        "Bandit tells high severity alone",
        "--recursive app deploy migrations wsgi.py\n\npackages:",
        "--recursive app deploy migrations wsgi.py -lll\n\npackages:",
        "test_a_target_runs_this_and_nothing_else",
    ),
    audits(
        "Bandit does not look at the migrations",
        "--recursive app deploy migrations wsgi.py\n\npackages:",
        "--recursive app deploy wsgi.py\n\npackages:",
        "test_a_target_runs_this_and_nothing_else",
    ),
    audits(
        "a package that nobody knows is passed over",
        "pip_audit --strict ",
        "pip_audit ",
        "test_a_target_runs_this_and_nothing_else",
    ),
    audits(
        "a failure of mypy is ignored",
        "\t@$(RUN) mypy\n",
        "\t@-$(RUN) mypy\n",
        "test_no_failure_is_hidden",
    ),
    audits(
        "make ignores every failure",
        "PORT ?= 5000\n",
        "PORT ?= 5000\nMAKEFLAGS += --ignore-errors\n",
        "test_no_failure_is_hidden",
    ),
    audits(
        "make check leaves out the slow tests",
        "check: lint types bandit packages report",
        "check: lint types bandit packages test",
        "test_a_target_runs_this_and_nothing_else",
    ),
    audits(
        "packages are built from sources",
        "--only-binary :all: --no-deps",
        "--no-deps",
        "test_nothing_is_installed_without_its_hash_or_from_sources",
        file="Makefile",
    ),
    audits(
        "gitleaks does not look at the deployment",
        "regexes = ['''kelp",
        "paths = ['''deploy/''']\nregexes = ['''kelp",
        "test_the_checkers_examine_all_files",
    ),
    audits(
        "a predictable random number",
        "    return secrets.token_urlsafe(16)\n",
        "    import random\n\n    return f'{random.getrandbits(88):022x}'\n",
        "bandit",
    ),
    audits(
        "a setting is evaluated",
        "    return value.strip()\n",
        "    return str(eval(value)) if value.startswith('[') else value.strip()\n",
        "bandit",
    ),
    audits(
        "a file's name is part of a command",
        "            os.replace(file.name, path)\n",
        '            os.system(f"mv {file.name} {path}")\n',
        "lint",
        answers={"deployment": "systemd"},
    ),
    audits(
        "an account that may be missing is taken for one",
        "    if user is None or not correct:\n",
        "    if not correct:\n",
        "types",
    ),
    audits(
        "start-up enforces no check",
        "    security.enforce(app)\n",
        "",
        "test_start_up_refuses_what_was_not_audited",
    ),
    workflows(
        "the audit may write",
        "permissions: {}",
        "permissions: write-all",
        "test_every_workflow_may_only_read_and_takes_nothing_by_a_tag",
        file=".github/workflows/security.yml",
    ),
    workflows(
        "an action by its tag",
        "upload-sarif@45cbd0c69e560cd9e7cd7f8c32362050c9b7ded2 # v4.32.2",
        "upload-sarif@v4",
        "test_every_workflow_may_only_read_and_takes_nothing_by_a_tag",
    ),
    workflows(
        "no audit without a change",
        "  schedule:\n    - cron:",
        "  workflow_dispatch:\n  # - cron:",
        "test_a_workflow_runs_its_targets_and_nothing_else",
    ),
    workflows(
        "a known vulnerability is no failure",
        "        run: make vulnerabilities\n",
        "        run: make vulnerabilities\n        continue-on-error: true\n",
        "test_a_workflow_runs_its_targets_and_nothing_else",
    ),
    workflows(
        "CI may write",
        "permissions: {}",
        "permissions: write-all",
        "test_every_workflow_may_only_read_and_takes_nothing_by_a_tag",
        file=".github/workflows/ci.yml",
    ),
    workflows(
        "CI takes an action by its tag",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
        "actions/checkout@v7",
        "test_every_workflow_may_only_read_and_takes_nothing_by_a_tag",
        file=".github/workflows/ci.yml",
    ),
    workflows(
        "code of forks runs with our permissions",
        "  pull_request:\n",
        "  pull_request_target:\n",
        "test_every_workflow_may_only_read_and_takes_nothing_by_a_tag",
        file=".github/workflows/ci.yml",
    ),
    workflows(
        "a removed secret is not looked for",
        "          fetch-depth: 0 # the whole history: a removed secret is still in it\n",
        "",
        "test_a_workflow_runs_its_targets_and_nothing_else",
    ),
    workflows(
        "the token stays in the folder",
        "persist-credentials: false\n          fetch-depth: 0",
        "persist-credentials: true\n          fetch-depth: 0",
        "test_every_workflow_may_only_read_and_takes_nothing_by_a_tag",
    ),
    workflows(
        "an update of an action on its first day",
        f"{ACTIONS}    cooldown:\n      default-days: 7\n",
        ACTIONS,
        "test_updates_come_every_week_for_everything_and_are_a_week_old",
    ),
    lock(
        "a package without its hash",
        "bleach==6.4.0 \\\n",
        "bleach-extras==0.0.1\nbleach==6.4.0 \\\n",
        "test_the_lock_pins_every_package_by_version_and_hash",
    ),
    lock(
        "another version than the one that was audited",
        "bleach==6.4.0 \\\n",
        "bleach==6.3.0 \\\n",
        "test_production_starts_when_all_is_well",
    ),
    errors(
        "an error page shows the exception",
        'InternalServerError("An unexpected error occurred. It has been logged.")',
        "InternalServerError(repr(error))",
        "test_no_route_shows_an_exception",
    ),
    errors(
        "an error page shows the statement",
        'ServiceUnavailable("The database does not respond. Please try again shortly.")',
        "ServiceUnavailable(str(error))",
        "test_the_cause_is_in_the_log_alone",
    ),
    errors(
        "an error is not logged",
        '    current_app.logger.error("unexpected error", exc_info=error)\n',
        "",
        "test_the_cause_is_in_the_log_alone",
    ),
    errors(
        "unexpected errors are Flask's",
        "    app.register_error_handler(Exception, unexpected)\n",
        "",
        "test_no_route_shows_an_exception",
    ),
    errors(
        "debug mode starts in production",
        'for name in ("DEBUG", "TESTING",',
        'for name in ("TESTING",',
        "test_start_up_refuses_debug_mode",
    ),
    errors(
        "debug mode is switched on",
        "        SECRET_KEY=settings.secret_key.reveal(),\n",
        "        SECRET_KEY=settings.secret_key.reveal(),\n        DEBUG=True,\n",
        "test_no_route_shows_an_exception",
    ),
    errors(
        "a forged host is repeated",
        "        return HOST_REFUSED\n",
        "        return error.description\n",
        "test_an_unknown_host_is_refused_on_every_route",
    ),
    errors(
        "a lost update is an error 500",
        "    app.register_error_handler(StaleDataError, changed_meanwhile)\n",
        "",
        "test_every_error_has_its_format_and_the_request_id",
    ),
    logs(
        "secrets are logged by their name",
        "name: REDACTED if is_secret(name) else value",
        "name: value",
        "test_a_field_whose_name_promises_a_secret_is_blanked",
    ),
    logs(
        "the old keys are logged",
        "    keys = settings.secret_key, *settings.secret_key_fallbacks\n",
        "    keys = (settings.secret_key,)\n",
        "test_the_keys_are_blanked_wherever_they_occur",
    ),
    logs(
        "a line break gets into a line",
        "json.dumps(entry, default=str)",
        "json.dumps(entry, default=str, ensure_ascii=False)",
        "test_no_input_starts_a_line_of_its_own",
    ),
    logs(
        "any request id is believed",
        "sent if REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)",
        "sent or secrets.token_hex(16)",
        "test_a_well_formed_request_id_is_kept",
    ),
    logs(
        "the query is logged",
        'environ.get("PATH_INFO", ""),',
        'environ.get("PATH_INFO", "") + "?" + environ.get("QUERY_STRING", ""),',
        "test_a_whole_visit_leaves_no_secret_in_the_log",
    ),
    logs(
        "the address is logged",
        'security_event("authn_login_fail", account=user.id if user else None)',
        'security_event("authn_login_fail", account=email)',
        "test_a_whole_visit_leaves_no_secret_in_the_log",
    ),
    logs(
        "a failed sign-in is not logged",
        '        security_event("authn_login_fail", account=user.id if user else None)\n',
        "",
        "test_every_security_event_is_logged",
    ),
    logs(
        "Nginx logs the query",
        '"path":"$sent_path"',
        '"path":"$request_uri"',
        "test_the_log_holds_no_query_and_no_forged_line",
    ),
    logs(
        "Nginx does not escape",
        "log_format json escape=json",
        "log_format json escape=none",
        "test_the_log_holds_no_query_and_no_forged_line",
    ),
    logs(
        "the log goes to another system in plain",
        "URL=https://logs.example.com:19532",
        "URL=http://logs.example.com:19532",
        "test_the_sender_trusts_one_authority_and_shows_its_certificate",
    ),
    logs(
        "the log goes to whoever poses as the other system",
        "journal-upload.service/key.pem\nServerCertificateFile=/etc/ssl/logs/certificate.pem\n"
        "TrustedCertificateFile=/etc/ssl/logs/ca.pem\n",
        "journal-upload.service/key.pem\nServerCertificateFile=/etc/ssl/logs/certificate.pem\n"
        "TrustedCertificateFile=all\n",
        "test_the_sender_trusts_one_authority_and_shows_its_certificate",
    ),
    logs(
        "anybody writes the log on the other system",
        "ssl_verify_client on;",
        "ssl_verify_client optional;",
        "test_the_other_system_lets_in_hosts_of_the_authority_alone",
    ),
    logs(
        "an outage of seconds ends the log for good",
        "StartLimitIntervalSec=0\n",
        "",
        "test_an_outage_of_the_other_system_does_not_end_the_log",
        answers={"deployment": "systemd"},
    ),
    logs(
        "a flood of one container hides what the others log",
        "LogRateLimitIntervalSec=0\n",
        "",
        "test_the_flood_of_one_container_drops_no_line_of_another",
        answers={"deployment": "kubernetes"},
    ),
    secret_key(
        "a short key is good enough",
        "MIN_KEY_LENGTH = 43",
        "MIN_KEY_LENGTH = 16",
        "test_a_guessable_key_is_refused",
    ),
    secret_key(
        "a key from a tutorial is good enough",
        " or _consists_of_words(key)",
        "",
        "test_a_guessable_key_is_refused",
    ),
    secret_key(
        "old keys may be weak",
        'for it in (app.secret_key, *app.config["SECRET_KEY_FALLBACKS"])]',
        "for it in (app.secret_key,)]",
        "test_a_guessable_key_is_refused",
    ),
    headers(
        "a file is kept for a year under any version",
        'own = request.args.get("v") == _version(digest)',
        'own = "v" in request.args',
        "test_a_static_file_is_kept_under_its_version_alone",
    ),
    headers(
        "the hash of a file is the one that it had at first",
        "digest = sha384(Path(str(path)).read_bytes()).digest()",
        "digest = current_app.config.setdefault(path, sha384(Path(path).read_bytes()).digest())",
        "test_another_version_s_file_is_not_kept",
    ),
    security_txt(
        "nobody learns where to report",
        '    app.add_url_rule("/.well-known/security.txt", "security_txt", security_txt)\n',
        "",
        "test_security_txt_says_where_to_report",
    ),
    security_txt(
        "the file has expired",
        "(now() + EXPIRES_AFTER)",
        "(now() - EXPIRES_AFTER)",
        "test_security_txt_says_where_to_report",
    ),
    security_txt(
        "any text is a contact",
        'if not app.config["SETTINGS"].security_contact.startswith(("mailto:", "https://")):',
        'if not app.config["SETTINGS"].security_contact:',
        "test_a_contact_that_nobody_can_use_is_refused",
    ),
    secret_key(
        "the settings show the key",
        "            secret_key=Secret(secret_key),\n",
        "            secret_key=secret_key,\n",
        "test_repr_shows_no_secret",
    ),
    secret_key(
        "an account shows its hash",
        'return f"<User {self.id}>"',
        'return f"<User {self.id} {self.password_hash}>"',
        "test_repr_shows_no_secret",
    ),
    headers(
        "caches keep personal pages",
        '    "Cache-Control": "no-store",\n',
        '    "Cache-Control": "private",\n',
        "test_no_response_is_kept_but_static_files",
    ),
    secret_key(
        "everybody on the machine reads the database",
        "path.touch(mode=0o600)",
        "path.touch()",
        "test_no_file_is_ever_readable_by_others",
    ),
    secret_key(
        "the secrets are committed",
        ".env\n.env.*\n",
        ".env.*\n",
        "test_git_leaves_out_what_is_secret",
    ),
]
