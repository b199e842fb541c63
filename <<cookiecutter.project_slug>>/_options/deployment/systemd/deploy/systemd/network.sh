# shellcheck shell=sh disable=SC2154 # names that common.sh and install.sh set
# The ways out of the service's own network, and Nginx as the way in. Part of install.sh.

setting() { sed -n "s/^$1=//p" "$config/environment"; }

# Sets $named, the servers that the settings and a list name, and $doors, these and those of the provider.
find_doors() {
    [ -e "$config/outside" ] ||
        say "# Servers outside that the service may reach: a line host:port each; then run install.sh" >"$config/outside"
    python=$release/.venv/bin/python outside=$release/deploy/systemd/outside.py
    named=$(
        export DATABASE_URL
        DATABASE_URL=$(cat "$config/credentials/DATABASE_URL")
        runuser -u "$user" -- "$python" "$outside" database
    ) || die "DATABASE_URL names no server; the lines above say why"
    named=$( (grep -v '^#' "$config/outside" || true; say "$named") | sort -u)
    doors=$named
# <% if cookiecutter.auth == "oidc" %>
    doors=$(
        export OIDC_ISSUER OIDC_CA_FILE OIDC_PRIVATE_NETWORKS
        OIDC_ISSUER=$(setting OIDC_ISSUER) OIDC_CA_FILE=$(setting OIDC_CA_FILE)
        OIDC_PRIVATE_NETWORKS=$(setting OIDC_PRIVATE_NETWORKS)
        runuser -u "$user" -- "$python" "$outside" provider
    ) || die "the provider's servers are not known; the lines above say why"
    doors=$(say "$named
$doors" | sort -u)
# <% endif %>
}

# The service has a network of its own without a way out. Each of those servers gets a door: an address in
# there, which the server's name leads to.<< " Sets $checked, the doors that look at where they lead." if cookiecutter.auth == "oidc" else "" >>
open_doors() {
    say "127.0.0.1 localhost" >"$config/hosts.new"
    opened=$(sed -n 's/^Wants=//p' "$units/$slug.service.d/outside.conf" 2>/dev/null || true)
    rm -rf "$units/$slug-outside@"*:*.d
# <% if cookiecutter.auth == "oidc" %>
    checked=
# <% endif %>
    sockets='' count=0
    for door in $doors; do
        host=${door%:*} port=${door##*:}
        address=$(awk -v host="$host" '$2 == host { print $1 }' "$config/hosts.new")
        case $host in 127.*) address=$host ;; esac
        if [ -z "$address" ]; then
            count=$((count + 1)) address=127.0.1.$count
            say "$address $host" >>"$config/hosts.new"
        fi
        install -d "$units/$slug-outside@$door.socket.d"
        printf '[Socket]\nListenStream=\nListenStream=%s:%s\n' "$address" "$port" >"$units/$slug-outside@$door.socket.d/listen.conf"
# <% if cookiecutter.auth == "oidc" %>
        # What you have named may be anywhere. What the provider names is looked at by door.py.
        if say "$named" | grep -qxF "$door"; then
            install -d "$units/$slug-outside@$door.service.d"
            printf '[Service]\nType=notify\nExecStart=\nExecStart=%s %s\n' \
                "/usr/lib/systemd/systemd-socket-proxyd --exit-idle-time=10min" "$door" \
                >"$units/$slug-outside@$door.service.d/named.conf"
        else
            checked="$checked $slug-outside@$door.service"
        fi
# <% endif %>
        sockets="$sockets $slug-outside@$door.socket"
        say "It may reach $door"
    done
    mv "$config/hosts.new" "$config/hosts"
    [ "$sockets" = "$opened" ] || systemctl stop "$slug-outside@*.socket" # their addresses have changed
    for unit in "$slug" "$slug-migrate" "$slug-backup"; do
        rm -f "$units/$unit.service.d/outside.conf"
        [ -z "$sockets" ] || say "# Written by install.sh, from $config/outside and the settings
[Unit]
Wants=$sockets
After=$sockets
JoinsNamespaceOf=$sockets

[Service]
RestrictAddressFamilies=AF_INET
IPAddressAllow=localhost
BindReadOnlyPaths=$config/hosts:/etc/hosts" >"$units/$unit.service.d/outside.conf"
    done
    systemctl daemon-reload
    # shellcheck disable=SC2086 # a list
    [ -z "$sockets" ] || systemctl start $sockets
}

install_nginx() {
    say "Setting up Nginx"
    install -d -m 0755 "$certificate"
    if [ ! -s "$certificate/fullchain.pem" ]; then
        # Nginx does not start without one. It is replaced by the first that an authority issues.
        (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 365 \
            -subj "/CN=self-signed" -addext "subjectAltName=DNS:$domain" -keyout "$certificate/privkey.pem" \
            -out "$certificate/fullchain.new" 2>/dev/null)
        chmod 0644 "$certificate/fullchain.new"
        mv "$certificate/fullchain.new" "$certificate/fullchain.pem"
    fi
    last=$(mktemp -d "$scratch/nginx.XXXXXX")
    for file in "$release"/deploy/nginx/*; do
        name=${file##*/}
        [ ! -e "/etc/nginx/$name" ] || cp -p "/etc/nginx/$name" "$last/$name"
    done
    # What was there before the first time comes back with --uninstall. Whole, and before the first file is ours.
    if [ ! -d "$config/nginx-before" ]; then
        rm -rf "$config/nginx-before.new"
        cp -rp "$last" "$config/nginx-before.new"
        mv "$config/nginx-before.new" "$config/nginx-before"
    fi
    for file in "$release"/deploy/nginx/*; do
        install -m 0644 "$file" "/etc/nginx/${file##*/}"
    done
    if ! nginx -t -q; then
        put_back "$last"
        die "Nginx does not take the configuration, so the old one is back; the lines above say why"
    fi
    systemctl enable --quiet nginx.service
    systemctl reload-or-restart nginx.service
}

# Removes our files from /etc/nginx and puts those of the folder $1 there.
put_back() {
    for file in "$here"/../nginx/*; do
        rm -f "/etc/nginx/${file##*/}"
    done
    cp -p "$1"/* /etc/nginx/ 2>/dev/null || true
}
