#!/bin/bash
# posix.sh [tmpfs]: the checks of posix.c on the mount; or on a tmpfs, which
# proves that what they expect is what Linux does.
. "$(dirname "$0")/lib.sh"

if [ "${1-}" = tmpfs ]; then
	# /dev/shm may be small (64 MiB in a container): a tmpfs of one's own where that is allowed.
	if mount -t tmpfs -o mode=0755 bt-fuse-test "$M" 2>/dev/null; then
		dir=$M
	else
		dir=$(mktemp -d "/dev/shm/bt-fuse-$(id -u)-$NAME.XXXXXX")
		put_right() {
			rm -rf "$dir"
		}
	fi
	"$HELPERS/posix" "$dir"
	exit
fi

# The checks of permissions become other users, whom only allow_other lets in.
if is_root; then
	mount_fs -o allow_other
else
	mount_fs
fi
chmod 0755 "$M"
"$HELPERS/posix" "$M"
[ -z "$(ls -A "$M")" ] || die "something has stayed: $(ls -A "$M")"
