#!/bin/sh
# Every program that a script calls is this one: it counts, stops the script at its step STOP_AT, and goes on as
# the program of that name, or as its stand-in. Only what is built into the shell, so that it costs little.
name=${0##*/} step=1
echo >>"$STEPS"
while read -r _; do step=$((step + 1)); done <"$STEPS"
if [ "$step" -gt "${STOP_AT:-99999}" ] && [ ! -e "$STEPS.stopped" ]; then
    : >"$STEPS.stopped"
    if [ "$SIGNAL" = INT ]; then kill -INT "-$SCRIPT"; else kill -TERM "$SCRIPT"; fi
fi
if [ -e "$STANDINS/$name" ]; then
    # shellcheck source=/dev/null
    . "$STANDINS/$name"
    exit
fi
for place in /usr/sbin /usr/bin /sbin /bin; do
    [ ! -x "$place/$name" ] || exec "$place/$name" "$@"
done
exit 127
