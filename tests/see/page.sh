#!/bin/bash
# The exporter's page in a real browser: its charts show the load that runs
# meanwhile, in light and dark, with no word on the console and no request to
# anybody else. Screenshots go to $SHOTS if that is set.
. "$(dirname "$0")/see.sh"

mount_fs
start_exporter
load_programs syscount.bpf.o
grep -q 'src="http\|href="http\|url(http' <(python3 "$SEE/ask.py" GET "$URL/") && die "the page names another server"

mkdir "$T/browser" "$T/other"
put_right() {
	touch "$T/enough"
	clear_see
	umount -l "$T/other" 2>/dev/null || true
}

# other_mount N: with so many operations that no other mount knows.
other_mount() {
	timeout 60 "$BTFUSE" mount --name "$NAME-2" "$T/other"
	"$BTFUSE" run --mount "$T/other" -- python3 -c '
import os, sys
for _ in range(int(sys.argv[2])):
    os.setxattr(sys.argv[1], "user.x", b"")' "$T/other" "$1"
}
other_mount 1000
# When the browser has seen it, it goes; when that has been seen, one of its name comes.
(
	until [ -e "$T/browser/seen" ]; do sleep 0.1; done
	timeout 60 "$BTFUSE" umount "$T/other"
	touch "$T/browser/gone"
	until [ -e "$T/browser/missed" ]; do sleep 0.1; done
	other_mount 3
	touch "$T/browser/back"
) &
(
	while [ ! -e "$T/enough" ]; do
		"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 2000 >/dev/null
		"$WORK" "$M" 20 >/dev/null
	done
) &
load=$!
status=0
timeout 120 python3 "$SEE/browser.py" "$URL" "$T/browser" || status=$?
touch "$T/enough"
wait "$load" || die "the load failed"
[ "$status" = 0 ] || die "the page is not as it should be"
[ -z "${SHOTS-}" ] || cp "$T/browser/"*.png "$SHOTS/"
