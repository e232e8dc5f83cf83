#!/bin/bash
# reuse.sh [SECONDS]: a path that is walked leads to the file that it names, or to none: not to the next of its number.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
"$BTFUSE" run --mount "$M" -- "$REUSE" "$M" "${1:-$((${STRESS_MINUTES:-10} * 10))}"
