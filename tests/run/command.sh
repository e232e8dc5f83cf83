#!/bin/bash
# `bt-fuse run` itself: status, signals, streams, descriptors and environment are the command's own, with statistics and
# without; runs in runs; no mount at all; programs that take no agent.
# Where nobody else's mounts are.
if [ "$(id -u)" = 0 ] && [ -z "${COMMAND_ALONE-}" ]; then
	COMMAND_ALONE=1 exec unshare -m bash "$0" "$@"
fi
. "$(dirname "$0")/../mount/lib.sh"
. "$(dirname "$0")/listed.sh"

mkdir -m 0700 "$T/rt"
put_right() {
	! is_root || umount -l /run/bt-fuse 2>/dev/null || true
}
if is_root; then
	mkdir -p /run/bt-fuse
	mount --bind "$T/rt" /run/bt-fuse
else
	export XDG_RUNTIME_DIR=$T/rt
fi

# plain_and_run COMMAND...: says the same and ends alike, by itself and under run, with the options of $how.
how=()
plain_and_run() {
	local plain=0 run=0
	"$@" >"$T/plain" 2>&1 <"$T/in" || plain=$?
	"$BTFUSE" run "${how[@]}" -- "$@" >"$T/run" 2>&1 <"$T/in" || run=$?
	[ $plain = $run ] || die "$*: status $run, not $plain: $(cat "$T/run")"
	# Statistics go to the same place, behind it.
	diff "$T/plain" <(grep -v '^bt-fuse: \|^ *$' "$T/run") || die "$*: says something else"
}

# shellcheck disable=SC2016 # for the shells below
all() {
	printf 'one\ntwo\n' >"$T/in"
	plain_and_run true
	plain_and_run sh -c 'exit 7'
	plain_and_run sh -c 'kill -TERM $$'
	plain_and_run sh -c 'kill -KILL $$'
	plain_and_run python3 -c 'import os, signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGPIPE)'
	plain_and_run sh -c 'read -r x; echo "$x"; echo err >&2; cat'
	plain_and_run sh -c 'exec 7</dev/null 8<&0 3>&-; for i in 0 1 2 3 4 5 6 7 8 9; do [ ! -e /proc/self/fd/$i ] || echo $i; done'
	plain_and_run env -i A=1 "B=two words" env
	plain_and_run sh -c 'env | grep -c "LD_PRELOAD\|BTFUSE"; true'
	plain_and_run sh -c 'ulimit -a; umask; trap; ps -o comm= $$'
	plain_and_run sh -c 'sleep 0.2 & wait $!; echo $?'
	# A signal for the command reaches it.
	: >"$T/ready"
	"$BTFUSE" run "${how[@]}" -- python3 -c 'import signal, sys
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(9))
print("ready", flush=True)
while True: signal.pause()' >"$T/ready" 2>/dev/null &
	eventually grep -q ready "$T/ready" || die "it does not start"
	kill -USR1 $!
	wait $! && status=0 || status=$?
	[ "$status" = 9 ] || die "a signal: status $status"
	# Who ignores what his children do.
	python3 -c 'import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])' \
		"$BTFUSE" run "${how[@]}" -- sh -c 'exit 7' 2>/dev/null && status=0 || status=$?
	[ "$status" = 7 ] || die "with SIGCHLD ignored: status $status"
	# What is not there, and what is no program.
	! "$BTFUSE" run "${how[@]}" -- "$T/none" 2>"$T/err" || die "what is not there runs"
	grep -q "$T/none" "$T/err" || die "does not name what is not there: $(cat "$T/err")"
}

say "without a mount"
all
how=(--stats)
all
how=()
listed "$BTFUSE" run --

mount_fs
say "with one"
cd "$M"
all
how=(--stats)
all
how=()

say "in each other"
# shellcheck disable=SC2016
"$BTFUSE" run --stats -- sh -c '"$1" run -- "$1" run --mount "$2" -- sh -c "echo x >$2/x; cat $2/x >$2/y"' - "$BTFUSE" "$M" 2>"$T/err"
[ "$(cat y)" = x ] || die "y holds $(cat y)"
grep -qE ' [1-9][0-9]* answered' "$T/err" || die "nothing is answered: $(cat "$T/err")"
rm x y

say "programs that take no agent"
count() { # WORD: of what the statistics say
	sed -nE "s/^bt-fuse: execs .*\b$1 ([0-9]+).*/\1/p" "$T/err"
}
static=/sbin/ldconfig.real
[ -x $static ] || static=/sbin/ldconfig
privileged=$(command -v mount)
if is_root; then # it would gain nothing by root's
	privileged=$T/cat
	cp "$(command -v cat)" "$privileged"
	chown "$OTHER" "$privileged"
	chmod 4755 "$privileged"
fi
# shellcheck disable=SC2016
"$BTFUSE" run --stats -v -- sh -c 'echo before >x; "$1" -p >>x; "$2" --version >>x; echo after >>x' - $static "$privileged" 2>"$T/err"
[ "$(head -1 x) $(tail -1 x)" = "before after" ] || die "x holds $(cat x)"
grep -q "util-linux\|coreutils" x || die "a privileged program has not written"
if ! ldd $static >/dev/null 2>&1; then
	[ "$(count foreign)" = 1 ] || die "a static program is not counted: $(cat "$T/err")"
	grep -q libc.so.6 x || die "a static program has not written"
fi
[ ! -u "$privileged" ] || [ "$(count privileged)" = 1 ] || die "a privileged program is not counted: $(cat "$T/err")"
rm x
cd /
