#!/bin/bash
# The exporter: what it says is well-formed, it answers what it should and
# refuses the rest, holds many connections, and does not mind mounts that come,
# go and die.
. "$(dirname "$0")/see.sh"

say "without a mount"
start_exporter
get GET /metrics
grep -q '^btfuse_mounts ' "$T/reply" || die "no metrics without a mount"

say "both formats"
mount_fs
"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 300 >"$T/work"
get GET /metrics
status '200 text/plain; version=0.0.4'
mv "$T/reply" "$T/plain"
sed 1d "$T/plain" | promtool check metrics || die "promtool is not content"
get GET /metrics 'Accept:application/openmetrics-text;version=1.0.0,text/plain;q=0.5'
status '200 application/openmetrics-text; version=1.0.0'
mv "$T/reply" "$T/open"
[ "$(tail -1 "$T/open")" = "# EOF" ] || die "no end"
grep -q '^# TYPE btfuse_operations counter' "$T/open" || die "a counter's family has its suffix"
grep -q '^# UNIT btfuse_io_bytes bytes' "$T/open" || die "no units"
for accept in 'text/plain' '*/*' 'application/openmetrics-text;q=0' 'text/plain;q=0.9, application/openmetrics-text;q=0.1'; do
	get GET /metrics "Accept:$accept"
	status '200 text/plain'
done

say "every family has help, type and at least one sample of the mount"
python3 - "$T/plain" <<'END'
import re, sys
lines = open(sys.argv[1]).read().splitlines()[1:]
families = {l.split()[2]: l.split()[3] for l in lines if l.startswith("# TYPE ")}
helped = {l.split()[2] for l in lines if l.startswith("# HELP ")}
sampled = {re.sub(r"_(bucket|sum|count)$", "", l) if re.sub(r"_(bucket|sum|count)$", "", l) in families else l
           for l in (re.split(r"[{ ]", l)[0] for l in lines if not l.startswith("#"))}
assert len(families) > 15, families
assert set(families) == helped, set(families) ^ helped
assert {f for f in families if not f.startswith("btfuse_bpf_map_")} == sampled, set(families) ^ sampled
END

