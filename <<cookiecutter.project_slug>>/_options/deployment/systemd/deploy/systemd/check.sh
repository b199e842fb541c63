#!/bin/sh
# Checks the files of this folder without installing them: scripts, units, their exposure, Nginx. Runs the installed
# checkers, lists missing ones, and fails on a finding.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck source=common.sh
. "$here/common.sh"
scratch=''
trap 'rm -rf "$scratch"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
scratch=$(mktemp -d)
failed=
fail() {
    say "FAILED: $*"
    failed=yes
}
has() { command -v "$1" >/dev/null || { say "not checked, $1 is not installed: $2" && false; }; }

if has shellcheck "the scripts"; then
    (cd "$here" && shellcheck --external-sources --severity=style ./*.sh) || fail "shellcheck"
fi

version=$(systemd-analyze --version 2>/dev/null | sed -n 's/^systemd \([0-9]*\).*/\1/p')
if has systemd-analyze "the units" && [ "$version" -lt 257 ]; then
    say "not checked, systemd $version is older than that of the hosts: the units"
elif [ -n "$version" ]; then
    units=$scratch/units
    mkdir "$units"
    place_units "$units"
    # Only the target host has the programs; install.sh fails there if one is missing.
    sed -E 's,^(Exec[A-Za-z]+)=/[^ ]+,\1=/bin/true,' -i "$units"/*.service
    systemd-analyze verify --man=no "$units"/*.service "$units"/*.socket "$units"/*.timer 2>&1 | grep . && fail "systemd-analyze verify"
    for unit in "$units"/*.service; do
        case $unit in
            # These units need the network for the authority and the provider.
            *-certificate.service | *-outside@.service) most=20 ;;
            *) most=5 ;;
        esac
        said=$(systemd-analyze security --offline=true --no-pager --threshold=$most "$unit" 2>&1) ||
            fail "systemd-analyze security allows $most tenths:
$said"
        say "$said" | sed -n 's/.*Overall exposure/exposure/p'
    done
fi

PATH=$PATH:/usr/sbin
if has nginx "Nginx's configuration"; then
    cp -r "$here/../nginx" "$scratch/nginx"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj /CN=check \
        -keyout "$scratch/privkey.pem" -out "$scratch/fullchain.pem" 2>/dev/null
    sed -E -i "s,/etc/ssl/$slug,$scratch,; s,(listen (\[::\]:)?)(80|443),\118\3," "$scratch/nginx/site.conf"
    # Runs as the current user, who cannot write to Nginx's folders.
    temporary=
    for module in client_body proxy fastcgi uwsgi scgi; do
        temporary="$temporary ${module}_temp_path $scratch/$module;"
    done
    sed -E -i "s,^user .*,pid $scratch/nginx.pid;,; s,^http \{,&$temporary," "$scratch/nginx/nginx.conf"
    nginx -t -q -e "$scratch/error.log" -c "$scratch/nginx/nginx.conf" || fail "nginx -t"
fi
gixy=$here/../../.venv/bin/gixy
[ -x "$gixy" ] || gixy=gixy
if has "$gixy" "weaknesses of Nginx's configuration"; then
    "$gixy" "$here/../nginx/nginx.conf" || fail "gixy"
fi

[ -z "$failed" ] || exit 1
say "deploy/systemd is fine"
