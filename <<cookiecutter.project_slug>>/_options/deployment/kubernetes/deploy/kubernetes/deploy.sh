#!/bin/sh
# Everything from here to HTTPS: secrets, images, backup, migration, rollout. Run it again for every update.
#   sh deploy/kubernetes/deploy.sh OVERLAY [REGISTRY]
# OVERLAY is production or gateway. With REGISTRY (registry.example.com/team), to which you and the cluster
# have access, it builds and pushes the images and writes their digests into release/; without REGISTRY, it
# deploys the images that release/ names. ENGINE=podman builds with Podman. kubectl's current context is the cluster.
#   RELEASE='...' sh deploy/kubernetes/deploy.sh OVERLAY   takes the signed images of a release: deploy/release/README.md
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
# The server finds the differences: applying the same files again changes nothing. The files replace changes
# that were made by hand (kubectl scale, rollout undo).
apply() { kubectl apply --server-side --force-conflicts "$@"; }

cd "$(dirname "$0")"
if [ ! -e "overlays/$overlay/kustomization.yaml" ]; then fail "name the overlay: production or gateway"; fi

temporary='' child=''
# <% if cookiecutter.database == "sqlite" %>
stopped='' migrating=''
# <% endif %>

clean() {
    status=$?
    set +e # when the connection is lost, every command that says something fails
    trap '' HUP INT TERM
    if [ "$child" ]; then
        kill "${!:-}" 2>/dev/null || true
        wait || true # backups.sh removes its Job
    fi
    # <% if cookiecutter.database == "sqlite" %>
    if [ "$migrating" ]; then k delete job/migrate --ignore-not-found --cascade=foreground || true; fi
    for deployment in $stopped; do
        k scale "$deployment" --replicas 1 || echo "$deployment is still stopped: run this script again." >&2
    done
    # <% endif %>
    rm -rf "$temporary"
    exit "$status"
}
# On a signal (Ctrl-C, a cancelled CI job, a lost connection) dash runs no EXIT trap by itself.
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
temporary=$(mktemp -d) # after the traps: a signal meanwhile removes it too
manifests=$temporary/manifests.yaml

patient() { # COMMAND...: runs it; a signal does not wait for its end
    child=yes # before it starts: a signal may come at once
    "$@" &
    result=0
    wait "$!" || result=$?
    child=''
    return "$result"
}

name_images() { # APP NGINX, each as NAME@DIGEST: writes them into release/ and the manifests
    sed -e "s|newName: .*/app$|newName: ${1%@*}|" -e "s|newName: .*/nginx$|newName: ${2%@*}|" \
        -e "/\/app$/{n;s|digest: .*|digest: ${1#*@}|;}" -e "/\/nginx$/{n;s|digest: .*|digest: ${2#*@}|;}" \
        release/kustomization.yaml >"$temporary/release"
    cat "$temporary/release" >release/kustomization.yaml
    kubectl kustomize "overlays/$overlay" >"$manifests"
}

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

