#!/bin/bash
# Families that no other test moves: each has a load here that must move it, by a
# known number where there is one. A counter that nothing moves can be wrong unnoticed.
. "$(dirname "$0")/see.sh"

mount_fs
start_exporter
python=$(python3 -c 'import sys; print(sys.executable)') # itself, no wrapper

run() {
	"$BTFUSE" run --mount "$M" -- "$@"
}

script() {
	run "$python" -I -S -B "$@"
}

pids=()
put_right() {
	clear_see "${pids[@]}"
}

# moved FUNCTION NAME [LABEL=VALUE]...: by how much the load moves that, in $by.
moved() {
	local before
	before=$(value "${@:2}")
	"$1"
	by=$(($(value "${@:2}") - before))
}

# within FROM TO WHAT: so many were made for certain, the program itself makes some.
within() {
	if [ "$by" -lt "$1" ] || [ "$by" -ge "$2" ]; then
		die "$3: $by are counted"
	fi
}

say "each kind of operation, as often as it is made"
cat >"$T/ops" <<'END'
import ctypes, fcntl, mmap, os, sys, time
where = sys.argv[1] + "/"
libc = ctypes.CDLL(None, use_errno=True)
AGAIN = 7
def times(op, call, n=AGAIN):
    for i in range(n):
        call(i)
    made[op] = made.get(op, 0) + n
made = {}
fd = os.open(where + "f", os.O_CREAT | os.O_RDWR)
os.write(fd, b"x" * 8192)
times("mknod", lambda i: os.mknod(where + "fifo%d" % i, 0o10644))
times("fallocate", lambda i: os.posix_fallocate(fd, 0, 4096))
times("setxattr", lambda i: os.setxattr(where + "f", "user.%d" % i, b"v"))
times("getxattr", lambda i: os.getxattr(where + "f", "user.%d" % i))
times("listxattr", lambda i: os.listxattr(where + "f"))
times("removexattr", lambda i: os.removexattr(where + "f", "user.%d" % i))
times("statfs", lambda i: os.statvfs(where + "f"))
to = os.open(where + "g", os.O_CREAT | os.O_RDWR)
times("copy", lambda i: os.copy_file_range(fd, to, 4096, 0, 0))
times("seek", lambda i: os.lseek(fd, i, os.SEEK_SET))
times("chown", lambda i: os.chown(where + "f", -1, -1))
times("fd", lambda i: fcntl.fcntl(fd, fcntl.F_GETFD))
times("cwd", lambda i: os.chdir(where))
lists = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
times("readdir", lambda i: libc.syscall(217, lists, ctypes.create_string_buffer(32768), 32768))
for op, n in made.items():
    print(op, n, 0)
END
ops "$hooked" >"$T/before"
script "$T/ops" "$M" >"$T/made"
ops "$hooked" >"$T/after"
# shellcheck disable=SC2046 # words
same "$T/before" "$T/after" "$T/made" $(cut -d' ' -f1 "$T/made")

say "calls that are handed to the kernel, by reason"
elsewhere() {
	script -c '
import os, sys
os.stat(sys.argv[1])  # who never comes to the mount is not counted
fd = os.open("/dev/null", os.O_RDONLY)
for _ in range(100):
    os.read(fd, 1)' "$M"
}
moved elsewhere btfuse_handed_over_calls_total reason=elsewhere
within 100 200 "elsewhere"
ln -s /etc/passwd "$M/out"
outside() {
	script -c '
import os, sys
for _ in range(9):
    os.stat(sys.argv[1])' "$M/out"
}
moved outside btfuse_handed_over_calls_total reason=outside
[ "$by" = 9 ] || die "outside: $by"
passive() {
	script -c '
import ctypes, os, sys
os.stat(sys.argv[1])
ctypes.CDLL(None).syscall(206, 1, ctypes.byref(ctypes.c_ulong()))  # io_setup: what comes so is not seen
for _ in range(100):
    os.stat(sys.argv[1])' "$M"
}
moved passive btfuse_handed_over_calls_total reason=passive
within 100 200 "passive"
no_seat() {
	script -c '
import os, subprocess, sys, threading
threading.stack_size(1 << 16)
SEATS = 2048
done, over = threading.Barrier(SEATS + 1), threading.Event()
def sit():
    os.stat(sys.argv[1])
    done.wait()
    over.wait()
for _ in range(SEATS):
    threading.Thread(target=sit, daemon=True).start()
done.wait()
# Threads share what the process has in common; another process has nothing.
subprocess.run([sys.executable, "-ISc", "import os, sys; [os.stat(sys.argv[1]) for _ in range(10)]", sys.argv[1]], check=True)
over.set()' "$M"
}
moved no_seat btfuse_handed_over_calls_total reason=no_seat
within 10 200 "no seat"

say "transactions of the killed are rolled back"
for n in 1 2; do
	rm -f "$T/progress"
	"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 100000000 forever >"$T/progress" &
	pid=$!
	eventually test -s "$T/progress" || die "no progress"
	"$WORK_KILLER" "$pid" "$(daemon_pid)" || die "it is never in a transaction"
	wait "$pid" 2>/dev/null || true
	eventually reached "$n" btfuse_ended_processes_total || die "of $n processes $(value btfuse_ended_processes_total) have ended"
	[ "$(value btfuse_rolled_back_transactions_total)" = "$n" ] || die "$(value btfuse_rolled_back_transactions_total) rolled back, not $n"
done
clean

say "requests of processes to the daemon, while they are under way"
python3 - "$M" <<'END'
import os, sys
for i in range(50):
    open("%s/seen-%d" % (sys.argv[1], i), "w").close()
