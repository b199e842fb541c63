"""What each container may do, and why. Nothing else is allowed: see tests/policy.py."""

from __future__ import annotations

from typing import Any

SLUG = "<< cookiecutter.project_slug >>"
SERVICE = "10001:10001"  # an id without an account on the host
APP_SOCKETS, DATA = f"/run/{SLUG}", f"/var/lib/{SLUG}"
TMP = "/tmp:rw,noexec,nosuid,nodev,size=64m,mode=1777"
OURS = "uid=10001,gid=10001,noexec,nosuid,nodev"
# <% if cookiecutter.database == "sqlite" %>
DATABASE = f"data:{DATA}"
# <% elif cookiecutter.database == "postgresql" %>
DATABASE = "database-socket:/run/postgresql"
# <% else %>
DATABASE = "database-socket:/run/mysqld"
# <% endif %>

# Operation, not protection: any value. The times of a health check are checked with it.
HARMLESS = {"stop_grace_period", "shm_size"}

EVERYWHERE: dict[str, Any] = {
    "read_only": True,  # an attacker leaves nothing behind, and changes no code
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],  # a set-uid program gains nothing
    "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}},
}
RUNS = {"restart": "unless-stopped"}
ENDS = {"restart": "no", "healthcheck": "none"}
NO_NETWORK = {"network_mode": "none"}
NO_CORE = {"ulimits": {"core": 0}}  # a core dump holds keys


def limits(memory: str, processors: int, processes: int) -> dict[str, Any]:
    """Memory without swap, processor time and processes: a flood stays in its container."""
    return {
        "mem_limit": memory,
        "memswap_limit": memory,
        "cpus": processors,
        "pids_limit": processes,
    }


# --- Who sees which secret

# <% if cookiecutter.database == "sqlite" %>
ROLE: set[str] = set()
MAIL_ROLE: set[str] = set()  # a file has no roles
MIGRATOR: set[str] = set()
ADMINISTRATOR: set[str] = set()
# <% else %>
ROLE = {"DATABASE_URL"}  # reads and writes rows
MAIL_ROLE = {"MAIL_DATABASE_URL"}  # sees the mails that wait, and no account
MIGRATOR = {"MIGRATION_DATABASE_URL"}  # changes tables: an attacker in the app must not
ADMINISTRATOR = {"ADMIN_DATABASE_URL"}  # once, to create the database and its roles
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
PROVIDER = {"OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"}
# <% else %>
PROVIDER: set[str] = set()
# <% endif %>
MAIL = {"MAIL_URL"}  # with the password of the mail server: for the one container that sends
# `flask db` reads all settings, and gives each role its rights.
COMMANDS = {"SECRET_KEY"} | ROLE | MIGRATOR | MAIL_ROLE | PROVIDER
# <% if cookiecutter.database == "sqlite" %>
SECRETS = COMMANDS | {"SECRET_KEY_FALLBACKS"} | MAIL
# <% else %>
SECRETS = COMMANDS | {"SECRET_KEY_FALLBACKS", "ADMIN_PASSWORD"} | ADMINISTRATOR | MAIL
# <% endif %>

APP: dict[str, Any] = {
    "image": "built here: app",
    "user": SERVICE,
    "environment": {
        "APP_ENV": "production",
        "DOMAIN_NAME": "<< cookiecutter.domain_name >>",
        "REDIS_URL": "redis+unix:///run/valkey/valkey.sock",
        # <% if cookiecutter.database == "sqlite" %>
        "DATABASE_URL": f"sqlite:///{DATA}/database.sqlite3",
        # <% endif %>
        "CREDENTIALS_DIRECTORY": "/run/secrets",  # secrets are files: variables show in /proc
    },
    "env_file": ["deploy/docker/settings.env"],
    "tmpfs": {TMP},
}


def instance(name: str) -> dict[str, Any]:
    """An instance of the app. Its volumes do not include the backups."""
    return {
        "command": ["sh", "deploy/container/gunicorn.sh", name],
        "secrets": {"SECRET_KEY", "SECRET_KEY_FALLBACKS"} | ROLE | PROVIDER,
        "volumes": {DATABASE, f"app-sockets:{APP_SOCKETS}", "valkey-socket:/run/valkey"},
        # Ready: with its database. Another question would let a release without it replace a good one.
        "healthcheck": [
            *("CMD", "python", "deploy/container/healthcheck.py"),
            *("/readyz", f"unix:{APP_SOCKETS}/{name}.sock"),
        ],
        "depends_on": {"migrate": "service_completed_successfully", "valkey": "service_healthy"},
        # <% if cookiecutter.auth == "oidc" %>
        "networks": {"provider"},
        **(APP | EVERYWHERE | RUNS | NO_CORE | limits("768m", 2, 128)),
        # <% else %>
        **(APP | EVERYWHERE | RUNS | NO_CORE | NO_NETWORK | limits("768m", 2, 128)),
        # <% endif %>
    }


