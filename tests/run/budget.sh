#!/bin/bash
# The calls of a hooked program take no more instructions than budget.txt allows.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
mkdir "$M/work"
"$BTFUSE" run --mount "$M" -- "$HELPERS/../run/budget" "$M/work" "$(dirname "$0")/budget.txt" || die "see above"
