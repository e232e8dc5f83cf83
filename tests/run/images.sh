#!/bin/bash
# Images of patched code (src/agent/image.h) made by several at once, while others
# have them mapped: what has an image's name is whole, and is not written to any more.
. "$(dirname "$0")/../mount/lib.sh"

export XDG_CACHE_HOME=$T/cache
mkdir "$T/cache"
"$BTFUSE" run -- true
images=$(echo "$T/cache/bt-fuse/"sites.*.img)
table=${images%.img}

put_right() {
	kill "$watcher" 2>/dev/null || true
}

# The names of files that are written to, by inotify. Until it is killed.
python3 -c '
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
assert libc.inotify_add_watch(fd, os.fsencode(sys.argv[1]), 2) >= 0  # IN_MODIFY
print("ready", flush=True)
while True:
    events = os.read(fd, 1 << 16)
    while events:
        length = struct.unpack_from("iIII", events)[3]
        print(events[16:16 + length].rstrip(b"\0").decode(), flush=True)
        events = events[16 + length:]' "$images" >"$T/written" &
watcher=$!
eventually grep -q ready "$T/written" || die "no inotify"

# again COMMAND...: until the time is over; each makes the images anew.
again() {
	local status
	while [ "$SECONDS" -lt "$end" ]; do
		touch "$table"
		status=0
		"$BTFUSE" run -- "$@" >/dev/null 2>&1 || status=$?
		[ "$status" = 0 ] || echo "$1: status $status" >>"$T/failed"
		echo >>"$T/made"
	done
}

say "eight at a time"
end=$((SECONDS + 3))
pids=()
for _ in 1 2 3 4; do
	again true &
	pids+=($!)
	again find /usr/include -name 'linux*' -newer /etc/passwd &
	pids+=($!)
done
wait "${pids[@]}"
say "$(wc -l <"$T/made") times, $(sort -u "$T/written" | wc -l) files"
[ ! -e "$T/failed" ] || die "$(sort "$T/failed" | uniq -c)"
grep -F . "$T/written" >/dev/null || die "nothing was made"
! grep -vF -e . -e ready "$T/written" | sort | uniq -c | grep . || die "these were written to"
! find "$images" -mindepth 1 -name '*.*' | grep . || die "what was to become an image is left"
