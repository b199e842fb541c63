# shellcheck shell=sh disable=SC2154 # names that common.sh and install.sh set
# The ways out of the service's own network, and Nginx as the way in. Part of install.sh.

setting() { sed -n "s/^$1=//p" "$config/environment"; }

# Sets $doors: the servers that the service may reach, from its settings and from a list.
find_doors() {
    [ -e "$config/outside" ] ||
        say "# Servers outside that the service may reach: a line host:port each; then run install.sh" >"$config/outside"
    doors=$(
        export OIDC_ISSUER OIDC_CA_FILE DATABASE_URL
        OIDC_ISSUER=$(setting OIDC_ISSUER) OIDC_CA_FILE=$(setting OIDC_CA_FILE)
        DATABASE_URL=$(cat "$config/credentials/DATABASE_URL")
        runuser -u "$user" -- "$release/.venv/bin/python" "$release/deploy/systemd/outside.py"
    ) || die "the servers that the service has to reach are not known; try again when the provider answers"
    doors=$( (grep -v '^#' "$config/outside" || true; say "$doors") | sort -u)
}

# The service has a network of its own without a way out. Each of those servers gets a door: an address in
# there, which the server's name leads to.
open_doors() {
    say "127.0.0.1 localhost" >"$config/hosts.new"
    opened=$(sed -n 's/^Wants=//p' "$units/$slug.service.d/outside.conf" 2>/dev/null || true)
    rm -rf "$units/$slug-outside@"*.socket.d
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
            -out "$certificate/fullchain.pem" 2>/dev/null)
        chmod 0644 "$certificate/fullchain.pem"
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
