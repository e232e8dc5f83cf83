#!/bin/bash
# An object file's program is loaded, seen by what runs, and gone with its loader.
. "$(dirname "$0")/lib.sh"

passes() {
	run bash -c 'echo hi >f'
}

denied() {
	! run bash -c 'echo hi >f' 2>err && grep -q 'Operation not permitted' err
}

passes || die 'nothing is loaded, and a write fails'
load a "$PROGS/error_inject_syscall.bpf.o"
denied || die "a write passes: $(cat err)"

# A program that runs already sees it come and go.
unload a
passes || die 'it was unloaded, and a write fails still'
mkfifo go
# shellcheck disable=SC2016
"$BTFUSE" run -- bash -c 'exec 3<>go; while read -r -u 3 x; do echo "$x" >>log || echo no >&2; done' 2>seen &
WATCHED=$!
LOADERS="$LOADERS $WATCHED"
exec 4<>go
echo one >&4
until_true 10 grep -q one log || die 'the watched program does not run'
load b "$PROGS/error_inject_syscall.bpf.o"
echo two >&4
until_true 10 grep -q no seen || die 'a running program did not see the attach'
unload b
echo three >&4
until_true 20 grep -q three log || die "a running program did not see the detach: $(cat seen log)"
! grep -q two log || die 'a denied write was made'
kill "$WATCHED" || true
wait "$WATCHED" 2>/dev/null || true

# kill -9 of the loader, and of what serves it.
load c "$PROGS/error_inject_syscall.bpf.o"
denied || die 'a write passes'
pkill -9 -P "$LOADER"
until_true 10 passes 2>/dev/null || die 'the loader was killed, and its program runs still'
load d "$PROGS/error_inject_syscall.bpf.o"
denied || die 'a write passes'
kill -9 "$LOADER"
until_true 10 passes 2>/dev/null || die 'bt-fuse load was killed, and its program runs still'

# "load --stop" waits until nothing is attached any more, however long the loader takes.
load g "$PROGS/error_inject_syscall.bpf.o"
slow=$(pgrep -P "$LOADER")
kill -STOP "$slow"
unload g &
stopping=$!
sleep 0.3
kill -0 "$stopping" 2>/dev/null || die 'load --stop came back before the loader had ended'
kill -CONT "$slow"
wait "$stopping"
passes || die 'load --stop came back, and a write fails still'

# Two at once, in any order; each alone denies.
load e "$PROGS/error_inject_syscall.bpf.o"
load f "$PROGS/error_inject_syscall.bpf.o"
unload e
denied || die 'one of two is gone, and a write passes'
unload f
passes || die 'both are gone, and a write fails'
# Half of them.
"$BTFUSE" load --name "$BTFUSE_WORLD-half" --set half=1 "$PROGS/error_inject_syscall.bpf.o" >load-half.out 2>&1 &
LOADERS="$LOADERS $!"
until_true 20 grep -q attached load-half.out || die "half: $(cat load-half.out)"
# shellcheck disable=SC2016
[ "$(run bash -c 'for i in 1 2 3 4 5 6; do echo $i; done' 2>/dev/null | wc -l)" = 3 ] || die 'not half of the writes pass'
unload half
say ok
