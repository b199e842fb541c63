"""Docker: containers, images, and what the scripts of Docker Compose write and run.

Written from the sources alone, before the tests."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

docker = partial(Defect, "docker")
postgresql = partial(docker, answers={"database": "postgresql"})
mysql = partial(docker, answers={"database": "mysql"})
oidc = partial(docker, answers={"auth": "oidc"})

RELEASE_TEST = "test_images_not_signed_by_the_release_workflow_are_refused"

DEFECTS = [
    docker(
        "Nginx runs as root",
        '"10001:10001"\n    networks: [edge]',
        '"0:0"\n    networks: [edge]',
        "test_each_container_matches_the_policy",
    ),
    docker(
        "Nginx is privileged",
        "    stop_grace_period: 40s\n",
        ("    stop_grace_period: 40s\n    privileged: true\n"),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "certbot sees all processes of the host",
        "    networks: [authority]\n",
        ("    networks: [authority]\n    pid: host\n"),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "certbot gets the key of the app",
        "    networks: [authority]\n",
        ("    networks: [authority]\n    secrets: [SECRET_KEY]\n"),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "certbot gets a capability back",
        "    networks: [authority]\n",
        ("    networks: [authority]\n    cap_add: [NET_RAW]\n"),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the app is on the network of Nginx",
        ('gunicorn.sh, app-1]\n    user: "10001:10001"\n    network_mode: none\n'),
        ('gunicorn.sh, app-1]\n    user: "10001:10001"\n    networks: [edge]\n'),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "Valkey is the latest",
        (
            "valkey/valkey:8.1@sha256:640c5e62cea04b6d6f2084232651d0cc70362d31f4f805e7be94dbed685"
            "5e8f2"
        ),
        "valkey/valkey:latest",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the check of Valkey always succeeds",
        "[CMD, valkey-cli, -s, /run/valkey/valkey.sock, ping]",
        '[CMD, "true"]',
        "test_each_container_matches_the_policy",
    ),
    docker(
        "an instance is healthy without its database",
        '/readyz, "unix:/run/{slug}/app-1.sock"',
        '/, "unix:/run/{slug}/app-1.sock"',
        "test_each_container_matches_the_policy",
    ),
    docker(
        "no backup for months, and healthy",
        "succeeded -mmin -1500 |",
        "succeeded -mmin -150000 |",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the backup takes all memory",
        ("    mem_limit: 512m\n    memswap_limit: 512m\n"),
        "",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "Valkey may start any number of processes",
        "    pids_limit: 32\n",
        "",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "Valkey writes its root",
        ("start_interval: 1s\n    restart: unless-stopped\n    read_only: true\n"),
        ("start_interval: 1s\n    restart: unless-stopped\n"),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "Nginx may replace the certificate",
        "certificates:/srv/certificates:ro",
        "certificates:/srv/certificates",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "Nginx sees the data",
        "      - acme:/var/www/acme:ro\n",
        ("      - acme:/var/www/acme:ro\n      - data:/srv/data\n"),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the app sees the backups",
        (
            "gunicorn.sh, app-2]\n"
            '    user: "10001:10001"\n'
            "    network_mode: none\n"
            "    environment: *environment\n"
            "    env_file: *settings\n"
            "    secrets: *app_secrets\n"
            "    volumes: ["
        ),
        (
            "gunicorn.sh, app-2]\n"
            '    user: "10001:10001"\n'
            "    network_mode: none\n"
            "    environment: *environment\n"
            "    env_file: *settings\n"
            "    secrets: *app_secrets\n"
            '    volumes: ["backups:/srv/app/backups", '
        ),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the data is a folder of the host",
        ("\nvolumes:\n  data:\n"),
        ("\nvolumes:\n  data: { driver_opts: { type: none, o: bind, device: /srv } }\n"),
        "test_only_workloads_of_the_policy_run",
    ),
    docker(
        "programs run from tmp",
        '"/tmp:rw,noexec,nosuid,nodev,size=64m,mode=1777"]',
        '"/tmp:rw,size=64m,mode=1777"]',
        "test_each_container_matches_the_policy",
    ),
    docker(
        "everybody enters the folder of Valkey's socket",
        ('valkey-socket:\n    driver_opts: { type: tmpfs, device: tmpfs, o: "size=1m,mode=0700'),
        ('valkey-socket:\n    driver_opts: { type: tmpfs, device: tmpfs, o: "size=1m,mode=0777'),
        "test_only_workloads_of_the_policy_run",
    ),
    docker(
        "everybody connects to Valkey",
        "--unixsocketperm 700",
        "--unixsocketperm 777",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "Valkey listens on a port",
        "--port 0",
        "--port 6379",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "a flood evicts counters",
        "--maxmemory-policy noeviction",
        "--maxmemory-policy allkeys-lru",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "everybody enters the folder of secrets",
        "chmod 0700 secrets",
        "chmod 0755 secrets",
        "test_only_the_operator_enters_the_folder_of_secrets",
    ),
    docker(
        "secrets of eight bytes",
        "head -c 48 /dev/urandom",
        "head -c 8 /dev/urandom",
        "test_only_the_operator_enters_the_folder_of_secrets",
    ),
    docker(
        "the migration before the backup",
        (
            "docker compose run --rm --no-deps backup \\\n"
            "    sh -c 'rm -f backups/update && flask db backup backups/update && "
            "{ [ ! -e backups/before-update ] || mv backups/before-update "
            "backups/before-update-older; } && mv backups/update backups/before-update'\n"
            "# In a session of its own: Ctrl-C does not reach it.\n"
            "setsid docker compose run --rm --no-deps --no-TTY migrate\n"
        ),
        (
            "# In a session of its own: Ctrl-C does not reach it.\n"
            "setsid docker compose run --rm --no-deps --no-TTY migrate\n"
            "docker compose run --rm --no-deps backup \\\n"
            "    sh -c 'rm -f backups/update && flask db backup backups/update && "
            "{ [ ! -e backups/before-update ] || mv backups/before-update "
            "backups/before-update-older; } && mv backups/update backups/before-update'\n"
        ),
        "test_a_deployment_is_these_steps",
    ),
    docker(
        "no backup before the migration",
        (
            "docker compose run --rm --no-deps backup \\\n"
            "    sh -c 'rm -f backups/update && flask db backup backups/update && "
            "{ [ ! -e backups/before-update ] || mv backups/before-update "
            "backups/before-update-older; } && mv backups/update backups/before-update'\n"
        ),
        "",
        "test_a_deployment_is_these_steps",
    ),
    docker(
        "the key on a command line",
        "docker compose run --rm create",
        'docker compose run --rm --env SECRET_KEY="$(cat secrets/SECRET_KEY)" create',
        "test_a_deployment_is_these_steps",
    ),
    docker(
        "a deployment goes on after a failure",
        ('set -eu\ncd "$(dirname "$0")/../.."\n[ -x'),
        'cd "$(dirname "$0")/../.."\n[ -x',
        "test_a_step_that_fails_is_the_last",
    ),
    docker(
        "packages without hashes",
        "        --require-hashes --only-binary",
        "        --only-binary",
        "test_each_stage_contains_only_reviewed_settings",
        file="Dockerfile",
    ),
    docker(
        "the service owns its code",
        "COPY app app\n",
        "COPY --chown=10001:10001 app app\n",
        "test_each_stage_contains_only_reviewed_settings",
    ),
    docker(
        "everybody may write the code",
        "RUN chmod -R u=rwX,go=rX . ",
        "RUN chmod -R a+rwX . ",
        "test_each_stage_contains_only_reviewed_settings",
    ),
    docker(
        "the key in a layer",
        "COPY wsgi.py",
        ("ARG SECRET_KEY\nENV SECRET_KEY=$SECRET_KEY\nCOPY wsgi.py"),
        "test_each_stage_contains_only_reviewed_settings",
    ),
    docker(
        "a compiler in the image of Nginx",
        "nginx-light openssl",
        "nginx-light openssl build-essential",
        "test_each_stage_contains_only_reviewed_settings",
        file="Dockerfile",
    ),
    docker(
        "set-uid programs stay",
        "RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} + \\\n    && groupadd",
        "RUN groupadd",
        "test_each_stage_contains_only_reviewed_settings",
    ),
    docker(
        "the builder gets all of deploy",
        "!deploy/container\n",
        "!deploy\n",
        "test_only_listed_files_get_into_an_image",
    ),
    docker(
        "the image is healthy without its database",
        '"deploy/container/healthcheck.py", "/readyz"',
        '"deploy/container/healthcheck.py", "/"',
        "test_each_stage_contains_only_reviewed_settings",
    ),
    docker(
        "core dumps",
        "&ulimits { core: 0 }",
        "&ulimits { core: -1 }",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the app is in development",
        "APP_ENV: production",
        "APP_ENV: development",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the key is a variable",
        "    APP_ENV: production\n",
        ("    APP_ENV: production\n    SECRET_KEY: 3f2a9c7e5b1d4860a2c4e6f8091b3d5f\n"),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the app starts without the migration",
        "migrate: { condition: service_completed_successfully }\n    valkey",
        "migrate: { condition: service_started }\n    valkey",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "logs fill the disk",
        'options: { max-size: 10m, max-file: "5" }',
        "options: { }",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "everybody reads the key of the certificate",
        'chmod 0640 "$certificates',
        'chmod 0644 "$certificates',
        "test_only_the_group_can_read_a_new_certificate",
    ),
    docker(
        "Nginx's script has no umask",
        ("interval=10 # seconds\numask 077\n"),
        "interval=10 # seconds\n",
        "test_only_nginx_can_read_its_key",
    ),
    docker(
        "everybody connects to the app",
        "umask = 0o117\n",
        "umask = 0\n",
        "test_gunicorn_settings_match_the_policy",
    ),
    postgresql(
        "the app may change tables",
        ("&app_secrets\n    - SECRET_KEY\n    - SECRET_KEY_FALLBACKS\n"),
        (
            "&app_secrets\n"
            "    - SECRET_KEY\n"
            "    - SECRET_KEY_FALLBACKS\n"
            "    - MIGRATION_DATABASE_URL\n"
        ),
        "test_each_container_matches_the_policy",
    ),
    postgresql(
        "the migration gets the administrator",
        "&migrator_secrets # of the containers that change tables or write backups\n",
        ("&migrator_secrets\n    - ADMIN_DATABASE_URL\n"),
        "test_each_container_matches_the_policy",
    ),
    postgresql(
        "the mail process gets the role of the app",
        "      - MAIL_DATABASE_URL\n      - MAIL_URL\n",
        "      - DATABASE_URL\n      - MAIL_URL\n",
        "test_each_container_matches_the_policy",
    ),
    postgresql(
        "the mail process gets the role of the app as well",
        "      - MAIL_DATABASE_URL\n      - MAIL_URL\n",
        "      - MAIL_DATABASE_URL\n      - DATABASE_URL\n      - MAIL_URL\n",
        "test_each_container_matches_the_policy",
    ),
    postgresql(
        "a rotation forgets the role of the mail process",
        "secrets/MIGRATION_DATABASE_URL secrets/MAIL_DATABASE_URL\n",
        "secrets/MIGRATION_DATABASE_URL\n",
        "test_the_passwords_of_all_roles_are_rotated",
    ),
    postgresql(
        "the database asks for no password",
        "--auth-local=scram-sha-256",
        "--auth-local=trust",
        "test_each_container_matches_the_policy",
    ),
    postgresql(
        "the database listens",
        'listen_addresses="',
        'listen_addresses=*"',
        "test_each_container_matches_the_policy",
    ),
    mysql(
        "the database listens on all addresses",
        "[mariadbd, --skip-networking, ",
        "[mariadbd, ",
        "test_each_container_matches_the_policy",
    ),
    mysql(
        "its root comes from anywhere",
        "MARIADB_ROOT_HOST: localhost",
        'MARIADB_ROOT_HOST: "%"',
        "test_each_container_matches_the_policy",
    ),
    oidc(
        "instances reach each other",
        'enable_icc: "false"',
        'enable_icc: "true"',
        "test_only_workloads_of_the_policy_run",
    ),
    oidc(
        "everybody gets the client secret",
        "&migrator_secrets # of the containers that change tables or write backups\n",
        ("&migrator_secrets\n    - SECRET_KEY_FALLBACKS\n"),
        "test_each_container_matches_the_policy",
    ),
    docker(
        "what sends mail is on the network of Nginx",
        "    networks: [mail]\n",
        "    networks: [mail, edge]\n",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "what sends mail reaches the sockets of the app",
        "    networks: [mail]\n",
        "    networks: [mail]\n    volumes_from: [nginx]\n",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the app has the password of the mail server",
        "  secrets: &app_secrets\n",
        "  secrets: &app_secrets\n    - MAIL_URL\n",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "the password of the mail server is a variable",
        "    networks: [mail]\n    environment: *environment\n",
        "    networks: [mail]\n    environment: { MAIL_URL: $MAIL_URL }\n",
        "test_a_secret_is_a_file",
    ),
    docker(
        "what sends mail may write everywhere",
        "    stop_grace_period: 90s # the mail server may take 60 to answer\n"
        "    restart: unless-stopped\n"
        "    read_only: true\n",
        "    stop_grace_period: 90s\n    restart: unless-stopped\n",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "what sends mail stays dead",
        "    stop_grace_period: 90s # the mail server may take 60 to answer\n"
        "    restart: unless-stopped\n",
        '    stop_grace_period: 90s\n    restart: "no"\n',
        "test_each_container_matches_the_policy",
    ),
    docker(
        "a mail is cut off while it is sent",
        "    stop_grace_period: 90s # the mail server may take 60 to answer\n",
        "    stop_grace_period: 10s\n",
        "test_a_mail_that_is_being_sent_comes_to_its_end",
    ),
    docker(
        "a mail process that hangs is healthy",
        "find /tmp/heartbeat -mmin -15 | grep -q .",
        "find /tmp/heartbeat -mmin -15",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "an update leaves the old mail process",
        "    for instance in mail app-1 app-2; do\n",
        "    for instance in app-1 app-2; do\n",
        "test_a_deployment_is_these_steps",
    ),
    docker(
        "mails under a new key meet a process that does not know it",
        "    for instance in mail app-1 app-2; do\n",
        "    for instance in app-1 app-2 mail; do\n",
        "test_a_deployment_is_these_steps",
    ),
    docker(
        "any text is a mail server",
        "    MAIL_URL=smtp://?* | MAIL_URL=smtps://?*) ;;\n",
        "    MAIL_URL=?*) ;;\n",
        "test_nothing_is_deployed_without_a_mail_server",
    ),
    docker(
        "a release that another branch has signed",
        '--certificate-identity "$workflow@refs/tags/$tag"',
        '--certificate-identity-regexp "^$workflow@"',
        "test_a_genuine_release_is_pulled_by_its_digests",
    ),
    docker(
        "a release of a tag that was moved",
        '--certificate-github-workflow-sha "$head" "$1"',
        '"$1"',
        "test_a_genuine_release_is_pulled_by_its_digests",
    ),
    docker(
        "a release whose signature is not valid",
        'signed "$image" || fail "',
        'signed "$image" || echo "',
        RELEASE_TEST,
    ),
    docker(
        "a release of another commit",
        'if [ "$revision" != "$head" ]; then',
        'if [ -z "$revision" ]; then',
        RELEASE_TEST,
    ),
    docker(
        "a release by its tag",
        "/$target@sha256:[0-9a-f]{64}",
        "/$target(:[a-z0-9.]+|@sha256:[0-9a-f]{64})",
        "test_a_release_is_one_digest_for_each_image",
    ),
    docker(
        "a release is signed by its tag",
        'cosign sign --yes "$IMAGE/$target@$digest"',
        'cosign sign --yes "$IMAGE/$target:$VERSION"',
        "test_published_images_are_those_that_are_accepted",
    ),
    docker(
        "an image that nobody has pinned reads the Dockerfile",
        "# The images of ",
        "# syntax=someone/frontend:latest\n# The images of ",
        "test_no_comment_changes_how_the_dockerfile_is_read",
    ),
    docker(
        "an argument of gunicorn trusts every address",
        "gunicorn --config deploy/gunicorn.conf.py &",
        "gunicorn --config deploy/gunicorn.conf.py --forwarded-allow-ips '*' &",
        "test_nginx_stops_accepting_before_the_app_stops",
    ),
    docker(
        "a setting is an argument of gunicorn",
        "\nACME_EMAIL=",
        "\nGUNICORN_CMD_ARGS=--header-map dangerous\nACME_EMAIL=",
        "test_settings_are_for_the_service_alone",
        file="deploy/docker/settings.env",
    ),
    docker(
        "a container counts as healthy for a month",
        "      start_period: 60s\n      start_interval: 1s\n    depends_on:\n      migrate:",
        "      start_period: 720h\n      start_interval: 1s\n    depends_on:\n      migrate:",
        "test_each_container_matches_the_policy",
    ),
    docker(
        "an image counts as healthy for a month",
        "--interval=60s --timeout=10s --start-period=10m",
        "--interval=60s --timeout=10s --start-period=720h",
        "test_each_stage_contains_only_reviewed_settings",
    ),
]
