#!/bin/sh
# debian.sh: makes the folder "root", a Debian 13 with the packages that a service installs on a host.
# Runs in a mount namespace of its own: unshare --mount sh debian.sh
set -eu
debootstrap --variant=minbase --include=ca-certificates trixie root
# Nothing starts here: it is no running system yet.
printf '#!/bin/sh\nexit 101\n' >root/usr/sbin/policy-rc.d
chmod +x root/usr/sbin/policy-rc.d
mount --bind /proc root/proc
chroot root sh -c 'apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null' - \
    systemd systemd-sysv dbus libnss-systemd python3 python3-venv openssl iproute2 procps shellcheck \
    certbot nginx redis-server postgresql mariadb-server pebble python3-aiosmtpd \
    systemd-journal-remote rsyslog
chroot root apt-get clean
rm root/usr/sbin/policy-rc.d
# As on a host without another cluster: 5432 may be taken where this is made.
sed -i 's/^port = .*/port = 5432/' root/etc/postgresql/*/main/postgresql.conf

cd root/etc
echo machine >hostname
echo '127.0.0.1 localhost' >hosts
# A container has no consoles, seats, modules and devices of its own, and updates nothing.
for unit in apt-daily-upgrade.timer apt-daily.timer console-getty.service getty.target \
    systemd-logind.service systemd-modules-load.service systemd-udevd.service; do
    ln -sf /dev/null "systemd/system/$unit"
done
# The script finds the packages, and enables what it uses.
rm -f systemd/system/multi-user.target.wants/mariadb.service \
    systemd/system/multi-user.target.wants/nginx.service \
    systemd/system/multi-user.target.wants/postgresql.service \
    systemd/system/multi-user.target.wants/redis-server.service \
    systemd/system/multi-user.target.wants/rsyslog.service systemd/system/syslog.service
