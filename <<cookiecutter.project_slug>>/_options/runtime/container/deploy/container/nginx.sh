#!/bin/sh
# Runs Nginx with the certificate in $CERTIFICATES: fullchain.pem and privkey.pem of certbot, or tls.crt and
# tls.key of Kubernetes. Without a certificate it uses a self-signed one, because Nginx must answer the challenge
# for the first certificate. Nginx loads each new certificate without losing a request.
set -eu

certificates=${CERTIFICATES:-/srv/certificates}
installed=/etc/ssl/<< cookiecutter.project_slug >>
interval=10 # seconds
umask 077

log() { printf '{"logger":"nginx.sh","event":"%s"}\n' "$1"; }

# Check that the key belongs to the certificate: the two files are not replaced at the same moment.
fits() {
    public=$(openssl x509 -in "$1" -noout -pubkey 2>/dev/null) \
        && [ "$public" = "$(openssl pkey -in "$2" -pubout 2>/dev/null)" ]
}

# Install a new certificate; false if there is none, or if it is incomplete.
take() {
    for pair in fullchain.pem:privkey.pem tls.crt:tls.key; do
        certificate=$certificates/${pair%:*} key=$certificates/${pair#*:}
        if [ ! -r "$certificate" ] || [ ! -r "$key" ]; then continue; fi
        if cmp -s "$certificate" "$installed/fullchain.pem" && cmp -s "$key" "$installed/privkey.pem"; then
            return 1
        fi
        cp "$certificate" "$installed/fullchain.new"
        cp "$key" "$installed/privkey.new"
        if fits "$installed/fullchain.new" "$installed/privkey.new"; then
            mv "$installed/privkey.new" "$installed/privkey.pem"
            mv "$installed/fullchain.new" "$installed/fullchain.pem"
            return 0
        fi
        log "the certificate in $certificates does not match its key; waiting for a matching pair"
        return 1
    done
    return 1
}

if ! take && ! fits "$installed/fullchain.pem" "$installed/privkey.pem"; then
    log "no certificate yet; using a self-signed one"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30 \
        -subj "/CN=not yet certified" -addext "subjectAltName=DNS:<< cookiecutter.domain_name >>" \
        -keyout "$installed/privkey.pem" -out "$installed/fullchain.pem" 2>/dev/null
fi

nginx -e stderr -g 'daemon off;' &
nginx=$!

while sleep "$interval"; do
    if take; then
        log "loaded a new certificate"
        kill -HUP "$nginx"
    fi
done &

# QUIT finishes current requests; HUP reloads the configuration.
trap 'kill -QUIT "$nginx" 2>/dev/null || true' TERM INT QUIT
trap 'kill -HUP "$nginx" 2>/dev/null || true' HUP
status=129
while [ "$status" -gt 128 ] && kill -0 "$nginx" 2>/dev/null; do # a signal interrupts wait
    wait "$nginx" && status=0 || status=$?
done
exit "$status"
