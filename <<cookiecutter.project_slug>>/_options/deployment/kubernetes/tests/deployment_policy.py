"""What there is in the cluster, who connects to whom, and the files of each Secret.

Nothing else is allowed: see tests/policy.py. ``tests/pods_policy.py`` says what each pod may do.
"""

from __future__ import annotations

from typing import Any

SLUG = "<< cookiecutter.project_slug >>"
DOMAIN = "<< cookiecutter.domain_name >>"
TABLE = "tests/deployment_policy.py"

# --- What there is. A kind that is not here, such as a role or a Secret, nobody has judged

BASE = """
Namespace/<< cookiecutter.project_slug >> ServiceAccount/workload ServiceAccount/mail
Deployment/web Service/web Deployment/mail Deployment/valkey Service/valkey Job/migrate CronJob/backup
PersistentVolumeClaim/backups
NetworkPolicy/deny-by-default NetworkPolicy/dns NetworkPolicy/web-to-valkey NetworkPolicy/valkey-from-web
NetworkPolicy/mail-server
""".split()
# <% if cookiecutter.database == "sqlite" %>
BASE += ["PersistentVolumeClaim/data"]
# <% else %>
BASE += ["HorizontalPodAutoscaler/web", "PodDisruptionBudget/web", "NetworkPolicy/database"]
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
BASE += ["NetworkPolicy/provider"]
# <% endif %>
# Files for another database or sign-in, which no kustomization lists here.
OF_OTHER_ANSWERS = {"data.yaml", "scaling.yaml"}
OVERLAYS = {
    "production": "Certificate/web NetworkPolicy/web-from-everywhere".split(),
    "gateway": """Issuer/letsencrypt Gateway/web HTTPRoute/https HTTPRoute/http BackendTLSPolicy/web
    NetworkPolicy/web-from-gateway NetworkPolicy/solver-from-gateway""".split(),
}
PATCHES: dict[str, dict[str, Any]] = {
    # Local: the service sees the address of its visitor, by which the limits count.
    "production": {"service.yaml": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}},
    "gateway": {
        "web.yaml": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "nginx",
                            "volumeMounts": [
                                {
                                    "name": "real-ip",
                                    "mountPath": "/etc/nginx/gateway",
                                    "readOnly": True,
                                }
                            ],
                        }
                    ],
                    "volumes": [{"name": "real-ip", "configMap": {"name": "real-ip"}}],
                }
            }
        }
    },
}

# Valkey: with the password of a user who can neither change it nor read the configuration.
VALKEY = {
    "port": "6379",
    "bind": "* -::*",  # the NetworkPolicies say from where
    "aclfile": "/run/secrets/valkey/users.acl",
    "dir": "/tmp",
    "save": '""',
    "appendonly": "no",
    "maxmemory": "96mb",
    "maxmemory-policy": "noeviction",  # a flood must not push out the counter of an account
}
VALKEY_USER = r"user default on >[\w-]{64} ~\* \+@all -@admin -@dangerous\n"

# --- Who connects to whom: component, direction, peer, port

DNS = "kube-system k8s-app=kube-dns"
# <% if cookiecutter.database == "sqlite" %>
ASKS_DNS = ["web", "mail"]
# <% else %>
ASKS_DNS = ["web", "mail", "migrate", "backup"]
DATABASE_PORT = "TCP << 5432 if cookiecutter.database == 'postgresql' else 3306 >>"
# <% endif %>
FLOWS = {
    ("web", "to", "valkey", "TCP 6379"),
    ("valkey", "from", "web", "TCP 6379"),
    *((name, "to", DNS, f"{protocol} 53") for name in ASKS_DNS for protocol in ("UDP", "TCP")),
    # The pod that sends mail reaches no other, and none reaches it. No other pod sends mail.
    *(("mail", "to", "your addresses", f"TCP {port}") for port in (465, 587)),
    # <% if cookiecutter.database != "sqlite" %>
    *((name, "to", "your addresses", DATABASE_PORT) for name in ASKS_DNS),
    # <% endif %>
    # <% if cookiecutter.auth == "oidc" %>
    ("web", "to", "your addresses", "TCP 443"),
    # <% endif %>
}
# For the pods of one overlay alone: those of "gateway" believe who names a visitor's address.
GATEWAY = "envoy-gateway-system *"
FLOWS_OF_OVERLAYS = {
    "production": {
        ("web of production", "from", "everywhere", f"TCP {port}") for port in (8080, 8443)
    },
    "gateway": {("web of gateway", "from", GATEWAY, f"TCP {port}") for port in (8080, 8443)}
    | {("solver of cert-manager", "from", GATEWAY, "TCP 8089")},
}

# --- Secrets: the files of each

# <% if cookiecutter.database == "sqlite" %>
OF_THE_APP = ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "REDIS_URL"]
# <% else %>
OF_THE_APP = ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "REDIS_URL", "DATABASE_URL"]
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
OF_THE_APP += ["OIDC_CLIENT_SECRET"]
# <% endif %>
FILES = {"web": OF_THE_APP, "valkey": ["users.acl"], "mail": ["MAIL_URL"]}
# <% if cookiecutter.database != "sqlite" %>
FILES |= {"migration": ["MIGRATION_DATABASE_URL"], "admin": ["ADMIN_DATABASE_URL"]}
FILES["mail"] += ["MAIL_DATABASE_URL"]
# <% endif %>
