"""systemd: units, and what the scripts write and run on the host.

Written from the sources alone, before the tests."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

systemd = partial(Defect, "systemd", answers={"deployment": "systemd"})
postgresql = partial(systemd, answers={"deployment": "systemd", "database": "postgresql"})
oidc = partial(systemd, answers={"deployment": "systemd", "auth": "oidc"})

DEFECTS = [
    systemd(
        "files that everybody reads",
        "UMask=0077\n",
        "",
        "test_the_restrictions_of_all_units_match_the_policy",
        file="deploy/systemd/hardening.conf",
    ),
    systemd(
        "core dumps",
        "LimitCORE=0\n",
        "",
        "test_the_restrictions_of_all_units_match_the_policy",
        file="deploy/systemd/hardening.conf",
    ),
    systemd(
        "new namespaces",
        "RestrictNamespaces=yes\n",
        "",
        "test_the_restrictions_of_all_units_match_the_policy",
        file="deploy/systemd/hardening.conf",
    ),
    systemd(
        "other processes",
        "ProtectProc=invisible\n",
        "",
        "test_the_restrictions_of_all_units_match_the_policy",
        file="deploy/systemd/hardening.conf",
    ),
    systemd(
        "devices",
        "PrivateDevices=yes\n",
        "",
        "test_the_restrictions_of_all_units_match_the_policy",
        file="deploy/systemd/hardening.conf",
    ),
    systemd(
        "the system is writable but for etc",
        "ProtectSystem=strict",
        "ProtectSystem=full",
        "test_the_restrictions_of_all_units_match_the_policy",
        file="deploy/systemd/hardening.conf",
    ),
    systemd(
        "a capability stays",
        "CapabilityBoundingSet=\n",
        "CapabilityBoundingSet=CAP_NET_ADMIN\n",
        "test_the_restrictions_of_all_units_match_the_policy",
        file="deploy/systemd/hardening.conf",
    ),
    systemd(
        "foreign calls of the kernel",
        "SystemCallArchitectures=native\n",
        "",
        "test_the_restrictions_of_all_units_match_the_policy",
        file="deploy/systemd/hardening.conf",
    ),
    systemd(
        "a unit takes a restriction back",
        "PrivateUsers=yes\n",
        ("PrivateUsers=yes\nProtectHome=no\n"),
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-backup.service",
    ),
    systemd(
        "gunicorn runs as root",
        "Type=notify\nUser=",
        "Type=notify\n#User=",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    systemd(
        "gunicorn starts with full privileges",
        "ExecStart=/opt",
        "ExecStart=+/opt",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    systemd(
        "the service reaches the backups",
        "InaccessiblePaths=",
        "#InaccessiblePaths=",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    systemd(
        "Redis may send packets",
        "IPAddressDeny=any\n",
        "",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-redis.service",
    ),
    systemd(
        "the backup may make privileged calls",
        "SystemCallFilter=~@privileged @resources\n",
        "",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-backup.service",
    ),
    systemd(
        "the migration may make any call",
        "SystemCallFilter=@system-service\n",
        "",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-migrate.service",
    ),
    systemd(
        "users of another group connect",
        "SocketGroup=www-data",
        "SocketGroup=users",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.socket",
    ),
    systemd(
        "everybody connects to Redis",
        "--unixsocketperm 770",
        "--unixsocketperm 777",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "everybody enters the folder of Redis",
        "RuntimeDirectoryMode=0750",
        "RuntimeDirectoryMode=0755",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "Redis listens on a port",
        "--port 0",
        "--port 6379",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "a flood evicts counters",
        "--maxmemory-policy noeviction",
        "--maxmemory-policy allkeys-lru",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "Redis without a limit of memory",
        "MemoryMax=128M\n",
        "",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "the service without a limit of processes",
        "TasksMax=128\n",
        "",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "the key is a variable",
        "LoadCredential=SECRET_KEY:",
        ("Environment=SECRET_KEY=3f2a9c7e5b1d4860a2c4e6f8091b3d5f\nLoadCredential=SECRET_KEY:"),
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    systemd(
        "the migration gets old keys",
        "LoadCredential=SECRET_KEY:",
        (
            "LoadCredential=SECRET_KEY_FALLBACKS:/etc/{slug}/credentials/SECRET_KEY_FALLBACKS\n"
            "LoadCredential=SECRET_KEY:"
        ),
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-migrate.service",
    ),
    systemd(
        "everybody reads the data",
        "StateDirectoryMode=0700",
        "StateDirectoryMode=0755",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    systemd(
        "the service owns its code",
        'chmod -R u=rwX,go=rX "$release"',
        'chmod -R u=rwX,go=rX "$release"\n    chown -R "$user" "$release"',
        "test_installed_files_have_the_allowed_owners_and_modes",
    ),
    systemd(
        "code keeps the modes of the checkout",
        '    chmod -R u=rwX,go=rX "$release"\n',
        "",
        "test_installed_files_have_the_allowed_owners_and_modes",
    ),
    systemd(
        "code keeps its owner",
        "--no-same-owner ",
        "",
        "test_a_release_is_the_code_and_nothing_else",
        file="deploy/systemd/release.sh",
    ),
    systemd(
        "packages without hashes",
        "--disable-pip-version-check --require-hashes \\\n",
        "--disable-pip-version-check \\\n",
        "test_a_release_is_the_code_and_nothing_else",
        file="deploy/systemd/release.sh",
    ),
    systemd(
        "the development settings are installed",
        "-cf - app deploy",
        "-cf - .env app deploy",
        "test_installed_files_have_the_allowed_owners_and_modes",
    ),
    systemd(
        "everybody enters the folder of credentials",
        'install -d -m 0700 "$config/credentials"',
        'install -d -m 0755 "$config/credentials"',
        "test_installed_files_have_the_allowed_owners_and_modes",
    ),
    systemd(
        "everybody enters the folder of backups",
        'install -d -m 0700 -o "$migrator"',
        'install -d -m 0755 -o "$migrator"',
        "test_installed_files_have_the_allowed_owners_and_modes",
    ),
    systemd(
        "everybody reads a new credential",
        "(umask 077 && printf '%s' \"${2",
        "(printf '%s' \"${2",
        "test_installed_files_have_the_allowed_owners_and_modes",
        file="deploy/systemd/host.sh",
    ),
    systemd(
        "short keys",
        "token_urlsafe(48)",
        "token_urlsafe(8)",
        "test_no_secret_is_shown",
        file="deploy/systemd/host.sh",
    ),
    systemd(
        "everybody reads the key of the certificate",
        'install -m 0600 "$lineage/privkey.pem"',
        'install -m 0644 "$lineage/privkey.pem"',
        "test_only_nginx_gets_a_new_certificate",
    ),
    systemd(
        "the service before the migration",
        '    say "Migrating the database"\n',
        ('    restart\n    say "Migrating the database"\n'),
        "test_the_migration_is_before_the_service",
    ),
    systemd(
        "no backup before the migration",
        (
            '        run_flask "$migrator" db backup "$backups/update" </dev/null ||\n'
            "            die"
        ),
        "        true ||\n            die",
        "test_an_update_has_a_backup_from_before_its_migration",
    ),
    systemd(
        "commands write for everybody",
        " --property=UMask=0077 \\\n",
        " \\\n",
        "test_a_command_runs_as_the_user_for_it",
    ),
    systemd(
        "commands for the database as root",
        "db) as=$migrator ;;",
        "db) as=root ;;",
        "test_a_command_runs_as_the_user_for_it",
    ),
    systemd(
        "units without restrictions",
        (
            '            *.service) install -D -m 0644 "$here/hardening.conf" '
            '"$1/$name.d/hardening.conf" ;;\n'
        ),
        "            *) ;;\n",
        "test_every_unit_has_its_restrictions",
    ),
    systemd(
        "the forwarder listens for everybody",
        "ListenStream=127.0.1.1:443",
        "ListenStream=0.0.0.0:443",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "the forwarder listens on the host",
        "PrivateNetwork=yes\n",
        "",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-outside@.socket",
    ),
    systemd(
        "the forwarder runs as root",
        "DynamicUser=yes\n",
        "",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-outside@.service",
    ),
    systemd(
        "the certificate's unit writes all settings",
        "ReadWritePaths=/etc/ssl/{slug} /var/www/acme",
        "ReadWritePaths=/etc /var/www/acme",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "a backup each month",
        "OnCalendar=daily",
        "OnCalendar=monthly",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "ready without its database",
        '"GET", "/readyz"',
        '"GET", "/healthz"',
        "test_a_release_without_its_database_is_not_ready",
    ),
    systemd(
        "the backup is a shell",
        ("ExecStart=/opt/{slug}/current/.venv/bin/python -m flask --app wsgi db backup --keep 14"),
        (
            "ExecStart=/bin/sh -c 'cd /opt/{slug}/current && .venv/bin/python -m flask --app "
            "wsgi db backup --keep 14'"
        ),
        "test_each_unit_matches_the_policy",
    ),
    postgresql(
        "the service gets the migrator's role",
        "LoadCredential=DATABASE_URL:",
        (
            "LoadCredential=MIGRATION_DATABASE_URL:/etc/{slug}/credentials/MIGRATION_DATABASE_URL"
            "\n"
            "LoadCredential=DATABASE_URL:"
        ),
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    postgresql(
        "a command of the service gets the migrator's role",
        '            "$user/MIGRATION_DATABASE_URL:"* | "$user/MAIL',
        '            "$user/MAIL',
        "test_a_command_runs_as_the_user_for_it",
    ),
    postgresql(
        "the mail process gets the role of the app",
        "LoadCredential=MAIL_DATABASE_URL:/etc/{slug}/credentials/MAIL_DATABASE_URL\n",
        "LoadCredential=DATABASE_URL:/etc/{slug}/credentials/DATABASE_URL\n",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-mail.service",
    ),
    postgresql(
        "at the socket the mail process is the app",
        "User={slug}-mail\nGroup={slug}-mail",
        "User={slug}\nGroup={slug}",
        "test_each_unit_matches_the_policy",
    ),
    postgresql(
        "the migration as the service's user",
        "User={slug}-migrator\nGroup={slug}-migrator",
        "User={slug}\nGroup={slug}",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-migrate.service",
    ),
    postgresql(
        "the administrator on a command line",
        "    options=--property=LoadCredential=ADMIN_DATABASE_URL:$scratch/admin\n",
        "    options=--setenv=ADMIN_DATABASE_URL=$admin\n",
        "test_the_database_is_created_by_its_administrator_alone",
    ),
    postgresql(
        "everybody reads the administrator's password",
        '(umask 077 && say "$admin" >"$scratch/admin")',
        'say "$admin" >"$scratch/admin"',
        "test_no_secret_is_shown",
    ),
    postgresql(
        "the temporary password stays",
        '--command "ALTER ROLE \\"$migrator\\" PASSWORD NULL"',
        '--command "SELECT 1"',
        "test_the_database_is_created_by_its_administrator_alone",
    ),
    oidc(
        "the service connects to any address",
        "IPAddressAllow=localhost\n",
        "IPAddressAllow=any\n",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    oidc(
        "the client secret among the settings",
        "    env | grep '^OIDC_' | grep -v '^OIDC_CLIENT_SECRET'\n",
        "    env | grep '^OIDC_'\n",
        "test_no_secret_is_shown",
    ),
    systemd(
        "the service has the password of the mail server",
        "LoadCredential=DATABASE_URL:/etc/{slug}/credentials/DATABASE_URL\n",
        "LoadCredential=DATABASE_URL:/etc/{slug}/credentials/DATABASE_URL\n"
        "LoadCredential=MAIL_URL:/etc/{slug}/credentials/MAIL_URL\n",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app.service",
    ),
    systemd(
        "what sends mail has the network of the host",
        "PrivateNetwork=yes\n",
        "",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-mail.service",
    ),
    systemd(
        "the service and the mails share a user namespace",
        "PrivateUsers=yes\n",
        "",
        "test_each_unit_matches_the_policy",
        file="deploy/systemd/app-mail.service",
    ),
    systemd(
        "the mail server is in the network of the service",
        "JoinsNamespaceOf={slug}-mail.service\n",
        "JoinsNamespaceOf={slug}.service\n",
        "test_each_unit_matches_the_policy",
    ),
    systemd(
        "the service gets the forwarders of mail",
        '"$forwarders" "$slug" "$slug-migrate" "$slug-backup"',
        '"$forwarders $mail_forwarders" "$slug" "$slug-migrate" "$slug-backup"',
        "test_a_connection_outside_is_one_forwarder",
    ),
    systemd(
        "what sends mail keeps the old key after a restart of the service",
        "PartOf={slug}.service\n",
        "",
        "test_the_mail_process_runs_whenever_the_service_runs",
    ),
    systemd(
        "what sends mail stays dead",
        "Restart=always\n",
        "Restart=no\n",
        "test_the_mail_process_runs_whenever_the_service_runs",
        file="deploy/systemd/app-mail.service",
    ),
    systemd(
        "nobody notices a mail process that hangs",
        "WatchdogSec=15min\n",
        "",
        "test_the_mail_process_runs_whenever_the_service_runs",
    ),
    systemd(
        "a mail is cut off while it is sent",
        "TimeoutStopSec=90\n",
        "TimeoutStopSec=10\n",
        "test_the_mail_process_runs_whenever_the_service_runs",
    ),
    systemd(
        "a release does not start the mail process",
        'ready.py" &&\n        systemctl start "$slug-mail.service" # waits until it runs\n',
        'ready.py"\n',
        "test_the_migration_is_before_the_service",
    ),
    systemd(
        "the password of the mail server is on a command line",
        '"$outside" mail <"$config/credentials/MAIL_URL")',
        '"$outside" mail "$(cat "$config/credentials/MAIL_URL")" <"$config/credentials/MAIL_URL")',
        "test_no_secret_is_shown",
    ),
    systemd(
        "commands of the operator get the password of the mail server",
        "            */MAIL_URL:*) ;; # only for the unit that sends mail\n",
        "",
        "test_a_command_runs_as_the_user_for_it",
    ),
    systemd(
        "systemd is not told that the mail process runs",
        'systemd.sendto(b"READY=1\\nWATCHDOG=1", str(heartbeat))',
        'systemd.sendto(b"READY=1", str(heartbeat))',
        "test_systemd_is_told_that_it_runs",
    ),
    systemd(
        "mails are written into files in production",
        "    if settings.production and not settings.mail.url:\n",
        "    if settings.production and settings.mail.url is None:\n",
        "test_the_process_that_sends_needs_a_mail_server",
    ),
    systemd(
        "a setting is the code that Python runs first",
        'say "DOMAIN_NAME=$domain"\n',
        'say "DOMAIN_NAME=$domain"\n        say "PYTHONPATH=/tmp"\n',
        "test_settings_are_for_the_service_alone",
        file="deploy/systemd/host.sh",
    ),
]
