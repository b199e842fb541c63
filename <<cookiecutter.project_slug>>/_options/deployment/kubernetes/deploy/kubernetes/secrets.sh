#!/bin/sh
# Writes each secret into a file in secrets/ that only its owner can read. It creates random secrets once, and
# reads the others from the environment or asks for them. `secrets.sh rotate` makes a new SECRET_KEY and keeps
# the old one as a fallback, so that nobody is signed out. Rotate and deploy twice after a leak.
set -eu
umask 077
cd "$(dirname "$0")/secrets"

random() { head -c 48 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'; }

write() { # NAME VALUE: the whole file or nothing
    printf '%s\n' "$2" >"$1.new"
    mv "$1.new" "$1"
    echo "Wrote secrets/$1."
}

missing='' silent=''
clean() { # a terminal that shows what is typed, and no half of a file
    status=$?
    [ -z "$silent" ] || stty echo
    rm -f ./*.new
    exit "$status"
}
# On a signal dash runs no EXIT trap by itself.
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
value=
ask() { # NAME TEXT: sets value, from the variable NAME or from the terminal
    eval "value=\${$1:-}"
    if [ -z "$value" ] && [ -t 0 ]; then
        printf '%s: ' "$2" >&2
        silent=yes
        stty -echo
        IFS= read -r value || true
        stty echo
        silent=''
        echo >&2
    fi
    [ "$value" ] || missing="$missing
  $1: $2"
}

k() { kubectl --namespace "<< cookiecutter.project_slug >>" "$@"; }

started_with() { # the version of the Secret that each pod was started with, also one that ends, and that new ones get
    of='app.kubernetes.io/component in (web,mail)' each='jsonpath={range .items[*]}v'
    k get deployments --selector "$of" --output "$each"'{.spec.template.metadata.annotations.web-secret}{"\n"}{end}'
    k get pods --selector "$of" --field-selector 'status.phase!=Failed,status.phase!=Succeeded' \
        --output "$each"'{.metadata.annotations.web-secret}{"\n"}{end}'
}

if [ "${1:-}" = rotate ]; then
    # A pod has the keys of its start, but its file changes with the Secret. deploy.sh has written the version.
    version=$(k get secret/web --output 'jsonpath={.metadata.resourceVersion}')
    versions=$(started_with)
    for started in ${versions:-none}; do
        if [ "$started" != "v$version" ]; then
            echo "Nothing was changed: a pod still has the keys from before the last change of the Secret. First deploy" \
                "(deploy.sh). After a deployment, wait until the old pods have ended: it takes about a minute." >&2
            exit 1
        fi
    done
    # The key that is current must read all that is stored: it will be the only old one. If this fails, nothing changes.
    k exec -i deployment/web -c app -- \
        flask keys reencrypt --expect-key <SECRET_KEY
    write SECRET_KEY_FALLBACKS "$(cat SECRET_KEY)"
    write SECRET_KEY "$(random)"
fi

[ -s SECRET_KEY ] || write SECRET_KEY "$(random)"
[ -e SECRET_KEY_FALLBACKS ] || : >SECRET_KEY_FALLBACKS

# Valkey requires the password, and its user can neither change that nor read the configuration.
if [ ! -s REDIS_URL ] || [ ! -s users.acl ]; then
    password=$(random)
    write users.acl "user default on >$password ~* +@all -@admin -@dangerous"
    write REDIS_URL "redis://:$password@valkey:6379/0"
fi

if [ ! -s MAIL_URL ]; then
    ask MAIL_URL "the mail server: smtps://USER:PASSWORD@HOST, or smtp:// for STARTTLS"
    if [ "$value" ]; then write MAIL_URL "$value"; fi
fi
# <% if cookiecutter.database == "postgresql" %>

# The two roles get passwords that nobody has to know.
if [ ! -s DATABASE_URL ] || [ ! -s MIGRATION_DATABASE_URL ]; then
    ask DATABASE_HOST "host name of the PostgreSQL server, with :PORT when it is not 5432"
    if [ "$value" ]; then
        write DATABASE_URL "postgresql+psycopg://<< cookiecutter.project_slug >>:$(random)@$value/<< cookiecutter.project_slug >>"
        write MIGRATION_DATABASE_URL "postgresql+psycopg://<< cookiecutter.project_slug >>-migrator:$(random)@$value/<< cookiecutter.project_slug >>"
    fi
fi
if [ ! -e ADMIN_DATABASE_URL ] || { [ ! -s MAIL_DATABASE_URL ] && [ ! -s ADMIN_DATABASE_URL ]; }; then
    ask ADMIN_DATABASE_URL "an administrator, to make database and roles, or roles that are new: postgresql+psycopg://USER:PASSWORD@HOST/postgres"
    if [ "$value" ]; then write ADMIN_DATABASE_URL "$value"; fi
fi
# <% endif %>
# <% if cookiecutter.database == "mysql" %>

# The two users get passwords that nobody has to know.
if [ ! -s DATABASE_URL ] || [ ! -s MIGRATION_DATABASE_URL ]; then
    ask DATABASE_HOST "host name of the MySQL server, with :PORT when it is not 3306"
    if [ "$value" ]; then
        write DATABASE_URL "mysql+pymysql://<< cookiecutter.__user >>:$(random)@$value/<< cookiecutter.project_slug >>"
        write MIGRATION_DATABASE_URL "mysql+pymysql://<< cookiecutter.__user >>-migrator:$(random)@$value/<< cookiecutter.project_slug >>"
    fi
fi
if [ ! -e ADMIN_DATABASE_URL ] || { [ ! -s MAIL_DATABASE_URL ] && [ ! -s ADMIN_DATABASE_URL ]; }; then
    ask ADMIN_DATABASE_URL "an administrator, to make database and users, or users that are new: mysql+pymysql://USER:PASSWORD@HOST"
    if [ "$value" ]; then write ADMIN_DATABASE_URL "$value"; fi
fi
# <% endif %>
# <% if cookiecutter.database != "sqlite" %>

# The role of the pod that sends mail, on the same server. A deployment from before it had one needs the administrator
# once more, who makes it.
if [ ! -s MAIL_DATABASE_URL ] && [ -s DATABASE_URL ] && [ -s ADMIN_DATABASE_URL ]; then
    url=$(cat DATABASE_URL) role=${url#*//}
    write MAIL_DATABASE_URL "${url%%//*}//${role%%[:@]*}-mail:$(random)@${url#*@}"
fi
# <% endif %>
# <% if cookiecutter.auth == "oidc" %>

if [ ! -s OIDC_CLIENT_SECRET ]; then
    ask OIDC_CLIENT_SECRET "the client secret that the provider gave to this service"
    if [ "$value" ]; then write OIDC_CLIENT_SECRET "$value"; fi
fi
# <% endif %>

if [ "$missing" ]; then
    printf 'Missing. Set these variables for this command, or write these files in deploy/kubernetes/secrets:%s\n' "$missing" >&2
    exit 1
fi
