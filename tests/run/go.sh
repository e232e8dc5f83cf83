#!/bin/bash
# Go's code has too little stack for a handler: its programs go through the kernel mount, and a
# program that loads a library of it does from then on.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
src=$(dirname "$0")/go.c
cc -o "$T/go" "$src" || die "the program is not compiled"
cc -DLIBRARY -shared -fPIC -o "$T/go.so" "$src" || die "the library is not compiled"

say "a program"
cat >"$T/work" <<END
"$T/go" "$M/file" >"$M/out" && cat "$M/out" "$M/file"
END
"$BTFUSE" run --stats -v --mount "$M" -- sh "$T/work" >"$T/out" 2>"$T/err" || die "$?: $(cat "$T/err")"
[ "$(cat "$T/out")" = "hello
as Go does" ] || die "$(cat "$T/out")"
grep -q 'static or foreign 1,' "$T/err" || die "it is not counted: $(cat "$T/err")"

say "a library"
"$BTFUSE" run --mount "$M" -- python3 - "$T/go.so" "$M" >"$T/out" 2>"$T/err" <<'END' || die "$?: $(cat "$T/err")"
import ctypes, sys
lib, mount = sys.argv[1:]
f = open(mount + '/before', 'w+')
f.write('before')
f.flush()
print(ctypes.CDLL(lib).touch((mount + '/by library').encode()))
f.write(' and after')
f.seek(0)
print(f.read())
print(open(mount + '/by library').read(), end='')
END
[ "$(cat "$T/out")" = "0
before and after
as Go does" ] || die "$(cat "$T/out")"
