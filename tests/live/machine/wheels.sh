#!/bin/sh
# wheels.sh ROOT LOCK...: downloads what the locks name for the Python in ROOT into the folder "wheels".
# A machine has no network. Runs in a mount namespace of its own.
set -eu
root=$1
shift
mkdir -p wheels
mount -t tmpfs tmpfs "$root/mnt"
mkdir "$root/mnt/wheels"
mount --bind wheels "$root/mnt/wheels"
[ ! -e /etc/resolv.conf ] || { cp /etc/resolv.conf "$root/mnt/" && mount --bind "$root/mnt/resolv.conf" "$root/etc/resolv.conf"; }
cp /etc/ssl/certs/ca-certificates.crt "$root/mnt/ca.crt" # this host may trust one more, for its proxy
chroot "$root" python3 -m venv /mnt/venv
for lock; do
    cp "$lock" "$root/mnt/lock.txt"
    chroot "$root" env PIP_CERT=/mnt/ca.crt SSL_CERT_FILE=/mnt/ca.crt REQUESTS_CA_BUNDLE=/mnt/ca.crt \
        /mnt/venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
        --require-hashes --only-binary :all: --dest /mnt/wheels --requirement /mnt/lock.txt
done
