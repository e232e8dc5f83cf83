#!/bin/bash
# traps.sh [-o OPTIONS] hooked|mount|tmpfs [NAME...]: the checks of the list of traps (README.md), under `bt-fuse run`, through the
# kernel's mount (with these options), or on a tmpfs.
. "$(dirname "$0")/../mount/lib.sh"

options=()
if [ "$1" = -o ]; then
	options=(-o "$2")
	shift 2
fi
where=$1
shift
TRAPS=${TRAPS:-$ROOT/build/tests/traps/traps}
export TRAPS_STATIC=${TRAPS_STATIC:-$ROOT/build/tests/traps/quiet}
case $where in
tmpfs)
	dir=$(mktemp -d "/dev/shm/bt-fuse-$(id -u)-$NAME.XXXXXX")
	chmod 0755 "$dir"
	put_right() {
		rm -rf "$dir"
	}
	"$TRAPS" "$dir" "$@"
	exit
	;;
mount) run=() ;;
hooked) run=(env TRAPS_HOOKED=1 "$BTFUSE" run --mount "$M" --) ;;
esac
if is_root; then
	mount_fs -o allow_other "${options[@]}"
else
	mount_fs "${options[@]}"
fi
chmod 0755 "$M"
"${run[@]}" "$TRAPS" "$M" "$@"
[ -z "$(ls -A "$M")" ] || die "something has stayed: $(ls -A "$M")"
