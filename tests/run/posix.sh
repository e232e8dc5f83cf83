#!/bin/bash
# The checks of posix.c under `bt-fuse run`: answered in the process, or handed on, Linux's semantics all the same.
. "$(dirname "$0")/../mount/lib.sh"

if is_root; then
	mount_fs -o allow_other
else
	mount_fs
fi
chmod 0755 "$M"
"$BTFUSE" run --mount "$M" -- "$HELPERS/posix" "$M" >"$T/out" 2>&1 || true
grep -E '^posix: [0-9]+ passed' "$T/out" || die "the checks did not end: $(tail -5 "$T/out")"
failed=$(sed -n 's/^FAIL //p' "$T/out" | sort | tr '\n' ' ')
[ -z "$failed" ] || die "failed: $failed"$'\n'"$(grep -B3 '^FAIL' "$T/out")"
