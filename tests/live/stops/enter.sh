#!/bin/sh
# enter.sh FOLDER PROGRAM ARGUMENT...: runs the program in a copy-on-write view of this machine's files. All changes
# are in FOLDER/upper. Run it under `unshare --mount`, so that its mounts end with it.
set -eu
folder=$1
shift
mkdir -p "$folder/root" "$folder/upper" "$folder/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
mount --rbind /proc "$folder/root/proc"
mount --rbind /dev "$folder/root/dev"
mkdir -p "$folder/root/run/systemd/system"
exec chroot "$folder/root" "$@"
