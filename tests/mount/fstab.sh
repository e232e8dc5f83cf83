#!/bin/bash
# mount -t fuse.bt-fuse, and a line of fstab.
. "$(dirname "$0")/lib.sh"
is_root || die "needs root: mount(8) mounts for nobody else"
[ -e /dev/fuse ] || die "/dev/fuse is missing"

# mount.fuse3 runs the file system's program by its name, as it finds it.
mkdir "$T/bin"
ln -s "$BTFUSE" "$T/bin/bt-fuse"
export PATH="$T/bin:$PATH"

mount -t fuse.bt-fuse -o "name=$NAME,size=64M,inodes=3000" tank "$M"
CHECK_AT_END=yes
grep " $M " /proc/self/mountinfo | grep -q 'fuse.bt-fuse tank' || die "$(grep " $M " /proc/self/mountinfo)"
[ "$(stat -f -c %c "$M")" = 3000 ] || die "inodes= is not heeded"
echo text >"$M/file"
umount_fs

say "from fstab, with all the words that fstab has"
echo "bt-fuse $M fuse.bt-fuse defaults,name=$NAME,size=50%,nofail,_netdev,x-systemd.automount,allow_other,mode=1777,uid=7,gid=8 0 0" >"$T/fstab"
if ! mount -T "$T/fstab" "$M" 2>"$T/err"; then
	# A percentage is tmpfs's way to give a size: wanted, but not promised.
	grep -q size "$T/err" || die "$(cat "$T/err")"
	sed -i 's/size=50%/size=64M/' "$T/fstab"
	mount -T "$T/fstab" "$M"
fi
mounted || die "not mounted"
CHECK_AT_END=yes
[ "$(stat -c '%a %u %g' "$M")" = "1777 7 8" ] || die "the root is $(stat -c '%a %u %g' "$M")"
as_other touch "$M/x" || die "allow_other is not heeded"
refused '.' mount -t fuse.bt-fuse -o "name=$NAME-b,nonsense" tank "$M"
