"""What each unit may do, and why. Nothing else is allowed: see tests/policy.py."""

from __future__ import annotations

SLUG, USER = "<< cookiecutter.project_slug >>", "<< cookiecutter.__user >>"
TABLE = "tests/deployment_policy.py"
HOME, CONFIG, DATA = f"/opt/{SLUG}/current", f"/etc/{SLUG}", f"/var/lib/{SLUG}"
PYTHON = f"{HOME}/.venv/bin/python"
FLASK_DB = f"{PYTHON} -m flask --app wsgi db"
# <% if cookiecutter.database == "sqlite" %>
MIGRATOR = MAILER = USER  # the file has one user
# <% else %>
MAILER = f"{USER}-mail"  # sees the mails that wait: an attacker in it must not read an account
MIGRATOR = f"{USER}-migrator"  # changes tables: an attacker in the service must not
# <% endif %>

# Operation, not protection: any value.
HARMLESS = """Description Documentation After Wants Requires WantedBy StartLimitIntervalSec StartLimitBurst
Type Nice KillMode TimeoutStartSec TimeoutStopSec Restart RestartSec RestartSteps RestartMaxDelaySec
RestartPreventExitStatus RandomizedDelaySec PartOf WatchdogSec""".split()

# Of every unit, in hardening.conf.
HARDENING: dict[str, str] = {
    # No process gains a privilege, by a program, a capability or a namespace.
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictRealtime": "yes",  # one process must not take all the time of a processor
    "LockPersonality": "yes",
    # Injected code cannot run, nor call the kernel by another ABI.
    "MemoryDenyWriteExecute": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    # It writes what its unit lists. Homes, devices and the files of others are hidden.
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "disconnected",
    "PrivateDevices": "yes",
    "DevicePolicy": "closed",
    "PrivateMounts": "yes",
    "UMask": "0077",
    # The kernel's settings, and what other services share with it.
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectProc": "invisible",
    "ProcSubset": "pid",
    "PrivateIPC": "yes",
    "RemoveIPC": "yes",
    "KeyringMode": "private",
    "LimitCORE": "0",  # a core dump holds keys
}

CALLS = [
    "@system-service",
    "~@privileged @resources",
]  # what a service needs, without administration
ROOTLESS = {"PrivateUsers": "yes", "SystemCallFilter": CALLS}
OFFLINE = ROOTLESS | {
    "PrivateNetwork": "yes",
    "IPAddressDeny": "any",
    "RestrictAddressFamilies": "AF_UNIX",
}
OUTSIDE = {"RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6"}


def credentials(*names: str, last: str = "") -> dict[str, str | list[str]]:
    """Secrets as files that this unit alone reads: variables show in /proc."""
    # <% if cookiecutter.auth == "oidc" %>
    names = (*names, "OIDC_CLIENT_SECRET")
    # <% endif %>
    names = (*names, last) if last else names
    return {
        "EnvironmentFile": f"{CONFIG}/environment",
        "LoadCredential": [f"{name}:{CONFIG}/credentials/{name}" for name in names],
    }


# <% if cookiecutter.database == "sqlite" %>
BACKUP = COMMANDS = credentials("SECRET_KEY", "DATABASE_URL")
MAIL_ROLE = "DATABASE_URL"
KEPT = {"StateDirectory": SLUG, "StateDirectoryMode": "0700"}  # the file of the database
BACKED_UP = {"StateDirectory": f"{SLUG} {SLUG}-backups", "StateDirectoryMode": "0700"}
UPGRADE: str | list[str] = [f"{FLASK_DB} create", f"{FLASK_DB} upgrade"]
# <% else %>
MAIL_ROLE = "MAIL_DATABASE_URL"
BACKUP = credentials("SECRET_KEY", "DATABASE_URL", "MIGRATION_DATABASE_URL")
# It gives each role its rights.
COMMANDS = credentials("SECRET_KEY", "DATABASE_URL", "MIGRATION_DATABASE_URL", MAIL_ROLE)
KEPT: dict[str, str] = {}
BACKED_UP = {"StateDirectory": f"{SLUG}-backups", "StateDirectoryMode": "0700"}
UPGRADE: str | list[str] = f"{FLASK_DB} upgrade"
# <% endif %>
GUNICORN = f"{PYTHON} -m gunicorn --config deploy/gunicorn.conf.py"

