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

cat >"$T/filtered.py" <<'END'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
allow = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))
prog = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 1, ctypes.addressof(allow)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, prog, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
END
filtered=(/usr/bin/python3 -I -S "$T/filtered.py")
# kernels COMMAND...: it works, and its file is the kernel's.
kernels() {
	"$BTFUSE" run --mount "$M" --stats -v -- "$@" 2>"$T/stats" || die "$*: $(cat "$T/stats")"
	[ "$(cat "$M/f")" = Jello ] || die "$*: wrote $(cat "$M/f")"
	rm "$M/f"
}

say "under a filter on system calls that the launcher runs under as well; under one of the program's own"
rm -r "$T/cache"
"$BTFUSE" run --mount "$M" -- "${filtered[@]}" true # Python is known from here on
"${filtered[@]}" "$BTFUSE" run --mount "$M" --stats -v -- "$raw" "$M/f" 2>"$T/stats" || die "$(cat "$T/stats")"
grep -qE '^pread64 +[1-9]' "$T/stats" || die "its own calls were not seen: $(cat "$T/stats")"
rm -r "$T/cache"
kernels "${filtered[@]}" "$raw" "$M/f"
kernels "${filtered[@]}" sh -c "'$raw' '$M/f' '$library' && '$T/raw' '$M/f' '$T/libraw.so'"

say "where the scanner cannot run, all is the kernel's"
rm -r "$T/cache"
for command in "'$raw' '$M/f'" "'$T/raw' '$M/f' '$library'"; do
	# shellcheck disable=SC2016
	kernels sh -c 'ln -sf /nonexistent "$0"/cache/bt-fuse/sites.*.scan; eval "$1"' "$T" "$command"
	# What it has inherited as well.
	# shellcheck disable=SC2016
	"$BTFUSE" run --mount "$M" -- sh -c 'ln -sf /nonexistent "$0"/cache/bt-fuse/sites.*.scan; cp "$1" "$2/git"; exec "$2/git" --version >"$3"' \
		"$T" "$(command -v git)" "$T" "$M/g"
	grep -q version "$M/g" || die "git has said: $(cat "$M/g")"
done
rm "$M/g"
