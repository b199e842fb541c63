#!/bin/sh
# enter.sh FOLDER PROGRAM ARGUMENT...: runs the program in a copy of this machine's files. What it changes is
# in FOLDER/upper afterwards, and nowhere else. Its mounts end with it: call it by `unshare --mount`.
set -eu
folder=$1
shift
mkdir -p "$folder/root" "$folder/upper" "$folder/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
mount --rbind /proc "$folder/root/proc"
mount --rbind /dev "$folder/root/dev"
mkdir -p "$folder/root/run/systemd/system"
exec chroot "$folder/root" "$@"
