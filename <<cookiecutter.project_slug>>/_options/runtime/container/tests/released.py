"""Stand-ins for what the scripts of deploy/release ask: git, cosign, and the labels of an image."""

from __future__ import annotations

import re
from pathlib import Path

from tests.scripts import copied

FOLDER = Path("deploy/release")
PROGRAMS = "dirname grep mktemp rm sed sh tr wc".split()
WORKFLOW = "https://github.com/team/service/.github/workflows/release.yml"
REGISTRY = "registry.test/team/service"
COMMIT, OTHER_COMMIT = "a1" * 20, "b2" * 20

# A certificate names who signed (SIGNER), for whom the issuer vouches (ISSUER) and its commit (SIGNED).
COSIGN = """case "$*" in
    "verify --certificate-identity $SIGNER --certificate-oidc-issuer $ISSUER"*" $SIGNED "*) ;;
    "sign --yes "*) ;;
    *) exit 1 ;;
esac"""
GIT = r"""case "$*" in
    "rev-parse HEAD") echo "$COMMIT" ;;
    tag*HEAD*) if [ "$TAG" ]; then printf '%s\n' $TAG; fi ;;
esac"""
STANDINS = {"cosign": COSIGN, "git": GIT}
LABEL = '"image inspect --format"*revision*) echo "$LABEL" ;;'  # a case of Docker's stand-in

GENUINE = {
    "SIGNER": f"{WORKFLOW}@refs/tags/v1.2.3",
    "ISSUER": "https://token.actions.githubusercontent.com",
    "SIGNED": COMMIT,
    "COMMIT": COMMIT,
    "TAG": "v1.2.3",
    "LABEL": COMMIT,
}


def image(target: str) -> str:
    return f"{REGISTRY}/{target}@sha256:{target.encode().hex():f>64}"


IMAGES = [image("app"), image("nginx"), image("certbot")]
GENUINE["RELEASE"] = " ".join(reversed(IMAGES))


def written(folder: Path) -> None:
    """Copy deploy/release below the folder, with the setting that an operator writes."""
    copied(FOLDER, folder / FOLDER)
    settings = folder / FOLDER / "settings.env"
    text = settings.read_text("utf-8")
    settings.write_text(re.sub("(?m)^RELEASE_WORKFLOW=.*", f"RELEASE_WORKFLOW={WORKFLOW}", text))
