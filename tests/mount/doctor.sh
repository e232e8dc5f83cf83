#!/bin/bash
# bt-fuse doctor: a line for each check, a remedy where something is wrong, JSON that is some; what is not there it sees.
. "$(dirname "$0")/lib.sh"

status=0
"$BTFUSE" doctor >"$T/text" || status=$?
[ "$status" -le 1 ] || die "exit status $status"
[ "$(grep -cE '^(ok|slow|missing) ' "$T/text")" = "$(wc -l <"$T/text")" ] || die "a line without a grade: $(cat "$T/text")"
[ "$(wc -l <"$T/text")" -ge 15 ] || die "few checks: $(cat "$T/text")"
if grep -vE '^ok ' "$T/text" | grep -v '; remedy: .'; then die "no remedy"; fi
[ "$(grep -c '^missing ' "$T/text" || true)" = 0 ] || [ "$status" = 1 ] || die "something is missing, and it exits with 0"
"$BTFUSE" doctor --json >"$T/json" || true
/usr/bin/python3 - "$T/json" "$T/text" <<'END'
import json, sys
found = json.load(open(sys.argv[1]))
text = [line.split()[:2] for line in open(sys.argv[2])]
assert [[f['grade'], f['check']] for f in found] == text, (found, text)
assert all(('remedy' in f) == (f['grade'] != 'ok') for f in found)
END
refused 'takes no argument' "$BTFUSE" doctor x

grade() {
	sed -nE "s/^([a-z]+) +$1 .*/\1/p"
}
say "what is not there it sees"
[ "$(PATH=/nowhere "$BTFUSE" doctor | grade fusermount3 || true)" != ok ] || die "a fusermount3 in no directory"
[ "$( (ulimit -n 60; "$BTFUSE" doctor || true) | grade nofile)" = missing ] || die "60 descriptors are enough"
[ "$(XDG_CACHE_HOME=$T "$BTFUSE" doctor | grade libc-sites || true)" = slow ] || die "an empty table knows the libc"
if [ -n "$(command -v setpriv)" ] && is_root && [ "$(stat -c %a /dev/fuse 2>/dev/null)" = 600 ]; then
	cp "$BTFUSE" "$T/program"
	chmod 0755 "$T" "$T/program"
	[ "$(as_other "$T/program" doctor | grade dev-fuse || true)" = missing ] || die "/dev/fuse is closed"
fi
