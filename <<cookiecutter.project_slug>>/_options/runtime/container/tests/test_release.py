"""The scripts of deploy/release: what they sign, and that nothing else is deployed as a release.

Who may write to the registry, to a branch or to another tag must not get code into production.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.marks import asvs, practice
from tests.released import (
    COMMIT,
    GENUINE,
    IMAGES,
    LABEL,
    OTHER_COMMIT,
    PROGRAMS,
    REGISTRY,
    STANDINS,
    WORKFLOW,
    image,
    written,
)
from tests.scripts import Outcome, Scratch, shown_secrets

pytestmark = practice("audits")

# The builder writes the digest of what it has pushed into the file that it is told.
DOCKER = f"""case "$*" in
    {LABEL}
    "buildx build"*) while [ "$1" != --metadata-file ]; do
        if [ "$1" = --target ]; then target=$2; fi; shift; done
        printf '{{"containerimage.digest": "%s"}}' "$(digest "$target")" >"$2" ;;
    login*) cat >>given ;;
esac"""
DIGESTS = "".join(
    f"{it.split('/')[-1].split('@')[0]}) echo {it.split('@')[1]} ;; " for it in IMAGES
)
DIGEST = f'digest() {{ if [ -z "${{BROKEN:-}}" ]; then case $1 in {DIGESTS} esac; fi; }}'
GIVEN = {
    "IMAGE": REGISTRY,
    "VERSION": "v1.2.3",
    "REGISTRY_USER": "publisher",
    "REGISTRY_PASSWORD": "of-the-registry",
}


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    written(tmp_path)
    return Scratch(tmp_path, [*PROGRAMS, "cat"], STANDINS | {"docker": f"{DIGEST}\n{DOCKER}"})


def verify(scratch: Scratch, **values: str) -> Outcome:
    return scratch.run("deploy/release/verify.sh", "app", "nginx", **(GENUINE | values))


@asvs("15.2.4")
def test_a_genuine_release_is_pulled_by_its_digests(scratch: Scratch) -> None:
    outcome = verify(scratch)
    assert (outcome.status, outcome.said.split()) == (0, IMAGES[:2]), outcome.said
    assert outcome.of("docker")[::2] == [f"docker pull --quiet {it}" for it in IMAGES[:2]]
    assert [call.split()[-1] for call in outcome.of("cosign")] == IMAGES[:2]


def test_a_commit_may_have_the_tag_of_a_candidate_as_well(scratch: Scratch) -> None:
    for tags in ("v1.2.3-rc1 v1.2.3", "v1.2.3 v1.2.4"):
        outcome = verify(scratch, TAG=tags)
        assert (outcome.status, outcome.said.split()) == (0, IMAGES[:2]), outcome.said


REFUSED = {
    "a branch of whoever may push": ({"SIGNER": f"{WORKFLOW}@refs/heads/main"}, "no signature"),
    "another tag": ({"SIGNER": f"{WORKFLOW}@refs/tags/v9"}, "no signature"),
    "none of the tags": ({"TAG": "v1.2.3-rc1 v1.2.4"}, "no signature"),
    "another workflow": ({"SIGNER": WORKFLOW.replace("release", "ci")}, "no signature"),
    "a fork": ({"SIGNER": GENUINE["SIGNER"].replace("team", "thief")}, "no signature"),
    "another issuer": ({"ISSUER": "https://issuer.test"}, "no signature"),
    "a tag that was moved": ({"SIGNED": OTHER_COMMIT}, "no signature"),
    "another checkout": ({"COMMIT": OTHER_COMMIT, "SIGNED": OTHER_COMMIT}, "is of commit"),
    "an image of another commit": ({"LABEL": OTHER_COMMIT}, "is of commit"),
    "an image without a commit": ({"LABEL": ""}, "is of commit"),
    "a checkout without a tag": ({"TAG": ""}, "check out the tag"),
}


@asvs("15.2.4")
@pytest.mark.parametrize("name", REFUSED)
def test_images_not_signed_by_the_release_workflow_are_refused(scratch: Scratch, name: str) -> None:
    values, words = REFUSED[name]
    outcome = verify(scratch, **values)
    assert outcome.status == 1
    assert words in outcome.said
    assert not set(IMAGES) & set(outcome.said.splitlines())
    if words == "no signature":
        assert outcome.of("docker") == []  # nothing is even unpacked


@pytest.mark.parametrize(
    "app",
    [
        "",
        f"{REGISTRY}/app",
        f"{REGISTRY}/app:v1.2.3",
        f"{REGISTRY}/app@sha256:{'0' * 63}",
        f"{REGISTRY}/app@sha256:{'0' * 64}x",
        f"--allow-insecure-registry/app@sha256:{'0' * 64}",
        f"{REGISTRY}/xapp@sha256:{'0' * 64}",
        f"{image('app')} {image('app').replace('team', 'thief')}",
    ],
)
def test_a_release_is_one_digest_for_each_image(scratch: Scratch, app: str) -> None:
    """What a tag names may change between the check and the start."""
    outcome = verify(scratch, RELEASE=f"{app} {image('nginx')}")
    assert outcome.status == 1
    assert re.search(r"RELEASE names (no|more than one) image", outcome.said)
    assert outcome.of("docker") + outcome.of("cosign") == []


def test_no_release_is_accepted_without_cosign_or_its_settings(scratch: Scratch) -> None:
    settings = scratch.folder / "deploy/release/settings.env"
    text = settings.read_text("utf-8")
    for name in ("RELEASE_WORKFLOW", "RELEASE_ISSUER"):
        settings.write_text(re.sub(f"{name}=.*", f"{name}=", text))
        outcome = verify(scratch)
        assert (outcome.status, outcome.of("cosign")) == (1, [])
        assert f"{name}" in outcome.said
    settings.write_text(text)
    (scratch.programs / "cosign").unlink()
    outcome = verify(scratch)
    assert (outcome.status, outcome.of("docker")) == (1, [])
    assert "cosign is missing" in outcome.said


def test_published_images_are_those_that_are_accepted(scratch: Scratch) -> None:
    outcome = scratch.run(
        "deploy/release/publish.sh", "app", "nginx", "certbot", **(GENUINE | GIVEN)
    )
    assert outcome.status == 0, outcome.said
    assert outcome.said.splitlines()[-1] == f"RELEASE='{' '.join(IMAGES)}'"
    assert shown_secrets(outcome, {"password": GIVEN["REGISTRY_PASSWORD"]}) == []
    assert (scratch.folder / "given").read_text() == GIVEN["REGISTRY_PASSWORD"]
    assert outcome.of("cosign") == [f"cosign sign --yes {it}" for it in IMAGES]
    login, create, *builds = outcome.of("docker")
    assert login.endswith(" --password-stdin registry.test")
    assert re.search(r" --driver-opt image=\S+@sha256:[0-9a-f]{64}$", create)
    for target, build in zip(("app", "nginx", "certbot"), builds, strict=True):
        for part in (
            f" --target {target} --platform linux/amd64,linux/arm64 ",
            f" --label org.opencontainers.image.revision={COMMIT} ",
            " --attest type=provenance,mode=max ",
            f" --tag {REGISTRY}/{target}:v1.2.3 ",
            " --push .",
        ):
            assert part in f"{build} "
        assert re.search(r" --attest type=sbom,generator=\S+@sha256:[0-9a-f]{64} ", build)
    release = outcome.said.splitlines()[-1].removeprefix("RELEASE=").strip("'")
    assert verify(scratch, RELEASE=release).status == 0


@pytest.mark.parametrize("values", [{name: ""} for name in GIVEN] + [{"BROKEN": "yes"}], ids=str)
def test_nothing_is_signed_when_a_value_or_digest_is_missing(
    scratch: Scratch, values: dict[str, str]
) -> None:
    outcome = scratch.run("deploy/release/publish.sh", "app", **(GENUINE | GIVEN | values))
    assert (outcome.status, outcome.of("cosign")) == (1, [])
    assert "returned no digest" in outcome.said or f"Missing: {next(iter(values))}" in outcome.said