def command(*words: str, after: dict[str, str], **more: Any) -> dict[str, Any]:
    """A container that runs `flask db` and ends."""
    same = APP | EVERYWHERE | ENDS | NO_CORE | NO_NETWORK | limits("256m", 1, 64)
    return (
        same
        | {"command": ["flask", "db", *words], "volumes": {DATABASE}, "depends_on": after}
        | more
    )


def renewed(file: str, minutes: int) -> list[str]:
    """That a file is not older. find succeeds with an old file as well; grep does not."""
    return ["CMD-SHELL", f"find /tmp/{file} -mmin -{minutes} | grep -q ."]


CONTAINERS: dict[str, dict[str, Any]] = {
    "nginx": {
        "image": "built here: nginx",
        "user": SERVICE,
        "networks": {"edge"},
        # The only ports of the host. Both lead to Nginx, which terminates TLS.
        "ports": {
            "${HTTP_ADDRESS:-0.0.0.0}:${HTTP_PORT:-80}:8080",
            "${HTTP_ADDRESS:-0.0.0.0}:${HTTPS_PORT:-443}:8443",
        },
        # Read-only: an attacker in Nginx replaces no socket, certificate or challenge.
        "volumes": {
            f"app-sockets:{APP_SOCKETS}:ro",
            "certificates:/srv/certificates:ro",
            "acme:/var/www/acme:ro",
        },
        "tmpfs": {
            TMP,
            f"/etc/ssl/{SLUG}:rw,noexec,nosuid,nodev,size=1m,mode=0700,uid=10001,gid=10001",
        },
        "healthcheck": ["CMD", "python3", "/srv/container/healthcheck.py", "/", "127.0.0.1:8080"],
        "depends_on": {"app-1": "service_healthy", "app-2": "service_healthy"},
        "ulimits": {"core": 0, "nofile": 8192},  # two files for each request
        **(EVERYWHERE | RUNS | limits("256m", 1, 64)),
    },
    "app-1": instance("app-1"),
    "app-2": instance("app-2"),
    # Reaches the mail server, and neither Nginx's sockets nor the counters. It has the key of the app,
    # which decrypts the mails, and not the app's role of the database: a break-in through the answer
    # of a mail server reads no account and no session.
    "mail": {
        "command": ["flask", "mail", "deliver", "--heartbeat", "/tmp/heartbeat"],
        "init": True,
        "networks": {"mail"},
        "secrets": {"SECRET_KEY", "SECRET_KEY_FALLBACKS"} | MAIL_ROLE | PROVIDER | MAIL,
        "volumes": {DATABASE},
        "healthcheck": renewed("heartbeat", 15),
        "depends_on": {"migrate": "service_completed_successfully"},
        **(APP | EVERYWHERE | RUNS | NO_CORE | limits("256m", 1, 64)),
    },
    # <% if cookiecutter.database == "postgresql" %>
    "database": {
        "image": "postgres:17-trixie, pinned",
        "command": ["postgres", "-c", "listen_addresses="],  # its socket alone
        "user": "999:999",
        "environment": {
            "POSTGRES_PASSWORD_FILE": "/run/secrets/ADMIN_PASSWORD",
            # Without it the image lets in whoever reaches the socket.
            "POSTGRES_INITDB_ARGS": "--auth-local=scram-sha-256 --auth-host=scram-sha-256 --data-checksums",
        },
        "secrets": {"ADMIN_PASSWORD"},
        "volumes": {"data:/var/lib/postgresql/data", "database-socket:/run/postgresql"},
        "tmpfs": {TMP},
        "healthcheck": [
            "CMD-SHELL",
            "grep -qx postgres /proc/1/comm && pg_isready -q -h /run/postgresql",
        ],
        **(EVERYWHERE | RUNS | NO_CORE | NO_NETWORK | limits("1g", 2, 256)),
    },
    # <% elif cookiecutter.database == "mysql" %>
    "database": {
        "image": "mariadb:11.8, pinned",
        "command": ["mariadbd", "--skip-networking", "--skip-name-resolve"],  # its socket alone
        "user": "999:999",
        "environment": {
            "MARIADB_ROOT_PASSWORD_FILE": "/run/secrets/ADMIN_PASSWORD",
            "MARIADB_ROOT_HOST": "localhost",
        },
        "secrets": {"ADMIN_PASSWORD"},
        "volumes": {"data:/var/lib/mysql", "database-socket:/run/mysqld"},
        "tmpfs": {TMP},
        "healthcheck": [
            "CMD-SHELL",
            "grep -qx mariadbd /proc/1/comm && mariadb-admin --protocol=socket ping",
        ],
        **(EVERYWHERE | RUNS | NO_CORE | NO_NETWORK | limits("1g", 2, 256)),
    },
    # <% endif %>
    "valkey": {
        "image": "valkey/valkey:8.1, pinned",
        # Its socket alone, for its own user alone: whoever connects may change a counter. It is never
        # full of what an attacker counts (noeviction), and leaves nothing on a disk.
        "command": """valkey-server --port 0 --unixsocket /run/valkey/valkey.sock --unixsocketperm 700
            --save "" --appendonly no --maxmemory 64mb --maxmemory-policy noeviction""".split(),
        "user": SERVICE,
        "volumes": {"valkey-socket:/run/valkey"},
        "tmpfs": {
            TMP.replace("64m", "16m"),
            "/data:rw,noexec,nosuid,nodev,size=1m,mode=0700,uid=10001,gid=10001",
        },
        "healthcheck": ["CMD", "valkey-cli", "-s", "/run/valkey/valkey.sock", "ping"],
        **(EVERYWHERE | RUNS | NO_CORE | NO_NETWORK | limits("128m", 1, 32)),
    },
    "create": command(
        "create",
        secrets=COMMANDS | ADMINISTRATOR,
        # <% if cookiecutter.database == "sqlite" %>
        after={},
        # <% else %>
        after={"database": "service_healthy"},
        # <% endif %>
    ),
    "migrate": command(
        "upgrade", secrets=COMMANDS, after={"create": "service_completed_successfully"}
    ),
    "backup": {
        "command": [
            *("sh", "-c"),
            "while flask db backup --keep 14; do touch /tmp/succeeded; sleep 86400; done; exit 1",
        ],
        "init": True,
        "secrets": COMMANDS,
        "volumes": {DATABASE, "backups:/srv/app/backups"},
        "healthcheck": renewed("succeeded", 1500),  # a day, and an hour for the backup itself
        "depends_on": {"migrate": "service_completed_successfully"},
        **(APP | EVERYWHERE | RUNS | NO_CORE | NO_NETWORK | limits("512m", 1, 64)),
    },
    "certbot": {
        "image": "built here: certbot",
        "init": True,
        "user": SERVICE,
        "networks": {"authority"},
        "env_file": ["deploy/docker/settings.env"],
        "volumes": {
            "certbot:/var/lib/certbot",
            "certificates:/srv/certificates",
            "acme:/var/www/acme",
        },
        "tmpfs": {TMP},
        "healthcheck": renewed("succeeded", 2880),  # two days; it asks twice a day
        "depends_on": {"nginx": "service_healthy"},
        **(EVERYWHERE | RUNS | NO_CORE | limits("256m", 1, 64)),
    },
}

# --- What they share

# One for each container that needs the outside: these containers do not reach each other.
NETWORKS: dict[str, Any] = {
    "edge": None,
    "authority": None,
    "mail": None,
    # <% if cookiecutter.auth == "oidc" %>
    # Two instances are in it, which have nothing to say to each other.
    "provider": {"driver_opts": {"com.docker.network.bridge.enable_icc": "false"}},
    # <% endif %>
}


def in_memory(options: str) -> dict[str, Any]:
    """A folder for sockets: in memory, without programs and devices."""
    return {"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": f"size=1m,{options}"}}


# Never a folder of the host: it would be one more way out. The socket of Docker is the host itself.
VOLUMES: dict[str, Any] = {
    "data": None,
    "backups": None,
    "certbot": None,
    "certificates": None,
    "acme": in_memory(f"mode=0750,{OURS}"),
    "app-sockets": in_memory(f"mode=0750,{OURS}"),
    "valkey-socket": in_memory(f"mode=0700,{OURS}"),
    # <% if cookiecutter.database != "sqlite" %>
    # Everybody may connect, and nobody without a password.
    "database-socket": in_memory("mode=0755,uid=999,gid=999,noexec,nosuid,nodev"),
    # <% endif %>
}
