#!/bin/bash
# What `bt-fuse run --stats` says: calls in known numbers, for known reasons, in known processes.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
ln -s /etc/passwd "$M/out"
cat >"$T/work.py" <<'END'
import ctypes, fcntl, os, signal, sys
os.chdir(sys.argv[1])
for i in range(50):
    os.stat(sys.argv[1] + '/out', follow_symlinks=False)  # newfstatat: answered
for i in range(30):
    os.stat('/etc/hostname')
for i in range(7):
    os.close(os.open(sys.argv[1] + '/out', os.O_RDONLY))
f = open(sys.argv[1] + '/locked', 'w')
for i in range(5):
    fcntl.flock(f, fcntl.LOCK_EX)  # on a real descriptor
pid = os.fork()
if pid == 0:
    for i in range(20):
        os.stat(sys.argv[1] + '/out', follow_symlinks=False)
    ctypes.CDLL(None).prctl(15, b'the-child', 0, 0, 0)
    os._exit(0)
os.waitpid(pid, 0)
print(os.getpid(), pid)
ready = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(ready[1], b'x')
    signal.pause()
os.read(ready[0], 1)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
print(pid)
if len(sys.argv) > 2:
    ctypes.CDLL(None).unshare(0x00000200)  # CLONE_FS alone is followed
    if ctypes.CDLL(None).unshare(0x10000000) == 0:  # CLONE_NEWUSER is not
        for i in range(11):
            os.stat(sys.argv[1] + '/out', follow_symlinks=False)
        print('unshared')
END
count() { # options of run
	"$BTFUSE" run "$@" --mount "$M" -- /usr/bin/python3 -I -S "$T/work.py" "$M" more >"$T/pids" 2>"$T/stats" || die "$(cat "$T/stats")"
}
of_call() { # number that the line of call $1 has for reason $2
	sed -nE "s/^$1 .*[ ,]$2 ([0-9]+).*/\1/p" "$T/stats"
}
at_least() { # number, what it is, which one
	[ "${1:-0}" -ge "$2" ] || die "$3: ${1:-none}, not $2 at least: $(cat "$T/stats")"
}

count --stats
for words in '^bt-fuse: [0-9]+ calls seen, [0-9]+ answered, [0-9]+ handed' '^bt-fuse: handed over: .*elsewhere [0-9]+' '^bt-fuse: [0-9.]+ s in all'; do
	grep -qE "$words" "$T/stats" || die "$words: $(cat "$T/stats")"
done
if grep -q '^process\|^call' "$T/stats"; then die "tables that nobody asked for"; fi

count --stats=process -v
read -r seen answered <<<"$(sed -nE 's/^newfstatat +([0-9]+) +([0-9]+).*/\1 \2/p' "$T/stats")"
at_least "$answered" 70 "stats that were answered"
at_least "$seen" 100 "stats"
at_least "$(of_call newfstatat elsewhere)" 30 "stats elsewhere"
at_least "$(of_call openat outside)" 7 "opens that lead out"
[ "$(of_call flock descriptor)" = 5 ] || die "locks are the kernel's: $(cat "$T/stats")"
at_least "$(of_call exit_group agent)" 2 "ends of processes"
if grep -q unshared "$T/pids"; then at_least "$(of_call newfstatat passive)" 11 "stats when nothing can be followed"; fi
{
	read -r parent child
	read -r killed
} <"$T/pids"
grep -qE "^$parent +python3 +[0-9]+ +[0-9]+ +[0-9]+ +[0-9.]+$" "$T/stats" || die "no line of the parent: $(cat "$T/stats")"
at_least "$(sed -nE "s/^$child +python3 +[0-9]+ +([0-9]+) .*/\1/p" "$T/stats")" 20 "what the child was answered"
grep -qE "^$killed +python3 .* killed$" "$T/stats" || die "no line of the killed: $(cat "$T/stats")"

if "$BTFUSE" run --stats=nonsense -- true 2>"$T/err"; then die "--stats=nonsense is taken"; fi
grep -q 'see bt-fuse-run' "$T/err" || die "$(cat "$T/err")"
