#!/bin/bash
# eBPF as it is counted: each run of a program, what programs did to calls, what
# is loaded and how large its maps are. A program that counts its own runs in a
# map is the judge.
. "$(dirname "$0")/see.sh"

mount_fs
start_exporter
world=/dev/shm/bt-fuse-bpf.$(id -u).$NAME

# bpf NAME [LABEL=VALUE]...: of the user's programs, so of no mount.
bpf() {
	python3 "$SEE/scrape.py" "$URL/metrics" "btfuse_bpf_$1" "${@:2}"
}

# What the program itself has counted.
own_count() {
	"$BTFUSE" map --json dump name calls | python3 -c '
import json, sys
print(sum(int.from_bytes(bytes(int(b, 16) for b in e["value"]), "little") for e in json.load(sys.stdin)))'
}

say "nothing is loaded: nothing is counted, and a look makes nothing"
[ "$(bpf program_runs_total)" = 0 ] || die "runs"
[ "$(bpf objects)" = 0 ] || die "objects"
"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 20 >/dev/null
[ "$(bpf program_runs_total)" = 0 ] || die "programs ran that are not there"
"$BTFUSE" top --once --interval 10 --json | python3 -c '
import json, sys
assert json.load(sys.stdin)["bpf"]["programs"] == 0'

# Counters go with the world's file, which goes with the last who uses it.
"$BTFUSE" run -- sleep 1000 &
holder=$!
eventually test -e "$world" || die "no $world"

say "each run, as the program counts them itself"
load_programs syscount.bpf.o
[ "$(bpf objects kind=program)" = 1 ] || die "$(bpf objects kind=program) programs"
[ "$(bpf objects kind=link)" = 1 ] || die "$(bpf objects kind=link) links"
[ "$(bpf objects kind=map)" = "$("$BTFUSE" map list | grep -c '^[0-9]')" ] || die "$(bpf objects kind=map) maps"
[ "$(bpf map_max_entries name=calls type=hash)" = 1024 ] || die "the map's entries"
[ "$(bpf map_size_bytes name=calls type=hash)" -ge $((1024 * 12)) ] || die "the map's size"
before=$(bpf program_runs_total)
[ "$before" = "$(own_count)" ] || die "$before runs before anything ran"
"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 100 >/dev/null
runs=$(bpf program_runs_total at=enter)
[ "$runs" = "$(own_count)" ] || die "$runs runs are counted, the program counts $(own_count)"
[ "$runs" -gt $((100 * 27)) ] || die "only $runs runs"
[ "$(bpf program_runs_total at=exit)" = 0 ] || die "nothing is attached after calls"

say "by eight processes at once, and by killed ones"
pids=()
for _ in 1 2 3 4 5 6 7 8; do
	"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 100 >/dev/null &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || die "the load failed"
done
runs=$(bpf program_runs_total)
[ "$runs" = "$(own_count)" ] || die "$runs runs are counted, the program counts $(own_count)"
"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 1000000 forever >"$T/progress" &
pid=$!
eventually test -s "$T/progress" || die "no progress"
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
late=$(($(bpf program_runs_total) - $(own_count)))
# A run is counted before it is made.
[ "$late" = 0 ] || [ "$late" = 1 ] || die "$late runs more than the program counts"

say "top sees it"
"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 1000000 forever >/dev/null &
pid=$!
sleep 0.5
"$BTFUSE" top --mount "$M" --once --interval 300 >"$T/top"
"$BTFUSE" top --once --interval 300 --json >"$T/json"
kill "$pid"
grep -q '^eBPF: 1 program, [0-9.]* [kM]* *runs a second' "$T/top" || die "$(cat "$T/top")"
python3 - "$T/json" <<'END'
import json, sys
top = json.load(open(sys.argv[1]))
bpf = top["bpf"]
assert bpf["programs"] == 1 and bpf["runs"] > 1000 and bpf["overridden"] == 0 and bpf["memory_bytes"] > 4096, bpf
END
unload_programs
[ "$(bpf objects)" = 0 ] || die "unloaded, and $(bpf objects) objects are there"
[ "$(bpf program_runs_total)" -gt "$runs" ] || die "what was counted has gone"

say "results that were set"
load_programs error_inject_syscall.bpf.o
before=$(bpf affected_calls_total effect=override)
"$BTFUSE" run --mount "$M" -- "$(python3 -c "import sys; print(sys.executable)")" -I -S -B -c '
import os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
for _ in range(25):
    try:
        os.write(fd, b"x")
        sys.exit("a write passes")
    except PermissionError:
        pass' "$M/denied"
[ "$(($(bpf affected_calls_total effect=override) - before))" = 25 ] || die "not 25 but $(bpf affected_calls_total effect=override)"
[ "$(bpf affected_calls_total effect=arguments)" = 0 ] || die "no argument was replaced"
unload_programs

say "the file is looked at, not held"
[ -e "$world" ] || die "no $world"
find "/proc/$exporter/fd" -lname '/dev/shm/*' | grep . && die "it holds a file"
grep -q /dev/shm/ "/proc/$exporter/maps" && die "it maps a file"

say "damage is no harm"
python3 - "$world" <<'END'
import random, sys
# All but the header: seats, the page table, the objects, all counters.
noise = random.Random(5)
with open(sys.argv[1], "r+b") as f:
    f.seek(4096)
    for _ in range(56):
        f.write(noise.randbytes(1 << 20))
END
get GET /metrics
status 200
"$BTFUSE" top --once --interval 10 --json >/dev/null || die "top"
rm -r "$world" "$world.wake"
[ "$(bpf program_runs_total)" = 0 ] || die "the file has gone"
kill "$holder"
