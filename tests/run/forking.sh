#!/bin/bash
# Threads that open and close while another one forks (forking.c), under `bt-fuse run` and, to see that the test is right,
# without.
. "$(dirname "$0")/../mount/lib.sh"

FORKING=${FORKING:-$ROOT/build/tests/run/forking}
mount_fs
mkdir "$M/plain" "$M/run"
timeout 60 "$FORKING" "$M/plain" 1 || die "fails through the kernel"
timeout 60 "$BTFUSE" run --mount "$M" -- "$FORKING" "$M/run" "${1:-3}" || die "fails"
