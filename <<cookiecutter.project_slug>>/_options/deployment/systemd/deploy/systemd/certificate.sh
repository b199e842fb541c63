#!/bin/sh
# Obtains or renews the certificate by ACME and installs it for Nginx. NAME-certificate.service runs this script with
# ACME_SERVER and ACME_EMAIL from /etc/NAME/acme.
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=common.sh
. "$here/common.sh"
state=${STATE_DIRECTORY:?is set by systemd}

if [ "${ACME_SERVER:-}" = none ]; then
    say "ACME is off: replace the certificate in $certificate yourself; then: systemctl reload nginx"
    exit 0
fi
if ! getent ahosts "$domain" >/dev/null; then
    say "$domain does not resolve yet, so no certificate was requested. The self-signed one stays."
    exit 0
fi

# Sends no request if the certificate is valid for another month.
certbot certonly --quiet --non-interactive --agree-tos --no-eff-email \
    --email "${ACME_EMAIL:?is missing in $config/acme}" ${ACME_SERVER:+--server "$ACME_SERVER"} \
    --config-dir "$state/config" --work-dir "$state/work" --logs-dir "$state/log" \
    --webroot --webroot-path /var/www/acme --domain "$domain" --cert-name "$slug" \
    --key-type ecdsa --keep-until-expiring

lineage=$state/config/live/$slug
if cmp -s "$lineage/fullchain.pem" "$state/shown.pem"; then
    exit 0
fi
# Nginx reads both files only during a reload, so they need not change at the same moment.
install -m 0600 "$lineage/privkey.pem" "$certificate/privkey.pem"
install -m 0644 "$lineage/fullchain.pem" "$certificate/fullchain.pem"
systemctl reload nginx.service
cp "$lineage/fullchain.pem" "$state/shown.pem" # last step: an interrupted run is repeated
say "Nginx uses the new certificate of $domain."
