#!/bin/bash
# While the daemon is gone, what a hooked process needs the kernel for says ENOTCONN; the rest goes on.
# Daemons that are stopped hold up the start of no program for long, those of other mounts not at all.
. "$(dirname "$0")/../mount/lib.sh"

stopped=()
put_right() {
	[ "${#stopped[@]}" = 0 ] || kill -CONT "${stopped[@]}"
	umount -l "$T/second" "$T/third" 2>/dev/null || true
}

mount_fs

say "two daemons that are stopped"
for n in second third; do
	mkdir "$T/$n"
	timeout 60 "$BTFUSE" mount --name "$NAME-$n" "$T/$n"
	stopped+=("$(daemon_pid "$NAME-$n")")
done
kill -STOP "${stopped[@]}"
all_stopped() { # each thread: the signal is one thread's, which stops the others when it runs
	local pid
	for pid in "${stopped[@]}"; do
		! cut -d' ' -f3 /proc/"$pid"/task/*/stat | grep -qv T || return 1
	done
}
eventually all_stopped || die "they do not stop"
# took COMMAND...: its ms are in $ms.
took() {
	ms=$(date +%s%N)
	"$@" 2>"$T/err" >"$T/out" || die "$*: $(cat "$T/err")"
	ms=$((($(date +%s%N) - ms) / 1000000))
}
took "$BTFUSE" run -- true
[ "$ms" -ge 1900 ] || die "they were not waited for"
[ "$ms" -lt 3900 ] || die "they were waited for one after the other: $ms ms"
for n in second third; do
	grep -q "mount $NAME-$n: its daemon does not answer" "$T/err" || die "nothing is said of $n: $(cat "$T/err")"
done
took "$BTFUSE" run --mount "$M" -- true
[ ! -s "$T/err" ] || die "$(cat "$T/err")"
[ "$ms" -lt 1900 ] || die "another mount's daemons are waited for: $ms ms"
took "$BTFUSE" status
[ "$ms" -lt 3900 ] || die "status waits for one after the other: $ms ms"
[ "$(grep -c "^$NAME-.* held " "$T/out")" = 2 ] || die "status does not tell of them: $(cat "$T/out")"
"$BTFUSE" run --mount "$T/second" -- true 2>"$T/err" && die "it runs on a mount that does not answer"
grep -q "$T/second: the mount's daemon does not answer" "$T/err" || die "$(cat "$T/err")"
kill -CONT "${stopped[@]}"
stopped=()
for n in second third; do
	timeout 60 "$BTFUSE" umount "$T/$n"
done

say "a daemon that is killed"
mkfifo "$T/go"
# The kernel has it open for appending: so hooked writes of it are the kernel's.
exec 9>>"$M/shared"
"$BTFUSE" run --mount "$M" -- /usr/bin/python3 - "$M" "$T/go" "$T/up" 9>&- <<'END' &
import errno, os, sys
mount, go, up = sys.argv[1:]
shared = os.open(mount + '/shared', os.O_WRONLY | os.O_APPEND)
own = os.open(mount + '/own', os.O_RDWR | os.O_CREAT)
open(up, 'w').close()
open(go).read()
for call in (lambda: os.write(shared, b'x'), lambda: os.pwrite(shared, b'x', 0), lambda: os.ftruncate(shared, 5)):
    try:
        call()
        sys.exit('a call went through')
    except OSError as e:
        assert e.errno == errno.ENOTCONN, e
assert os.write(own, b'hello') == 5 and os.pread(own, 9, 0) == b'hello'
END
hooked=$!
eventually test -e "$T/up" || die "the hooked process does not come up"
pid=$(daemon_pid)
kill -9 "$pid"
gone "$pid"
# What is asked for between that and the end of the connection gets ECONNABORTED.
dead() {
	! stat "$M" 2>"$T/err" >&2 && grep -q 'not connected' "$T/err"
}
eventually dead || die "the mount is not dead: $(cat "$T/err")"
exec 9>&-
echo >"$T/go"
wait "$hooked" || die "it says something else: $?"
mount_fs
[ "$(cat "$M/own")" = hello ] || die "what was written meanwhile is lost"
