#!/bin/sh
# Runs each installed checker for this deployment and lists those that are missing. It starts no container.
set -u
cd "$(dirname "$0")/../.." || exit 2
PATH=$PWD/.venv/bin:$PATH
failed=0

check() { # PROGRAM ARGUMENTS
    if ! command -v "$1" >/dev/null 2>&1; then
        echo "not installed: $1"
        return
    fi
    echo "$*"
    "$@" || failed=1
}

check shellcheck --severity=style deploy/docker/*.sh deploy/container/*.sh deploy/release/*.sh
check hadolint Dockerfile
check gixy deploy/nginx/nginx.conf
if docker compose version >/dev/null 2>&1; then
    echo "docker compose config"
    docker compose config --quiet || failed=1
else
    echo "not installed: docker compose"
fi
exit "$failed"
