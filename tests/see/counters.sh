#!/bin/bash
# The counters say exactly what a known load has done: in the process, through
# the mount, by several processes at once, and by processes that are killed.
. "$(dirname "$0")/see.sh"

mount_fs
start_exporter
python=$(python3 -c 'import sys; print(sys.executable)') # itself, no wrapper

# Operations of that kind that hooked processes have made.
made_hooked() {
	echo $(($(value btfuse_operations_total op="$1" path=process) + $(value btfuse_operations_total op="$1" path=ring)))
}

say "hooked"
ops "$hooked" >"$T/before"
"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 300 >"$T/expected"
ops "$hooked" >"$T/after"
same "$T/before" "$T/after" "$T/expected"

say "through the mount: what the kernel cannot answer from what it has"
ops kernel >"$T/before"
"$WORK" "$M" 100 >"$T/expected"
ops kernel >"$T/after"
same "$T/before" "$T/after" "$T/expected" write bytes_written truncate rename link unlink symlink readlink utimens

say "by eight processes at once, twice: seats are used again"
ops "$hooked" >"$T/before"
for _ in 1 2; do
	pids=()
	for _ in 1 2 3 4 5 6 7 8; do
		"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 100 >"$T/expected" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || die "the load failed"
	done
done
ops "$hooked" >"$T/after"
awk '{ print $1, $2 * 16, $3 * 16 }' "$T/expected" >"$T/sixteen"
same "$T/before" "$T/after" "$T/sixteen"

say "killed: what was done is counted, before and after the dead are cleared up"
open_before=$(made_hooked open)
ended=$(value btfuse_ended_processes_total)
for _ in 1 2 3; do
	rm -f "$T/progress" # it is seen before it is truncated
	"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 1000000 forever >"$T/progress" &
	pid=$!
	eventually test -s "$T/progress" || die "no progress"
	sleep 0.3
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	rounds=$(stat -c %s "$T/progress")
	made=$(($(made_hooked open) - open_before))
	# One round was under way; its file may have been opened.
	[ "$made" = "$rounds" ] || [ "$made" = $((rounds + 1)) ] || die "$rounds rounds were made, $made are counted"
	open_before=$((open_before + made))
done
eventually reached $((ended + 3)) btfuse_ended_processes_total || die "nobody has cleared up"
[ "$(made_hooked open)" = "$open_before" ] || die "clearing up has changed the counters"

say "what the kernel has to forget is asked of the daemon: calls, requests and messages agree"
python3 - "$M" <<'END'
import os, sys
for i in range(40):
    open("%s/seen-%d" % (sys.argv[1], i), "w").close()  # the kernel keeps the name
END
in_process=$(value btfuse_operations_total op=unlink path=process)
in_ring=$(value btfuse_operations_total op=unlink path=ring)
asked=$(value btfuse_operations_total path=ring)
requests=$(value btfuse_ring_requests_total)
names=$(value btfuse_invalidations_total kind=name)
# shellcheck disable=SC2016
"$BTFUSE" run --mount "$M" -- "$python" -I -S -B -c '
import os, sys, urllib.request
for i in range(60):
    os.close(os.open("%s/seen-%d" % (sys.argv[1], i), os.O_CREAT))  # 40 are there
for i in range(60):
    os.unlink("%s/seen-%d" % (sys.argv[1], i))
sys.stdout.write(urllib.request.urlopen(sys.argv[2] + "/metrics").read().decode())' "$M" "$URL" >"$T/meanwhile"
in_ring=$(($(value btfuse_operations_total op=unlink path=ring) - in_ring))
in_process=$(($(value btfuse_operations_total op=unlink path=process) - in_process))
asked=$(($(value btfuse_operations_total path=ring) - asked))
requests=$(($(value btfuse_ring_requests_total) - requests))
names=$(($(value btfuse_invalidations_total kind=name) - names))
[ "$in_ring" = 40 ] || die "$in_ring unlinks over the ring, and $in_process in the process"
[ "$in_process" = 20 ] || die "$in_process unlinks in the process"
# Of the new names some may be such that the kernel might have found absent. One request more: the process says hello.
[ "$requests" = $((asked + 1)) ] || die "$requests requests for $asked calls"
[ "$names" -ge "$in_ring" ] || die "$names names, $in_ring calls"
grep -q "^btfuse_ring_channels{mount=\"$NAME\"} 1\$" "$T/meanwhile" || die "the process had no ring"
grep -q "^btfuse_ring_depth{mount=\"$NAME\",state=\"taken\"} 0\$" "$T/meanwhile" || die "a request is still under way"

say "latency: samples of both paths, one call in 64 of the process's"
samples=$(value btfuse_operation_duration_seconds_count path=process op=open)
calls=$(value btfuse_operations_total path=process op=open)
[ $((samples * 200)) -ge "$calls" ] || die "$samples samples of $calls calls"
[ $((samples * 20)) -le "$calls" ] || die "$samples samples of $calls calls"
samples=$(value btfuse_operation_duration_seconds_count path=kernel op=rename)
calls=$(value btfuse_operations_total path=kernel op=rename)
[ "$samples" = "$calls" ] || die "$samples samples of $calls requests of the kernel"
samples=$(value btfuse_operation_duration_seconds_count path=ring)
[ "$samples" -le "$(value btfuse_operations_total path=ring)" ] || die "$samples samples of calls over the ring"

say "errors have their names"
[ "$(value btfuse_errors_total errno=ENOENT)" -ge 300 ] || die "ENOENT is not counted"

say "a descriptor that a call needs is counted as handed over"
before=$(value btfuse_materialised_descriptors_total)
# What is sent to another process has to be real.
"$BTFUSE" run --mount "$M" -- python3 -c '
import os, socket, sys
a, b = socket.socketpair()
socket.send_fds(a, [b"x"], [os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)])' "$M/sent"
[ "$(value btfuse_materialised_descriptors_total)" -gt "$before" ] || die "no descriptor was materialised"
[ "$(value btfuse_handed_over_calls_total reason=descriptor)" -gt 0 ] || die "no call is counted as handed over"
