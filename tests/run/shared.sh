#!/bin/bash
# shared.sh [SECONDS]: processes that write and read one file at once, some of them hooked: nothing is lost, nothing stale.
. "$(dirname "$0")/../mount/lib.sh"

seconds=${1:-$((${STRESS_MINUTES:-10} * 20))}
mount_fs
f=$M/f

# $1: mode; the rest: which of them are hooked (h), which not (u).
together() {
	local mode=$1 n=$(($# - 1)) i=0 pids=() failed="" how
	shift
	rm -f "$f"
	truncate -s 8192 "$T/control" && truncate -s 0 "$T/control" && truncate -s 8192 "$T/control"
	truncate -s "$([ "$mode" = append ] && echo 0 || echo 400000)" "$f"
	for how; do
		case $how in
		h) "$BTFUSE" run --mount "$M" -- "$SHARED" "$mode" "$f" "$T/control" $i $n "$seconds" >>"$T/out" & ;;
		u) "$SHARED" "$mode" "$f" "$T/control" $i $n "$seconds" >>"$T/out" & ;;
		esac
		pids+=($!)
		i=$((i + 1))
	done
	for i in "${pids[@]}"; do
		wait "$i" || failed=yes
	done
	if [ "$mode" = append ] && [ -z "$failed" ]; then
		"$SHARED" verify "$f" "$T/control" 0 $n 0 >>"$T/out" || failed=yes
		"$BTFUSE" run --mount "$M" -- "$SHARED" verify "$f" "$T/control" 0 $n 0 >>"$T/out" || failed=yes
	fi
	[ -z "$failed" ] || die "$mode: $*"
}

together ranges h u
together ranges u u h
together ranges u u h h
together append h u
together append u u h h
cat "$T/out"
