#!/bin/sh
# attempt.sh SCRIPT ARGUMENT...: runs the script, with STOP_AT and SIGNAL set once more without. It says the statuses
# and what is left in TMPDIR.
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
