#!/bin/bash
# Hooked programs in other roots and name spaces: where the mount is, they work on it; where it is not, on what is there;
# and they say what they would say without an agent.
. "$(dirname "$0")/../mount/lib.sh"

is_root || {
	say "skipped: not root"
	exit 77
}
mount_fs -o allow_other
root=$T/root
below=(usr bin lib lib64)
put_right() {
	for d in "${below[@]/#/$root/}" "$root$M"; do
		umount -l "$d" 2>/dev/null || true
	done
}
mkdir -p "$root$M" "$root/work"
for d in "${below[@]}"; do
	if [ -L "/$d" ]; then
		ln -s "$(readlink "/$d")" "$root/$d"
	else
		mkdir "$root/$d"
		mount --bind "/$d" "$root/$d"
	fi
done

# shellcheck disable=SC2016 # for the shells below
work='cd / && echo one >"$1/f" && mv "$1/f" "$1/g" && read -r x <"$1/g" && [ "$x" = one ] && mkdir "$1/d" &&
	(exec 9>>"$1/g" && echo two >&9) && /bin/cat "$1/g" && ln -s g "$1/d/l" && (cd "$1/d" && pwd && ls) && rm -r "$1/d"'

# both WHERE COMMAND...: leaves the same, and says the same, hooked and not. WHERE: seen from here.
both() {
	local where=$1
	shift
	"$@" bash -c "$work" work "$M" >"$T/plain" 2>&1 || die "$*: fails without an agent: $(cat "$T/plain")"
	[ "$(cat "$where/g")" = $'one\ntwo' ] || die "$*: without an agent it is not done in $where"
	rm "$where/g"
	"$BTFUSE" run --mount "$M" -- "$@" bash -c "$work" work "$M" >"$T/hooked" 2>&1 || die "$*: fails: $(cat "$T/hooked")"
	cmp -s "$T/plain" "$T/hooked" || die "$*: says something else: $(diff "$T/plain" "$T/hooked")"
	[ "$(cat "$where/g")" = $'one\ntwo' ] || die "$*: it is not done in $where"
	rm "$where/g"
	[ -z "$(ls -A "$M")" ] || die "$*: something is left: $(ls -A "$M")"
}

both "$M" env
both "$M" unshare -m
both "$M" unshare -m bash -c 'umount -l /proc; exec "$@"' -
both "$M" unshare -U -r
both "$root$M" chroot "$root"
both "$root$M" unshare -m chroot "$root"
mkdir "$T/there"
both "$T/there" unshare -m bash -c "umount -l '$M' && mount --bind '$T/there' '$M' && exec \"\$@\"" -
mount --bind "$M" "$root$M"
both "$M" chroot "$root"
sleep 60 &
sleeper=$!
both "$M" nsenter -t "$sleeper" -m
kill "$sleeper"

# Something is mounted on a directory of the mount: who starts then finds what is there.
mkdir "$M/dir"
echo store >"$M/dir/f"
# shellcheck disable=SC2016
hide='mount -t tmpfs x "$1/dir" && sh -c "echo tmpfs >\"\$0\"" "$1/dir/f" && shift && exec "$@"'
covered() {
	"$@" >"$T/out" 2>"$T/err" || die "$*: $(cat "$T/err")"
	[ "$(cat "$T/out")" = tmpfs ] || die "$*: $(cat "$T/out" "$T/err")"
	[ "$(cat "$M/dir/f")" = store ] || die "$*: it was written behind what is mounted"
}
covered "$BTFUSE" run --mount "$M" -- unshare -m sh -c "$hide" - "$M" /bin/cat "$M/dir/f"
covered "$BTFUSE" run --mount "$M" -- unshare -rm sh -c "$hide" - "$M" bash -c "/bin/cat $M/dir/f"
covered unshare -m sh -c "$hide" - "$M" "$BTFUSE" run --mount "$M" -- /bin/cat "$M/dir/f"
grep -q "something is mounted" "$T/err" || die "run does not say that the kernel is asked: $(cat "$T/err")"
# A filter that allows all: the table of mounts is read.
cat >"$T/filtered.py" <<'END'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
allow = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))
prog = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 1, ctypes.addressof(allow)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, prog, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
END
mkdir "$M/with space"
for dir in dir 'with space'; do
	covered unshare -m sh -c "${hide//\/dir//$dir}" - "$M" python3 "$T/filtered.py" "$BTFUSE" run --mount "$M" -- /bin/cat "$M/$dir/f"
	grep -q "something is mounted" "$T/err" || die "run does not find it in the table: $(cat "$T/err")"
done
python3 "$T/filtered.py" "$BTFUSE" run --mount "$M" --stats -- /bin/cat "$M/dir/f" 2>&1 | grep -q "[1-9][0-9]* answered" || die "nothing is answered under a filter"
# By somebody else, after the program has opened files that it hands down.
mkfifo "$T/go" "$T/ready"
# shellcheck disable=SC2016
unshare -m "$BTFUSE" run --mount "$M" -- bash -c 'exec 9<>"$1/own"; echo "$$" >"$2/ready"; read -r _ <"$2/go"
	/bin/cat "$1/dir/f"; echo one >&9; python3 -c "import os; os.write(9, b\"two\n\"); print(os.pread(9, 9, 0))"
	cat "$1/own"' - "$M" "$T" >"$T/out" 2>"$T/err" &
