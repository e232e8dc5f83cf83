# What the scripts of tests/mount begin with:
#
#	. "$(dirname "$0")/lib.sh"
#
# A script gets a directory of its own, $T, and works on $M, the mount point in
# it. mount_fs mounts. When the script ends, however it ends, everything is
# cleared away; when it ends well, the file system must be clean (bt-fuse fsck),
# unmount at once, and leave neither a process nor memory behind.
#
# Environment: BTFUSE is the program to test, HELPERS the directory with the
# compiled helpers (default: those in build/).
# shellcheck shell=bash
set -eu -o pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
TEST=$(basename "$0" .sh)
BTFUSE=${BTFUSE:-$ROOT/build/src/cli/bt-fuse}
HELPERS=${HELPERS:-$ROOT/build/tests/mount}
unset FSTAB_FILE # of util-linux: a fstab of the user's would mislead mount(8)
export LC_ALL=C

say() {
	printf '%s: %s\n' "$TEST" "$*"
}

die() {
	printf '%s: FAIL: %s\n' "$TEST" "$*"
	exit 1
}

[ -x "$BTFUSE" ] || die "$BTFUSE: not there; run make first"

T=$(mktemp -d "${TMPDIR:-/tmp}/bt-fuse-test.XXXXXX")
# Who works in it, so that `sweep` can tell a crashed test's directory from one
# in use: pid and start time, which together are never another's.
echo "$$ $(cut -d' ' -f22 "/proc/$$/stat")" >"$T/owner"
M=$T/mnt
NAME=test-${T##*.}
CHECK_AT_END=
mkdir "$M"
# Where the programs are built with sanitizers: the daemon has no terminal to complain to.
# (UBSan beside gcc's ASan writes to standard error all the same: see mount_fs.)
mkdir -m 1777 "$T/reports"
export ASAN_OPTIONS="${ASAN_OPTIONS-}:log_path=$T/reports/sanitizer" TSAN_OPTIONS="${TSAN_OPTIONS-}:log_path=$T/reports/sanitizer"

# What a script has to put right at its end beyond that: it redefines this.
put_right() {
	:
}

at_exit() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	cd /
	put_right
	if [ "$status" = 0 ] && [ -n "$CHECK_AT_END" ]; then
		(check_end) || status=1
	fi
	if cat "$T"/reports/sanitizer.* 2>/dev/null || grep -shA40 'runtime error:' "$T/daemon.err"; then
		status=1
	fi
	[ "$status" = 0 ] || printf '%s: ended with status %s\n' "$TEST" "$status"
	"$HERE/sweep" "$T"
	exit "$status"
}
trap at_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# What must be true of every mount when a test is through with it.
check_end() {
	local pid
	pid=$(daemon_pid)
	[ -n "$pid" ] || die "the daemon is gone"
	clean
	timeout 60 "$BTFUSE" umount "$M" || die "umount failed"
	mounted && die "umount has left the mount"
	gone "$pid"
	[ ! -e "$(pool_file)" ] || die "umount has left the pool: $(pool_file)"
}

# mount_fs [OPTION...]: mounts $NAME on $M.
mount_fs() {
	[ -e /dev/fuse ] || die "/dev/fuse is missing: this machine or container has no FUSE (modprobe fuse; docker: --device /dev/fuse --cap-add SYS_ADMIN)"
	timeout 60 "$BTFUSE" mount --name "$NAME" "$@" "$M" 2>>"$T/daemon.err" || die "mount failed: $(cat "$T/daemon.err")"
	mounted || die "mount has returned, but $M is no mount point"
	CHECK_AT_END=yes
}

# Mounts for the model test, which is $users users there where it may be.
# shellcheck disable=SC2034 # for who calls it
mount_for_users() {
	users=1
	if is_root; then
		users=4
		mount_fs -o allow_other
	else
		mount_fs
	fi
	chmod 0755 "$M"
}

# Unmounts within the test; nothing is looked at in the end then.
umount_fs() {
	local pid
	pid=$(daemon_pid)
	timeout 60 "$BTFUSE" umount "$M" || die "umount failed"
	gone "$pid"
	CHECK_AT_END=
}

