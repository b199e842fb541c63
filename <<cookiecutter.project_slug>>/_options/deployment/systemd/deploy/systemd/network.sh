# shellcheck shell=sh disable=SC2154 # names that common.sh and install.sh set
# Connections from the service's own network to the outside, and Nginx for the other direction. Part of install.sh.

setting() { sed -n "s/^$1=//p" "$config/environment"; }

# Sets $named to the servers in the settings and in the list "outside", $forwarders to these and the provider's servers,
# and $mail_forwarders to the servers for the unit that sends mail.
find_forwarders() {
    [ -e "$config/outside" ] ||
        say "# Outside servers that the service may reach, one host:port per line; then run install.sh" >"$config/outside"
    python=$release/.venv/bin/python outside=$release/deploy/systemd/outside.py
    named=$(
        export DATABASE_URL
        DATABASE_URL=$(cat "$config/credentials/DATABASE_URL")
        runuser -u "$user" -- "$python" "$outside" database
    ) || die "cannot read a server from DATABASE_URL; the lines above show the reason"
    mail_forwarders=$(runuser -u "$user" -- "$python" "$outside" mail <"$config/credentials/MAIL_URL") ||
        die "cannot read a server from $config/credentials/MAIL_URL; the lines above show the reason"
    mail_forwarders=$(say "$mail_forwarders
$named" | sort -u)
    named=$( (grep -v '^#' "$config/outside" || true; say "$named") | sort -u)
    forwarders=$named
# <% if cookiecutter.auth == "oidc" %>
    forwarders=$(
        export OIDC_ISSUER OIDC_CA_FILE OIDC_PRIVATE_NETWORKS
        OIDC_ISSUER=$(setting OIDC_ISSUER) OIDC_CA_FILE=$(setting OIDC_CA_FILE)
        OIDC_PRIVATE_NETWORKS=$(setting OIDC_PRIVATE_NETWORKS)
        runuser -u "$user" -- "$python" "$outside" provider
    ) || die "cannot find the provider's servers; the lines above show the reason"
    forwarders=$(say "$named
$forwarders" | sort -u)
# <% endif %>
}

# The service and the unit that sends mail have networks of their own without a connection to the outside. Each of
# those servers gets a forwarder in one of them: an address in that network, to which the server's name resolves.
# <% if cookiecutter.auth == "oidc" %>
# Sets $checked to the forwarders that check addresses.
# <% endif %>
open_forwarders() {
# <% if cookiecutter.auth == "oidc" %>
    checked=
# <% endif %>
    open_network "$slug-outside" "$config/hosts" "$forwarders" "$slug" "$slug-migrate" "$slug-backup"
    open_network "$slug-mail-outside" "$config/mail-hosts" "$mail_forwarders" "$slug-mail"
}

open_network() { # TEMPLATE HOSTS FORWARDERS UNIT...
    template=$1 hosts=$2 servers=$3
    shift 3
    say "127.0.0.1 localhost" >"$hosts.new"
    opened=$(sed -n 's/^Wants=//p' "$units/$1.service.d/outside.conf" 2>/dev/null || true)
    rm -rf "$units/$template@"*:*.d
    sockets='' count=0
    for forwarder in $servers; do
        host=${forwarder%:*} port=${forwarder##*:}
        address=$(awk -v host="$host" '$2 == host { print $1 }' "$hosts.new")
        case $host in 127.*) address=$host ;; esac
        if [ -z "$address" ]; then
            count=$((count + 1)) address=127.0.1.$count
            say "$address $host" >>"$hosts.new"
        fi
        install -d "$units/$template@$forwarder.socket.d"
        printf '[Socket]\nListenStream=\nListenStream=%s:%s\n' "$address" "$port" >"$units/$template@$forwarder.socket.d/listen.conf"
# <% if cookiecutter.auth == "oidc" %>
        # A server that you list may have any address. forwarder.py checks those that the provider names.
        if [ "$template" = "$slug-mail-outside" ]; then
            : # systemd-socket-proxyd as well
        elif say "$named" | grep -qxF "$forwarder"; then
            install -d "$units/$template@$forwarder.service.d"
            printf '[Service]\nType=notify\nExecStart=\nExecStart=%s %s\n' \
                "/usr/lib/systemd/systemd-socket-proxyd --exit-idle-time=10min" "$forwarder" \
                >"$units/$template@$forwarder.service.d/named.conf"
        else
            checked="$checked $template@$forwarder.service"
        fi
# <% endif %>
        sockets="$sockets $template@$forwarder.socket"
        say "Allowed connection of $1: $forwarder"
    done
    mv "$hosts.new" "$hosts"
    [ "$sockets" = "$opened" ] || systemctl stop "$template@*.socket" # their addresses have changed
    for unit; do
        rm -f "$units/$unit.service.d/outside.conf"
        [ -z "$sockets" ] || say "# Written by install.sh, from the settings and $config/outside
[Unit]
Wants=$sockets
After=$sockets
JoinsNamespaceOf=$sockets

[Service]
RestrictAddressFamilies=AF_INET
IPAddressAllow=localhost
BindReadOnlyPaths=$hosts:/etc/hosts" >"$units/$unit.service.d/outside.conf"
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
    # Save the original files completely before the first change: --uninstall restores them.
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
