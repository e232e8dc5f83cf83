#!/bin/bash
# bt-fuse trace: every call once, with its result and who answered it, of
# children too; the program's own exit status; nothing left behind.
. "$(dirname "$0")/see.sh"

mount_fs
export XDG_RUNTIME_DIR=$T # for root it says only where the record's file lies
L=$T/log
# line REGEX: there is such a line.
line() {
	grep -qE -- "$1" "$L" || die "no line like $1 in: $(tail -n 40 "$L")"
}

say "calls, arguments, results, paths"
echo hello >"$M/file"
"$BTFUSE" trace -o "$L" --mount "$M" -- bash -c "head -c 100 '$M/file'; mkdir '$M/dir'; cat '$M/none' 2>/dev/null; mv '$M/file' '$M/dir/moved'; cat /etc/hostname >/dev/null; rm -r '$M/dir'" >"$T/out"
[ "$(cat "$T/out")" = hello ] || die "the program has said $(cat "$T/out")"
line "^[0-9]+ [0-9:.]+ openat\(AT_FDCWD, \"$M/file\", O_RDONLY, 0\) = [0-9]+ <process, [0-9.]+ (ns|us|ms)>$"
line "read\([0-9]+, 0x[0-9a-f]+, [0-9]+\) = 6 <process"
line "mkdir\(\"$M/dir\", 0777\) = 0 <process"
line "openat\(AT_FDCWD, \"$M/none\", O_RDONLY, 0\) = -1 ENOENT <process"
line "rename(at2)?\(.*\"$M/file\", .*\"$M/dir/moved\".*\) = 0 <process"
line 'openat\(AT_FDCWD, "/etc/hostname", O_RDONLY, 0\) = [0-9]+ <kernel, '
[ "$(cut -d' ' -f1 "$L" | sort -u | wc -l)" -ge 5 ] || die "the children are missing"

say "each call once, also where there are more than the ring holds"
"$BTFUSE" trace -o "$L" -- "$WORK" "$M" 700 >"$T/expected"
while read -r op ok failed; do
	case $op in
	unlink | rename | symlink | readlink | link | chmod | truncate | mkdir | rmdir)
		[ "$op" = truncate ] && op=ftruncate
		[ "$(grep -cE " $op(at|at2)?\(.* = [0-9]+ <process" "$L")" = "$ok" ] || die "$op: not $ok that went well"
		[ "$(grep -cE " $op(at|at2)?\(.* = -1 " "$L")" = "$failed" ] || die "$op: not $failed that failed"
		;;
	esac
done <"$T/expected"

say "the program's status is ours"
status=0
"$BTFUSE" trace -o "$L" -- bash -c 'exit 7' || status=$?
[ "$status" = 7 ] || die "status $status"
status=0
"$BTFUSE" trace -o "$L" -- bash -c 'kill -9 $$' || status=$?
[ "$status" = 137 ] || die "status $status of a killed program"
"$BTFUSE" trace -o "$L" -- /nothing/there 2>/dev/null && die "it has run nothing"

say "a tracer that is killed lets the program go on"
"$BTFUSE" trace -o "$L" -- "$WORK" "$M" 3000 forever >"$T/progress" &
tracer=$!
eventually test -s "$T/progress" || die "no progress"
kill -9 "$tracer"
wait "$tracer" 2>/dev/null || true
rm -f "$T"/bt-fuse-trace.*
done_with() {
	[ "$(stat -c %s "$T/progress")" = 3000 ]
}
eventually done_with || die "the program has stopped at $(stat -c %s "$T/progress")"

say "nothing is left"
ls "$T"/bt-fuse-trace.* 2>/dev/null && die "a file of records is left"
true
