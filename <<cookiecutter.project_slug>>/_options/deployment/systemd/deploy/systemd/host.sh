# shellcheck shell=sh disable=SC2154 # names that common.sh and install.sh set
# Prepares the host: packages, users, settings, database, Nginx. Part of install.sh.

check_host() {
    [ "$(id -u)" = 0 ] || die "not root; run: sudo sh $0"
    [ -d /run/systemd/system ] || die "systemd does not run here; use deployment=docker on this host"
    # shellcheck source=/dev/null
    . /etc/os-release
    case $ID in
        debian) oldest=13 ;;
        ubuntu) oldest=25.04 ;;
        *) die "this is $ID; this script supports Debian and Ubuntu" ;;
    esac
    dpkg --compare-versions "${VERSION_ID:-99}" ge "$oldest" ||
        die "this is $ID $VERSION_ID, whose Nginx is too old; $oldest or newer is needed"
}

# Refuses unsuitable hosts and settings before it changes anything.
check_settings() {
    for name in $users; do
        id=$(id -u "$name" 2>/dev/null || echo 0)
        [ "$id" -lt 1000 ] || die "the user $name is not a system user; choose another project_slug"
    done
    # Before the first installation, existing accounts and folders with this name belong to other software. A service
    # called "backup" would run as an account of Debian; purging one called "security" would remove /etc/security.
    if [ ! -e "/etc/sysusers.d/$slug.conf" ] && [ ! -e "$config/packages" ]; then
        for name in $users; do
            ! getent passwd "$name" >/dev/null || die "the user $name already exists; choose another project_slug"
            ! getent group "$name" >/dev/null || die "the group $name already exists; choose another project_slug"
        done
        for place in "$config" "$data"; do
            [ ! -e "$place" ] || die "$place exists and does not belong to this service; choose another project_slug"
        done
    fi
    [ -e "$config/nginx-before" ] || for site in /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*; do
        case $site in
            */default | *\*) ;;
            *) die "Nginx on this host already serves another site ($site); the service needs its own Nginx" ;;
        esac
    done
    [ -e "$config/credentials/MAIL_URL" ] || [ -r "${MAIL_URL_FILE:-}" ] ||
        die "MAIL_URL_FILE does not name a file; write the URL of your mail server into one: smtps://USER:PASSWORD@HOST"
# <% if cookiecutter.auth == "oidc" %>
    if [ ! -e "$config/environment" ]; then
        [ -n "${OIDC_ISSUER:-}" ] || die "OIDC_ISSUER is not set; see docs/sign-in.md"
        [ -n "${OIDC_CLIENT_ID:-}" ] || die "OIDC_CLIENT_ID is not set; the provider gave it to this service"
        [ -r "${OIDC_CLIENT_SECRET_FILE:-}" ] || die "OIDC_CLIENT_SECRET_FILE does not name a file; write the secret into one"
    fi
# <% endif %>
# <% if cookiecutter.database != "sqlite" %>
    [ -n "${DATABASE_URL:-}" ] && [ -z "${MIGRATION_DATABASE_URL:-}" ] &&
        die "MIGRATION_DATABASE_URL is not set; DATABASE_URL alone cannot create tables"
    return 0
# <% endif %>
}