END
# The kernel sees what others change all the time: for each change the daemon is asked.
pids=()
"$python" -I -S -B -c '
import os, sys
while True:
    for i in range(50):
        os.stat("%s/seen-%d" % (sys.argv[1], i))' "$M" &
pids+=($!)
for _ in 1 2 3; do
	"$BTFUSE" run --mount "$M" -- "$python" -I -S -B -c '
import os, sys
while True:
    for i in range(50):
        os.chmod("%s/seen-%d" % (sys.argv[1], i), 0o600 | i % 8)' "$M" &
	pids+=($!)
done
before=$(value btfuse_invalidations_total kind=attributes)
eventually reached 1 btfuse_ring_depth || die "no request is ever under way"
[ "$(value btfuse_ring_channels)" -ge 3 ] || die "$(value btfuse_ring_channels) channels"
[ "$(value btfuse_invalidations_total kind=attributes)" -gt "$before" ] || die "the kernel is not told"
kill -9 "${pids[@]}"
wait "${pids[@]}" 2>/dev/null || true
pids=()
is_idle() {
	[ "$(value btfuse_ring_depth)" = 0 ] && [ "$(value btfuse_ring_channels)" = 0 ]
}
eventually is_idle || die "requests or channels of the dead are left"

say "what is held, while it is held, and what is looked up"
cat >"$T/hold" <<'END'
import os, sys, threading
where = sys.argv[1] + "/"
def path(i):
    return where + "held-%d" % i
fds = [os.open(path(i), os.O_CREAT | os.O_RDWR) for i in range(60)]
for fd in fds:
    os.write(fd, b"x" * 8192)
for i in range(0, 60, 2):
    os.truncate(path(i), 0)  # a gap between two files
for _ in range(1000):
    os.stat(path(1))
for i in range(200):
    try:
        os.stat(where + "absent-%d" % i)
    except FileNotFoundError:
        pass
sat, over = threading.Barrier(101), threading.Event()
def sit():
    os.stat(path(1))
    sat.wait()
    over.wait()
for _ in range(100):
    threading.Thread(target=sit, daemon=True).start()
sat.wait()
print("held", flush=True)
sys.stdin.readline()
for i in range(60):
    os.unlink(path(i))
over.set()
END
# What it moves, by at least and less than how much. Names are absent before they are made.
moves=(
	"60 61 btfuse_inodes state=used"
	"60 70 btfuse_blocks state=used"
	"-69 -59 btfuse_blocks state=free"
	"60 61 btfuse_open_files"
	"100 120 btfuse_tasks"
	"20 40 btfuse_free_block_runs"
	"990 1100 btfuse_path_cache_lookups_total result=hit"
	"260 280 btfuse_name_lookups_total result=absent"
)
unmoved=()
for move in "${moves[@]}"; do
	read -r _ _ name label <<<"$move"
	unmoved+=("$(value "$name" ${label:+"$label"})")
done
mkfifo "$T/go"
script "$T/hold" "$M" <"$T/go" >"$T/held" &
pids=($!)
exec 5>"$T/go"
eventually grep -qs held "$T/held" || die "nothing is held"
for i in "${!moves[@]}"; do
	read -r from to name label <<<"${moves[i]}"
	by=$(($(value "$name" ${label:+"$label"}) - unmoved[i]))
	within "$from" "$to" "$name $label"
done
exec 5>&-
wait "${pids[0]}" || die "what holds it has failed"
pids=()
is_given_back() {
	[ "$(value btfuse_inodes state=used)" = "${unmoved[0]}" ] && [ "$(value btfuse_open_files)" = "${unmoved[3]}" ] &&
		[ "$(value btfuse_tasks)" -lt $((unmoved[4] + 50)) ]
}
eventually is_given_back || die "inodes, open files or tasks are still counted"

say "what eBPF programs do to calls"
bpf() {
	python3 "$SEE/scrape.py" "$URL/metrics" "btfuse_bpf_$1" "${@:2}"
}
# opened N FILE: opens it so many times, and prints what is in it.
opened() {
	script -c '
import os, sys
for _ in range(int(sys.argv[1])):
    fd = os.open(sys.argv[2], os.O_RDONLY)
    text = os.read(fd, 100).decode()
    os.close(fd)
sys.stdout.write(text)' "$1" "$2"
}
echo this >"$M/this"
echo that >"$M/that"
load_programs redirect.bpf.o --set "from=$M/this" --set "to=$M/that"
[ "$(opened 12 "$M/this")" = that ] || die "an open is not redirected"
[ "$(bpf affected_calls_total effect=arguments)" = 12 ] || die "not 12 but $(bpf affected_calls_total effect=arguments)"
unload_programs
load_programs inject.bpf.o --set delay_ns=1000000
script -c '
import os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
for _ in range(3):
    os.write(fd, b"late")' "$M/late"
[ "$(bpf affected_calls_total effect=delay)" = 3 ] || die "not 3 but $(bpf affected_calls_total effect=delay)"
unload_programs
load_programs ../tests/see/forced.bpf.o
before=$(value btfuse_operations_total op=open path=kernel)
[ "$(opened 12 "$M/this")" = this ] || die "the kernel reads something else"
[ "$(bpf affected_calls_total effect=kernel)" -ge 12 ] || die "not 12 but $(bpf affected_calls_total effect=kernel)"
[ $(($(value btfuse_operations_total op=open path=kernel) - before)) = 12 ] || die "the kernel has not opened it"
unload_programs
load_programs trace-bypass.bpf.o
before=$(bpf program_runs_total at=exit)
opened 12 "$M/this" >/dev/null
[ $(($(bpf program_runs_total at=exit) - before)) -ge 36 ] || die "programs after calls have not run"
unload_programs
