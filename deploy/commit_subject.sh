#!/bin/sh
# Check the subject of the commit message in the file $1: imperative, at most 72 characters, no full stop.
set -eu

fail() {
    printf 'commit subject: %s\n  %s\n' "$1" "$subject" >&2
    exit 1
}

# Git drops comments and leading empty lines before it takes the first line as the subject.
subject=$(sed -e '/^#/d' -e '/^[[:space:]]*$/d' "$1" | head -n 1)

case $subject in
    "Merge "* | "Revert "* | "fixup! "* | "squash! "* | "amend! "*) exit 0 ;; # written by git
esac
[ -n "$subject" ] || fail "is empty"
[ "$(printf %s "$subject" | LC_ALL=C.UTF-8 wc -m)" -le 72 ] || fail "is longer than 72 characters"
case $subject in
    *.) fail "ends with a full stop" ;;
    [!A-Z]*) fail "does not begin with a capital letter" ;;
esac
# No grammar check, only the usual ways to miss the imperative: "Added", "Adds", "Adding", "The …".
case ${subject%% *} in
    Bring | Embed | Shed | String) ;;
    A | An | The | *[!ei]ing | *[!e]ed | *[!aiosu]s) fail "is not an imperative, such as 'Add a limit on open streams'" ;;
esac
