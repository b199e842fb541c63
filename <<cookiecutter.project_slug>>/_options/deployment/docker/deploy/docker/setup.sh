#!/bin/sh
# Writes the secrets into the folder secrets/, one file for each; compose.yaml mounts them into the containers.
# It keeps existing files.
#
#   sh deploy/docker/setup.sh               create missing secrets
#   sh deploy/docker/setup.sh rotate-key    create a new SECRET_KEY; the old one is still accepted
# <% if cookiecutter.database != "sqlite" %>
#   sh deploy/docker/setup.sh rotate-roles  create new passwords for the three database roles
# <% endif %>
set -eu
umask 077
cd "$(dirname "$0")/../.."

# The containers run under other user ids than the operator, so the files are readable by everybody. The folder
# protects them: only its owner can enter it. Docker mounts single files into the containers.
mkdir -p secrets
chmod 0700 secrets

silent=''
clean() { # make the terminal show typed text again, and leave no half-written file
    status=$?
    [ -z "$silent" ] || stty echo
    rm -f secrets/.[A-Z]*
    exit "$status"
}
# dash runs no EXIT trap on a signal.
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

random() { head -c 48 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }

write() { # NAME VALUE: the whole file or nothing
    printf '%s\n' "$2" >"secrets/.$1"
    chmod 0444 "secrets/.$1"
    mv -f "secrets/.$1" "secrets/$1"
}
keep() { # NAME VALUE
    [ -e "secrets/$1" ] || write "$1" "$2"
}
ask() { # NAME QUESTION
    if [ -s "secrets/$1" ]; then return; fi
    eval "answer=\${$1:-}" # from the environment, for a call without a terminal
    if [ -z "$answer" ] && [ -t 0 ]; then
        printf '%s: ' "$2" >&2
        case $1 in *SECRET* | MAIL_URL) silent=yes && stty -echo ;; esac
        read -r answer
        [ -z "$silent" ] || { stty echo && silent='' && echo >&2; }
    fi
    if [ -z "$answer" ]; then
        echo "Missing: $2. Write it into secrets/$1, or set the variable $1." >&2
        exit 1
    fi
    case $1=$answer in
    MAIL_URL=smtp://?* | MAIL_URL=smtps://?*) ;;
    MAIL_URL=*)
        echo "That is no URL of a mail server. Write it into secrets/MAIL_URL: smtps://USER:PASSWORD@HOST" >&2
        exit 1
        ;;
    esac
    write "$1" "$answer"
}

case ${1:-} in
rotate-key)
    # The key that is current must read all that is stored: it will be the only old one. Every instance must have it,
    # also after a deployment that stopped between them. If this fails, nothing changes.
    running=$(docker compose ps --services --status running --status paused)
    asked=''
    for instance in $running; do
        case $instance in
        app-*)
            docker compose exec -T "$instance" flask keys reencrypt --expect-key <secrets/SECRET_KEY
            asked=yes
            ;;
        esac
    done
    if [ -z "$asked" ]; then
        echo "No instance runs. Start the service first: sh deploy/docker/deploy.sh" >&2
        exit 1
    fi
    # Both instances must accept the key before one of them signs with it: deploy.sh replaces them twice.
    write SECRET_KEY_NEXT "$(random)"
    echo "To use the new key, run: sh deploy/docker/deploy.sh"
    ;;
use-key) # deploy.sh calls it between the two replacements
    write SECRET_KEY_FALLBACKS "$(cat secrets/SECRET_KEY)"
    mv -f secrets/SECRET_KEY_NEXT secrets/SECRET_KEY
    ;;
# <% if cookiecutter.database != "sqlite" %>
rotate-roles)
    rm -f secrets/DATABASE_URL secrets/MIGRATION_DATABASE_URL secrets/MAIL_DATABASE_URL
    echo "To use the new passwords, run: sh deploy/docker/deploy.sh"
    ;;
# <% endif %>
"") ;;
*)
    echo "Unknown command: $1" >&2
    exit 2
    ;;
esac

keep SECRET_KEY "$(random)"
keep SECRET_KEY_FALLBACKS ""
# Instances accept the next key before it signs, also after an interrupted use-key.
if [ -e secrets/SECRET_KEY_NEXT ]; then write SECRET_KEY_FALLBACKS "$(cat secrets/SECRET_KEY_NEXT)"; fi
# <% if cookiecutter.database == "postgresql" %>
keep ADMIN_PASSWORD "$(random)"
scheme=postgresql+psycopg: socket='host=/run/postgresql'
keep DATABASE_URL "$scheme//<< cookiecutter.project_slug >>:$(random)@/<< cookiecutter.project_slug >>?$socket"
keep MIGRATION_DATABASE_URL "$scheme//<< cookiecutter.project_slug >>-migrator:$(random)@/<< cookiecutter.project_slug >>?$socket"
keep MAIL_DATABASE_URL "$scheme//<< cookiecutter.project_slug >>-mail:$(random)@/<< cookiecutter.project_slug >>?$socket"
keep ADMIN_DATABASE_URL "$scheme//postgres:$(cat secrets/ADMIN_PASSWORD)@/postgres?$socket"
# <% endif %>
# <% if cookiecutter.database == "mysql" %>
keep ADMIN_PASSWORD "$(random)"
scheme=mysql+pymysql: socket='unix_socket=/run/mysqld/mysqld.sock'
keep DATABASE_URL "$scheme//<< cookiecutter.__user >>:$(random)@localhost/<< cookiecutter.project_slug >>?$socket"
keep MIGRATION_DATABASE_URL "$scheme//<< cookiecutter.__user >>-migrator:$(random)@localhost/<< cookiecutter.project_slug >>?$socket"
keep MAIL_DATABASE_URL "$scheme//<< cookiecutter.__user >>-mail:$(random)@localhost/<< cookiecutter.project_slug >>?$socket"
keep ADMIN_DATABASE_URL "$scheme//root:$(cat secrets/ADMIN_PASSWORD)@localhost?$socket"
# <% endif %>
ask MAIL_URL 'Your mail server, as smtps://USER:PASSWORD@HOST'
# <% if cookiecutter.auth == "oidc" %>
ask OIDC_ISSUER 'The issuer of your OpenID Connect provider (see docs/sign-in.md)'
ask OIDC_CLIENT_ID "The client id of this service at the provider"
ask OIDC_CLIENT_SECRET "The client secret"
# <% endif %>
