#!/bin/bash
# The world's files and the loaders' sockets go with the last who uses them,
# and nobody who comes at that moment finds himself in a world of his own.
. "$(dirname "$0")/lib.sh"

world=/dev/shm/bt-fuse-bpf.$(id -u).$BTFUSE_WORLD
if [ "$(id -u)" = 0 ]; then RUNDIR=/run/bt-fuse; else RUNDIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/bt-fuse; fi

gone() {
	[ ! -e "$world" ] && [ ! -e "$world.wake" ] && ! compgen -G "$RUNDIR/load-$BTFUSE_WORLD*" >/dev/null
}

none_left() {
	gone || die "$1: left: $(compgen -G "$world*" | tr '\n' ' ') $(compgen -G "$RUNDIR/load-$BTFUSE_WORLD*" | tr '\n' ' ')"
}

run true
none_left 'a program'
run sh -c 'ls / | cat >/dev/null; (exec true); true & wait'
none_left 'a program with children'
"$BTFUSE" prog list >/dev/null
none_left 'a command'
load plain "$PROGS/opensnoop.bpf.o"
run cat /dev/null
unload plain
none_left 'a loader'

# The program goes last, and sees no end of its world before.
load first "$PROGS/opensnoop.bpf.o"
run sleep 1 &
sleeper=$!
unload first
until_true 5 test -e "$world" || die 'the world is gone, and a program is there'
wait "$sleeper"
none_left 'a program that stays longer than its loader'

# A loader and its server are killed; the next one clears up.
load killed "$PROGS/opensnoop.bpf.o"
mapfile -t children < <(pgrep -P "$LOADER")
# All at once: who has stopped does not see the other one die, and leave in good order.
kill -STOP "$LOADER" "${children[@]}"
all_stopped() {
	! ps -o stat= -p "$(IFS=,; echo "$LOADER,${children[*]}")" | grep -qv T
}
until_true 10 all_stopped || die 'they do not stop'
kill -9 "$LOADER" "${children[@]}"
wait "$LOADER" || true
[ -e "$world" ] || die 'who is killed takes nothing away'
load next "$PROGS/opensnoop.bpf.o"
compgen -G "$RUNDIR/load-$BTFUSE_WORLD-killed.bpf" >/dev/null && die "the socket of the killed loader is still there"
unload next
none_left 'the next after one who was killed'

# Pins stay until they are removed.
cat >pin.py <<'PY'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(cmd, attr):
    attr = ctypes.create_string_buffer(attr, 120)
    return libc.syscall(321, cmd, attr, 120)
path = ctypes.create_string_buffer(b'/sys/fs/bpf/kept')
where = ctypes.addressof(path)
if sys.argv[1] == 'pin':
    fd = bpf(0, struct.pack('IIII', 2, 4, 8, 1))
    sys.exit(bpf(6, struct.pack('QI', where, fd)) != 0)
os.unlink('/sys/fs/bpf/kept')
PY
"$BTFUSE" load -- python3 pin.py pin || die 'no pin'
[ -e "$world" ] || die 'a pin does not hold its world'
"$BTFUSE" load -- python3 pin.py unpin
none_left 'a pin that was removed'

# Comers and goers, some of them killed, around a program that waits for what a loader attaches.
storm() {
	local i pid
	for ((i = 0; i < 400; i++)); do
		[ ! -e stop ] || return 0
		run true &
		pid=$!
		if ((i % 3 == 0)); then kill -9 "$pid" 2>/dev/null || true; fi
		"$BTFUSE" prog list >/dev/null || { touch failed; return 0; }
		wait "$pid" 2>/dev/null || true
	done
}
storm 2>/dev/null &
storms=$!
storm 2>/dev/null &
storms="$storms $!"
for ((round = 0; round < 8; round++)); do
	rm -f began
	run bash -c 'echo hi >began; n=0; while echo hi >f 2>/dev/null && [ $((n += 1)) -lt 2000 ]; do sleep 0.01; done; [ $n -lt 2000 ]' &
	waiter=$!
	until_true 10 test -s began || die 'the program does not start'
	load meets "$PROGS/error_inject_syscall.bpf.o"
	wait "$waiter" || die 'a program and a loader do not meet'
	unload meets
done
touch stop
# shellcheck disable=SC2086
wait $storms
[ ! -e failed ] || die 'a command failed among comers and goers'
"$BTFUSE" prog list >/dev/null # after one that was killed, perhaps
none_left 'the storm'
say 'files go with the last who uses them'
