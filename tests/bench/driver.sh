#!/bin/bash
# driver.sh BUILD: bench/run end to end, with as little work as there is: every
# row has every peer, the results are as described, a run that is interrupted
# leaves nothing, the next one clears away after one that was killed.
set -eu -o pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
tmp=$(mktemp -d)
export TMPDIR=$tmp

die() {
	printf 'driver: FAIL: %s\n' "$*"
	exit 1
}

run=("$root/bench/run" --mode tiny --build "$build" --json "$tmp/result.json")

left() {
	grep -o " $tmp/bt-fuse-bench[^ ]*" /proc/self/mountinfo || true
	find "$tmp" "$build" /dev/shm -maxdepth 1 '(' -name 'bt-fuse-bench.*' -o -name 'bt-fuse-bpf.*.bench-*' ')' -newer "$tmp/begun"
}

cleanup() {
	trap '' INT TERM HUP
	for pid in $(jobs -p); do kill -9 "$pid" 2>/dev/null || true; done
	wait || true
	# The driver itself is what knows how to clear away.
	"$root/bench/run" --sweep || true
	rm -rf --one-file-system "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
touch "$tmp/begun"

# In two slices: the second does what the first one had no time for.
"${run[@]}" --seconds 1 >"$tmp/first" || die "the first slice: $(cat "$tmp/first")"
"${run[@]}" --resume >"$tmp/second" || die "the second slice: $(cat "$tmp/second")"
"$root/bench/run" --check "$tmp/result.json"
python3 - "$tmp/result.json" <<'END' || die "rows are missing: $(cat "$tmp/first" "$tmp/second")"
import json, sys
result = json.load(open(sys.argv[1]))
peers = {p["id"] for p in result["peers"]}
assert len(peers) == 6, peers
assert {r["suite"] for r in result["rows"]} == {"micro", "applications", "scale"}
assert result["goals"][0]["name"] == "stat" and result["goals"][0]["value"] > 1, result["goals"]
assert len(result["rows"]) > 40, len(result["rows"])
for row in result["rows"]:
    assert set(row["values"]) == peers and all("median" in v for v in row["values"].values()), row
END
grep -q 'create+unlink, 100 files' "$tmp/first" && die "the first slice had time for everything"
[ -z "$(left)" ] || die "left behind: $(left)"

# Interrupted: by Ctrl-C in the midst of the work, and killed.
begun() {
	for _ in $(seq 1200); do
		if grep -q "$1" "$tmp/out" 2>/dev/null; then return; fi
		sleep 0.05
	done
	die "does not get to work: $(cat "$tmp/out")"
}
set -m # bash would have its background jobs ignore SIGINT
"${run[@]}" >"$tmp/out" 2>&1 &
begun "^Calls"
kill -INT $!
status=0
wait $! || status=$?
[ "$status" = 130 ] || die "ended with $status when it was interrupted"
[ -z "$(left)" ] || die "left behind by an interrupted one: $(left)"

rm "$tmp/out"
"${run[@]}" >"$tmp/out" 2>&1 &
begun "^Calls"
kill -9 $!
wait $! 2>/dev/null || true
[ -n "$(left)" ] || die "there is nothing to clear away"
"$root/bench/run" --sweep
[ -z "$(left)" ] || die "left behind by one that was killed: $(left)"