handed=$!
read -r pid <"$T/ready"
nsenter -t "$pid" -m sh -c "$hide" - "$M" true
echo >"$T/go"
wait "$handed" || die "what was open before something was mounted: $(cat "$T/err")"
[ "$(cat "$T/out")" = $'tmpfs\nb\'one\\ntwo\\n\'\none\ntwo' ] || die "what was open before something was mounted: $(cat "$T/out")"
[ "$(cat "$M/dir/f")" = store ]
rm -r "${M:?}"/*
# Ids of another user name space are not those of the file system, where an agent comes in as well.
# shellcheck disable=SC2016 # for the shells below
ids='exec 2>&1 && cd "$1" && touch f && mkdir d && chown 5 f; mknod n c 1 3; cat private; stat -c "%u:%g %a" f d private'
echo private >"$M/private"
chown 65534:65534 "$M/private"
chmod 600 "$M/private"
other_ids() { # WHAT COMMAND...
	local what=$1
	shift
	"$@" bash -c "$ids" ids "$M" >"$T/$what" || die "$*: fails: $(cat "$T/$what")"
	stat -c '%n %u:%g' "$M"/* >>"$T/$what"
	rm -r "$M/f" "$M/d"
}
for way in '-r' '--map-user=5'; do
	other_ids plain unshare -U "$way"
	other_ids hooked "$BTFUSE" run --mount "$M" -- unshare -U "$way"
	cmp -s "$T/plain" "$T/hooked" || die "unshare -U $way: $(diff "$T/plain" "$T/hooked")"
done
other_ids plain unshare -U -r
other_ids hooked unshare -U -r "$BTFUSE" run --mount "$M" --
cmp -s "$T/plain" "$T/hooked" || die "run in a user name space: $(diff "$T/plain" "$T/hooked")"
rm "$M/private"
# Two processes of one pid, each in a name space of its own: one is killed, the other has after its exec what it had
# open.
mkfifo "$T/came" "$T/go.first" "$T/go.second" # nobody writes to the first
# shellcheck disable=SC2016 # for the shell below
one='exec 9>"$1/$3"; echo "$$" >"$2/came"; read -r _ <"$2/go.$3"
	exec bash -c "echo as before >&9"'
pids=()
for n in first second; do
	"$BTFUSE" run --mount "$M" -- unshare -p -f bash -c "$one" - "$M" "$T" "$n" &
	pids+=("$!")
	read -r pid <"$T/came"
	[ "$pid" = 1 ] || die "its pid is $pid"
done
kill -9 "$(pgrep -P "${pids[0]}")" # not by itself: it is the first of its name space
wait "${pids[0]}" && die "it was not killed"
echo >"$T/go.second"
wait "${pids[1]}" || die "what was open before an exec is not after it"
[ "$(cat "$M/second")" = "as before" ] || die "$M/second holds $(cat "$M/second")"
rm "$M/first" "$M/second"
# What runs as somebody else has nothing of the pools, and what it has inherited.
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
"$BTFUSE" run --mount "$M" -- "${nobody[@]}" bash -c 'echo started; ls -l /proc/self/fd/; cat /proc/self/maps' >"$T/other" || die "as another user: $(cat "$T/other")"
grep -q started "$T/other" || die "nothing has run"
! grep '/dev/shm/' "$T/other" || die "another user has the pool"
# shellcheck disable=SC2016 # for the shells
"$BTFUSE" run --mount "$M" -- bash -c 'exec 9>"$1" && echo one >&9 && "${@:2}" bash -c "echo two >&9" && echo three >&9' - "$M/lines" \
	"${nobody[@]}" || die "an inherited descriptor"
[ "$(cat "$M/lines")" = $'one\ntwo\nthree' ] || die "an inherited descriptor holds $(cat "$M/lines")"
rm "$M/lines"
# Another user from one call to the next, by all ways.
chmod 755 "$M"
echo mine >"$M/mine"
chmod 600 "$M/mine"
"$BTFUSE" run --mount "$M" -- python3 - "$M" <<'END' || die "rights after a change of user"
import ctypes, os, sys, threading
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)

def may():
    try:
        os.close(os.open('mine', os.O_RDONLY))
        return True
    except PermissionError:
        return False

def as_another(go, back):
    assert may()
    go()
    assert not may(), go
    back()
    assert may(), back

as_another(lambda: os.seteuid(65534), lambda: os.seteuid(0))
as_another(lambda: os.setresuid(-1, 65534, 0), lambda: os.setresuid(0, 0, 0))
as_another(lambda: os.setreuid(0, 65534), lambda: os.setreuid(0, 0))
as_another(lambda: libc.setfsuid(65534), lambda: libc.setfsuid(0))
# Of one thread alone, past libc, which would change them all.
result = []
def other():
    libc.syscall(117, 65534, 65534, 65534)
    result.append(may())
t = threading.Thread(target=other); t.start(); t.join()
assert result == [False] and may()
os.chmod('mine', 0o640)
os.chown('mine', 0, 12)
os.setgroups([12])
as_group = []
pid = os.fork()
if pid == 0:
    os.setresuid(65534, 65534, 65534)
    os._exit(0 if may() else 1)
assert os.waitpid(pid, 0)[1] == 0
pid = os.fork()
if pid == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os._exit(1 if may() else 0)
assert os.waitpid(pid, 0)[1] == 0
END
