#!/bin/bash
# Debian's libbpf-tools, binaries untouched, as an ordinary user where this is
# root: what they count of a run is what strace counts of the same.
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2031
export PATH=$PATH:/usr/sbin:/sbin

for tool in opensnoop syscount statsnoop strace; do
	command -v "$tool" >/dev/null || { say "no $tool here"; exit 77; }
done

# As nobody in particular: world, runtime directory and cache are that user's own.
AS=()
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	chmod 711 "$T"
	mkdir -m 700 home run
	chown 65534:65534 home run
	export HOME=$T/home XDG_RUNTIME_DIR=$T/run XDG_CACHE_HOME=$T/home
	# LeakSanitizer was seen to wait for ever for its own tracer in another user's processes.
	export ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0"
	"${AS[@]}" test -x "$BTFUSE" -a -r "$PROGS/inject.bpf.o" || { say 'another user cannot read the build'; AS=(); }
fi
put_away() {
	rm -rf /dev/shm/bt-fuse-bpf.*."$BTFUSE_WORLD" /dev/shm/bt-fuse-bpf.*."$BTFUSE_WORLD".wake
}
trap 'put_away; clear_away' EXIT

# What is watched: opens, stats and writes in known numbers, from one thread.
cat >work.py <<'PY'
import os
for i in range(50):
    fd = os.open('/etc/hostname', os.O_RDONLY)
    os.read(fd, 16)
    os.close(fd)
for i in range(7):
    try:
        os.open('/nonexistent/%d' % i, os.O_RDONLY)
    except OSError:
        pass
for i in range(30):
    os.stat('/etc/passwd')
for i in range(20):
    os.getsid(0)
PY
chmod 644 work.py
WORK=(python3 -S -E "$T/work.py")

# watch OUT TOOL ARGUMENT...: runs the tool while the work is done, and ends it as a terminal does.
watch_work() {
	local out=$1 pid
	shift
	"${AS[@]}" "$BTFUSE" load -- "$@" >"$out" 2>"$out.err" &
	pid=$!
	LOADERS="$LOADERS $pid"
	until_true 20 sh -c "'${AS[*]:-env}' true 2>/dev/null; ${AS[*]} '$BTFUSE' link list | grep -q $WATCH" ||
		die "$1 attached nothing: $(cat "$out.err")"
	sleep 0.3
	"${AS[@]}" "$BTFUSE" run -- "${WORK[@]}"
	sleep 1
	pkill -INT -P "$pid" || true
	wait "$pid" || true
}

strace -f -e trace=openat,newfstatat,getsid -o truth "${WORK[@]}"
opens=$(grep -c 'openat(.*"/etc/hostname"' truth)
fails=$(grep -c 'openat(.*"/nonexistent/' truth)
stats=$(grep -c 'newfstatat(.*"/etc/passwd"' truth)
asks=$(grep -c 'getsid(0)' truth)
if [ "$opens $fails $stats" != "50 7 30" ] || [ "$asks" -lt 20 ]; then die "strace counts $opens, $fails, $stats, $asks"; fi

same() {
	[ "$2" = "$3" ] || die "$1: $2, and strace $3: $(head -40 "$4")"
}

WATCH=sys_exit_openat watch_work opens opensnoop
same 'opensnoop: opens' "$(grep -c ' 0 /etc/hostname' opens)" "$opens" opens
same 'opensnoop: failures' "$(grep -c ' 2 /nonexistent/' opens)" "$fails" opens
WATCH=sys_exit_newlstat watch_work stats statsnoop
same 'statsnoop: stats' "$(grep -c '/etc/passwd' stats)" "$stats" stats
WATCH=raw_syscalls/sys_exit watch_work counts syscount -T 400
same 'syscount: getsid' "$(awk '$1 == "getsid" { n += $2 } END { print n + 0 }' counts)" "$asks" counts
say "as $(if [ ${#AS[@]} -gt 0 ]; then echo an ordinary user; else id -un; fi): opensnoop, statsnoop and syscount agree with strace"
