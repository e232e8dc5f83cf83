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
