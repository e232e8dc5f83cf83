#!/bin/bash
# What eBPF programs cost at a hooked call, beside the goals. Arguments:
# bt-fuse, the directory of compiled examples, worldbench.
set -eu
bt=$1 progs=$2 bench=$3
tmp=$(mktemp -d)
export BTFUSE_WORLD=bench-${tmp##*.}

cleanup() {
	"$bt" load --stop "$BTFUSE_WORLD" 2>/dev/null || true
	rm -rf "$tmp" "/dev/shm/bt-fuse-bpf.$(id -u).$BTFUSE_WORLD" "/dev/shm/bt-fuse-bpf.$(id -u).$BTFUSE_WORLD.wake"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

load() {
	"$bt" load --name "$BTFUSE_WORLD" "$@" >"$tmp/out" 2>&1 &
	for _ in $(seq 200); do
		grep -q attached "$tmp/out" && return
		sleep 0.05
	done
	cat "$tmp/out"
	exit 1
}

unload() {
	"$bt" load --stop "$BTFUSE_WORLD"
	wait
}

# Interleaved, so that what else the machine does hits all: the median of the differences.
between() {
	sort -n | awk '{ v[NR] = $1 } END { printf "%.1f", v[int((NR + 1) / 2)] }'
}

row() {
	printf '%-52s %8s ns   goal %s\n' "$1" "$2" "$3"
}

"$bt" run -- true
kernel=$("$bench" umask)
nothing=$(for _ in 1 2 3 4 5; do "$bt" run -- "$bench" umask; done | between)
load "$progs/empty.bpf.o"
empty=$(for _ in 1 2 3 4 5; do "$bt" run -- "$bench" umask; done | between)
unload
gone=$(for _ in 1 2 3 4 5; do "$bt" run -- "$bench" umask; done | between)
mkdir "$tmp/safe"
: >"$tmp/safe/f"
load --set "root=$tmp/safe" "$progs/readonly.bpf.o"
refused=$(for _ in 1 2 3 4 5; do "$bt" run -- "$bench" openat "$tmp/safe/f"; done | between)
unload
row 'umask, not hooked' "$kernel" ''
row 'umask under run, nothing attached' "$nothing" ''
row 'the same, when programs have come and gone: added' "$(awk "BEGIN { printf \"%.1f\", $gone - $nothing }")" '2'
row 'an empty program at its entry, added' "$(awk "BEGIN { printf \"%.1f\", $empty - $nothing }")" '15'
row 'an openat that a policy by path refuses' "$refused" '150'
