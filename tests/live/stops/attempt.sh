#!/bin/sh
# attempt.sh SCRIPT ARGUMENT...: runs the script; if STOP_AT and SIGNAL are set, runs it again without them. Prints the
# exit statuses and the files that are left in TMPDIR.
: >"$STEPS"
attempt() {
    status=0
    # shellcheck disable=SC2016 # the inner shell's own number
    PATH=$STEPPING /usr/bin/setsid --wait /bin/sh -c 'export SCRIPT=$$; exec /bin/sh "$@"' - "$@" </dev/null 2>&1 || status=$?
    echo "status $status"
    echo "left $(echo "$TMPDIR"/*)"
}
attempt "$@"
if [ -z "${STOP_AT:-}" ]; then exit; fi
unset STOP_AT
attempt "$@"
