#!/bin/sh
# gunicorn as one of several instances behind one Nginx: gunicorn.sh NAME. Stopping it loses no request:
# first its socket goes away, so that Nginx turns to another instance at once; then what has been sent
# to it is answered; then it stops.
set -eu

export GUNICORN_BIND="unix:/run/<< cookiecutter.project_slug >>/$1.sock"
socket=${GUNICORN_BIND#unix:}
rm -f "$socket"
gunicorn --config deploy/gunicorn.conf.py &
gunicorn=$!

stopping=
status=0
trap stopping=1 TERM INT
wait "$gunicorn" || status=$?
if [ "$stopping" ]; then
    trap '' TERM INT
    rm -f "$socket"
    : >"$socket" # gunicorn removes it, and would stumble over its absence
    sleep 1      # what waits in the socket is accepted
    kill -TERM "$gunicorn"
    wait "$gunicorn" && status=0 || status=$?
fi
exit "$status"
