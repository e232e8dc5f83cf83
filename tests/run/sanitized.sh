#!/bin/bash
# Programs built with the compilers' sanitizers, which have their own ideas of where memory may be
# and which library comes first: they run, and report what they are for.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
src=$(dirname "$0")/sanitized.c

# lib.sh has the reports of this project's programs in a file.
plain=(env -u ASAN_OPTIONS -u TSAN_OPTIONS)

# runs COMPILER SANITIZER MISTAKE REPORT
runs() {
	local exe=$T/$1-$2
	if ! "$1" -g -O1 -fsanitize="$2" -fno-sanitize-recover=all -o "$exe" "$src" -lpthread 2>"$T/err"; then
		say "$1 has no -fsanitize=$2 here"
		return
	fi
	say "$1 -fsanitize=$2"
	"$BTFUSE" run --mount "$M" -- "${plain[@]}" "$exe" "$M" >"$T/out" 2>&1 || die "$(cat "$T/out")"
	[ "$(cat "$T/out")" = "done" ] || die "it says something else: $(cat "$T/out")"
	"$BTFUSE" run --stats --mount "$M" -- "${plain[@]}" "$exe" "$M" >"$T/out" 2>&1 || die "$(cat "$T/out")"
	grep -q ' [1-9][0-9]* answered' "$T/out" || die "nothing is answered: $(cat "$T/out")"
	"$BTFUSE" run --mount "$M" -- "${plain[@]}" "$exe" "$M" "$3" >"$T/out" 2>&1 && die "$3: it is not reported: $(cat "$T/out")"
	grep -qE "$4" "$T/out" || die "$3: $(cat "$T/out")"
}
for compiler in gcc clang; do
	command -v $compiler >/dev/null || continue
	runs $compiler address overflow heap-buffer-overflow
	runs $compiler thread race 'data race'
	runs $compiler undefined shift 'shift exponent 48'
	runs $compiler leak leak 'detected memory leaks'
	[ $compiler = gcc ] || runs $compiler memory uninitialized use-of-uninitialized-value
done