# <% if cookiecutter.database != "sqlite" %>
# True if the database is on this host: its URL has a socket below /run.
is_here() {
    case ${DATABASE_URL:-$(cat "$config/credentials/DATABASE_URL" 2>/dev/null)} in
        '' | */run/*) return 0 ;;
        *) return 1 ;;
    esac
}

# <% endif %>
# <% if cookiecutter.database == "postgresql" %>
# The port of the first running cluster; Debian assigns ports from 5432 upwards.
postgresql_port() {
    port=$(pg_lsclusters --no-header 2>/dev/null | awk '/ online / { print $3; exit }')
    say "${port:-5432}"
}

# <% endif %>
# From here on the names belong to this service, even if the script is interrupted.
mark_names() {
    install -d /etc/sysusers.d
    {
        for name in $users; do
            say "u $name - \"$slug\""
        done
    } >"/etc/sysusers.d/$slug.conf"
}

install_packages() {
    install -d "$config"
    missing=$(cat "$config/packages.new" 2>/dev/null || true) # of a run that was stopped
    for package in nginx python3 python3-venv openssl ca-certificates certbot redis-server; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
# <% if cookiecutter.database == "postgresql" %>
    if is_here; then
        command -v pg_ctlcluster >/dev/null || missing="$missing postgresql"
    else
        command -v pg_dump >/dev/null || missing="$missing postgresql-client"
    fi
# <% endif %>
# <% if cookiecutter.database == "mysql" %>
    if is_here; then
        command -v mariadbd >/dev/null || command -v mysqld >/dev/null || missing="$missing mariadb-server"
    else
        command -v mariadb-dump >/dev/null || command -v mysqldump >/dev/null || missing="$missing mariadb-client"
    fi
# <% endif %>
    [ -n "$missing" ] || return 0
    say "Installing packages:$missing"
    say "$missing" >"$config/packages.new"
    DEBIAN_FRONTEND=noninteractive dpkg --configure -a >/dev/null # finish an interrupted installation
    apt-get update -qq
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    case $missing in
        *redis-server*) systemctl disable --quiet --now redis-server.service ;; # the service uses its own Redis
    esac
    cat "$config/packages.new" >>"$config/packages"
    rm "$config/packages.new"
}

make_users() {
    install -d -m 0755 "$config" "$home" "$home/releases" "$home/packages" /var/www/acme
    install -d -m 0700 "$config/credentials"
    systemd-sysusers "/etc/sysusers.d/$slug.conf"
    install -d -m 0700 -o "$migrator" -g "$migrator" "$backups" # must exist before the unit hides it
}

# Writes the secret $1 with the content $2, unless it exists. Not from a pipe: if Ctrl-C ended only the other end, this
# would keep an empty secret, and the next run would accept it.
keep_secret() {
    [ ! -e "$config/credentials/$1" ] || return 0
    (umask 077 && printf '%s' "${2:+$2
}" >"$config/credentials/$1.new")
    mv "$config/credentials/$1.new" "$config/credentials/$1"
}

keep_file() { # NAME FILE: the secret that the file holds
    secret=$(cat "$2")
    keep_secret "$1" "$secret"
}

random() { python3 -c 'import secrets; print(secrets.token_urlsafe(48))'; }

write_settings() {
    say "Settings are in $config; existing secrets are kept"
    secret=$(random)
    keep_secret SECRET_KEY "$secret"
    keep_secret SECRET_KEY_FALLBACKS ''
# <% if cookiecutter.database == "sqlite" %>
    keep_secret DATABASE_URL "sqlite:///$data/database.sqlite3"
# <% endif %>
# <% if cookiecutter.database == "postgresql" %>
    # On this host PostgreSQL identifies the system user at the socket (peer): no password can be stolen.
    ! is_here || systemctl enable --quiet --now postgresql.service
    socket="/$user?host=/run/postgresql&port=$(postgresql_port)"
    keep_secret DATABASE_URL "${DATABASE_URL:-postgresql+psycopg://$user@$socket}"
    keep_secret MIGRATION_DATABASE_URL "${MIGRATION_DATABASE_URL:-postgresql+psycopg://$migrator@$socket}"
    is_here || password=:$(random)
# <% endif %>
# <% if cookiecutter.database == "mysql" %>
    socket="localhost/$user?unix_socket=/run/mysqld/mysqld.sock"
    password=:$(random)
    keep_secret DATABASE_URL "${DATABASE_URL:-mysql+pymysql://$user$password@$socket}"
    password=:$(random)
    keep_secret MIGRATION_DATABASE_URL "${MIGRATION_DATABASE_URL:-mysql+pymysql://$migrator$password@$socket}"
    password=:$(random)
# <% endif %>
# <% if cookiecutter.database != "sqlite" %>
    # The unit that sends mail has a role of its own, on the server of the others.
    url=$(cat "$config/credentials/DATABASE_URL")
    keep_secret MAIL_DATABASE_URL "${MAIL_DATABASE_URL:-${url%%//*}//$user-mail${password:-}@${url#*@}}"
# <% endif %>
    [ -e "$config/credentials/MAIL_URL" ] || keep_file MAIL_URL "$MAIL_URL_FILE"
# <% if cookiecutter.auth == "oidc" %>
    [ -e "$config/credentials/OIDC_CLIENT_SECRET" ] || keep_file OIDC_CLIENT_SECRET "$OIDC_CLIENT_SECRET_FILE"
# <% endif %>
    [ -e "$config/environment" ] || {
        say "# Settings of $slug without secrets; .env.example explains them. After a change: systemctl restart $slug"
        say "DOMAIN_NAME=$domain"
        say "REDIS_URL=redis+unix:///run/$slug-redis/redis.sock"
# <% if cookiecutter.auth == "oidc" %>
        env | grep '^OIDC_' | grep -v '^OIDC_CLIENT_SECRET'
# <% endif %>
    } >"$config/environment.new"
    [ -e "$config/environment" ] || mv "$config/environment.new" "$config/environment"
    touch "$config/acme"
    : "${acme_server:=$(sed -n 's/^ACME_SERVER=//p' "$config/acme")}"
    : "${acme_email:=$(sed -n 's/^ACME_EMAIL=//p' "$config/acme")}"
    say "ACME_SERVER=$acme_server
ACME_EMAIL=${acme_email:-$contact}" >"$config/acme.new"
    mv "$config/acme.new" "$config/acme"
}
