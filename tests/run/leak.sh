#!/bin/bash
# What hooked processes remove is gone: the kernel, which knew of it, does not keep its space.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
cd "$M"

left() { # kind
	local used
	# What was given out by number is dropped a moment later.
	for _ in $(seq 50); do
		used=$(df --output=iused,used "$M" | tail -1 | xargs)
		[ "$used" = "$before" ] && return
		sleep 0.1
	done
	die "$1: inodes and space in use: $used, not $before"
}

before=$(df --output=iused,used "$M" | tail -1 | xargs)

# The shells below expand what is between the quotes.
# shellcheck disable=SC2016
# Made by the hooked one; seen by the unhooked one, in the ways that $1 says; removed by the hooked one.
seen() {
	"$BTFUSE" run --mount "$M" -- bash -c 'for i in {1..30}; do head -c 6000 /dev/zero >"f$i"; echo >"g$i"; ln "f$i" "l$i"; mkdir "d$i"; done'
	eval "$1" >/dev/null
	"$BTFUSE" run --mount "$M" -- bash -c 'rm -r d*; for i in {1..30}; do mv "g$i" "l$i"; rm "l$i" "f$i"; done'
	left "$1"
}
seen ':'
seen 'stat ./*'
seen 'cat f*'
seen 'ls -l .; stat f1 absent 2>/dev/null || :'
seen 'exec 9<f1; cat f1; (sleep 1) & exec 9<&-; wait'

# Materialised descriptors: of files with a name, without, mapped.
cat >"$T/real.py" <<'END'
import fcntl, mmap, os, sys

for i in range(30):
    name = 'r%d' % i
    fd = os.open(name, os.O_CREAT | os.O_RDWR)
    os.write(fd, bytes(6000))
    if sys.argv[1] == 'removed':
        os.unlink(name)
    if sys.argv[1] == 'mapped':
        mmap.mmap(fd, 6000)[0] = 1
    else:
        fcntl.flock(fd, fcntl.LOCK_EX)
    if sys.argv[1] == 'over':
        os.close(os.open('other', os.O_CREAT | os.O_RDWR))
        os.rename('other', name)
    if sys.argv[1] != 'removed':
        os.unlink(name)
    os.close(fd)
END
for kind in locked mapped removed over; do
	"$BTFUSE" run --mount "$M" -- python3 "$T/real.py" "$kind"
	left "materialised, $kind"
done
