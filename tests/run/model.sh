#!/bin/bash
# model.sh [SECONDS [SEED]]: the model test in a hooked process: each call compared with the model, its seed printed. Then
# mixed: every other call on a path goes past the agent through the mount, and what one way did is looked at the other.
. "$(dirname "$0")/../mount/lib.sh"

seconds=${1:-$((${STRESS_MINUTES:-10} * 60))}
# With a seed always the same, for who must know whether it was the last change; without, always something new.
same=()
[ $# -lt 2 ] || same=(--seed "$2" --episodes 200)
model=$HELPERS/../model/model
mount_for_users

# $1: its part of the time, in tenths; the rest are arguments.
compare() {
	local part=$((seconds * $1 / 10 + 1))
	shift
	"$BTFUSE" run --stats --mount "$M" -- "$model" --hooked --exec model --dir "$M" "$@" "${same[@]}" --time "$part" 2>"$T/err" || {
		cat "$T/err"
		die "the model and the hooked process differ: $*"
	}
	grep -qE ' [1-9][0-9]{3,} answered' "$T/err" || die "hardly anything was answered in the process: $(cat "$T/err")"
}
compare 4 --exec posix --users "$users"
compare 1 --exec posix --threads 4 --mode shared
compare 4 --exec mixed
compare 1 --exec mixed --threads 4 --mode shared
