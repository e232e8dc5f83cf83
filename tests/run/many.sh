#!/bin/bash
# More mounts than are served: all work, and which are the kernel's is said before the program starts.
# Where nobody else's mounts are.
if [ "$(id -u)" = 0 ] && [ -z "${MANY_ALONE-}" ]; then
	MANY_ALONE=1 exec unshare -m bash "$0" "$@"
fi
. "$(dirname "$0")/../mount/lib.sh"

MOST=16
mkdir -m 0700 "$T/rt"
if is_root; then
	mkdir -p /run/bt-fuse
	mount --bind "$T/rt" /run/bt-fuse
else
	export XDG_RUNTIME_DIR=$T/rt
fi
all=()
for ((i = 0; i <= MOST; i++)); do
	mkdir "$T/m$i"
	all+=("$T/m$i")
done
put_right() {
	for m in "${all[@]}"; do
		! mounted "$m" || timeout 60 "$BTFUSE" umount "$m" || true
	done
	! is_root || umount -l /run/bt-fuse
}
mount_one() {
	timeout 60 "$BTFUSE" mount --name "$NAME-$1" --size 16M "$T/m$1" 2>>"$T/daemon.err" || die "mount: $(cat "$T/daemon.err")"
}
for ((i = 0; i < MOST; i++)); do
	mount_one "$i"
done

# shellcheck disable=SC2016 # they are the inner shell's
work() { # WORD: in each; the answer is how many calls were answered
	"$BTFUSE" run --stats -- bash -c 'cd / && for m in "${@:2}"; do
		echo "$1" >"$m/f" && read -r x <"$m/f" && [ "$x" = "$1" ] && mv "$m/f" "$m/g" && exec 9<"$m/g" && (exec cat <&9 >"$m/h") || exit
		cmp -s "$m/g" "$m/h" || exit
	done' work "$1" "${all[@]:0:$2}" 2>"$T/err" || die "fails: $(cat "$T/err")"
	for m in "${all[@]:0:$2}"; do
		[ "$(cat "$m/h")" = "$1" ] || die "$m holds something else"
	done
}
work first $MOST
! grep -q 'the kernel is asked\|through the kernel' "$T/err" || die "one of $MOST is left out: $(cat "$T/err")"

mount_one $MOST
work second $((MOST + 1))
grep -qx "bt-fuse: run: more than $MOST mounts; the kernel is asked on $T/m[0-9]*" "$T/err" || die "nothing is said of the one that is left out: $(cat "$T/err")"
grep -qx "bt-fuse: through the kernel: $T/m[0-9]*" "$T/err" || die "nor in the statistics: $(cat "$T/err")"
! "$BTFUSE" run "${all[@]/#/--mount=}" true 2>"$T/err" || die "more than $MOST can be asked for"
grep -q "at most $MOST mounts" "$T/err" || die "and is not told why: $(cat "$T/err")"

timeout 60 "$BTFUSE" umount "$T/m$MOST"
# A pool that an agent of this build can't attach.
pool=$(pool_file)-0
printf '\001' | dd of="$pool" bs=1 seek=8 conv=notrunc status=none
work third $MOST
grep -q "^bt-fuse: run: $T/m0: the kernel is asked there: " "$T/err" || die "nothing is said of a pool of another version: $(cat "$T/err")"
"$BTFUSE" run --mount "$T/m1" -- true 2>"$T/err"
[ ! -s "$T/err" ] || die "said of a mount that was not asked for: $(cat "$T/err")"
