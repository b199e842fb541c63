#!/bin/sh
# Requests the certificate by ACME (RFC 8555) and renews it before it expires. Nginx answers the challenge from
# the folder /var/www/acme. nginx.sh detects the new files in /srv/certificates.
set -u

certificates=/srv/certificates
state=/var/lib/certbot

if [ "${1:-}" = deploy ]; then # certbot calls this after it received a certificate
    set -e
    umask 077
    for file in privkey fullchain; do
        # Replace each file atomically. The group is that of Nginx.
        cp "$RENEWED_LINEAGE/$file.pem" "$certificates/.$file.new"
        chmod 0640 "$certificates/.$file.new"
        mv "$certificates/.$file.new" "$certificates/$file.pem"
    done
    exit
fi

while :; do
    # Does nothing while the certificate is valid for long enough.
    if certbot certonly --non-interactive --keep-until-expiring --agree-tos --no-eff-email \
        --email "${ACME_EMAIL:-<< cookiecutter.author_email >>}" ${ACME_SERVER:+--server "$ACME_SERVER"} \
        --webroot --webroot-path /var/www/acme --domain "<< cookiecutter.domain_name >>" \
        --cert-name "<< cookiecutter.project_slug >>" --key-type ecdsa --deploy-hook "sh $0 deploy" \
        --config-dir "$state/config" --work-dir /tmp/certbot --logs-dir /tmp/certbot-logs; then
        touch /tmp/succeeded
        wait=43200 # seconds: twice a day, as the authority asks for
    else
        wait=3600 # the authority refuses after five failures in an hour
    fi
    sleep "$wait" &
    wait $!
done
