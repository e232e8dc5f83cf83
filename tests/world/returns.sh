#!/bin/bash
# Programs at the exit of clone, fork, vfork and exec: in the parent and in the
# child, after an exec in the new program, as the kernel's tracepoints have it.
. "$(dirname "$0")/lib.sh"
PROGRAM=${TEST_PROGS:-$ROOT/build/tests/world}

load returns "$PROGRAM/returns.bpf.o"
cat >work.py <<'PY'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def child(pid):
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
for i in range(3):
    child(os.fork())
for i in range(2):
    child(libc.syscall(57))
if libc.syscall(56, 0x10000, 0, 0, 0, 0) >= 0:  # CLONE_THREAD without what it needs
    sys.exit('a clone that must fail')
for i in range(4):
    child(os.posix_spawn('/bin/true', ['true'], os.environ))
for i in range(5):
    try:
        os.execv('/nonexistent', ['x'])
    except FileNotFoundError:
        pass
os.execv('/bin/true', ['true'])
PY
run "$(python3 -c "import sys; print(sys.executable)")" -S -E work.py || die 'the work failed'

# How often was there a result > 0, = 0, < 0 of the number.
results() {
	"$BTFUSE" map --json dump name returns | python3 -c '
import json, sys
seen = {}
for e in json.load(sys.stdin):
    n = [int.from_bytes(bytes(int(b, 16) for b in e[k]), "little") for k in ("key", "value")]
    seen[n[0]] = n[1]
print(*(sum(seen.get(nr * 4 + k, 0) for nr in map(int, sys.argv[1:])) for k in (1, 0, 2)))' "$@"
}

# Three forks of glibc are clones, a spawn is one that shares memory (clone3 from 2.38 on).
[ "$(results 56 435)" = '7 7 1' ] || die "clone: $(results 56 435), not 7 in parents, 7 in children, 1 failed"
[ "$(results 57)" = '2 2 0' ] || die "fork: $(results 57)"
# Python itself, four that were spawned, and the last.
[ "$(results 59)" = '0 6 5' ] || die "execve: $(results 59), not 6 new programs and 5 that were not there"
unload returns
say 'what returns twice is seen twice'
