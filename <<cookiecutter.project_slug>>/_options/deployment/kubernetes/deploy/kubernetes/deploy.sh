#!/bin/sh
# Everything from here to HTTPS: secrets, images, migration, rollout. Run it again for every update.
#   sh deploy/kubernetes/deploy.sh OVERLAY [REGISTRY]
# OVERLAY is production or gateway. With REGISTRY (registry.example.com/team), to which you and the cluster
# have access, it builds and pushes the images and notes their digests in release/; without, it deploys what
# release/ names. ENGINE=podman builds with Podman. kubectl's current context is the cluster.
set -eu

overlay=${1:-} registry=${2:-}
engine=${ENGINE:-docker}
slug="<< cookiecutter.project_slug >>"
component=app.kubernetes.io/component

say() { printf '\n== %s\n' "$1"; }
fail() {
    printf 'Failed: %s\n' "$1" >&2
    exit 1
}
k() { kubectl --namespace "$slug" "$@"; }

cd "$(dirname "$0")"
if [ ! -e "overlays/$overlay/kustomization.yaml" ]; then fail "say which overlay: production or gateway"; fi
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
manifests=$temporary/manifests.yaml

push() { # TARGET: builds its image and pushes it; prints the digest
    image=$registry/$slug/$1
    "$engine" build --quiet --target "$1" --tag "$image" ../.. >"$temporary/log"
    if [ "$engine" = podman ]; then
        podman push --quiet --digestfile "$temporary/digest" "$image" >"$temporary/log"
        cat "$temporary/digest"
    else
        "$engine" push --quiet "$image" >"$temporary/log"
        "$engine" image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" | sed -n "s|^$image@||p" | head -n 1
    fi
}

finished() { # waits for the migration; false when it failed
    for _ in $(seq 200); do
        case $(k get job/migrate --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') in
            *Complete*) return 0 ;;
            *Failed*) return 1 ;;
        esac
        sleep "${INTERVAL:-5}"
    done
    return 1
}

say "Secrets"
if [ ! -s secrets/SECRET_KEY ] && k get secret/web >/dev/null 2>&1; then
    fail "the cluster has secrets that are not here, and new ones would lock it out: copy deploy/kubernetes/secrets from where it is kept"
fi
sh secrets.sh
# <% if cookiecutter.auth == "oidc" %>
for name in OIDC_ISSUER OIDC_CLIENT_ID; do
    grep -q "^$name=." base/settings.env || fail "write $name into deploy/kubernetes/base/settings.env"
done
# <% endif %>
# <% if cookiecutter.database != "sqlite" or cookiecutter.auth == "oidc" %>
if grep -n 'cidr: 192\.0\.2\.' base/egress.yaml; then
    fail "write your addresses into deploy/kubernetes/base/egress.yaml, in the place of these"
fi
# <% endif %>

if [ "$registry" ]; then
    say "Images"
    app=$(push app)
    nginx=$(push nginx)
    if [ -z "$app" ] || [ -z "$nginx" ]; then fail "the registry named no digest"; fi
    sed -e "s|newName: .*/app$|newName: $registry/$slug/app|" -e "s|newName: .*/nginx$|newName: $registry/$slug/nginx|" \
        -e "/\/app$/{n;s|digest: .*|digest: $app|;}" -e "/\/nginx$/{n;s|digest: .*|digest: $nginx|;}" \
        release/kustomization.yaml >"$temporary/release"
    cat "$temporary/release" >release/kustomization.yaml
fi
if grep -q 'sha256:0000000000' release/kustomization.yaml; then
    fail "no image was built yet: name a registry"
fi

say "What is around the service"
kubectl kustomize "overlays/$overlay" >"$manifests"
kubectl apply --filename "$manifests" --selector "$component!=web,$component!=migrate"
kubectl apply --kustomize secrets | tee "$temporary/secrets"

say "Migration"
# <% if cookiecutter.database == "sqlite" %>
# One process at a time has the file: the service stops for the migration, and comes back if that fails.
if k get deployment/web >/dev/null 2>&1; then
    k scale deployment/web --replicas 0
    k wait --for delete pod --selector "$component=web" --timeout 120s
    trap 'k scale deployment/web --replicas 1; rm -rf "$temporary"' EXIT
fi
# <% endif %>
k delete job/migrate --ignore-not-found
kubectl apply --filename "$manifests" --selector "$component=migrate"
finished || {
    k logs job/migrate --all-containers --prefix || true
    fail "the migration did not succeed; what ran before is still there"
}
# <% if cookiecutter.database != "sqlite" %>
if [ -s secrets/ADMIN_DATABASE_URL ]; then # its work is done
    : >secrets/ADMIN_DATABASE_URL
    kubectl apply --kustomize secrets >"$temporary/log"
fi
# <% endif %>

say "Service"
kubectl apply --filename "$manifests" --selector "$component=web"
trap 'rm -rf "$temporary"' EXIT
if grep -Eq '^secret/valkey configured' "$temporary/secrets"; then
    k rollout restart deployment/valkey # they are read when the process starts
fi
if grep -Eq '^secret/web configured' "$temporary/secrets"; then
    k rollout restart deployment/web
fi
k rollout status deployment/web --timeout 420s \
    || fail "the new pods do not get ready; the cause: kubectl --namespace $slug logs deployment/web --all-containers"
say "https://<< cookiecutter.domain_name >> is served; its DNS record leads here:"
if [ "$overlay" = gateway ]; then k get gateway/web; else k get service/web; fi
