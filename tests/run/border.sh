#!/bin/bash
# Paths over the border of the mount, in all ways that openat2 knows to resolve them: the same as without the agent.
. "$(dirname "$0")/../mount/lib.sh"

BORDER=${BORDER:-$ROOT/build/tests/run/border}
M=$T/above/it/m OUT=$T/above/it/out
mkdir -p "$M" "$OUT"
mount_fs

tree() { # DIR OTHER
	cd "$1"
	echo "$1" >f
	mkdir d
	echo "$1/d" >d/f
	ln -s .. d/up
	ln -s ../.. d/far
	ln -s "$2" over
	ln -s "$2/f" overf
	ln -s "$2/new" overnew
	ln -s "$1/d" home
	ln -s "$1/f" homef
	ln -s d/f relative
	ln -s "../$(basename "$2")" there
	ln -s "../$(basename "$1")" back
	ln -s loop loop
	ln -s nothing dangling
	ln -s /proc/self/cwd cwd
	cd /
}
tree "$M" "$OUT"
tree "$OUT" "$M"
ln -s /proc/self/fd/4 "$M/fdfile"
ln -s /proc/self/fd/5 "$M/fddir"
for i in 1 2; do # once for the kernel to have seen it all
	"$BORDER" "$M" "$OUT" >"$T/plain.$i" 3<&- 4<&- 5<&- 6<&-
done
"$BTFUSE" run --mount "$M" -- "$BORDER" "$M" "$OUT" >"$T/hooked" 3<&- 4<&- 5<&- 6<&-
cmp -s "$T/plain.1" "$T/plain.2" || die "without the agent it is not always the same: $(diff "$T/plain.1" "$T/plain.2" | head -10)"
[ "$(wc -l <"$T/plain.2")" -gt 50000 ] || die "too little was tried"
cmp -s "$T/plain.2" "$T/hooked" || die "with the agent: $(diff "$T/plain.2" "$T/hooked" | head -20)"
say "$(wc -l <"$T/hooked") answers"
