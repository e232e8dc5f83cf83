#!/bin/bash
# More of Debian's libbpf-tools that attach to system calls only, binaries
# untouched; and one that does not, which says so.
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2031
export PATH=$PATH:/usr/sbin:/sbin

for tool in execsnoop killsnoop mountsnoop exitsnoop; do
	command -v "$tool" >/dev/null || { say "no $tool here"; exit 77; }
done
python=$(python3 -c 'import sys; print(sys.executable)')
cat >work.py <<'PY'
import ctypes, os
libc = ctypes.CDLL(None)
libc.mount(b'none', b'/nonexistent', b'tmpfs', 0, b'size=1m')
libc.umount2(b'/nonexistent', 2)
os.kill(os.getpid(), 0)
os.spawnv(os.P_WAIT, '/bin/true', ['true', 'of', 'tests'])
PY

# watch TOOL LINK: runs it while the work is done, and ends it as a terminal does.
watch_work() {
	local pid
	"$BTFUSE" load -- "$1" >"$1.out" 2>"$1.err" &
	pid=$!
	LOADERS="$LOADERS $pid"
	until_true 20 sh -c "'$BTFUSE' link list | grep -q $2" || die "$1 attached nothing: $(cat "$1.err")"
	sleep 0.3
	run "$python" -S -E work.py
	sleep 1
	pkill -INT -P "$pid" || true
	wait "$pid" || true
}

watch_work execsnoop sys_exit_execve
grep -q '^true .* 0 /bin/true of tests' execsnoop.out || die "execsnoop: $(cat execsnoop.out)"
watch_work killsnoop sys_exit_tgkill
[ "$(awk '$4 == 0 && $2 == $5 && $6 == 0' killsnoop.out | wc -l)" = 1 ] || die "killsnoop: $(cat killsnoop.out)"
watch_work mountsnoop sys_exit_umount
space=$(stat -Lc %i /proc/self/ns/mnt)
grep -q "$space *mount(\"none\", \"/nonexistent\", \"tmpfs\", 0x0, \"size=1m\") = -E" mountsnoop.out || die "mountsnoop: $(cat mountsnoop.out)"
grep -q "$space *umount(\"/nonexistent\", " mountsnoop.out || die "mountsnoop: $(cat mountsnoop.out)"
if "$BTFUSE" load -- exitsnoop >exitsnoop.out 2>&1; then die 'exitsnoop attaches to what is not here'; fi
grep -q "sched/sched_process_exit.*Operation not supported" exitsnoop.out || die "exitsnoop: $(cat exitsnoop.out)"
format=$("$BTFUSE" load -- cat /sys/kernel/tracing/events/syscalls/sys_enter_openat/format)
grep -q 'field:const char \* filename;.*offset:24;.*size:8;' <<<"$format" || die "the format: $format"
say 'execsnoop, killsnoop and mountsnoop see what is done'
