#!/bin/bash
# Every way to an end: bt-fuse umount, fusermount3 -u, umount(8), lazily, a
# signal to the daemon; refused while somebody is in it.
. "$(dirname "$0")/lib.sh"

# ends HOW COMMAND...: mounts, works, unmounts by the command, and nothing stays.
ends() {
	local how=$1 pid
	shift
	say "$how"
	mount_fs
	pid=$(daemon_pid)
	echo text >"$M/file"
	"$@" || die "$how: failed"
	CHECK_AT_END=
	eventually not_mounted || die "$how: still mounted"
	gone "$pid"
	[ ! -e "$(pool_file)" ] || die "$how: the pool is left"
	[ -z "$(ls -A "$M")" ] || die "$how: something is in the directory"
}

not_mounted() {
	! mounted
}

signal() {
	kill "-$1" "$(daemon_pid)"
}

ends "bt-fuse umount" "$BTFUSE" umount "$M"
ends "fusermount3 -u" fusermount3 -u "$M"
if is_root; then
	ends "umount(8)" umount "$M"
fi
ends "fusermount3 -uz" fusermount3 -uz "$M"
ends "SIGTERM to the daemon" signal TERM
ends "SIGINT to the daemon" signal INT

say "a relative path, and a trailing slash"
mount_fs
(cd "$T" && "$BTFUSE" umount mnt/)
CHECK_AT_END=

say "while somebody has just looked in"
mount_fs
exec 7<"$M"
{ sleep 0.1; } 7<"$M" & # holds it for as long as a look takes
exec 7<&-
"$BTFUSE" umount "$M" || die "one look keeps it busy"
wait
CHECK_AT_END=

say "while a file is open"
mount_fs
exec 7>"$M/open"
refused busy "$BTFUSE" umount "$M"
mounted || die "refused, but unmounted"
echo still >&7
exec 7>&-
cd "$M"
refused busy "$BTFUSE" umount "$M"
cd /
umount_fs

say "what was in it is gone, as with tmpfs"
mount_fs
[ -z "$(ls -A "$M")" ] || die "there is something: $(ls -A "$M")"

say "in the foreground"
umount_fs
timeout 60 "$BTFUSE" mount -f --name "$NAME" "$M" &
pid=$!
eventually mounted || die "mount -f does not mount"
eventually test -w "$M"
echo text >"$M/file"
fusermount3 -u "$M"
wait "$pid" || die "mount -f ends with $?"
