#!/bin/sh
# Writes what is secret into the folder secrets/, each value into a file of its own; compose.yaml hands
# them to the containers. What is there already stays as it is.
#
#   sh deploy/docker/setup.sh               make what is missing
#   sh deploy/docker/setup.sh rotate-key    make a new SECRET_KEY; the old one still verifies
# <% if cookiecutter.database != "sqlite" %>
#   sh deploy/docker/setup.sh rotate-roles  make new passwords for the two roles of the database
# <% endif %>
set -eu
umask 077
cd "$(dirname "$0")/../.."

# The containers run under other numbers than the operator, so everybody may read the files; but nobody
# reaches them, because the folder is its owner's alone. Docker mounts a file into a container by itself.
mkdir -p secrets
chmod 0700 secrets

silent=''
clean() { # a terminal that shows what is typed, and no half of a file
    status=$?
    [ -z "$silent" ] || stty echo
    rm -f secrets/.[A-Z]*
    exit "$status"
}
# On a signal dash runs no EXIT trap by itself.
trap clean EXIT
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
# <% if cookiecutter.auth == "oidc" %>
ask() { # NAME QUESTION
    if [ -s "secrets/$1" ]; then return; fi
    eval "answer=\${$1:-}" # from the environment, when nobody is there to answer
    if [ -z "$answer" ] && [ -t 0 ]; then
        printf '%s: ' "$2" >&2
        case $1 in *SECRET*) silent=yes && stty -echo ;; esac
        read -r answer
        case $1 in *SECRET*) stty echo && silent='' && echo >&2 ;; esac
    fi
    if [ -z "$answer" ]; then
        echo "Missing: $2. Write it into secrets/$1, or give it in the variable $1." >&2
        exit 1
    fi
    write "$1" "$answer"
}
# <% endif %>

case ${1:-} in
rotate-key)
    # Both instances accept it before one of them signs with it: deploy.sh replaces them twice.
    write SECRET_KEY_NEXT "$(random)"
    echo "The new key counts after: sh deploy/docker/deploy.sh"
    ;;
use-key) # deploy.sh calls it between the two
    write SECRET_KEY_FALLBACKS "$(cat secrets/SECRET_KEY)"
    mv -f secrets/SECRET_KEY_NEXT secrets/SECRET_KEY
    ;;
# <% if cookiecutter.database != "sqlite" %>
rotate-roles)
    rm -f secrets/DATABASE_URL secrets/MIGRATION_DATABASE_URL
    echo "The new passwords count after: sh deploy/docker/deploy.sh"
    ;;
# <% endif %>
"") ;;
*)
    echo "There is no command $1." >&2
    exit 2
    ;;
esac

keep SECRET_KEY "$(random)"
keep SECRET_KEY_FALLBACKS ""
# The next key is accepted before it signs, also after a use-key that was stopped half way.
if [ -e secrets/SECRET_KEY_NEXT ]; then write SECRET_KEY_FALLBACKS "$(cat secrets/SECRET_KEY_NEXT)"; fi
# <% if cookiecutter.database == "postgresql" %>
keep ADMIN_PASSWORD "$(random)"
scheme=postgresql+psycopg: socket='host=/run/postgresql'
keep DATABASE_URL "$scheme//<< cookiecutter.project_slug >>:$(random)@/<< cookiecutter.project_slug >>?$socket"
keep MIGRATION_DATABASE_URL "$scheme//<< cookiecutter.project_slug >>-migrator:$(random)@/<< cookiecutter.project_slug >>?$socket"
keep ADMIN_DATABASE_URL "$scheme//postgres:$(cat secrets/ADMIN_PASSWORD)@/postgres?$socket"
# <% endif %>
# <% if cookiecutter.database == "mysql" %>
keep ADMIN_PASSWORD "$(random)"
scheme=mysql+pymysql: socket='unix_socket=/run/mysqld/mysqld.sock'
keep DATABASE_URL "$scheme//<< cookiecutter.__user >>:$(random)@localhost/<< cookiecutter.project_slug >>?$socket"
keep MIGRATION_DATABASE_URL "$scheme//<< cookiecutter.__user >>-migrator:$(random)@localhost/<< cookiecutter.project_slug >>?$socket"
keep ADMIN_DATABASE_URL "$scheme//root:$(cat secrets/ADMIN_PASSWORD)@localhost?$socket"
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>
ask OIDC_ISSUER 'The issuer of your OpenID Connect provider (README.md, "The provider")'
ask OIDC_CLIENT_ID "The client id that it gave to this service"
ask OIDC_CLIENT_SECRET "The client secret"
# <% endif %>
