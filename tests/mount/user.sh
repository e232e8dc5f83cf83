#!/bin/bash
# An ordinary user mounts, through fusermount3; nobody else gets in; and with
# root's own mount it is the other way round, until allow_other.
. "$(dirname "$0")/lib.sh"

if ! is_root; then
	# We are that user ourselves; what takes a second one needs root.
	mount_fs
	echo text >"$M/file"
	say "without root: only the mount of one's own was tried"
	exit
fi

# Machines without udev have /dev/fuse as 0600; Debian's udev makes it 0666.
mode=$(stat -c %a /dev/fuse 2>/dev/null) || die "/dev/fuse is missing"
put_right() {
	chmod "$mode" /dev/fuse
}

chmod 0755 "$T"
mkdir "$T/user" "$T/second"
chown "$OTHER:$OTHER" "$T/user" "$T/second"
cp "$BTFUSE" "$T/bt-fuse" # where it was built may be closed to others
# The user has a runtime directory of its own, as a login gives one.
mkdir -m 0700 "$T/run"
chown "$OTHER" "$T/run"
export XDG_RUNTIME_DIR=$T/run
user() {
	as_other timeout 60 "$@"
}

say "without access to /dev/fuse"
chmod 0600 /dev/fuse
refused '/dev/fuse' user "$T/bt-fuse" mount --name "$NAME-user" "$T/user"

say "an ordinary user's mount"
chmod 0666 /dev/fuse
user "$T/bt-fuse" mount --name "$NAME-user" --size 64M "$T/user"
mounted "$T/user" || die "not mounted"
# shellcheck disable=SC2016 # the user's shell expands it
user sh -c 'cd "$1" && echo text >file && mkdir d && mv file d && cat d/file' sh "$T/user" >"$T/out"
[ "$(cat "$T/out")" = text ] || die "wrong content"
[ "$(user stat -c %u "$T/user/d/file")" = "$OTHER" ] || die "not the user's own"
user "$T/bt-fuse" status | grep -q "$NAME-user" || die "the user's status does not show it"
user "$T/bt-fuse" fsck "$T/user"
if ls "$T/user" 2>/dev/null; then die "root gets in without allow_root"; fi
if "$BTFUSE" status | grep -q "$NAME-user"; then die "root's status shows a mount that is not root's"; fi
[ "$(stat -c %a "/dev/shm/bt-fuse-$OTHER-$NAME-user")" = 600 ] || die "the pool is open to others"
refused 'allow_other' user "$T/bt-fuse" mount --name "$NAME-b" -o allow_other "$T/second"
mkdir "$T/notmine"
refused '.' user "$T/bt-fuse" mount --name "$NAME-b" "$T/notmine"

say "killed and taken over as that user"
pid=$(daemon_pid "$NAME-user")
kill -9 "$pid"
gone "$pid"
user "$T/bt-fuse" mount --name "$NAME-user" "$T/user"
[ "$(user cat "$T/user/d/file")" = text ] || die "lost"
user "$T/bt-fuse" fsck "$T/user"
pid=$(daemon_pid "$NAME-user")
user fusermount3 -u "$T/user"
gone "$pid"
[ ! -e "/dev/shm/bt-fuse-$OTHER-$NAME-user" ] || die "the pool is left"
put_right

say "root's mount: others stay out"
mount_fs
echo text >"$M/file"
chmod 0755 "$M"
chmod 0644 "$M/file"
if as_other cat "$M/file" 2>"$T/err"; then die "another user gets in"; fi
grep -q 'Permission denied' "$T/err" || die "$(cat "$T/err")"
umount_fs

say "with allow_other the mode bits decide"
mount_fs -o allow_other
chmod 0755 "$M"
echo text >"$M/file"
chmod 0644 "$M/file"
[ "$(as_other cat "$M/file")" = text ] || die "another user does not get in"
chmod 0600 "$M/file"
if as_other cat "$M/file" 2>/dev/null; then die "another user reads 0600"; fi
if as_other touch "$M/new" 2>/dev/null; then die "another user writes into 0755"; fi
if as_other "$BTFUSE" fsck --name "$NAME" 2>/dev/null; then die "another user attaches root's pool"; fi
if as_other "$BTFUSE" umount "$M" 2>/dev/null; then die "another user unmounts root's mount"; fi
