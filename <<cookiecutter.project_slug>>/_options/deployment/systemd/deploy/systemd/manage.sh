#!/bin/sh
# Runs flask with production settings: manage.sh users disable EMAIL, manage.sh db restore FILE
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=common.sh
. "$here/common.sh"
[ "$(id -u)" = 0 ] || die "not root; run: sudo sh $0 $*"

case ${1:-} in
    db) as=$migrator ;;
    *) as=$user ;;
esac
if [ "${1:-} ${2:-}" = "keys rotate" ]; then
    # What runs encrypts and reads with the keys of its start. Its key must be the one in the file, which reads all that
    # is stored afterwards and will be the only old one. If this fails, nothing changes.
    runs=''
    for unit in "$slug.service" "$slug-mail.service"; do
        its_key=/run/credentials/$unit/SECRET_KEY
        if [ -e "$its_key" ] || systemctl --quiet is-active "$unit"; then
            run_flask "$user" keys reencrypt --expect-key <"$its_key" # root may not reach the database
            runs=yes
        fi
    done
    [ "$runs" ] || run_flask "$user" keys reencrypt
    as=root # writes the files that hold the keys
    set -- "$@" --reencrypted
fi
run_flask "$as" "$@"
