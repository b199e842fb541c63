"""What each stage of the Dockerfile may do, and why. Nothing else is allowed: see tests/policy.py."""

from __future__ import annotations

SLUG = "<< cookiecutter.project_slug >>"
TABLE = "tests/image_policy.py"
SERVICE = "10001:10001"
AT_REST = "-o 10001 -g 10001 -m"
INSTALL = ["apt-get update", "apt-get install --yes --no-install-recommends"]
FORGET = "rm -rf /var/lib/apt/lists/*"


def installed(packages: str, *more: str) -> list[str]:
    """Debian's packages, without its recommendations: no compiler, no shell tools."""
    return [INSTALL[0], f"{INSTALL[1]} {packages}", " ".join([FORGET, *more])]


# A stage: what it copies, what root runs in it, and the rest by the name of the instruction.
STAGES: dict[str, dict[str, list[str]]] = {
    "base": {
        "FROM": ["python:3.13-slim-trixie, pinned"],
        "RUN": [
            "find / -xdev -type f -perm /6000 -exec chmod a-s {} +",  # no program makes root
            "groupadd --gid 10001 service",
            "useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent"
            " --shell /usr/sbin/nologin service",
        ],
    },
    "packages": {
        "FROM": ["base"],
        "COPY": ["requirements.lock /tmp/requirements.lock"],
        "RUN": [
            "python -m venv --without-pip /opt/venv",
            # What was reviewed (hashes, no dependency besides), and no code of a package runs.
            "pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check"
            " --require-hashes --only-binary :all: --no-deps -r /tmp/requirements.lock",
        ],
    },
    "app": {
        "FROM": ["base"],
        # As root: whoever takes over the app cannot change its code.
        "COPY": [
            "--from=packages /opt/venv /opt/venv",
            "wsgi.py requirements.lock ./",
            "app app",
            "migrations migrations",
            "deploy/gunicorn.conf.py deploy/gunicorn.conf.py",
            "deploy/container/gunicorn.sh deploy/container/healthcheck.py deploy/container/",
        ],
        "RUN": [
            # <% if cookiecutter.database == "postgresql" %>
            *installed("postgresql-client"),  # pg_dump, for backups
            # <% elif cookiecutter.database == "mysql" %>
            *installed("mariadb-client"),  # mariadb-dump, for backups
            # <% endif %>
            "chmod -R u=rwX,go=rX .",  # whatever the umask of the checkout
            "python -m compileall -q app migrations wsgi.py",
            f"install -d {AT_REST} 0750 /run/{SLUG}",
            f"install -d {AT_REST} 0700 /var/lib/{SLUG} /srv/app/backups",
        ],
        "WORKDIR": ["/srv/app"],
        "ENV": [
            "PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 FLASK_APP=wsgi"
        ],
        "USER": [SERVICE],
        "HEALTHCHECK": [
            "--interval=30s --timeout=10s --start-period=30s"
            ' CMD ["python", "deploy/container/healthcheck.py", "/readyz"]'
        ],
        "CMD": ['["gunicorn", "--config", "deploy/gunicorn.conf.py"]'],
    },
    "nginx": {
        "FROM": ["base"],
        "COPY": [
            "deploy/nginx /etc/nginx",
            "deploy/container/nginx.sh deploy/container/healthcheck.py /srv/container/",
        ],
        "RUN": [
            *installed("nginx-light openssl", "/etc/nginx/*", "/var/www/html"),
            "chmod -R u=rwX,go=rX /etc/nginx /srv/container",
            f"install -d {AT_REST} 0700 /etc/ssl/{SLUG}",  # the key of the certificate
            f"install -d {AT_REST} 0750 /srv/certificates /var/www/acme",
        ],
        "USER": [SERVICE],
        "EXPOSE": ["8080 8443"],
        "STOPSIGNAL": ["SIGTERM"],
        "HEALTHCHECK": [
            "--interval=30s --timeout=10s --start-period=10s"
            ' CMD ["python3", "/srv/container/healthcheck.py", "/", "127.0.0.1:8080"]'
        ],
        "CMD": ['["sh", "/srv/container/nginx.sh"]'],
    },
    "certbot": {
        "FROM": ["base"],
        "COPY": ["deploy/container/certbot.sh /srv/container/"],
        "RUN": [
            *installed("certbot", "/etc/letsencrypt", "/etc/cron.d/certbot"),
            "chmod -R u=rwX,go=rX /srv/container",
            f"install -d {AT_REST} 0700 /var/lib/certbot",  # the account's key, and all others
            f"install -d {AT_REST} 0750 /srv/certificates /var/www/acme",
        ],
        "USER": [SERVICE],
        "HEALTHCHECK": [
            "--interval=60s --timeout=10s --start-period=10m"
            ' CMD ["sh", "-c", "find /tmp/succeeded -mmin -2880 | grep -q ."]'
        ],
        "CMD": ['["sh", "/srv/container/certbot.sh"]'],
    },
}

# What the builder gets. What is excluded again may lie in these folders by accident; it comes last,
# because the last rule that fits a file counts.
CONTEXT = [
    "!app",
    "!migrations",
    "!wsgi.py",
    "!requirements.lock",
    "!deploy/gunicorn.conf.py",
    "!deploy/nginx",
    "!deploy/container",
]
NEVER = """**/.* **/__pycache__ **/*.py[cod] **/*.key **/*.pem **/*.p12 **/*.sqlite3* **/*.dump
**/*.sql""".split()
OF_MIGRATIONS = "!migrations/*.sql"

# What gunicorn is started with, for the values that protect.
GUNICORN = {
    "umask": 0o117,  # the socket: for its owner and group
    "forwarded_allow_ips": "",  # nobody but the peer at the socket names an address
    "forwarder_headers": "",  # no client sets SCRIPT_NAME or PATH_INFO
    "header_map": "refuse",  # X_Forwarded_For is not X-Forwarded-For
    "secure_scheme_headers": {"X-FORWARDED-PROTO": "https"},
    "control_socket_disable": True,  # no second way in
}
