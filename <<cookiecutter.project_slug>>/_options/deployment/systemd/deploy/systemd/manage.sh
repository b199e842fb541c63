#!/bin/sh
# Runs flask with production settings: manage.sh users disable EMAIL, manage.sh db restore FILE
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=common.sh
. "$here/common.sh"
[ "$(id -u)" = 0 ] || die "not root; run: sudo sh $0 $*"

case ${1:-} in
    db) as=$migrator ;;
    keys) as=root ;; # writes the files that hold the keys
    *) as=$user ;;
esac
run_flask "$as" "$@"
