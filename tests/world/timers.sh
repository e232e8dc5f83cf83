#!/bin/bash
# Timers: they fire while nothing makes a call, say what the kernel's say, and end with their loader.
. "$(dirname "$0")/lib.sh"
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
say ok
