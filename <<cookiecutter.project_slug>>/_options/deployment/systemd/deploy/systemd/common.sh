# shellcheck shell=sh disable=SC2034,SC2154 # used, and $here set, by those who read this file
# Names and paths for the scripts in this folder.

slug='<< cookiecutter.project_slug >>'
user='<< cookiecutter.__user >>'
domain='<< cookiecutter.domain_name >>'
contact="<< cookiecutter.author_email >>"
# <% if cookiecutter.database == "sqlite" %>
users="$user $user-redis"
migrator=$user
# <% else %>
users="$user $user-migrator $user-mail $user-redis"
migrator=$user-migrator
# <% endif %>

home=/opt/$slug             # releases, and links to the current and the previous one
config=/etc/$slug           # settings and secrets
certificate=/etc/ssl/$slug  # the certificate that Nginx uses
data=/var/lib/$slug
backups=/var/lib/$slug-backups
units=/etc/systemd/system

say() { printf '%s\n' "$*"; }

die() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

# Copies the units into the folder $1 with their names on the host.
place_units() {
    for unit in "$here"/app*.service "$here"/app*.socket "$here"/app*.timer; do
        name=$slug${unit##*/app}
        install -m 0644 "$unit" "$1/$name"
        case $name in
            *.service) install -D -m 0644 "$here/hardening.conf" "$1/$name.d/hardening.conf" ;;
        esac
    done
}

# Runs flask with production settings as the user $1. $options: further options of systemd-run.
run_flask() {
    as=$1
    shift
    terminal=--pipe
    [ ! -t 0 ] || terminal=--pty
    set -- "${release:-$home/current}/.venv/bin/python" -m flask --app wsgi "$@"
    for file in "$config"/credentials/*; do
        name=${file##*/}
        case $as/$name:${options:-} in
            */MAIL_URL:*) ;; # only for the unit that sends mail
            root/*) set -- --setenv="${name}_FILE=$file" "$@" ;; # root rewrites this file
            "$user/MIGRATION_DATABASE_URL:"* | "$user/MAIL_DATABASE_URL:"* | *=$name:*) ;; # not for the service, or already set
            *) set -- --property="LoadCredential=$name:$file" "$@" ;;
        esac
    done
    # shellcheck disable=SC2086 # a list
    systemd-run --quiet --collect --wait "$terminal" --service-type=exec --uid="$as" ${options:-} \
        --property="WorkingDirectory=${release:-$home/current}" --property=UMask=0077 \
        --property="EnvironmentFile=$config/environment" "$@"
}
