#!/bin/sh
# Deploys this checkout, the first time and for each update: secrets, images, database, migrations, then one
# instance of the app after the other, so that no request is lost. It stops at the first step that fails; the old
# containers then continue.
#   sh deploy/docker/deploy.sh
#   RELEASE='...' sh deploy/docker/deploy.sh   takes the signed images of a release: deploy/release/README.md
set -eu
cd "$(dirname "$0")/../.."
[ -x "$(command -v docker)" ] || { echo "Install Docker first: deploy/docker/README.md" >&2; exit 1; }

# A signal (Ctrl-C, a cancelled CI job, a lost connection) ends this script after the step at hand: the program that it has started
# would continue beside the next run. Run it again then.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '\n%s\n' "$1"; }

step "Secrets"
sh deploy/docker/setup.sh
docker compose config --quiet

step "Images"
if [ "${RELEASE:-}" ]; then
    images=$(sh deploy/release/verify.sh app nginx certbot)
    # Under the names of compose.yaml, so that every later command runs them too.
    for image in $images; do
        target=${image%@*}
        docker tag "$image" "<< cookiecutter.project_slug >>-${target##*/}"
    done
else
    docker compose build
fi

step "Database"
# <% if cookiecutter.database == "sqlite" %>
docker compose up --detach --wait valkey
# <% else %>
docker compose up --detach --wait database valkey
# <% endif %>
docker compose run --rm create

step "Backup, then migrations"
# Keep those from before the last two updates, in addition to the daily ones: who deploys again after a failure still
# has the one from before the migration.
docker compose run --rm --no-deps backup \
    sh -c 'rm -f backups/update && flask db backup backups/update && { [ ! -e backups/before-update ] || mv backups/before-update backups/before-update-older; } && mv backups/update backups/before-update'
# <% if cookiecutter.database == "mysql" %>
# In a session of its own, which Ctrl-C does not reach: a MySQL server cannot take back half of a migration.
# <% else %>
# In a session of its own: Ctrl-C does not reach it.
# <% endif %>
setsid docker compose run --rm --no-deps --no-TTY migrate

# The container that sends mail comes first: it can read what both the old and the new instances write, with either
# key. The old one runs during the migration, as the old instances do. A mail that neither is sending waits.
replace() {
    for instance in mail app-1 app-2; do
        step "Container $instance"
        docker compose up --detach --no-deps --force-recreate --wait "$instance"
    done
}
replace
if [ -e secrets/SECRET_KEY_NEXT ]; then
    step "The new key, which all instances accept now"
    sh deploy/docker/setup.sh use-key
    replace
fi

step "Nginx, certificate, backups"
docker compose up --detach --no-deps --wait nginx
docker compose up --detach --no-deps certbot backup
docker compose ps

step "Done: https://<< cookiecutter.domain_name >>/"
echo "The first certificate takes about a minute; until then browsers warn of a self-signed one."
echo "docker compose logs certbot shows the progress."
