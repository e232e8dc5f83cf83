#!/bin/bash
# Programs and libraries that make system calls themselves, and that no table has met before.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
export XDG_CACHE_HOME=$T/cache
raw=$RAW/raw library=$RAW/libraw.so

# count FIELD: of what --stats said.
count() {
	sed -nE "s/^bt-fuse: .*\b$1 ([0-9]+).*/\1/p" "$T/stats"
}

# served COMMAND...: it works, and is answered here.
served() {
	"$BTFUSE" run --mount "$M" --stats -v -- "$@" 2>"$T/stats" || die "$*: $(cat "$T/stats")"
	! grep -E '^(pwrite64|pread64) ' "$T/stats" | awk '$2 != $3 { bad = 1 } END { exit !bad }' ||
		die "$*: handed on: $(cat "$T/stats")"
	grep -qE '^pread64 +[1-9]' "$T/stats" || die "$*: its own calls were not seen: $(cat "$T/stats")"
	[ "$(cat "$M/f")" = Jello ] || die "$*: wrote $(cat "$M/f")"
	rm "$M/f"
}

say "a program, met for the first time; then known"
served "$raw" "$M/f"
served "$raw" "$M/f"
say "as a child of a shell, and a library that is loaded"
rm -r "$T/cache"
# shellcheck disable=SC2016
served sh -c '"$0" "$1"; true' "$raw" "$M/f"
rm -r "$T/cache"
served "$raw" "$M/f" "$library"

say "one without a build id, and such a library"
strip --strip-all -R .note.gnu.build-id -o "$T/raw" "$raw"
strip --strip-all -R .note.gnu.build-id -o "$T/libraw.so" "$library"
! readelf -n "$T/raw" "$T/libraw.so" | grep 'Build ID' || die "they have one"
served "$T/raw" "$M/f"
served "$T/raw" "$M/f" "$T/libraw.so"

say "what has no call in it is remembered the next time, what is gone is not asked for"
cp /bin/true "$T/true"
strip --strip-all -R .note.gnu.build-id -o "$T/nameless" /bin/true
for program in "$T/true" "$T/nameless"; do
	for i in 1 2; do
		"$BTFUSE" run --mount "$M" --stats -v -- "$program" 2>"$T/stats"
		[ "$(count unknown)" = $((2 - i)) ] || die "run $i of $program: $(cat "$T/stats")"
	done
done
cp /bin/false "$T/false"
# shellcheck disable=SC2016
"$BTFUSE" run --mount "$M" -- sh -c '"$0" || rm "$0"' "$T/false"
"$BTFUSE" run --mount "$M" -- true

say "where the scanner cannot run, it goes without"
# shellcheck disable=SC2016
"$BTFUSE" run --mount "$M" -- sh -c 'ln -sf /nonexistent "$0"/cache/bt-fuse/sites.*.scan; cp "$1" "$2/git"; "$2/git" --version >"$3"' \
	"$T" "$(command -v git)" "$T" "$M/f"
grep -q version "$M/f" || die "git has said: $(cat "$M/f")"
