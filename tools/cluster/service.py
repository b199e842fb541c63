"""A rendered service, deployed into the cluster with its own scripts."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from tests.live.images import Docker
from tests.template import render
from tools.cluster import identity, images, mail
from tools.cluster.environment import (
    API,
    HERE,
    HUB,
    REGISTRY,
    kubectl,
    run,
    run_folder,
    succeeds,
    wait_until,
)

PASSWORD = "administrator"  # noqa: S105  (of a database that lives as long as the command)
ADMINISTRATORS = {
    "postgresql": f"postgresql+psycopg://postgres:{PASSWORD}@database.test/postgres",
    "mysql": f"mysql+pymysql://root:{PASSWORD}@database.test",
}
# The name that base/mail.yaml lists, so that the pod that sends mail finds it too.
TRUSTED = "/run/secrets/app/database-ca.pem"
AUTHORITY = {"postgresql": "sslrootcert", "mysql": "ssl_ca"}


@dataclass
class Service:
    """One combination of answers. ``address`` is the one that visitors use, the balancer's."""

    database: str
    auth: str
    address: str

    @property
    def name(self) -> str:
        """Its slug and namespace."""
        return f"{self.database}-{self.auth}"

    @property
    def domain(self) -> str:
        return f"{self.name}.example.com"

    @property
    def project(self) -> Path:
        return run_folder() / "services" / self.name

    @property
    def folder(self) -> Path:
        return self.project / "deploy" / "kubernetes"

    def render(self) -> None:
        answers = {"database": self.database, "auth": self.auth, "deployment": "kubernetes"}
        names = {"project_slug": self.name, "domain_name": self.domain}
        render(self.project.parent, **answers, **names)

    def change(self, file: str, pattern: str, text: str) -> None:
        """Replace a text in a file, as the operator does."""
        path = self.folder / file
        old = path.read_text("utf-8")
        new = re.sub(pattern, text, old)
        if new == old:
            raise ValueError(f"nothing to change in {file}: {pattern}")
        path.write_text(new, "utf-8")

    def prepare(self, valkey: str) -> None:
        """Enter the settings of README.md: addresses and the authority of the database."""
        self.change("base/valkey.yaml", r"image: \S+", f"image: {valkey}")
        self.change("base/egress.yaml", r"192\.0\.2\.\d+", HUB)
        if self.auth == "oidc":
            for name, text in (("ISSUER", identity.ISSUER), ("CLIENT_ID", identity.CLIENT_ID)):
                self.change("base/settings.env", f"OIDC_{name}=.*", f"OIDC_{name}={text}")
            with (self.folder / "base/settings.env").open("a", encoding="utf-8") as settings:
                settings.write(f"OIDC_CA_FILE={TRUSTED}\nOIDC_PRIVATE_NETWORKS={HUB}/32\n")
        self.script("secrets.sh")
        secrets = self.folder / "secrets"
        authority = (run_folder() / "outside/outside.crt").read_text("utf-8")
        for path, beside in ((TRUSTED, "REDIS_URL"), (mail.AUTHORITY, "MAIL_URL")):
            name = Path(path).name
            (secrets / name).write_text(authority, "utf-8")
            listed = rf"\1{beside}\1{name}"
            self.change("secrets/kustomization.yaml", rf"(\s+- ){beside}", listed)
        for name in (f"{role}DATABASE_URL" for role in ("", "MIGRATION_", "MAIL_", "ADMIN_")):
            if self.database != "sqlite":
                url = (secrets / name).read_text("utf-8").strip()
                trusted = f"{url}?{AUTHORITY[self.database]}={TRUSTED}\n"
                (secrets / name).write_text(trusted, "utf-8")

    def script(self, name: str, *arguments: str) -> str:
        """Run one of its scripts as the operator does; return its output."""
        environment = os.environ | {
            "ADMIN_DATABASE_URL": ADMINISTRATORS.get(self.database, ""),
            "DATABASE_HOST": "database.test",
            "ENGINE": str(run_folder() / f"engine-{self.name}"),
            "INTERVAL": "1",
            "MAIL_URL": mail.URL,
            "OIDC_CLIENT_SECRET": identity.CLIENT_SECRET,
            "KUBECONFIG": str(run_folder() / "pki" / "admin.conf"),
        }
        command = ["sh", self.folder / name, *arguments]
        return run(*command, cwd=self.project, env=environment, timeout=900)

    def deploy(self, docker: Docker, release: str) -> str:
        """Build and deploy another release; return the output of deploy.sh."""
        images.engine(docker, self.project)
        os.environ["DOCKER_HOST"] = docker.environment["DOCKER_HOST"]
        start = (self.project / "wsgi.py").read_text("utf-8").partition("\n# Release")[0]
        (self.project / "wsgi.py").write_text(f"{start}\n# Release {release}\n", "utf-8")
        return self.script("deploy.sh", "production", f"{REGISTRY}/team")

    def certify(self) -> None:
        """Replace cert-manager: put a certificate into the Secret when the namespace exists."""

        def work() -> None:
            wait_until("there is a namespace", lambda: succeeds("get", "namespace", self.name), 600)
            outside = run_folder() / "outside"
            run("sh", HERE / "certificates.sh", API, self.name, self.domain, cwd=outside)
            files = [f"--cert={outside / self.name}.crt", f"--key={outside / self.name}.key"]
            self.kubectl("create", "secret", "tls", "tls", *files)

        threading.Thread(target=work, daemon=True).start()

    def kubectl(self, *arguments: str, timeout: float = 120) -> str:
        return kubectl("--namespace", self.name, *arguments, timeout=timeout)