say "what is asked wrongly"
get GET /healthz
[ "$(cat "$T/reply")" = "200 text/plain; charset=utf-8
ok" ] || die "healthz"
get HEAD /healthz
status 200
get GET /
status '200 text/html'
for path in /nothing /metrics/ /../etc/passwd "/$(printf 'x%.0s' {1..2000})"; do
	get GET "$path"
	status 404
done
for method in POST PUT DELETE OPTIONS PATCH NONSENSE; do
	get "$method" /metrics
	status 405
done

say "many connections, some of which say nothing"
python3 - "$URL" <<'END'
import concurrent.futures, socket, sys, urllib.request
url = sys.argv[1]
host, port = url[7:].split(":")
idle = [socket.create_connection((host, int(port))) for _ in range(20)]
def one(_):
    return urllib.request.urlopen(url + "/metrics", timeout=30).read().count(b"btfuse_operations_total")
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    counts = set(pool.map(one, range(200)))
assert counts and min(counts) > 0, counts
half = socket.create_connection((host, int(port)))
half.sendall(b"GET /metr")
for s in idle + [half]:
    s.close()
END

say "only on the loopback"
ss -ltn 2>/dev/null | awk -v p=":${URL##*:}" '$4 ~ p "$" { print $4 }' | grep -v '^127\.0\.0\.1:' && die "it listens elsewhere"

say "it has no more open after all that, and nothing of a pool"
sleep 0.5
find "/proc/$exporter/fd" -lname '/dev/shm/*' | grep . && die "it holds a pool"
grep -q /dev/shm/ "/proc/$exporter/maps" && die "it maps a pool"

say "a pool that cannot be written"
# Its mappings are made without the right to write: by a descriptor that has none.
if command -v strace >/dev/null; then
	strace -f -qq -e trace=mmap,openat -o "$T/trace" -p "$exporter" &
	tracer=$!
	sleep 1
	get GET /metrics
	kill "$tracer" 2>/dev/null || true
	wait "$tracer" 2>/dev/null || true
	grep -q 'PROT_READ, MAP_SHARED' "$T/trace" || die "the trace has no mapping of a pool: $(cat "$T/trace")"
	grep 'MAP_SHARED' "$T/trace" | grep PROT_WRITE && die "a pool is mapped writable"
fi

say "mounts that come, go and die meanwhile"
mkdir "$T/other"
(
	until [ -e "$T/looked" ]; do
		timeout 30 "$BTFUSE" mount --name "$NAME-2" "$T/other"
		if [ $((SECONDS % 2)) = 0 ]; then
			pid=$(daemon_pid "$NAME-2")
			kill -9 "$pid"
			gone "$pid"
			umount -l "$T/other" 2>/dev/null || fusermount3 -uz "$T/other"
			rm -f "$(pool_file)-2"
		else
			timeout 30 "$BTFUSE" umount "$T/other"
		fi
	done
) &
churn=$!
end=$((SECONDS + 6))
for ((n = 0; SECONDS < end || n < 5; n++)); do
	get GET /metrics
	grep -q "^btfuse_operations_total{mount=\"$NAME\"" "$T/reply" || die "this mount's metrics are gone"
done
touch "$T/looked"
wait "$churn" || die "mounting and unmounting failed"

say "a mount point with a name of all kinds of bytes"
odd=$T/$'odd "{mount=}\\ \xe9\xc3\xa9\xed\xa0\x80 \n#'
mkdir "$odd"
timeout 30 "$BTFUSE" mount --name "$NAME-2" "$odd"
get GET /metrics
timeout 30 "$BTFUSE" umount "$odd"
sed 1d "$T/reply" | promtool check metrics || die "promtool is not content"
grep -qF 'odd \"{mount=}\\ '$'\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd'' \n#"' "$T/reply" ||
	die "the mount point is told otherwise: $(grep "^btfuse_mount_info.*$NAME-2" "$T/reply")"

say "a daemon that is stopped holds up nobody for long, and is missed"
timeout 30 "$BTFUSE" mount --name "$NAME-2" "$T/other"
pid=$(daemon_pid "$NAME-2")
kill -STOP "$pid"
start=$(date +%s%N)
get GET /metrics
took=$((($(date +%s%N) - start) / 1000000))
"$BTFUSE" top --once --json --interval 10 >/dev/null || die "top does not get on"
kill -CONT "$pid"
grep -q "^btfuse_operations_total{mount=\"$NAME\"" "$T/reply" || die "this mount's metrics are gone"
grep -q "^btfuse_operations_total{mount=\"$NAME-2\"" "$T/reply" && die "a stopped daemon has answered"
grep -q '^btfuse_silent_mounts [1-9]' "$T/reply" || die "nothing is silent: $(grep silent "$T/reply")"
[ "$took" -lt 4000 ] || die "a look took $took ms"

say "the pool of a daemon that is killed is told of, until it is mounted again"
kill -9 "$pid"
gone "$pid"
umount -l "$T/other" 2>/dev/null || fusermount3 -uz "$T/other"
get GET /metrics
grep -q '^btfuse_orphaned_pools [1-9]' "$T/reply" || die "no pool is an orphan: $(grep orphaned "$T/reply")"
timeout 30 "$BTFUSE" mount --name "$NAME-2" "$T/other"
get GET /metrics
grep -q "^btfuse_operations_total{mount=\"$NAME-2\"" "$T/reply" || die "it has not been taken over"
timeout 30 "$BTFUSE" umount "$T/other"

say "a port that is taken, and one that is none"
timeout 10 "$BTFUSE" exporter --listen "${URL#http://}" >"$T/second" 2>&1 && die "two exporters on one port"
grep -q 'Address already in use' "$T/second" || die "$(cat "$T/second")"
for where in 127.0.0.1 localhost:1 1.2.3.4.5:6 127.0.0.1:70000 ""; do
	timeout 10 "$BTFUSE" exporter --listen "$where" >"$T/second" 2>&1 && die "it listens on '$where'"
done

say "its end"
kill "$exporter"
wait "$exporter" || die "its status is $?"
exporter=
