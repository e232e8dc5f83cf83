#!/bin/bash
# faults.sh [KIND [STEP]]: calls that the agent makes itself fail, one after the other (faults.c): the program goes on.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
export XDG_CACHE_HOME=$T/cache
kind=${1:-memory} step=${2:-1}
# Once before, so that the tables and images of code are there.
"$BTFUSE" run --mount "$M" -- "$FAULTS/faults" work "$M" "$FAULTS/libraw.so" || die "fails as it is"
rm "$M"/*
"$FAULTS/faults" -k "$kind" -s "$step" "$M" "$BTFUSE" run --mount "$M" -- "$FAULTS/faults" work "$M" "$FAULTS/libraw.so" ||
	die "fails"