# By file: all settings but the harmless ones. A value that a unit repeats is a list.
UNITS: dict[str, dict[str, str | list[str]]] = {
    "app.service": {
        "User": USER,
        "Group": USER,
        "SupplementaryGroups": f"{USER}-redis",  # of the socket
        "WorkingDirectory": HOME,
        **credentials("SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL"),
        **KEPT,
        "InaccessiblePaths": f"{DATA}-backups",
        # <% if cookiecutter.auth == "oidc" %>
        # To the forwarders on the loopback of its own network, and to nothing else.
        "ExecStart": f"/usr/bin/env OIDC_PRIVATE_NETWORKS=127.0.0.0/8 {GUNICORN}",
        **OFFLINE,
        "RestrictAddressFamilies": "AF_UNIX AF_INET",
        "IPAddressAllow": "localhost",
        # <% else %>
        "ExecStart": GUNICORN,
        **OFFLINE,
        # <% endif %>
        "TasksMax": "128",
        "MemoryMax": "1G",
    },
    # The only unit with the password of the mail server; it has a network of its own. It has the key
    # of the service, which decrypts the mails, and not its role of the database. No process of another
    # unit sees its memory or its credentials: they are in other user namespaces.
    "app-mail.service": {
        "User": MAILER,
        "Group": MAILER,
        "WorkingDirectory": HOME,
        **credentials("SECRET_KEY", "SECRET_KEY_FALLBACKS", MAIL_ROLE, last="MAIL_URL"),
        **KEPT,
        "InaccessiblePaths": f"{DATA}-backups",
        "ExecStart": f"{PYTHON} -m flask --app wsgi mail deliver --heartbeat /run/systemd/notify",
        **OFFLINE,
        "TasksMax": "32",
        "MemoryMax": "256M",
    },
    "app-migrate.service": {
        "User": MIGRATOR,
        "Group": MIGRATOR,
        "WorkingDirectory": HOME,
        "ExecStart": UPGRADE,
        **COMMANDS,
        **KEPT,
        **OFFLINE,
    },
    "app-backup.service": {
        "User": MIGRATOR,
        "Group": MIGRATOR,
        "WorkingDirectory": HOME,
        "ExecStart": f"{FLASK_DB} backup --keep 14",
        **BACKUP,
        **BACKED_UP,
        **OFFLINE,
    },
    "app-redis.service": {
        "User": f"{USER}-redis",
        "Group": f"{USER}-redis",
        # The folder and the socket are for the service's group alone: whoever connects may change a
        # counter. It is never full of what an attacker counts, and leaves nothing on a disk.
        "RuntimeDirectory": f"{SLUG}-redis",
        "RuntimeDirectoryMode": "0750",
        "WorkingDirectory": f"/run/{SLUG}-redis",
        "ExecStart": f"/usr/bin/redis-server --port 0 --unixsocket /run/{SLUG}-redis/redis.sock"
        ' --unixsocketperm 770 --supervised systemd --save "" --appendonly no --maxmemory 64mb'
        " --maxmemory-policy noeviction --loglevel warning",
        "MemoryMax": "128M",
        **OFFLINE,
    },
    # As root, which alone reads the key, but without a capability. It writes the two folders.
    "app-certificate.service": {
        "EnvironmentFile": f"{CONFIG}/acme",
        "ExecStart": f"/bin/sh {HOME}/deploy/systemd/certificate.sh",
        "ReadWritePaths": f"/etc/ssl/{SLUG} /var/www/acme",
        "StateDirectory": f"{SLUG}-certificate",
        "StateDirectoryMode": "0700",
        "SystemCallFilter": [*CALLS, "@chown"],  # `install` sets the owner of the key
        **OUTSIDE,
    },
    # One connection further: it has the host's network, and nothing of the service.
    "app-outside@.service": {
        "DynamicUser": "yes",
        # <% if cookiecutter.auth == "oidc" %>
        "EnvironmentFile": f"{CONFIG}/environment",  # the private networks that it may reach
        "ExecStart": f"{PYTHON} {HOME}/deploy/systemd/forwarder.py %i",
        # <% else %>
        "ExecStart": "/usr/lib/systemd/systemd-socket-proxyd --exit-idle-time=10min %i",
        # <% endif %>
        **ROOTLESS,
        **OUTSIDE,
    },
    "app-mail-outside@.service": {
        "DynamicUser": "yes",
        "ExecStart": "/usr/lib/systemd/systemd-socket-proxyd --exit-idle-time=10min %i",
        **ROOTLESS,
        **OUTSIDE,
    },
    # Nginx alone connects: another client could forge any address.
    "app.socket": {
        "ListenStream": f"/run/{SLUG}/app.sock",
        "SocketUser": "root",
        "SocketGroup": "www-data",
        "SocketMode": "0660",
    },
    # On the loopback of the service's own network, where nobody else is.
    "app-outside@.socket": {
        "JoinsNamespaceOf": f"{SLUG}.service",
        "ListenStream": "127.0.1.1:443",
        "PrivateNetwork": "yes",
    },
    # The same for the unit that sends mail: the service has no way to the mail server.
    "app-mail-outside@.socket": {
        "JoinsNamespaceOf": f"{SLUG}-mail.service",
        "ListenStream": "127.0.1.1:465",
        "PrivateNetwork": "yes",
    },
    # A host that was off makes up for it.
    "app-backup.timer": {"OnCalendar": "daily", "Persistent": "true"},
    "app-certificate.timer": {"OnCalendar": "00/6:00", "Persistent": "true"},
}
