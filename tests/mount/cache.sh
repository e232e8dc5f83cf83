#!/bin/bash
# Repeated stat and read are the kernel's own: the daemon does not work for
# them (its processor time stands still; a request takes it some 10 us, so
# 200,000 requests would be 2 s). And what the cache holds is true: a change is seen at once.
. "$(dirname "$0")/lib.sh"
mount_fs

# Clock ticks (10 ms) that the daemon has worked, all threads, user and system.
worked() {
	awk '{ print $14 + $15 }' "/proc/$(daemon_pid)/stat"
}

# idle WHAT COMMAND...: the daemon works for at most 3 ticks meanwhile.
idle() {
	local what=$1 before after
	shift
	"$@" # fills the cache
	before=$(worked)
	"$@"
	after=$(worked)
	say "$what: $((after - before)) ticks of the daemon"
	[ $((after - before)) -le 3 ] || die "$what goes to the daemon"
}

mkdir -p "$M/a/b/c"
head -c 100000 /dev/urandom >"$M/a/b/c/file"
ln -s file "$M/a/b/c/link"
idle "200,000 stat" "$HELPERS/repeat" stat 200000 "$M/a/b/c/file"
idle "200,000 lstat of a link" "$HELPERS/repeat" lstat 200000 "$M/a/b/c/link"
idle "200,000 stat through a link" "$HELPERS/repeat" stat 200000 "$M/a/b/c/link"
idle "200,000 stat of what is not there" "$HELPERS/repeat" stat 200000 "$M/a/b/c/none"
idle "200,000 fstat" "$HELPERS/repeat" fstat 200000 "$M/a/b/c/file"
idle "200,000 access" "$HELPERS/repeat" access 200000 "$M/a/b/c/file"
idle "200,000 pread" "$HELPERS/repeat" pread 200000 "$M/a/b/c/file"
idle "200,000 reads of a mapping" "$HELPERS/repeat" map 200000 "$M/a/b/c/file"

say "and a change is seen at once"
chmod 0604 "$M/a/b/c/file"
[ "$(stat -c %a "$M/a/b/c/file")" = 604 ] || die "an old mode"
echo new >"$M/a/b/c/file"
[ "$(cat "$M/a/b/c/file")" = new ] || die "old content"
echo now >"$M/a/b/c/none"
[ "$(cat "$M/a/b/c/none")" = now ] || die "an old absence"
mv "$M/a/b" "$M/a/d"
[ ! -e "$M/a/b/c/file" ] || die "an old name"
ln -sfn none "$M/a/d/c/link"
[ "$(cat "$M/a/d/c/link")" = now ] || die "an old link"
