#!/bin/bash
# redis under `bt-fuse run`, on the mount and on a tmpfs beside it: an append-only file that is rewritten while it grows,
# a snapshot, kill -9 and reload. The same answers, and all that was acknowledged is there.
. "$(dirname "$0")/../mount/lib.sh"

cli() {
	redis-cli -s "$PWD/sock" "$@"
}

start() {
	redis-server --port 0 --unixsocket "$PWD/sock" --dir "$PWD" --daemonize yes --pidfile "$PWD/pid" --logfile "$PWD/log" \
		--appendonly yes --appendfsync "$1" --save '' --auto-aof-rewrite-percentage 0 >/dev/null
	for _ in $(seq 200); do
		! cli ping 2>&1 | grep PONG >/dev/null || return 0
		sleep 0.05
	done
	tail -5 log
	return 1
}

stop_at_once() { # directory
	local pid
	pid=$(timeout 5 cat "$1/pid" 2>/dev/null) || return 0
	[ "$(readlink "/proc/$pid/cwd")" = "$1" ] || return 0
	kill -9 "$pid" 2>/dev/null || return 0
	(gone "$pid") || :
}

commands() { # first, last
	seq "$1" "$2" | awk '{ print "SET key:" $1 % 500, $1 * 7; print "RPUSH list:" $1 % 10, $1; print "HSET hash f" $1 % 300, $1;
		print "INCRBY sum", $1; print "SETRANGE text", $1 % 5000, "x" $1; if ($1 % 5 == 0) print "LPOP list:" $1 % 10 }'
}

# An end that is seen: what runs in the background is through.
finished() { # field of INFO
	for _ in $(seq 400); do
		! cli info persistence | grep "^$1:0" >/dev/null || return 0
		sleep 0.02
	done
	echo "$1 does not end"
}

contents() {
	cli dbsize
	cli debug digest | tr -d '\0'
	cli get sum
}

work() {
	local acknowledged
	cd "$1"
	start everysec
	commands 1 3000 | cli --pipe | grep errors
	contents
	cli bgrewriteaof
	commands 3001 6000 | cli --pipe | grep errors
	finished aof_rewrite_in_progress
	cli info persistence | grep -E '^aof_last_(bgrewrite|write)_status' | tr -d '\r'
	commands 6001 6100 | cli --pipe | grep errors
	cli bgsave | head -c 17
	echo
	finished rdb_bgsave_in_progress
	contents
	# What redis has acknowledged it has written: a kill of the process loses none of it.
	stop_at_once "$PWD"
	start always
	contents
	(for i in $(seq 100000); do echo "INCR acknowledged"; done | cli >answers 2>/dev/null || :) &
	sleep 0.5
	cli bgrewriteaof >/dev/null
	sleep 0.01
	stop_at_once "$PWD"
	wait
	start everysec
	acknowledged=$(grep -c '^[0-9]' answers)
	[ "$acknowledged" -gt 0 ] && [ "$(cli get acknowledged)" -ge "$acknowledged" ] && [ "$(cli get acknowledged)" -le $((acknowledged + 1)) ] ||
		echo "acknowledged $acknowledged, found $(cli get acknowledged)"
	cli set acknowledged 0
	contents
	cli shutdown
	redis-check-aof appendonlydir/appendonly.aof.manifest | tail -1
	redis-check-rdb dump.rdb | grep -c 'RDB looks OK'
	start no
	contents
	stop_at_once "$PWD"
}

if [ "${1-}" = --work ]; then
	dir=$2
	trap 'status=$?; stop_at_once "$dir"; rm -rf "$T"; exit $status' EXIT
	work "$dir" 2>&1
	exit
fi

command -v redis-server >/dev/null || die "redis is not there: tools/setup"
plain=$(mktemp -d "/dev/shm/bt-fuse-$(id -u)-$NAME.XXXXXX")
put_right() {
	stop_at_once "$plain"
	stop_at_once "$M"
	rm -rf "$plain"
}
mount_fs
bash "$0" --work "$plain" >"$T/plain" || die "fails on tmpfs: $(tail -5 "$T/plain")"
"$BTFUSE" run --stats --mount "$M" -- bash "$0" --work "$M" >"$T/run" 2>"$T/stats" || die "fails: $(tail -20 "$T/run" "$M/log")"
diff "$T/plain" "$T/run" || die "another result than on tmpfs"
grep answered "$T/stats"
