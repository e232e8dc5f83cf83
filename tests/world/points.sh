#!/bin/bash
# Each kind of place with the kernel's context, who wins, and helpers that need a call at which they run.
. "$(dirname "$0")/lib.sh"
PROGRAM=${TEST_PROGS:-$ROOT/build/tests/world}

coproc TOOL { exec "$BTFUSE" load -- "$PROGRAM/test_points" "$PROGRAM/points.bpf.o" 2>tool.err; }
LOADERS="$LOADERS $TOOL_PID"
# Of our own: bash takes back its descriptors when the tool has ended.
exec 5<&"${TOOL[0]}" 6>&"${TOOL[1]}"
read -r -t 20 line <&5 || die "not loaded: $(cat tool.err)"
[ "$line" = attached ] || die "not loaded: $line"

cat >work.py <<'PY'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def ask(group):
    ctypes.set_errno(0)
    libc.getpriority(1, group)
    return ctypes.get_errno()
os.chdir('/./////')
# Nobody's groups: the kernel says ESRCH, 3.
print(ask(99999), ask(100), ask(101), ask(103), ask(102))
PY
got=$(run "$(python3 -c 'import sys; print(sys.executable)')" -S -E work.py) || die "the work failed: $got"
[ "$got" = '3 2 4 5 3' ] || die "results: $got"
for want in 'record 77' 'record 1102'; do
	read -r -t 20 line <&5 || die "no record: $(cat tool.err)"
	[ "$line" = "$want" ] || die "$line, not $want"
done
# The log goes with the world, and that with the tool.
log=$("$BTFUSE" prog tracelog -1)
[[ $log = *'vprintk 1 2 3 4'* ]] || die "tracelog: $log"
echo >&6
read -r -t 20 line <&5 || die "nothing seen: $(cat tool.err)"
# ESRCH of call 140, group 1, number 102; nothing at exits of what the entry answered; cookies; 7, clocks, 1 + 2 + 3 + 4.
esrch=fffffffffffffffd
[ "$line" = "8c 66 8c 8c $esrch 8c 1 66 8c $esrch 0 1111 2222 7 1 a" ] || die "seen: $line"
read -r -t 20 line <&5 || die "no path: $(cat tool.err)"
[ "$line" = 'path /./////' ] || die "$line"
say ok
