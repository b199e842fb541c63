#!/bin/sh
# Prints the images that RELEASE names, one for each TARGET, after it has pulled them and proven where they are from.
#   RELEASE='REGISTRY/PATH/TARGET@sha256:DIGEST ...' sh deploy/release/verify.sh TARGET...
# Proven for each: the workflow in settings.env has signed this digest, at the tag and the commit that are checked out
# here, and the image is of this commit. Otherwise it says what is wrong and prints no image. ENGINE=podman pulls with
# Podman.
set -eu
cd "$(dirname "$0")/../.."
engine=${ENGINE:-docker}

fail() {
    printf 'Failed: %s. Nothing was deployed\n' "$1" >&2
    exit 1
}
setting() { # NAME
    sed -n "s/^$1=//p" deploy/release/settings.env
}

command -v cosign >/dev/null || fail "cosign is missing, which checks the signatures of RELEASE: deploy/release/README.md"
workflow=$(setting RELEASE_WORKFLOW) issuer=$(setting RELEASE_ISSUER)
if [ -z "$workflow" ] || [ -z "$issuer" ]; then
    fail "write RELEASE_WORKFLOW and RELEASE_ISSUER into deploy/release/settings.env"
fi
head=$(git rev-parse HEAD) || fail "this is no checkout of git, so RELEASE cannot be compared with it"
tags=$(git tag --points-at HEAD --list 'v*' | tr '\n' ' ')
if [ -z "$tags" ]; then fail "check out the tag of the release first: git fetch --tags && git checkout v1.2.3"; fi

signed() { # IMAGE: whether the workflow has signed it at this commit and one of its tags (v1.2.3-rc1 and v1.2.3)
    # The whole identity, not a pattern: anybody who may push a branch or another tag has a workflow there, too. The
    # commit as well: a tag can be moved.
    for tag in $tags; do
        if said=$(cosign verify --certificate-identity "$workflow@refs/tags/$tag" --certificate-oidc-issuer "$issuer" \
            --certificate-github-workflow-sha "$head" "$1" 2>&1 >/dev/null); then return; fi
    done
    printf '%s\n' "$said" >&2
    return 1
}

images=''
for target; do
    # Exactly one, by its digest: a tag such as :v1 may name other code by the time it is pulled.
    image=$(printf '%s\n' "${RELEASE:-}" | tr ' ' '\n' | grep -Ex "[a-z0-9][a-z0-9._:/-]*/$target@sha256:[0-9a-f]{64}") \
        || fail "RELEASE names no image REGISTRY/PATH/$target@sha256:DIGEST (64 hexadecimal digits)"
    if [ "$(printf '%s\n' "$image" | wc -l)" -ne 1 ]; then fail "RELEASE names more than one image $target"; fi

    signed "$image" || fail "$image has no signature of $workflow at ${tags% }, commit $head"
    "$engine" pull --quiet "$image" >/dev/null || fail "cannot pull $image"
    revision=$("$engine" image inspect --format '{{index .Config.Labels "org.opencontainers.image.revision"}}' "$image")
    if [ "$revision" != "$head" ]; then
        fail "$image is of commit ${revision:-without a name}, and $head is checked out"
    fi
    images="$images $image"
done
for image in $images; do echo "$image"; done
