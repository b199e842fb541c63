#!/bin/sh
# boot.sh ROOT [SOURCE:TARGET]...: boots the systemd of ROOT; mounts each SOURCE read-only. Runs as the first
# process of new namespaces: unshare --mount --pid --uts --ipc --net --cgroup --fork sh boot.sh ...
set -eu
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root"
for bind; do
    mkdir -p "$root${bind##*:}"
    mount --bind -o ro "${bind%%:*}" "$root${bind##*:}"
done
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=0755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for device in full null random tty urandom zero; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir -p old
pivot_root . old
umount -l old
rmdir old
# systemd gives credentials to its services by mounts, which must propagate.
mount --make-rshared /
exec env -i container=machine PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/lib/systemd/systemd
