#!/bin/bash
# A hooked process moves a directory to and fro while others move files through the kernel: who looks there through
# the kernel finds it each time. (Where the kernel learns of a move afterwards only, a lock that is taken makes it ESTALE.)
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
mkdir -p "$M/a/x" "$M/b" "$M/c" "$M/d"
touch "$M/c/f"
cat >"$T/others.py" <<'END'
import os, sys
m = sys.argv[1]
while True:
    os.rename(m + '/c/f', m + '/d/f')
    os.rename(m + '/d/f', m + '/c/f')
END
# Keeps an entry of the directory in use, and looks where it is told to.
cat >"$T/looker.py" <<'END'
import os, sys
kept = None
for line in sys.stdin:
    try:
        os.stat(line.strip())
        kept = kept or os.open(line.strip(), os.O_PATH)
        print('there', flush=True)
    except OSError as e:
        print(e, flush=True)
END
cat >"$T/mover.py" <<'END'
import os, sys
m, n = sys.argv[1], int(sys.argv[2])
for i in range(n):
    s, t = (m + '/a/x', m + '/b/x') if i % 2 == 0 else (m + '/b/x', m + '/a/x')
    os.rename(s, t)
    print(t, flush=True)
    seen = sys.stdin.readline().strip()
    if seen != 'there':
        sys.exit(f'move {i}: {seen}')
END
python3 "$T/others.py" "$M" &
others=$!
put_right() {
	kill "$others" 2>/dev/null || true
	wait "$others" 2>/dev/null || true
}
mkfifo "$T/asked"
# shellcheck disable=SC2094 # a FIFO, the way back
"$BTFUSE" run --mount "$M" -- python3 "$T/mover.py" "$M" "${1:-3000}" <"$T/asked" | python3 "$T/looker.py" >"$T/asked" ||
	die 'a directory that was moved was not there'
