#!/bin/bash
# Timers: they fire while nothing makes a call, say what the kernel's say, and end with their loader.
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2031
export PATH=$PATH:/usr/sbin:/sbin
PROGRAM=${TEST_PROGS:-$ROOT/build/tests/world}/timers.bpf.o

# The numbers in the map's only value: fired, set up, what each call returned. libbpf gives it no name that ours cuts.
value() {
	"$BTFUSE" map --json dump name timers | python3 -c '
import json, struct, sys
v = bytes(int(b, 16) for b in json.load(sys.stdin)[0]["value"])
print(*struct.unpack("<2Q13q", v[:120]))'
}

fired() {
	[ "$(value | cut -d " " -f 1)" -ge "$1" ]
}

load a "$PROGRAM"
[ "$(value)" = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0" ] || die "before a call: $(value)"
run python3 -c 'import os; os.getpgid(0)'
until_true 10 fired 3 || die "it does not fire: $(value)"
# In the order of the calls. Linux 6.18 gives a program of type tc the same; it lets no tracing program have timers.
[ "$(value | cut -d " " -f 2-)" = "1 -22 -22 -22 -22 0 -16 -22 0 -22 0 1 -22 -35" ] || die "calls: $(value)"
n=$(value | cut -d " " -f 1)
until_true 10 fired $((n + 20)) || die "it stopped firing: $(value)"

# Another loader's server fires it as well: there is one too many of nothing.
load b "$PROGS/empty.bpf.o"
n=$(value | cut -d " " -f 1)
until_true 10 fired $((n + 20)) || die "with two loaders it stopped firing: $(value)"
unload b
n=$(value | cut -d " " -f 1)
until_true 10 fired $((n + 20)) || die "when the other loader had gone it stopped firing: $(value)"
unload a
[ "$("$BTFUSE" map --json list)" = '[]' ] || die 'a timer outlives its loader'

# Killed: the map, its timer and the program that it names go.
load c "$PROGRAM"
run python3 -c 'import os; os.getpgid(0)'
until_true 10 fired 3 || die "it does not fire: $(value)"
pkill -9 -P "$LOADER"
nothing() {
	[ "$("$BTFUSE" map --json list)" = '[]' ] && [ "$("$BTFUSE" prog --json list)" = '[]' ]
}
until_true 10 nothing || die 'a timer outlives its killed loader'

# Only pinned: it fires though no loader is there, set before or after the last one went, until the pin goes.
command -v bpftool >/dev/null || { say 'no bpftool here: no pins'; exit 0; }
pin() {
	"$BTFUSE" load -- bpftool "$1" pin id "$2" "/sys/fs/bpf/$3" >out 2>&1 || die "pin: $(cat out)"
}
first_id() {
	"$BTFUSE" "$1" --json list | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])'
}
keepers() {
	pgrep -x bt-fuse-timers | while read -r k; do
		grep -qz "^BTFUSE_WORLD=$BTFUSE_WORLD$" "/proc/$k/environ" 2>/dev/null && echo "$k"
	done || true
}
no_keeper() {
	[ -z "$(keepers)" ]
}
load d "$PROGRAM"
pin map "$(first_id map)" timers
pin link "$(first_id link)" attached
unload d
run python3 -c 'import os; os.getpgid(0)'
until_true 10 fired 3 || die "only pinned, it does not fire: $(value)"
load e "$PROGS/empty.bpf.o"
unload e
n=$(value | cut -d " " -f 1)
until_true 10 fired $((n + 20)) || die "only pinned, it stopped firing: $(value)"
[ "$(keepers | wc -l)" = 1 ] || die "$(keepers | wc -l) processes fire timers, not one"
kill -9 "$(keepers)"
until_true 10 no_keeper
load f "$PROGS/empty.bpf.o"
n=$(value | cut -d " " -f 1)
until_true 10 fired $((n + 20)) || die "with a loader it does not go on: $(value)"
unload f
n=$(value | cut -d " " -f 1)
until_true 10 fired $((n + 20)) || die "the second to be left behind does not fire: $(value)"
"$BTFUSE" load -- rm /sys/fs/bpf/timers /sys/fs/bpf/attached
until_true 10 nothing || die 'a timer outlives its pin'
until_true 10 no_keeper || die 'whoever fired the timers outlives them'
[ ! -e "/dev/shm/bt-fuse-bpf.${UID}.$BTFUSE_WORLD" ] || die 'the world is left'
say ok
