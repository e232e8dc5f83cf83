#!/bin/bash
# soak.sh MINUTES: sixteen processes work, hooked and through the mount, some are
# killed, another file system is mounted and unmounted, exporter and top look on.
# In the end memory and descriptors are as they were, the file system is clean,
# and the counters say what the load has done.
. "$(dirname "$0")/see.sh"
MINUTES=${1:?minutes}

mount_fs
start_exporter
daemon=$(daemon_pid)
mkdir "$T/other" "$T/rounds"
"$BTFUSE" top --mount "$M" --json --interval 1000 >"$T/top" 2>&1 &
top=$!
touch "$T/on"
put_right() {
	rm -f "$T/on"
	kill "$top" "$exporter" 2>/dev/null || true
	wait 2>/dev/null || true
	umount -l "$T/other" 2>/dev/null || true
}

# holders DIR: who has something open there, works there, maps a file of it; in which
# processes' namespaces it is mounted; what its daemon's threads wait for.
holders() {
	local link pid
	for link in /proc/[0-9]*/{cwd,root,exe,fd/*}; do
		case $(readlink "$link" 2>/dev/null) in
		"$1" | "$1"/*) echo "$link -> $(readlink "$link"): $(tr '\0' ' ' <"${link%%/[cref]*}/cmdline")" ;;
		esac
	done
	grep -sF -- " $1/" /proc/[0-9]*/maps || true
	grep -sF -- " $1 " /proc/[0-9]*/mountinfo || true
	for pid in $(daemon_pid "$NAME-2"); do
		grep -s . "/proc/$pid/task/"*/{comm,wchan,syscall,stack} || true
		"$BTFUSE" top --once --interval 10 --json | grep -o "\"pid\":$pid,[^}]*" || true
	done
}

# worker N: rounds in a directory of its own, in the process or through the mount, to the end or to a death.
worker() {
	local run=0 dir pid status
	RANDOM=$((BASHPID + $1))
	while [ -e "$T/on" ]; do
		run=$((run + 1))
		dir=$M/work-$1-$run
		mkdir "$dir"
		if [ $((RANDOM % 4)) = 0 ]; then
			"$WORK" "$dir" 60 count >"$T/rounds/$1-$run.mount" 2>"$T/words-$1" &
		else
			"$BTFUSE" run --mount "$M" -- "$WORK" "$dir" 1500 count >"$T/rounds/$1-$run.hooked" 2>"$T/words-$1" &
		fi
		pid=$!
		if [ $((RANDOM % 3)) = 0 ]; then
			sleep "0.$((RANDOM % 5))"
			kill -9 "$pid" 2>/dev/null && echo >>"$T/killed"
		fi
		status=0
		wait "$pid" 2>/dev/null || status=$?
		if [ "$status" != 0 ] && [ "$status" != 137 ]; then
			{
				echo "worker $1, run $run: status $status, $(ls "$T/rounds/$1-$run".*): $(cat "$T/words-$1")"
				echo "through the kernel:"
				ls -ail "$dir"
				echo "in a process:"
				timeout 60 "$BTFUSE" run --mount "$M" -- ls -ail "$dir"
			} >>"$T/failed" 2>&1
		fi
		rm -rf "$dir"
	done
}

# try COMMAND...: its words, and who is in the way.
try() {
	local status=0
	"$@" >"$T/words" 2>&1 || status=$?
	[ "$status" = 0 ] || {
		echo "$(date +%T.%N): $*: status $status: $(cat "$T/words")"
		holders "$T/other"
	} >>"$T/failed"
}

churn() {
	while [ -e "$T/on" ]; do
		try timeout 600 "$BTFUSE" mount --name "$NAME-2" "$T/other"
		echo x >"$T/other/x" || echo "write to other/x" >>"$T/failed"
		try timeout 600 "$BTFUSE" umount "$T/other"
	done
}

fds() {
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

pids=()
for n in $(seq 16); do
	worker "$n" 2>/dev/null &
	pids+=($!)
done
churn &
pids+=($!)

say "$MINUTES minutes"
end=$(($(date +%s) + MINUTES * 60))
sleep 20
fds_exporter=$(fds "$exporter")
rss_exporter=$(rss "$exporter")
fds_daemon=$(fds "$daemon")
rss_daemon=$(rss "$daemon")
rss_top=$(rss "$top")
looks=0
while [ "$(date +%s)" -lt "$end" ]; do
	get GET /metrics
	status 200
	looks=$((looks + 1))
	[ ! -e "$T/failed" ] || die "$(cat "$T/failed")"
	sleep 1
done
say "after $looks looks: descriptors and memory of exporter, daemon and top"
[ "$(fds "$exporter")" -le $((fds_exporter + 4)) ] || die "exporter: $fds_exporter descriptors, then $(fds "$exporter")"
[ "$(fds "$daemon")" -le $((fds_daemon + 20)) ] || die "daemon: $fds_daemon descriptors, then $(fds "$daemon")"
[ "$(rss "$exporter")" -le $((rss_exporter + 4096)) ] || die "exporter: $rss_exporter KiB, then $(rss "$exporter")"
[ "$(rss "$top")" -le $((rss_top + 4096)) ] || die "top: $rss_top KiB, then $(rss "$top")"
# What the daemon maps of the pool counts as its memory.
[ "$(rss "$daemon")" -le $((rss_daemon + 131072)) ] || die "daemon: $rss_daemon KiB, then $(rss "$daemon")"
[ "$(wc -l <"$T/top")" -ge $((MINUTES * 30)) ] || die "top has said $(wc -l <"$T/top") lines"
tail -n 1 "$T/top" | python3 -c 'import json, sys; assert json.load(sys.stdin)["operations_per_second"] > 100'

rm "$T/on"
wait "${pids[@]}" || true
[ ! -e "$T/failed" ] || die "$(cat "$T/failed")"

say "the counters"
# bytes [PATTERN]: of the files of progress, which are too many for one command.
bytes() {
	find "$T/rounds" -type f -name "${1:-*}" -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}
rounds=$(bytes)
killed=$([ -e "$T/killed" ] && wc -l <"$T/killed" || echo 0)
hooked=$(bytes '*.hooked')
renames=$(value btfuse_operations_total op=rename)
in_process=$(($(value btfuse_operations_total op=rename path=process) + $(value btfuse_operations_total op=rename path=ring)))
say "$rounds rounds, $killed kills; $renames renames are counted, $in_process of them in processes ($hooked rounds)"
[ "$killed" -gt 0 ] || die "nobody was killed"
# The round in which one was killed may have come to its rename.
between() {
	[ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}
between "$renames" "$rounds" $((rounds + killed)) || die "they are not the load's"
between "$in_process" "$hooked" $((hooked + killed)) || die "they are not the processes'"

say "all is given back"
# Processes on the mount that are the load's, or are no more. What else the user runs may have attached it too.
attached() {
	"$BTFUSE" top --mount "$M" --once --interval 10 --json | python3 -c '
import json, sys
for p in json.load(sys.stdin)["processes"]:
    try:
        words = open("/proc/%d/cmdline" % p["pid"]).read().split("\0")
    except OSError:
        words = ["gone"]
    words = words if words[0] else ["gone"]  # a zombie
    if not p["daemon"] and (words == ["gone"] or any(sys.argv[1] in w for w in words)):
        print(p["pid"], *words)' "$T/"
}
is_empty() {
	[ "$(value btfuse_inodes state=used)" -le 1 ] && [ "$(value btfuse_open_files)" = 0 ] && [ -z "$(attached)" ]
}
eventually is_empty || die "left: $(python3 "$SEE/scrape.py" "$URL/metrics" |
	grep -E "^btfuse_(inodes|open_files|processes|tasks|ring_[a-z]*)\{mount=\"$NAME\"")
$(attached)
$("$BTFUSE" top --mount "$M" --once --json)
$(pgrep -af "[ /]see-work |$NAME")"
[ "$(value btfuse_blocks state=used)" -le 16 ] || die "$(value btfuse_blocks state=used) blocks are in use"
kill "$top"
wait "$top" 2>/dev/null || true
