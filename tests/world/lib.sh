# What the scripts of tests/world begin with:
#
#	. "$(dirname "$0")/lib.sh"
#
# A script gets a directory of its own, $T, and a world of its own (BTFUSE_WORLD),
# so that no program of a test runs at the calls of anything else. When it ends,
# however it ends, loaders are told to go and the world is removed.
#
# Environment: BTFUSE is the program to test, PROGS the directory of compiled examples.
# shellcheck shell=bash
set -eu -o pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TEST=$(basename "$0" .sh)
BTFUSE=${BTFUSE:-$ROOT/build/src/cli/bt-fuse}
PROGS=${PROGS:-$ROOT/build/progs}
export LC_ALL=C

say() {
	printf '%s: %s\n' "$TEST" "$*"
}

die() {
	printf '%s: FAIL: %s\n' "$TEST" "$*"
	exit 1
}

[ -x "$BTFUSE" ] || die "$BTFUSE: not there; run make first"
T=$(mktemp -d "${TMPDIR:-/tmp}/bt-fuse-world.XXXXXX")
export BTFUSE_WORLD=test-${T##*.}
LOADERS=

clear_away() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	for pid in $LOADERS; do
		if kill "$pid" 2>/dev/null; then
			wait "$pid" 2>/dev/null || true
		fi
	done
	rm -rf "/dev/shm/bt-fuse-bpf.$(id -u).$BTFUSE_WORLD" "/dev/shm/bt-fuse-bpf.$(id -u).$BTFUSE_WORLD.wake"
	[ "$status" = 0 ] || tail -n 20 "$T"/load*.out 2>/dev/null || true
	rm -rf "$T"
	exit "$status"
}
trap clear_away EXIT
trap 'exit 130' INT TERM HUP
cd "$T"

# until_true SECONDS COMMAND...
until_true() {
	local n=$(($1 * 50))
	shift
	while ! "$@" 2>/dev/null; do
		[ $((n -= 1)) -gt 0 ] || return 1
		sleep 0.02
	done
}

# load NAME FILE.o: in the background, until it is attached. $LOADER is its pid.
load() {
	"$BTFUSE" load --name "$BTFUSE_WORLD-$1" "$2" >"load-$1.out" 2>&1 &
	LOADER=$!
	LOADERS="$LOADERS $LOADER"
	until_true 20 grep -q attached "load-$1.out" || die "$2 was not loaded: $(cat "load-$1.out")"
}

unload() {
	"$BTFUSE" load --stop "$BTFUSE_WORLD-$1"
}

run() {
	"$BTFUSE" run -- "$@"
}
