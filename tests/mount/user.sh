#!/bin/bash
# An ordinary user mounts, through fusermount3; nobody else gets in; and with
# root's own mount it is the other way round, until allow_other.
. "$(dirname "$0")/lib.sh"

if ! is_root; then
	# We are that user ourselves; what takes a second one needs root.
	mount_fs
	echo text >"$M/file"
	say "without root: only the mount of one's own was tried"
	exit
fi

# Machines without udev have /dev/fuse as 0600; Debian's udev makes it 0666.
mode=$(stat -c %a /dev/fuse 2>/dev/null) || die "/dev/fuse is missing"
put_right() {
	chmod "$mode" /dev/fuse
	umount "$T/sock" 2>/dev/null || :
	[ ! -e "/run/bt-fuse/$NAME.sock" ] || chmod 0600 "/run/bt-fuse/$NAME.sock"
}

chmod 0755 "$T"
mkdir "$T/user" "$T/second"
chown "$OTHER:$OTHER" "$T/user" "$T/second"
cp "$BTFUSE" "$T/bt-fuse" # where it was built may be closed to others
# The user has a runtime directory of its own, as a login gives one.
mkdir -m 0700 "$T/run"
chown "$OTHER" "$T/run"
export XDG_RUNTIME_DIR=$T/run
user() {
	as_other timeout 60 "$@"
}

say "without access to /dev/fuse"
chmod 0600 /dev/fuse
refused '/dev/fuse' user "$T/bt-fuse" mount --name "$NAME-user" "$T/user"

say "an ordinary user's mount"
chmod 0666 /dev/fuse
user "$T/bt-fuse" mount --name "$NAME-user" --size 64M "$T/user"
mounted "$T/user" || die "not mounted"
# shellcheck disable=SC2016 # the user's shell expands it
user sh -c 'cd "$1" && echo text >file && mkdir d && mv file d && cat d/file' sh "$T/user" >"$T/out"
[ "$(cat "$T/out")" = text ] || die "wrong content"
[ "$(user stat -c %u "$T/user/d/file")" = "$OTHER" ] || die "not the user's own"
user "$T/bt-fuse" status | grep "$NAME-user" >/dev/null || die "the user's status does not show it"
user "$T/bt-fuse" fsck "$T/user"
if ls "$T/user" 2>/dev/null; then die "root gets in without allow_root"; fi
if "$BTFUSE" status | grep "$NAME-user" >/dev/null; then die "root's status shows a mount that is not root's"; fi
[ "$(stat -c %a "/dev/shm/bt-fuse-$OTHER-$NAME-user")" = 600 ] || die "the pool is open to others"
refused 'allow_other' user "$T/bt-fuse" mount --name "$NAME-b" -o allow_other "$T/second"
mkdir "$T/notmine"
refused '.' user "$T/bt-fuse" mount --name "$NAME-b" "$T/notmine"

say "killed and taken over as that user"
pid=$(daemon_pid "$NAME-user")
kill -9 "$pid"
gone "$pid"
user "$T/bt-fuse" mount --name "$NAME-user" "$T/user"
[ "$(user cat "$T/user/d/file")" = text ] || die "lost"
user "$T/bt-fuse" fsck "$T/user"
pid=$(daemon_pid "$NAME-user")
user fusermount3 -u "$T/user"
gone "$pid"
[ ! -e "/dev/shm/bt-fuse-$OTHER-$NAME-user" ] || die "the pool is left"
put_right

say "root's mount: others stay out"
mount_fs
echo text >"$M/file"
chmod 0755 "$M"
chmod 0644 "$M/file"
if as_other cat "$M/file" 2>"$T/err"; then die "another user gets in"; fi
grep -q 'Permission denied' "$T/err" || die "$(cat "$T/err")"
umount_fs

say "with allow_other the mode bits decide"
mount_fs -o allow_other
chmod 0755 "$M"
echo text >"$M/file"
chmod 0644 "$M/file"
[ "$(as_other cat "$M/file")" = text ] || die "another user does not get in"
chmod 0600 "$M/file"
if as_other cat "$M/file" 2>/dev/null; then die "another user reads 0600"; fi
if as_other touch "$M/new" 2>/dev/null; then die "another user writes into 0755"; fi
if as_other "$BTFUSE" fsck --name "$NAME" 2>/dev/null; then die "another user attaches root's pool"; fi
if as_other "$BTFUSE" umount "$M" 2>/dev/null; then die "another user unmounts root's mount"; fi
say "and nobody else gets at the pool: not its file, its socket, nor its daemon's memory"
chmod 0700 "$M"
pid=$(daemon_pid)
cat >"$T/steal.py" <<'END'
import os, socket, sys
pid, pool, sock, mnt = sys.argv[1:]
def refused(what, f, *kinds):
    try:
        f()
    except kinds or (PermissionError,):
        return
    except FileNotFoundError:
        sys.exit(what + ': not there: the test is wrong')
    sys.exit(what + ' is open to another user')
refused('the pool', lambda: os.open(pool, os.O_RDONLY))
refused('the pool, to be written', lambda: os.open(pool, os.O_RDWR))
refused('the list of its descriptors', lambda: os.listdir('/proc/%s/fd' % pid))
refused('its memory', lambda: open('/proc/%s/mem' % pid, 'rb'))
refused('its memory map', lambda: os.listdir('/proc/%s/map_files' % pid))
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
refused('the socket', lambda: s.connect(sock))
refused('the name space', lambda: os.listdir(mnt))
END
chmod 0755 "$T"
as_other /usr/bin/python3 "$T/steal.py" "$pid" "$(pool_file)" "/run/bt-fuse/$NAME.sock" "$M" || die "trust"
# Where the directory's own mode did not stop it, the daemon looks who it is. (The directory is other mounts' as well:
# the socket is reached past it.)
touch "$T/sock"
mount --bind "/run/bt-fuse/$NAME.sock" "$T/sock"
chmod 0666 "/run/bt-fuse/$NAME.sock"
cat >"$T/ask.py" <<'END'
import socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(5)
try:
    s.connect(sys.argv[1])
    s.send(struct.pack('<IHHQ', 0x4c544342, 1, 2, 0))
    data, anc, _, _ = s.recvmsg(4096, 1024)
    sys.exit('it answers' if data or anc else 0)
except (BrokenPipeError, ConnectionResetError):
    pass
END
as_other /usr/bin/python3 "$T/ask.py" "$T/sock" || die "the daemon serves another user"
put_right
# And who has no pool is not hooked into it: `run` goes through the kernel, which refuses.
cp "$BTFUSE" "$T/bt-fuse"
if as_other "$T/bt-fuse" run -- cat "$M/file" 2>/dev/null; then die "another user reads it hooked"; fi
