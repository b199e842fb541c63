#!/bin/sh
# Installs or updates << cookiecutter.project_name >> on this host, Debian 13 or Ubuntu 25.04 or newer. README.md
# in this folder explains it. A second run updates the code and changes nothing else.
set -eu
here=$(dirname "$(readlink -f "$0")")
project=$(dirname "$(dirname "$here")")
# shellcheck source=common.sh
. "$here/common.sh"
# shellcheck source=host.sh
. "$here/host.sh"
# shellcheck source=release.sh
. "$here/release.sh"
# shellcheck source=network.sh
. "$here/network.sh"
umask 022
started=$(date +%s)
cd /

usage() {
    say "sh deploy/systemd/install.sh [--no-acme | --acme-server URL] [--acme-email ADDRESS]
    installs the service, or updates it to the code beside this script
  --no-acme           keep the self-signed certificate, or bring your own
  --acme-server URL   another authority than Let's Encrypt
  --acme-email ADDR   where the authority writes to ($contact)
sh deploy/systemd/install.sh --rollback
    puts the previous release back
sh deploy/systemd/install.sh --uninstall [--purge]
    removes the service and keeps its data; with --purge removes them too"
    say "The first installation needs the variable MAIL_URL_FILE<< ', OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET_FILE' if cookiecutter.auth == 'oidc' else '' >>."
# <% if cookiecutter.database != "sqlite" %>
    say "For a database elsewhere, set DATABASE_URL and MIGRATION_DATABASE_URL at the first installation."
# <% endif %>
}

action=install purge='' acme_server='' acme_email=''
while [ $# -gt 0 ]; do
    case $1 in
        --no-acme) acme_server=none ;;
        --acme-server | --acme-email)
            [ $# -gt 1 ] || die "$1 needs a value"
            case $1 in
                --acme-email) acme_email=$2 ;;
                *) acme_server=$2 ;;
            esac
            shift
            ;;
        --rollback) action=rollback ;;
        --uninstall) action=uninstall ;;
        --purge) purge=yes ;;
        --help | -h)
            usage
            exit
            ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    shift
done
case $action$purge in
    installyes | rollbackyes) die "--purge requires --uninstall" ;;
esac

check_host
if [ "$action" = uninstall ]; then
    # shellcheck source=uninstall.sh
    . "$here/uninstall.sh"
    exit
fi
scratch='' unfinished='' before=''
clean() {
    status=$?
    trap '' HUP INT TERM
    # Interrupted between the new code and its migration: return to the previous release.
    if [ "$unfinished" ] && [ "$(readlink -e "$home/current")" = "$unfinished" ]; then
        if [ "$before" ]; then put_in_charge "$before"; else rm -f "$home/current"; fi
    fi
    rm -rf "$scratch" "$unfinished"
    exit "$status"
}
# dash runs no EXIT trap on a signal (Ctrl-C, a lost connection).
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
scratch=$(mktemp -d) # after the traps: a signal meanwhile removes it too
if [ "$action" = rollback ]; then
    [ -e "$home/previous" ] || die "there is no previous release"
    roll_back
    exit
fi

check_settings
say "Installing $domain: $slug"
mark_names
install_packages
make_users
write_settings
say "Copying the code"
stage_release # sets $release
make_database
find_forwarders # sets $forwarders and $mail_forwarders
place_units "$units"
open_forwarders
activate "$release"
# <% if cookiecutter.auth == "oidc" %>
# The next connection starts the new code and settings; current connections may finish.
# shellcheck disable=SC2086 # a list
[ -z "$checked" ] || systemctl stop $checked
# <% endif %>

say "Enabling backups and the certificate"
systemctl enable --quiet --now "$slug-backup.timer" "$slug-certificate.timer"
if ! systemctl start "$slug-certificate.service"; then
    say "No certificate from an authority yet; the self-signed one stays. The reason:"
    journal "$slug-certificate"
    say "The next try is within six hours. To try now: systemctl start $slug-certificate.service"
fi
journal "$slug-certificate" '--grep=does not resolve|ACME is off' || true # show the steps that were skipped
say "https://$domain is served. Log: journalctl -u $slug"
