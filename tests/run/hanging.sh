#!/bin/bash
# The kernel waits for a daemon that is stopped, for one thread: the others go on, or sleep (hanging.c).
. "$(dirname "$0")/../mount/lib.sh"

HANGING=${HANGING:-$ROOT/build/tests/run/hanging}
mount_fs
pid=$(daemon_pid)
put_right() {
	kill -CONT "$pid" 2>/dev/null || true
}
mkdir "$M/d"
timeout -s KILL 60 "$BTFUSE" run --mount "$M" -- "$HANGING" "$M/d" "$pid" || die "see above"
