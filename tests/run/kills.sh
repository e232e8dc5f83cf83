#!/bin/bash
# kills.sh [KILLS]: hooked processes are killed at random during a mixed load, and
# the daemon as well. fsck is clean all the time, the others are unharmed and wait
# for nobody's death, and nothing is left behind: no seat, lock, open file, memory.
. "$(dirname "$0")/../mount/lib.sh"

KILLS=${1:-40}
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
STORM=${STORM:-$ROOT/build/tests/run/kills}
say "$KILLS kills, SEED=$SEED"
mount_fs --size 256M

field() { # of the mount's status
	"$BTFUSE" status --json | python3 -c 'import json,sys
for m in json.load(sys.stdin):
    if m.get("name") == sys.argv[1]: print(m[sys.argv[2]])' "$NAME" "$1"
}

INODES=$(field inodes_used) TASKS=$(field tasks) # before anything

alone() {
	[ "$(field clients)" = 1 ]
}

memory_back() {
	[ "$(field used)" -lt 100000 ]
}

inodes_back() {
	[ "$(field inodes_used)" -le "$INODES" ]
}

nothing_left() {
	local waited
	waited=$(field longest_wait_us)
	say "longest wait for a lock whose owner was dead: $waited us"
	[ "$waited" -le 10000 ] || die "somebody waited too long for the dead"
	eventually alone || die "seats are left: $(field clients) clients"
	clean
	# What is not empty or whole in the logs was torn.
	for f in "$M"/dark/log "$M"/seen/log; do
		[ ! -e "$f" ] || [ "$(LC_ALL=C grep -cvE '^[0-9]+ *$' "$f" || true)" = 0 ] || die "$f: torn records"
	done
	rm -rf "${M:?}"/*
	eventually memory_back || die "memory is left: $(field used) bytes"
	eventually inodes_back || die "inodes are left: $(field inodes_used)"
	[ "$(field tasks)" -le $((TASKS + 10)) ] || die "tasks are left: $(field tasks)"
}

mkdir "$M/dark" "$M/seen"
"$STORM" storm "$BTFUSE" "$M" "$T/state" "$KILLS" "$SEED" || die "SEED=$SEED"
nothing_left

say "the daemon is killed under them, and comes back"
mkdir "$M/dark" "$M/seen"
"$STORM" storm "$BTFUSE" "$M" "$T/state" "$((KILLS / 2))" "$SEED" &
storm=$!
for ((i = 0; i < (KILLS + 39) / 40; i++)); do
	sleep 0.5
	kill -0 "$storm" 2>/dev/null || break
	"$STORM" away "$T/state" 1
	pid=$(daemon_pid)
	kill -9 "$pid"
	gone "$pid"
	sleep "0.$((RANDOM % 3))"
	mount_fs
	"$STORM" away "$T/state" 0
done
wait "$storm" || die "SEED=$SEED"
nothing_left
