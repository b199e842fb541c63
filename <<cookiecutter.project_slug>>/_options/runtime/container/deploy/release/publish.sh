#!/bin/sh
# Builds an image for each TARGET of the Dockerfile, pushes and signs it; prints the images for deploy.sh.
#   sh deploy/release/publish.sh TARGET...
# .github/workflows/release.yml runs it at a tag, with these variables: IMAGE (REGISTRY/PATH, to which /TARGET is
# appended), VERSION (the tag), REGISTRY_USER and REGISTRY_PASSWORD.
set -eu
cd "$(dirname "$0")/../.."
for name in IMAGE VERSION REGISTRY_USER REGISTRY_PASSWORD; do
    eval "value=\${$name:-}"
    if [ -z "$value" ]; then
        echo "Missing: $name. deploy/release/README.md says where to set it" >&2
        exit 1
    fi
done

# By their digests: they see the code and could change what is built.
builder=moby/buildkit:v0.32.0@sha256:1f8167fcb0eca5b7126353d35299386945cbb8949cc516c592a49f80cfce4fa2
scanner=docker/buildkit-syft-scanner:1.11.0@sha256:79e7b013cbec16bbb436f312819a49a4a57752b2270c1a9332ae1a10fcc82a68

metadata=''
trap 'rm -f "$metadata"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
metadata=$(mktemp)
exec 3>&1 >&2 # what the programs say is no result
revision=$(git rev-parse HEAD)
# Through standard input: /proc shows a command line to every user.
printf '%s' "$REGISTRY_PASSWORD" | docker login --username "$REGISTRY_USER" --password-stdin "${IMAGE%%/*}"
docker buildx create --use --driver docker-container --driver-opt "image=$builder"

images=''
for target; do
    docker buildx build --target "$target" --platform linux/amd64,linux/arm64 \
        --label "org.opencontainers.image.revision=$revision" \
        --attest "type=sbom,generator=$scanner" --attest type=provenance,mode=max \
        --tag "$IMAGE/$target:$VERSION" --metadata-file "$metadata" --push .
    digest=$(sed -n 's/.*"containerimage.digest": *"\(sha256:[0-9a-f]*\)".*/\1/p' "$metadata")
    if [ -z "$digest" ]; then
        echo "The builder returned no digest of $target, so nothing was signed" >&2
        exit 1
    fi
    # The digest, not the tag: a tag may be moved between the push and the signature.
    cosign sign --yes "$IMAGE/$target@$digest"
    images="$images $IMAGE/$target@$digest"
done
echo "RELEASE='${images# }'" >&3
