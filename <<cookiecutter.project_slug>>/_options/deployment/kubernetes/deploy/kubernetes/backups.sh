#!/bin/sh
# Backups in the cluster: create one, list all, copy one to this folder, restore one.
#   sh deploy/kubernetes/backups.sh now | list | fetch FILE | restore FILE
# deploy.sh calls it with "before-update", for the file of this name. The one before stays as before-update-older: who
# deploys again after a rollout that failed still has the backup from before the migration.
set -eu

action=${1:-} file=${2:-}
k() { kubectl --namespace "<< cookiecutter.project_slug >>" "$@"; }
fail() {
    printf 'Failed: %s\n' "$1" >&2
    exit 1
}

case $action in
    now | list) command='["flask", "db", "backup", "--keep", "14"]' ;;
    before-update) command='["sh", "-c", "rm -f backups/update && flask db backup backups/update && { [ ! -e backups/before-update ] || mv backups/before-update backups/before-update-older; } && mv backups/update backups/before-update"]' ;;
    fetch | restore) command="[\"flask\", \"db\", \"restore\", \"backups/$file\"]" ;;
    *) fail "add one of: now, list, fetch FILE, restore FILE" ;;
esac
case $action$file in
    fetch | restore | *[!A-Za-z0-9.-]*) fail "name a file that \"list\" shows" ;;
    list | fetch*) command='["sleep", "600"]' ;;
esac

job=backups-$action
restoring=''
# shellcheck disable=SC2317 # the trap calls it
clean() {
    status=$?
    trap '' HUP INT TERM
    rm -f "$file.part"
    if [ "$restoring" ]; then # half of a restore would be neither the old data nor the new
        echo "A restore that has begun continues in the cluster. Its log: kubectl --namespace << cookiecutter.project_slug >> logs --follow job/$job" >&2
    else
        k delete job "$job" --ignore-not-found >/dev/null
    fi
    exit "$status"
}
# On a signal (Ctrl-C, a cancelled CI job, a lost connection) dash runs no EXIT trap by itself.
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

case $action in restore) restoring=yes ;; esac
# If this script was stopped, its restore may still run. Wait for it; an error must not count as "nothing runs".
while [ "$restoring" ]; do
    active=$(k get "job/$job" --ignore-not-found --output 'jsonpath={.status.active}')
    if [ "$active" != 1 ]; then break; fi
    sleep "${INTERVAL:-5}"
done
# A Job like those of the CronJob, with the same volume, role and policies, for another command.
k delete job "$job" --ignore-not-found >/dev/null
k create job "$job" --from cronjob/backup --dry-run=client --output json \
    | kubectl patch --local --filename - --output json --type json --patch "[
        {\"op\": \"replace\", \"path\": \"/spec/backoffLimit\", \"value\": 0},
        {\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/command\", \"value\": $command},
        {\"op\": \"remove\", \"path\": \"/spec/template/spec/containers/0/args\"}]" \
    | k apply --filename - >/dev/null

if [ "$action" = list ] || [ "$action" = fetch ]; then
    k wait --for 'jsonpath={.status.ready}=1' "job/$job" --timeout 120s >/dev/null
    if [ "$action" = list ]; then
        k exec "job/$job" -- ls -l backups
    else
        umask 077
        k exec "job/$job" -- cat "backups/$file" >"$file.part"
        mv "$file.part" "$file"
        echo "Wrote $file. It holds personal data: keep it safe."
    fi
    exit
fi
for _ in $(seq 720); do
    case $(k get "job/$job" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') in
        *Complete*)
            restoring=''
            k logs "job/$job" || true # the backup counts, not what it said
            exit
            ;;
        *Failed*)
            restoring=''
            k logs "job/$job" || true
            fail "nothing was changed, unless the lines above say otherwise"
            ;;
    esac
    sleep "${INTERVAL:-5}"
done
fail "it takes more than an hour: kubectl logs job/$job"
