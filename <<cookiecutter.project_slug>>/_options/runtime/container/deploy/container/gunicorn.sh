#!/bin/sh
# gunicorn.sh NAME: runs gunicorn as one of several instances behind one Nginx. A stop loses no request: the
# script first removes the socket, so Nginx uses another instance at once; then gunicorn answers the requests
# that it has received; then it stops.
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
    : >"$socket" # gunicorn removes this file when it stops, and fails without it
    sleep 1      # time to accept the connections that wait in the socket
    kill -TERM "$gunicorn"
    wait "$gunicorn" && status=0 || status=$?
fi
exit "$status"
