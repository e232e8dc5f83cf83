#!/bin/bash
# The exporter's page in a real browser: its charts show the load that runs
# meanwhile, in light and dark, with no word on the console and no request to
# anybody else. Screenshots go to $SHOTS if that is set.
. "$(dirname "$0")/see.sh"

mount_fs
start_exporter
load_programs syscount.bpf.o
grep -q 'src="http\|href="http\|url(http' <(python3 "$SEE/ask.py" GET "$URL/") && die "the page names another server"

mkdir "$T/browser"
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