back_up() { # keeps those from before the last two updates, besides those of each night
    if [ -z "$deployed" ]; then return; fi # the first time there is no data
    say "Backup, before the migration"
    patient sh backups.sh before-update \
        || fail "the backup did not succeed, so nothing was migrated, and the previous release still runs. The lines above show the reason"
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
# An error must not count as "the cluster has no secrets": new secrets would lock the service out of its database.
there=$(k get secret/web --ignore-not-found --output name) \
    || fail "the cluster does not say whether it has secrets; see the error above. Nothing was changed"
needed="SECRET_KEY<< "" if cookiecutter.database == "sqlite" else " DATABASE_URL MIGRATION_DATABASE_URL" >>"
for name in $needed; do
    if [ "$there" ] && [ ! -s "secrets/$name" ]; then
        fail "the cluster has secrets that are not here ($name), and new ones would lock the service out: copy deploy/kubernetes/secrets from the place where you keep it"
    fi
done
sh secrets.sh
# <% if cookiecutter.auth == "oidc" %>
for name in OIDC_ISSUER OIDC_CLIENT_ID; do
    grep -q "^$name=." base/settings.env || fail "write $name into deploy/kubernetes/base/settings.env"
done
# <% endif %>
if grep -n 'cidr: 192\.0\.2\.' base/egress.yaml; then
    fail "replace the example addresses above in deploy/kubernetes/base/egress.yaml with your own"
fi

say "Kinds of resources in the cluster"
kubectl kustomize "overlays/$overlay" >"$manifests"
# It also fails if only one of many APIs does not answer.
kubectl api-resources --no-headers >"$temporary/kinds" || [ -s "$temporary/kinds" ] || fail "cannot read which kinds of resources the cluster has"
unknown=$(awk 'NR == FNR { known[$(NF - 2) " " $NF]; next }
    /^apiVersion: / { version = $2 }
    /^kind: / && !((version " " $2) in known) { print "  " $2 " of " version }' "$temporary/kinds" "$manifests")
if [ "$unknown" ]; then
    fail "the cluster lacks these kinds of resources. Nothing was changed. Install what provides them (README.md, \"Once\"):
$unknown"
fi

if [ "${RELEASE:-}" ]; then
    say "Images of the release"
    if [ "$registry" ]; then fail "RELEASE names images that are built: leave out the registry"; fi
    sh ../release/verify.sh app nginx >"$temporary/images"
    name_images "$(sed -n 1p "$temporary/images")" "$(sed -n 2p "$temporary/images")"
elif [ "$registry" ]; then
    say "Images"
    app=$(push app)
    nginx=$(push nginx)
    if [ -z "$app" ] || [ -z "$nginx" ]; then fail "the registry returned no digest"; fi
    name_images "$registry/$slug/app@$app" "$registry/$slug/nginx@$nginx"
fi
if grep -q 'sha256:0000000000' release/kustomization.yaml; then
    fail "no image was built yet: add the registry to the command"
fi

say "Namespace, policies and other resources"
apply --filename "$manifests" --selector "$component notin (web,mail,valkey,migrate)"
apply --kustomize secrets
# A pod reads its Secret when it starts, so its Deployment names the version: a changed one is a new release.
for name in web mail valkey; do
    version=$(k get "secret/$name" --output 'jsonpath={.metadata.resourceVersion}')
    sed "s|$name-secret: .*|$name-secret: \"$version\"|" "$manifests" >"$temporary/stamped"
    mv "$temporary/stamped" "$manifests"
done
# They are there since a migration has succeeded: then there is a database.
deployed=$(k get deployments --selector "$component in (web,mail)" --ignore-not-found --output name)

# <% if cookiecutter.database == "sqlite" %>
changed=0
k diff --server-side --force-conflicts --filename "$manifests" --selector "$component in (web,mail)" >"$temporary/log" || changed=$?
if [ "$changed" -gt 1 ]; then fail "cannot compare the files with the cluster; see the error above"; fi
if [ "$changed" = 1 ]; then
    back_up
    say "Migration"
    # Only one process may use the file: the service stops for the migration, and starts again if that fails. First
    # the pod that sends mail, which may wait for the mail server, then the one for visitors.
    stopped=$deployed
    for deployment in $deployed; do
        k scale "$deployment" --replicas 0
        patient kubectl --namespace "$slug" wait --for delete pod --selector "$component=${deployment#*/}" --timeout 120s
    done
    k delete job/migrate --ignore-not-found --cascade=foreground
    migrating=yes
    apply --filename "$manifests" --selector "$component=migrate"
    result=0
    finished || result=$?
    migrating=''
    if [ "$result" != 0 ]; then
        k logs job/migrate --all-containers --prefix || true
        fail "the migration did not succeed; the previous release starts again. The lines above show the reason"
    fi
fi
# <% else %>
back_up
say "Migration"
# If this script was stopped, its migration may still run. Wait for it: MySQL cannot undo half of a migration.
# An error must not count as "nothing runs".
while :; do
    ready=$(k get job/migrate --ignore-not-found --output 'jsonpath={.status.ready}')
    if [ "$ready" != 1 ]; then break; fi
    sleep "${INTERVAL:-5}"
done
k delete job/migrate --ignore-not-found
apply --filename "$manifests" --selector "$component=migrate"
finished || {
    k logs job/migrate --all-containers --prefix || true
    fail "the migration did not succeed; the previous release still runs. The lines above show the reason"
}
if [ -s secrets/ADMIN_DATABASE_URL ]; then # its work is done
    : >secrets/ADMIN_DATABASE_URL
    apply --kustomize secrets >"$temporary/log"
fi
# <% endif %>

say "Service"
# First delete the resources of another overlay: its policies would admit clients whose headers this one trusts.
left=''
for kind in networkpolicies.networking.k8s.io certificates.cert-manager.io issuers.cert-manager.io \
    gateways.gateway.networking.k8s.io httproutes.gateway.networking.k8s.io backendtlspolicies.gateway.networking.k8s.io; do
    if grep -q "^${kind%%.*} .* ${kind#*.}/" "$temporary/kinds"; then left=$left,$kind; fi
done
k delete "${left#,}" --selector "app.kubernetes.io/name=$slug,overlay!=$overlay"
# Server-side apply removes only the fields that it has set itself. A field that `kubectl rollout undo`, `edit` or
# `set` added to the pods would stay forever, so the files replace such a template completely.
for name in web mail valkey; do
    by_hand=$(k get "deployment/$name" --ignore-not-found --show-managed-fields \
        --output 'jsonpath={.metadata.managedFields[?(@.operation=="Update")].fieldsV1.f:spec.f:template.f:spec}')
    if [ "$by_hand" ]; then
        template=$(kubectl create --dry-run=client --filename "$manifests" --selector "$component=$name" \
            --output 'jsonpath={.spec.template}')
        k patch "deployment/$name" --type json --patch "[{\"op\": \"replace\", \"path\": \"/spec/template\", \"value\": $template}]"
    fi
done
apply --filename "$manifests" --selector "$component in (web,mail,valkey)"
# <% if cookiecutter.database == "sqlite" %>
stopped=''
# <% endif %>
for name in web mail; do
    patient kubectl --namespace "$slug" rollout status "deployment/$name" --timeout 420s || {
        k get pods --selector "$component=$name" || true
        k logs --selector "$component=$name" --all-containers --prefix --ignore-errors --tail 20 || true
        fail "the new pods do not become ready. Above are the pods and their last lines; for more: kubectl --namespace $slug describe pods"
    }
done
# Settings of releases that `kubectl rollout undo` no longer reaches.
k get deployments,replicasets,jobs,cronjobs --output yaml >"$temporary/used"
maps=$(k get configmaps --selector "app.kubernetes.io/name=$slug" --output name)
for map in $maps; do
    grep -q " name: ${map#*/}\$" "$temporary/used" || k delete "$map" --ignore-not-found
done
say "https://<< cookiecutter.domain_name >> is served. Point its DNS record to this address:"
if [ "$overlay" = gateway ]; then k get gateway/web; else k get service/web; fi
