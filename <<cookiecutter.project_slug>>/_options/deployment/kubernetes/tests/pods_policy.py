"""What each pod may do, and why. Nothing else is allowed: see tests/policy.py."""

from __future__ import annotations

from typing import Any

# <% if cookiecutter.database != "sqlite" %>
from tests.deployment_policy import OF_THE_APP

# <% endif %>
SLUG = "<< cookiecutter.project_slug >>"
TABLE = "tests/pods_policy.py"
DATA = f"/var/lib/{SLUG}"

# Operation, not protection: any value, apart from what test_operation_opens_no_way_in says.
HARMLESS_IN_PODS = """restartPolicy dnsConfig terminationGracePeriodSeconds topologySpreadConstraints
affinity containers initContainers volumes""".split()
HARMLESS_IN_CONTAINERS = ["lifecycle", "ports"]


def pod(user: int, **context: Any) -> dict[str, Any]:
    """The settings of a pod besides its containers and volumes."""
    ids = {"runAsUser": user, "runAsGroup": user, "fsGroup": user}  # the group reads the secrets
    return {
        "serviceAccountName": "workload",  # without privileges
        "automountServiceAccountToken": False,  # no pod uses the cluster's API
        "enableServiceLinks": False,  # the addresses of other services are nobody's business
        "hostUsers": False,  # root in the pod would be nobody on the node
        "securityContext": {
            "runAsNonRoot": True,
            **ids,
            "seccompProfile": {"type": "RuntimeDefault"},
            **context,
        },
    }


CONFINED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
# Without it each mount would let the group read the private files of a volume.
OURS = pod(10001, fsGroupChangePolicy="OnRootMismatch")
PODS = {"web": OURS, "migrate": OURS, "backup": OURS, "valkey": pod(10003)}
PODS["mail"] = OURS | {"serviceAccountName": "mail"}


def secret(name: str, *files: str) -> dict[str, Any]:
    """A Secret as files, for the user of the pod and its group; all of its files, or these alone."""
    items = {"items": [{"key": file, "path": file} for file in files]} if files else {}
    return {"secret": {"secretName": name, "defaultMode": 0o440, **items}}


def in_memory(size: str) -> dict[str, Any]:
    return {"emptyDir": {"medium": "Memory", "sizeLimit": size}}


def claim(name: str) -> dict[str, Any]:
    return {"persistentVolumeClaim": {"claimName": name}}


