#!/bin/bash
# The harness itself: that a test goes red when it should, and that nothing
# stays of one that was killed.
# shellcheck disable=SC2016 # the scripts that are tried expand it
. "$(dirname "$0")/lib.sh"

# try TEXT: runs a test script with this text; its output goes to $T/out.
try() {
	printf '#!/bin/bash\n. "%s/lib.sh"\n%s\n' "$HERE" "$1" >"$T/try"
	TMPDIR=$T bash -c 'cd / && exec bash "$0"' "$T/try" >"$T/out" 2>&1
}

try 'mount_fs; touch "$M/x"' || die "a good test is red: $(cat "$T/out")"
red() {
	if try "$1"; then die "green: $1"; fi
	grep -q "$2" "$T/out" || die "does not say '$2': $(cat "$T/out")"
}
red 'false' 'status 1'
red 'mount_fs; false' 'status 1'
red 'mount_fs; kill -9 "$(daemon_pid)"; sleep 0.2' 'daemon'
red 'mount_fs; exec 9>"$M/open"' 'umount failed'
red 'mount_fs --size nonsense' 'mount failed'
red 'refused . true' 'succeeded'
red 'refused nonsense ls /nonexistent/x' 'does not speak'
red 'refused . sh -c "echo a >&2; echo b >&2; exit 1"' 'not one line'
red 'mkdir "$T/a" "$T/b"; echo 1 >"$T/a/f"; echo 2 >"$T/b/f"; same_trees "$T/a" "$T/b"' 'differ'
red 'echo oops >"$T/reports/sanitizer.1"' 'oops'
red 'echo "a.c:1: runtime error: oops" >"$T/daemon.err"' "oops"
[ "$(find "$T" -mindepth 1 -maxdepth 1 -name 'bt-fuse-test.*' | wc -l)" = 0 ] || die "tests have left their directories"

say "killed in the middle"
printf '#!/bin/bash\n. "%s/lib.sh"\nmount_fs\nkill -9 $$\n' "$HERE" >"$T/try"
TMPDIR=$T bash "$T/try" >"$T/out" 2>&1 || true
left=$(find "$T" -mindepth 1 -maxdepth 1 -name 'bt-fuse-test.*')
mounted "$left/mnt" || die "nothing is left of a killed test?"
TMPDIR=$T "$HERE/sweep"
mounted "$left/mnt" && die "the sweep has left the mount"
[ ! -e "$left" ] || die "the sweep has left the directory"
no_daemon() {
	[ -z "$(daemon_pid "test-${left##*.}")" ]
}
eventually no_daemon || die "a daemon is left"
[ ! -e "/dev/shm/bt-fuse-$(id -u)-test-${left##*.}" ] || die "a pool is left"
