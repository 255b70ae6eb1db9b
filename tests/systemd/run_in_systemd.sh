#!/usr/bin/env bash
# Boots a real systemd in a container on a throw-away copy of this machine's own root, and runs a command in it.
#
#   run_in_systemd.sh [--bind FROM:TO] [--bind-ro FROM:TO] [-- COMMAND [ARGUMENT...]]
#
# Gives the command's exit code. Without a command it says `leader PID` on stdout and stays up until stdin ends;
# `nsenter -t PID -a -- COMMAND` then runs in the guest. The guest's writes go to an overlay and are lost at the end; it
# shares this machine's network, so a server on 127.0.0.1 here is one there; its /tmp is empty. Needs root and
# systemd-nspawn (Debian package systemd-container).
set -euo pipefail

UP_WITHIN_S=120
DOWN_WITHIN_S=30

binds=()
while [ $# -gt 0 ]; do
    case "$1" in
        --bind | --bind-ro) binds+=("$1=$2"); shift 2 ;;
        --) shift; break ;;
        *) echo "${0##*/}: what is $1?" >&2; exit 64 ;;
    esac
done

name=tradeassist-$$
work=$(mktemp -d "${TMPDIR:-/tmp}/$name.XXXXXX")
nspawn='' leader=''

# A cgroup of its own in every writable hierarchy that systemd uses: guests that share one kill each other's services.
hierarchies=()
for directory in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [ -w "$directory/cgroup.procs" ]; then hierarchies+=("$directory"); fi
done

running() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

in_guest() { nsenter --target "$leader" --all -- "$@"; }

wait_until() { # SECONDS COMMAND...: ask ten times a second
    local tries=$(($1 * 10))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

is_up() {
    running "$nspawn" || return 0 # it will not come up any more; the caller looks again
    leader=$(awk '{print $1}' "/proc/$nspawn/task/$nspawn/children" 2>/dev/null) || return 1
    [ -n "$leader" ] || return 1
    case "$(in_guest systemctl is-system-running 2>/dev/null)" in running | degraded) return 0 ;; *) return 1 ;; esac
}

is_down() { ! running "$nspawn"; }

cgroups_are_gone() { # a cgroup can go once the kernel has let go of its last process
    local gone=0
    for hierarchy in "${hierarchies[@]}"; do
        find "$hierarchy/$name" -depth -type d -exec rmdir {} + 2>/dev/null || true
        [ ! -e "$hierarchy/$name" ] || gone=1
    done
    return "$gone"
}

clean_up() {
    if running "$nspawn"; then
        if [ -n "$leader" ]; then in_guest systemctl poweroff --no-wall >/dev/null 2>&1 || true; fi
        wait_until "$DOWN_WITHIN_S" is_down || kill -KILL "$nspawn" 2>/dev/null || true
        wait "$nspawn" 2>/dev/null || true
    fi
    umount "$work/root" && rm -rf "$work"
    wait_until "$DOWN_WITHIN_S" cgroups_are_gone || true
}

mkdir "$work/root"
mount --bind / "$work/root"
trap clean_up EXIT
trap 'exit 143' TERM INT HUP

(
    for hierarchy in "${hierarchies[@]}"; do
        mkdir "$hierarchy/$name"
        echo "$BASHPID" >"$hierarchy/$name/cgroup.procs"
    done
    exec systemd-nspawn --quiet --directory="$work/root" --volatile=overlay --boot --register=no --keep-unit \
        --link-journal=no --machine="$name" --console=pipe ${binds[@]+"${binds[@]}"} \
        systemd.mask=systemd-timesyncd.service systemd.mask=apt-daily.timer systemd.mask=apt-daily-upgrade.timer \
        systemd.mask=man-db.timer systemd.mask=postgresql.service
) </dev/null >"$work/console" 2>&1 &
nspawn=$!

if ! wait_until "$UP_WITHIN_S" is_up || ! running "$nspawn"; then
    cat "$work/console" >&2
    echo "${0##*/}: systemd did not come up within $UP_WITHIN_S s" >&2
    exit 70
fi

if [ $# -gt 0 ]; then
    code=0
    in_guest "$@" || code=$?
    exit "$code"
fi
echo "leader $leader"
cat >/dev/null
