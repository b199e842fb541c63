# shellcheck shell=sh disable=SC2034,SC2154 # names that common.sh and install.sh set, or read
# Installs the code and migrates the database. Only root can change the folder of a release. Part of install.sh.

# Copies the project into a new release and sets $release. Unchanged code keeps the current release.
stage_release() {
    release=$(mktemp -d "$home/releases/.new.XXXXXX")
    unfinished=$release
    # Only these files: no .env, no tests, no git history.
    tar -C "$project" --exclude=__pycache__ -cf - app deploy migrations requirements.lock wsgi.py |
        tar -C "$release" --no-same-owner -xf -
    chmod -R u=rwX,go=rX "$release"
    contents=$(cd "$release" && find . -type f -exec sha256sum {} + | sort -k 2 | sha256sum | cut -c 1-12)
    case $(readlink -e "$home/current" || true) in
        *"-$contents")
            rm -rf "$release"
            release=$(readlink -f "$home/current")
            say "The code has not changed"
            return
            ;;
    esac
    named=$home/releases/$(date -u +%Y%m%dT%H%M%SZ)-$contents
    mv "$release" "$named"
    release=$named unfinished=$named
    ln -s "$backups" "$release/backups"
    # Releases with the same lock file share a virtual environment.
    packages=$home/packages/$( (python3 -V && cat "$release/requirements.lock") | sha256sum | cut -c 1-12)
    if [ ! -e "$packages/complete" ]; then
        say "Installing the locked packages"
        python3 -m venv --clear "$packages"
        "$packages/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
            --only-binary :all: --no-deps --requirement "$release/requirements.lock"
        touch "$packages/complete"
    fi
    ln -s "$packages" "$release/.venv"
    "$release/.venv/bin/python" -m compileall -q "$release/app" "$release/migrations"
}

# <% if cookiecutter.database == "sqlite" %>
make_database() { :; } # the unit for migrations creates the file
# <% else %>
make_database() {
    say "Creating the database, if it does not exist"
    administrator=$migrator admin=${ADMIN_DATABASE_URL:-}
    if is_here; then
# <% if cookiecutter.database == "postgresql" %>
        administrator=postgres
        admin="postgresql+psycopg://postgres@/postgres?host=/run/postgresql&port=$(postgresql_port)"
# <% else %>
        systemctl enable --quiet --now mariadb.service 2>/dev/null || systemctl enable --quiet --now mysql.service
        administrator=root
        admin="mysql+pymysql://root@localhost?unix_socket=/run/mysqld/mysqld.sock"
# <% endif %>
    fi
    (umask 077 && say "$admin" >"$scratch/admin")
    options=--property=LoadCredential=ADMIN_DATABASE_URL:$scratch/admin
# <% if cookiecutter.database == "postgresql" %>
    if is_here; then
        # At the socket a system user has only one role; this step needs two, so it uses a temporary password.
        (umask 077 && say "postgresql+psycopg://$migrator:$(random)@127.0.0.1:$(postgresql_port)/$user" >"$scratch/once")
        options="$options --property=LoadCredential=MIGRATION_DATABASE_URL:$scratch/once"
    fi
# <% endif %>
    run_flask "$administrator" db create || die "the database was not created; the lines above show the reason"
    options=
# <% if cookiecutter.database == "postgresql" %>
    ! is_here || runuser -u postgres -- psql --quiet --port "$(postgresql_port)" \
        --command "ALTER ROLE \"$migrator\" PASSWORD NULL"
# <% endif %>
}
# <% endif %>

link() { # NAME RELEASE
    ln -sfn "$2" "$home/$1.new"
    mv -T "$home/$1.new" "$home/$1" # atomic: a restart meanwhile finds the old or the new release
}

# Activates the code, the units and the Nginx files of this release on the host.
put_in_charge() { # RELEASE
    here=$1/deploy/systemd release=$1
    install_nginx # fails if Nginx rejects the files
    place_units "$units"
    systemctl daemon-reload
    link current "$1"
}

# Prints the log of the unit $1 since the start of this script. (Not with --invocation: the journal lacks it for a
# process that ends at once.)
journal() {
    journalctl --sync
    journalctl --quiet --unit "$1" --since "@$started" --lines 15 --output cat "${2:---quiet}"
}

# Restarts the service; connections wait in the socket meanwhile. The unit that sends mail restarts with it; the old
# one has run during the migration, as the old service has. A mail that neither is sending waits in the database.
restart() {
    systemctl reset-failed "$slug.service" "$slug.socket" "$slug-mail.service" 2>/dev/null || true
    systemctl restart "$slug.service" &&
        "$home/current/.venv/bin/python" "$home/current/deploy/systemd/ready.py" &&
        systemctl start "$slug-mail.service" # waits until it runs
}

activate() { # RELEASE
    systemctl enable --quiet "$slug.socket" "$slug.service" "$slug-redis.service" "$slug-mail.service"
    systemctl start "$slug-redis.service"
    before=$(readlink -e "$home/current" || true)
    if [ "$before" ] && [ "$before" != "$1" ]; then
        say "Backing up the database as it is before the migration: $backups/before-update"
        rm -f "$backups/update"
        release=$before # the code that fits the schema
        run_flask "$migrator" db backup "$backups/update" </dev/null ||
            die "there is no backup, so nothing was changed; the lines above show the reason"
        mv -T "$backups/update" "$backups/before-update" # only now the one from before is gone
    fi
    put_in_charge "$1"
    say "Migrating the database"
    if ! systemctl start "$slug-migrate.service"; then
        journal "$slug-migrate" >&2
        [ -z "$before" ] || put_in_charge "$before"
        die "the migration failed and nothing was started; the lines above show the reason"
    fi
    [ -z "$before" ] || [ "$before" = "$1" ] || link previous "$before"
    unfinished=
    say "Starting the service"
    if ! restart; then
        journal "$slug" >&2
        journal "$slug-mail" >&2
        case $before in
            '' | "$1") die "the service does not run; the lines above show the reason" ;;
        esac
        say "The new release does not run; the lines above show the reason" >&2
        roll_back
        exit 1
    fi
    find "$home/releases" -mindepth 1 -maxdepth 1 ! -path "$1" ! -path "$(readlink -e "$home/previous" || true)" \
        -exec rm -rf {} +
    for packages in "$home"/packages/*; do
        case " $(readlink "$home"/releases/*/.venv | tr '\n' ' ') " in
            *" $packages "*) ;;
            *) rm -rf "$packages" ;;
        esac
    done
}

schema_of() { # RELEASE
    (cd "$1" && .venv/bin/python -c "from alembic.script import ScriptDirectory as S
print(S('migrations').get_current_head())")
}

roll_back() {
    new=$(readlink -f "$home/current") old=$(readlink -f "$home/previous")
    say "Rolling back to ${old##*/}"
    release=$new # only the new release can downgrade its migrations
    # Without a terminal: Ctrl-C must not stop a downgrade half way.
    [ "$(schema_of "$new")" = "$(schema_of "$old")" ] ||
        run_flask "$migrator" db downgrade "$(schema_of "$old")" </dev/null
    put_in_charge "$old"
    restart || die "the previous release does not run either: journalctl -u $slug"
    # "previous" stays: after an interruption, a second run ends with the same release.
    say "The previous release runs again"
}