# <% if cookiecutter.database == "sqlite" %>
ROLES: dict[str, Any] = {}
FILE = {"data": claim("data")}
OF_FILE = {f"data {DATA}"}
MIGRATES: set[str] = set()
ADMINISTERS: set[str] = set()
SENDS: dict[str, Any] = {"secrets": secret("web")}
# <% else %>
# The role that changes tables is for `flask db` alone; the administrator, for the first deployment.
# `flask db` gives the role of the pod that sends mail its rights, and does not send.
ROLES: dict[str, Any] = {
    "migration": secret("migration"),
    "mail": secret("mail", "MAIL_DATABASE_URL"),
}
# The pod that sends mail has not the role that reads accounts: a mail server answers from outside.
OF_MAIL = ["database-ca.pem", *(name for name in OF_THE_APP if name != "DATABASE_URL")]
SENDS: dict[str, Any] = {"secrets": secret("web", *OF_MAIL)}
SENDS["secrets"]["secret"]["optional"] = True  # the first file, which not everybody has
FILE: dict[str, Any] = {}
OF_FILE: set[str] = set()
MIGRATES = {
    "migration /run/secrets/migration read-only",
    "mail /run/secrets/mail read-only",
}
ADMINISTERS = {"admin /run/secrets/admin read-only"}
# <% endif %>
VOLUMES: dict[str, dict[str, Any]] = {
    "web": {
        "secrets": secret("web"),
        "certificate": {
            "secret": {
                "secretName": "tls",
                "optional": True,  # until it is issued
                "defaultMode": 0o440,
                "items": [
                    {"key": "tls.crt", "path": "fullchain.pem"},
                    {"key": "tls.key", "path": "privkey.pem"},
                ],
            }
        },
        "nginx-tls": in_memory("1Mi"),  # the key again: never on the disk of a node
        "socket": {"emptyDir": {"sizeLimit": "1Mi"}},
        "app-tmp": in_memory("64Mi"),
        "nginx-tmp": {"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        **FILE,
    },
    "valkey": {
        "config": {"configMap": {"name": "valkey"}},
        "users": secret("valkey"),
        "tmp": in_memory("16Mi"),
    },
    # Neither the role that changes tables nor a certificate.
    "mail": {"mail": secret("mail"), "tmp": in_memory("16Mi"), **SENDS, **FILE},
    "migrate": {"secrets": secret("web"), "tmp": in_memory("64Mi"), **FILE, **ROLES},
    "backup": {
        "backups": claim("backups"),
        "secrets": secret("web"),
        "tmp": in_memory("64Mi"),
        **FILE,
        **ROLES,
    },
}
# <% if cookiecutter.database != "sqlite" %>
VOLUMES["migrate"]["admin"] = secret("admin")
# <% endif %>

# --- Containers

SETTINGS = {"configMap settings"}
SECRETS = "secrets /run/secrets/app read-only"
CREDENTIALS = {"CREDENTIALS_DIRECTORY": "/run/secrets/app"}  # secrets are files
# <% if cookiecutter.database == "sqlite" %>
MAIL_ROLE: dict[str, str] = {}
MIGRATION: dict[str, str] = {}
ADMINISTRATOR: dict[str, str] = {}
# <% else %>
MAIL_ROLE = {"MAIL_DATABASE_URL_FILE": "/run/secrets/mail/MAIL_DATABASE_URL"}
MIGRATION = {
    "MIGRATION_DATABASE_URL_FILE": "/run/secrets/migration/MIGRATION_DATABASE_URL",
    **MAIL_ROLE,
}
ADMINISTRATOR = {"ADMIN_DATABASE_URL_FILE": "/run/secrets/admin/ADMIN_DATABASE_URL"}
# <% endif %>
HEALTH = ["python", "deploy/container/healthcheck.py"]
NGINX_HEALTH = ["python3", "/srv/container/healthcheck.py", "/", "127.0.0.1:8080"]
# Renewed before each mail and while it waits for the next: base/mail.yaml has the reckoning.
HEARTBEAT = ["sh", "-c", 'test "$(find /tmp/heartbeat -mmin -15)"']
VALKEY_HEALTH = ["sh", "-c", "valkey-cli -t 3 ping | grep -Eq 'PONG|NOAUTH'"]


def limits(cpu: str, memory: str, disk: str) -> dict[str, str]:
    """A flood stays in its container."""
    return {"cpu": cpu, "memory": memory, "ephemeral-storage": disk}


def flask_db(*words: str, mounts: set[str], **env: str) -> dict[str, Any]:
    return {
        "image": "app",
        "run": ["flask", "db", *words],
        "env": CREDENTIALS | env,
        "envFrom": SETTINGS,
        "limits": limits("1", "512Mi", "64Mi"),
        "mounts": {SECRETS, "tmp /tmp"} | OF_FILE | mounts,
        "probes": {},
    }


# By pod and container.
CONTAINERS: dict[str, dict[str, Any]] = {
    "web/app": {
        "image": "app",
        "run": [],  # what the image says
        "env": CREDENTIALS,
        "envFrom": SETTINGS,
        "limits": limits("2", "768Mi", "256Mi"),
        # Neither the certificate's key nor the role that changes tables.
        "mounts": {SECRETS, f"socket /run/{SLUG}", "app-tmp /tmp"} | OF_FILE,
        "probes": {
            # A release without its database replaces no other. While the database is away, pods stay:
            # to restart them, or to send visitors nowhere, would make it worse.
            "startupProbe": [*HEALTH, "/readyz"],
            "readinessProbe": [*HEALTH, "connect"],
            "livenessProbe": [*HEALTH, "connect"],
        },
    },
    "web/nginx": {
        "image": "nginx",
        "run": [],
        "env": {"CERTIFICATES": "/run/secrets/tls"},
        "limits": limits("1", "256Mi", "256Mi"),
        # No secret of the app.
        "mounts": {
            "certificate /run/secrets/tls read-only",
            f"nginx-tls /etc/ssl/{SLUG}",
            f"socket /run/{SLUG}",
            "nginx-tmp /tmp",
        },
        "probes": {"readinessProbe": NGINX_HEALTH, "livenessProbe": NGINX_HEALTH},
    },
    "mail/mail": {
        "image": "app",
        "run": ["flask", "mail", "deliver", "--heartbeat", "/tmp/heartbeat"],
        "env": CREDENTIALS | {"MAIL_URL_FILE": "/run/secrets/mail/MAIL_URL"} | MAIL_ROLE,
        "envFrom": SETTINGS,
        "limits": limits("500m", "256Mi", "64Mi"),
        # The password of the mail server is nobody else's.
        "mounts": {SECRETS, "mail /run/secrets/mail read-only", "tmp /tmp"} | OF_FILE,
        "probes": dict.fromkeys(("startupProbe", "readinessProbe", "livenessProbe"), HEARTBEAT),
    },
    "valkey/valkey": {
        "image": "docker.io/valkey/valkey:8.1, pinned",
        "run": ["valkey-server", "/etc/valkey/valkey.conf"],
        "env": {},
        "limits": limits("500m", "192Mi", "64Mi"),
        "mounts": {
            "config /etc/valkey read-only",
            "users /run/secrets/valkey read-only",
            "tmp /tmp",
        },
        "probes": {"readinessProbe": VALKEY_HEALTH, "livenessProbe": VALKEY_HEALTH},
    },
    "migrate/create": flask_db(
        "create", mounts=MIGRATES | ADMINISTERS, **MIGRATION, **ADMINISTRATOR
    ),
    "migrate/upgrade": flask_db("upgrade", mounts=MIGRATES, **MIGRATION),
    "backup/backup": flask_db(
        *("backup", "--keep", "14"), mounts=MIGRATES | {"backups /srv/app/backups"}, **MIGRATION
    ),
}
