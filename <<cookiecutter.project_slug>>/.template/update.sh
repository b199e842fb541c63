#!/bin/sh
# Compares this service with its template, or merges the template's changes into it:
#   update.sh diff|update [database=... auth=... deployment=...]
#   update.sh source FOLDER  copies the service as it was rendered into the folder, for `make resource`
# TEMPLATE is the path or URL of the template; FROM and TO are its tags or commits. This script runs the template's
# hooks, so use only a template that you trust. It writes nothing before the merge; `git reset --hard` undoes that.
set -eu
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export PYTHONWARNINGS=error::UserWarning # stop if the template no longer offers a choice
cd "$(dirname "$0")/.."
answers=.template/answers.yaml
mode=$1
shift

stop() { printf '%s\n' "$@" >&2; exit 1; }
recorded() { sed -n "s/^$1: *\"\(.*\)\" *\$/\1/p" "$answers"; }
known() { git ls-files --error-unmatch -- ":/$1" >/dev/null 2>&1; }
conflicts() { git -C "$top" ls-files --unmerged; }

git rev-parse --quiet --verify HEAD >/dev/null 2>&1 ||
    stop "The service needs a git repository with a commit: git init, git add --all, git commit"
top=$(git rev-parse --show-toplevel)
template=${TEMPLATE:-$(recorded template)}
[ "$template" ] || stop "Set the path or URL of the template: TEMPLATE=... after the make command," \
    "or write it into $answers, at \"template\""
clean() {
    [ -z "$(git status --porcelain --untracked-files=no)" ] ||
        stop "There are uncommitted changes. Commit them or run git stash, then try again"
}
[ "$mode" != update ] || clean

tmp='' merging=''
leave() {
    status=$?
    trap '' INT TERM HUP PIPE
    if [ "$merging" ]; then # return to the commit and remove files that the merge added
        git reset --quiet --hard
        while read -r path; do known "$path" || rm -f "$top/$path"; done <"$tmp/added"
        echo "Nothing was merged; the service is unchanged" >&2
    fi
    rm -rf "$tmp"
    exit "$status"
}
trap leave EXIT
trap 'exit 130' INT TERM HUP PIPE
tmp=$(mktemp -d) # after the traps: a signal meanwhile removes it too
export TMPDIR="$tmp" # cookiecutter leaves files there

