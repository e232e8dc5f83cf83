#!/bin/bash
# mount(8) with -t fuse.bt-fuse and from a line of fstab, in both ways that it
# has: its own helper mount.fuse.bt-fuse, and the generic mount.fuse3, which
# runs a program by the type's name. mount(8) looks for helpers in /sbin only:
# the test puts a directory of its own there, in a mount namespace of its own.
if [ "${1-}" != inside ] && [ "$(id -u)" = 0 ]; then
	exec unshare --mount --propagation private -- "$0" inside
fi
. "$(dirname "$0")/lib.sh"
[ -e /dev/fuse ] || die "/dev/fuse is missing"

if ! is_root; then
	say "mount(8) mounts for root only: the helper alone, as mount(8) would call it"
	ln -s "$BTFUSE" "$T/mount.fuse.bt-fuse"
	"$T/mount.fuse.bt-fuse" tank "$M" -o "rw,name=$NAME,size=64M,nofail"
	CHECK_AT_END=yes
	grep " $M " /proc/self/mountinfo | grep -q 'fuse.bt-fuse tank' || die "$(grep " $M " /proc/self/mountinfo)"
	exit
fi

chmod 0755 "$T" # for the other user
mkdir "$T/sbin"
cp -a /usr/sbin/mount.fuse* "$T/sbin"
rm -f "$T/sbin/mount.fuse.bt-fuse"
cp "$BTFUSE" "$T/sbin/bt-fuse"
sbin=$(readlink -f /sbin)

# These end before the sweep looks at the mounts in $T.
put_right() {
	umount "$sbin" 2>/dev/null || true
}
mount --bind "$T/sbin" "$sbin"

try() {
	say "$1: mount -t"
	mount -t fuse.bt-fuse -o "name=$NAME,size=64M,inodes=3000" tank "$M"
	CHECK_AT_END=yes
	grep " $M " /proc/self/mountinfo | grep -q 'fuse.bt-fuse tank' || die "$(grep " $M " /proc/self/mountinfo)"
	n=$(stat -f -c %c "$M") # rounded up to whole blocks
	if [ "$n" -lt 3000 ] || [ "$n" -gt 3100 ]; then die "inodes=3000 is not heeded: $n"; fi
	echo text >"$M/file"
	umount_fs

	say "$1: fstab, with words that only fstab has"
	mount -T "$T/fstab" "$M"
	CHECK_AT_END=yes
	[ "$(stat -c '%a %u %g' "$M")" = "1777 7 8" ] || die "the root is $(stat -c '%a %u %g' "$M")"
	as_other touch "$M/x" || die "allow_other is not heeded"
	umount_fs
	if mount -t fuse.bt-fuse -o "name=$NAME,nonsense" tank "$M" 2>"$T/err"; then
		die "a nonsense option is taken"
	fi
	grep -q nonsense "$T/err" || die "not said what is wrong: $(cat "$T/err")"
}

words=defaults,nofail,_netdev,x-systemd.automount,noauto,user
echo "bt-fuse $M fuse.bt-fuse $words,name=$NAME,size=64M,allow_other,mode=1777,uid=7,gid=8 0 0" >"$T/fstab"
try "mount.fuse3"
ln -s bt-fuse "$T/sbin/mount.fuse.bt-fuse"
try "mount.fuse.bt-fuse"