clean() {
	timeout 300 "$BTFUSE" fsck "$M" >"$T/fsck" 2>&1 || {
		cat "$T/fsck"
		die "fsck is not content"
	}
}

# By the mount table: stat would ask a daemon that may be dead.
mounted() {
	grep -q " ${1:-$M} " /proc/self/mountinfo
}

# The processes that have the mount's name as an argument, or in their mount options: the daemon.
daemon_pid() {
	local f pids
	pids=$(grep -lszE -- "^(.*[,=])?${1:-$NAME}(,.*)?$" /proc/[0-9]*/cmdline | tr -dc '0-9\n' || true)
	for f in $pids; do
		# A child of its that has not become another program yet looks like it.
		grep -qxF "$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$f/status" 2>/dev/null)" <<<"$pids" || echo "$f"
	done
}

# Waits until the process is no more (a zombie has ended too: its parent may be slow; but as
# long as it has other threads, its descriptors are open).
gone() {
	local i tasks
	for ((i = 0; i < 200; i++)); do
		tasks=$(cat /proc/"$1"/task/*/stat 2>/dev/null | sed 's/.*) \(.\).*/\1/') || true
		case $tasks in
		"" | Z) return ;;
		esac
		sleep 0.05
	done
	die "process $1 is still there after 10 seconds: $(tr '\0' ' ' <"/proc/$1/cmdline")"
}

pool_file() {
	echo "/dev/shm/bt-fuse-$(id -u)-$NAME"
}

# Bytes of memory behind the pool.
pool_memory() {
	echo $(($(stat -c %b "$(pool_file)") * 512))
}

# Waits until a condition holds, ten seconds at most.
eventually() {
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" && return
		sleep 0.1
	done
	return 1
}

# refused WORDS COMMAND...: it fails with one line on standard error, which
# holds WORDS (an extended regular expression), and prints nothing else.
refused() {
	local words=$1 status=0 limit=(timeout 60)
	shift
	! declare -F "$1" >/dev/null || limit=()
	"${limit[@]}" "$@" >"$T/out" 2>"$T/err" </dev/null || status=$?
	[ "$status" != 0 ] || die "succeeded: $*"
	[ "$status" -lt 124 ] || die "ended with status $status: $*"
	[ "$(wc -l <"$T/err")" = 1 ] || die "$*: not one line but: $(cat "$T/err")"
	[ ! -s "$T/out" ] || die "$*: prints to standard output: $(cat "$T/out")"
	grep -qE -- "$words" "$T/err" || die "$*: does not speak of '$words': $(cat "$T/err")"
}

# Both trees are the same: names, types, modes, owners, sizes, times to the
# nanosecond, link counts, targets, contents.
same_trees() {
	(cd "$1" && list_tree) >"$T/list1"
	(cd "$2" && list_tree) >"$T/list2"
	cmp -s "$T/list1" "$T/list2" || {
		diff "$T/list1" "$T/list2" | head -20 || true
		die "$1 and $2 differ"
	}
	(cd "$1" && sum_tree) >"$T/list1"
	(cd "$2" && sum_tree) >"$T/list2"
	cmp -s "$T/list1" "$T/list2" || {
		diff "$T/list1" "$T/list2" | head -20 || true
		die "$1 and $2 differ in content"
	}
}

sum_tree() {
	find . -type f -print0 | sort -z | xargs -0r sha256sum
}

list_tree() {
	find . \( -type d -printf '%p %y %m %U %G %T@ -\n' \) -o -printf '%p %y %m %U %G %T@ %n %s %l\n' | sort
}

# Another user: one with a name, which fusermount3 wants to know.
OTHER=65534

# as_other COMMAND...: with another uid and no capabilities.
as_other() {
	setpriv --reuid "$OTHER" --regid "$OTHER" --clear-groups --inh-caps=-all -- "$@"
}

is_root() {
	[ "$(id -u)" = 0 ]
}