git clone --quiet -- "$template" "$tmp/template" || stop "Cannot read the template"
# A rendering records where its template came from: the same as this service does.
[ -z "$(recorded template)" ] || git -C "$tmp/template" remote set-url origin "$(recorded template)"
commit() { # TAG-OR-COMMIT
    for name in "$1" "origin/$1"; do
        git -C "$tmp/template" rev-parse --quiet --verify --end-of-options "$name^{commit}" && return
    done
    stop "The template has no tag or commit $1. Set FROM= or TO= to a tag or commit of it"
}
contains() { # TAG-OR-COMMIT TAG: whether the first is newer than the second, or there is no second
    [ "$2" ] || return 0
    newer=$(commit "$1") && older=$(commit "$2") && [ "$newer" != "$older" ] &&
        git -C "$tmp/template" merge-base --is-ancestor "$older" "$newer"
}
program() {
    if [ -x "$template/.venv/bin/cookiecutter" ]; then "$template/.venv/bin/python" -m cookiecutter "$@"
    elif command -v cookiecutter >/dev/null; then cookiecutter "$@"
    elif command -v pipx >/dev/null; then pipx run cookiecutter "$@"
    else echo "Install cookiecutter 2.6 or newer: pipx install cookiecutter" && return 1
    fi
}
render() { # NAME TAG-OR-COMMIT [CHOICE=ANSWER...]: the tree of a rendering, with a separate index
    at=$(commit "$2")
    git -C "$tmp/template" checkout --quiet --detach "$at"
    { echo "replay_dir: \"$tmp/replay\""; cat "$answers"; } >"$tmp/config.yaml"
    name=$1
    shift 2
    for choice; do
        case $choice in *[!a-z=]*) stop "$choice is not a choice of the template" ;; esac
        sed "s/^  ${choice%%=*}: .*/  ${choice%%=*}: \"${choice#*=}\"/" "$tmp/config.yaml" >"$tmp/changed.yaml"
        mv "$tmp/changed.yaml" "$tmp/config.yaml"
    done
    program "$tmp/template" --no-input --config-file "$tmp/config.yaml" --output-dir "$tmp/$name" >"$tmp/log" 2>&1 ||
        stop "$(if grep -q ^Traceback "$tmp/log"; then tail -n 1 "$tmp/log"; else cat "$tmp/log"; fi)" \
            "The template did not render; nothing was changed"
    folder=$(echo "$tmp/$name"/*)
    rm -f "$folder/.env"
    repository=$(git rev-parse --absolute-git-dir)
    prefix=$(git rev-parse --show-prefix)
    export GIT_INDEX_FILE="$tmp/$name.index"
    git -c core.excludesFile=/dev/null -c core.autocrlf=false \
        --git-dir="$repository" --work-tree="$folder" -C "$folder" add --all
    if [ "$prefix" ]; then # the service is a folder of the repository
        tree=$(git write-tree)
        git read-tree --empty
        git read-tree --prefix="$prefix" "$tree"
    fi
    git write-tree
}

from=${FROM:-$(recorded commit)}
from=${from:-v$(recorded version)}
to=${TO:-$from}
if [ "$mode$#${TO:-}" = update0 ]; then # otherwise keep the version and change a choice
    to=$(git -C "$tmp/template" -c versionsort.suffix=- tag --list 'v*' --sort=-version:refname | head -n 1)
    # A service that is newer than the newest version follows the template's branch.
    ! contains "$from" "$to" || to=origin/HEAD
fi
(commit "$from") >/dev/null || stop "Set the version that this service was rendered from: FROM=..."
(commit "$to") >/dev/null
old=$(render old "$from")
if [ "$mode" = source ]; then
    cp -R "$tmp/old"/*/. "$1"
    exit
fi
if [ "$mode$#$to" = "diff0$from" ]; then
    set -- --diff-filter=a "$old" # compare with the files here, without files that only the service has
else
    new=$(render new "$to" "$@")
    set -- "$old" "$new"
fi

if [ "$mode" = diff ]; then
    git --no-pager diff --stat=100 "$@" -- .
    echo
    git --no-pager diff "$@" -- . ':(exclude)*.lock' ':(exclude)*package-lock.json'
    exit
fi
[ "$old" != "$new" ] || { echo "The service is up to date with $to"; exit; }

git diff --name-only --no-renames --diff-filter=A "$old" "$new" >"$tmp/added"
while read -r path; do
    [ ! -e "$top/$path" ] || known "$path" ||
        stop "The template adds $path, and an untracked file has that name. Commit or move your file"
done <"$tmp/added"
# A commit needs an author; these two commits are on no branch.
export GIT_AUTHOR_NAME=template GIT_AUTHOR_EMAIL=template GIT_COMMITTER_NAME=template GIT_COMMITTER_EMAIL=template
base=$(git commit-tree -m "template $from" "$old")
theirs=$(git commit-tree -m "template $to" -p "$base" "$new")
clean # check again: rendering took time, and a failure from here on resets the files
merging=yes
git -c merge.renames=true cherry-pick --no-commit "$theirs" >"$tmp/log" 2>&1 ||
    [ "$(conflicts)" ] || stop "$(cat "$tmp/log")"
# Files that were deleted here stay deleted, even if the template changed them.
git status --porcelain | sed -n 's/^DU //p' | while read -r path; do
    git rm --quiet --force -- ":/$path"
    echo "Kept deleted, although the template changed it: $path"
done
merging=
git status --short --untracked-files=no
echo
[ -z "$(conflicts)" ] ||
    stop "Merged $to with conflicts, marked UU or AA above. Resolve them, then git add and git commit." \
        "git reset --hard undoes the update"
echo "Merged $to without a commit: read git diff --cached, run make check, then commit."
echo "git reset --hard undoes the update"
last() { # the migrations that no other one follows
    for file in migrations/versions/*.py; do
        revision=$(sed -n 's/^revision = "\(.*\)"/\1/p' "$file")
        grep -q "^down_revision = .*\"$revision\"" migrations/versions/*.py || echo "$revision"
    done
}
# shellcheck disable=SC2046 # the names of migrations have no spaces
set -- $(last)
[ $# -lt 2 ] || echo "Two migrations are the last one: $*. Run make merge-migrations before make migrate"
