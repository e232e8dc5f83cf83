#!/bin/bash
# A process that is stopped while it holds a lock of the store: who waits for it can be ended (stopped.py).
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
timeout 120 python3 "$(dirname "$0")/stopped.py" "$BTFUSE" "$M" || die "see above"
