#!/bin/bash
# While the daemon is gone, what a hooked process needs the kernel for says ENOTCONN; the rest goes on.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
mkfifo "$T/go"
# The kernel has it open for appending: so hooked writes of it are the kernel's.
exec 9>>"$M/shared"
"$BTFUSE" run --mount "$M" -- /usr/bin/python3 - "$M" "$T/go" "$T/up" 9>&- <<'END' &
import errno, os, sys
mount, go, up = sys.argv[1:]
shared = os.open(mount + '/shared', os.O_WRONLY | os.O_APPEND)
own = os.open(mount + '/own', os.O_RDWR | os.O_CREAT)
open(up, 'w').close()
open(go).read()
for call in (lambda: os.write(shared, b'x'), lambda: os.pwrite(shared, b'x', 0), lambda: os.ftruncate(shared, 5)):
    try:
        call()
        sys.exit('a call went through')
    except OSError as e:
        assert e.errno == errno.ENOTCONN, e
assert os.write(own, b'hello') == 5 and os.pread(own, 9, 0) == b'hello'
END
hooked=$!
eventually test -e "$T/up" || die "the hooked process does not come up"
pid=$(daemon_pid)
kill -9 "$pid"
gone "$pid"
exec 9>&-
echo >"$T/go"
wait "$hooked" || die "it says something else"
mount_fs
[ "$(cat "$M/own")" = hello ] || die "what was written meanwhile is lost"
