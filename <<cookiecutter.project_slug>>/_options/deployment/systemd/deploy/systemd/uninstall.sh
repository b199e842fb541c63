# shellcheck shell=sh disable=SC2154 # names that common.sh and install.sh set
# Removes everything that install.sh has installed. Part of install.sh --uninstall.

if ! [ -d "$config" ] && ! [ -e "/etc/sysusers.d/$slug.conf" ]; then
    say "$slug is not installed on this host"
    exit
fi
say "Removing $slug from this host"
systemctl stop "$slug-outside@*" "$slug-mail-outside@*" 2>/dev/null || true
# Stop timers and sockets first, because they would restart the other units.
for unit in "$here"/app*.timer "$here"/app*.socket "$here"/app*.service; do
    name=$slug${unit##*/app}
    systemctl disable --quiet --now "$name" 2>/dev/null || true
    rm -rf "${units:?}/$name" "$units/$name.d" "/var/lib/systemd/timers/stamp-$name"
done
rm -rf "$units/$slug-outside@"*.d "$units/$slug-mail-outside@"*.d
systemctl daemon-reload
systemctl reset-failed

if [ -d "$config/nginx-before" ]; then
    put_back "$config/nginx-before"
    if nginx -t -q; then
        systemctl reload nginx.service || true
    else
        systemctl stop nginx.service
    fi
    mv "$config/nginx-before" "$config/nginx-before.new" # after Nginx has read it, and never a part of it
fi
rm -rf "$config/nginx-before.new"
rm -rf "/run/$slug" "$config/hosts" "$config/mail-hosts" "$config/outside.conf"
rmdir --ignore-fail-on-non-empty /var/www/acme 2>/dev/null || true

packages=$(cat "$config/packages" 2>/dev/null || true)
if [ -z "$purge" ]; then
    say "Kept: $config (settings, keys), $certificate and $data-certificate (certificate)"
    say "Kept: $backups (backups), and the database<< ' in ' ~ '$data' if cookiecutter.database == 'sqlite' else ' on its server' >>"
    say "install.sh reinstalls the service with them; --uninstall --purge removes them too"
    rm -rf "$home" # last: this script may be in it
else
# <% if cookiecutter.database == "postgresql" %>
    if is_here; then
        runuser -u postgres -- psql --quiet --port "$(postgresql_port)" \
            --command "DROP DATABASE IF EXISTS \"$user\"" \
            --command "DROP ROLE IF EXISTS \"$user\"" --command "DROP ROLE IF EXISTS \"$migrator\"" \
            --command "DROP ROLE IF EXISTS \"$user-mail\""
    fi
# <% endif %>
# <% if cookiecutter.database == "mysql" %>
    if is_here; then
        mysql=$(command -v mariadb || command -v mysql)
        "$mysql" --execute "DROP DATABASE IF EXISTS \`$user\`;
            DROP USER IF EXISTS '$user'@localhost, '$migrator'@localhost, '$user-mail'@localhost"
    fi
# <% endif %>
    rm -rf "$config" "$certificate" "$data" "$backups" "$data-certificate"
    for name in $users; do
        ! id "$name" >/dev/null 2>&1 || userdel "$name"
    done
    rm -rf "$home"
    rm -f "/etc/sysusers.d/$slug.conf" # last: without it, a second run would not recognise the files of this service
    say "Removed settings, keys, data and backups"
fi
[ -z "$packages" ] || say "Packages that install.sh installed are still there:$packages"
