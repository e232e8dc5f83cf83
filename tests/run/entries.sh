#!/bin/bash
# What /proc/self/fd says of descriptors of ours: as of a tmpfs's.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
mkdir "$T/tmpfs"
mount -t tmpfs tmpfs "$T/tmpfs" || {
	say "no tmpfs to compare with"
	exit 77
}
put_right() {
	umount "$T/tmpfs" 2>/dev/null || true
}
cat >"$T/entries.py" <<'END'
import os, sys
top = sys.argv[1]
def say(fd, spell='/proc/self/fd/%d'):
    print(os.readlink(spell % fd).replace(top, 'TOP'))
def opened(path, flags=os.O_RDONLY, **more):
    fd = os.open(path, flags, **more)
    say(fd)
    return fd
a = opened(top + '/a', os.O_CREAT | os.O_WRONLY)
for spell in '/dev/fd/%d', '/proc/thread-self/fd/%d', f'/proc/{os.getpid()}/fd/%d':
    say(a, spell)
opened(top + '/a')
opened(top + '//./a')
os.mkdir(top + '/d')
d = opened(top + '/d')
opened('in d', os.O_CREAT | os.O_RDWR, dir_fd=d)
os.symlink('d/in d', top + '/link')
opened(top + '/link')
os.chdir(top + '/d')
opened('../d/in d')
long = 'n' * 255
opened(long, os.O_CREAT)
os.dup2(a, 99)
say(99)
os.rename(top + '/d', top + '/e')
say(d)
opened(long)
if os.fork() == 0:
    say(a)
    os._exit(0)
os.wait()
os.ftruncate(a, 10)
os.lockf(a, os.F_LOCK, 0)  # the kernel knows it now
say(a)
print(os.path.realpath('/proc/self/fd/%d' % a).replace(top, 'TOP'))
print(os.readlink('/dev/stdin'))
os.unlink(top + '/a')
print(os.readlink('/proc/self/fd/%d' % a).endswith(' (deleted)'))
shown = []
for path in '/proc/self/fd', '/proc/self/fd/', '/dev/fd', f'/proc/{os.getpid()}/fd', f'/proc/self/task/{os.getpid()}/fd':
    shown.append(sorted(int(n) for n in os.listdir(path)))
os.chdir('/proc/self')
shown.append(sorted(int(n) for n in os.listdir('fd')))
print(shown)
for n in range(1000):  # what is open is shown, and nothing else
    try:
        os.fstat(n)
        there = True
    except OSError:
        there = False
    try:
        os.readlink('/proc/self/fd/%d' % n)
        linked = True
    except OSError as e:
        linked = e.errno != 2
    if not there == linked == (n in shown[0]) and n != max(x for x in shown[0] if x < 99):
        print(n, there, linked, shown)
END
python3 "$T/entries.py" "$T/tmpfs" >"$T/want" || die "the script does not work"
"$BTFUSE" run --mount "$M" -- python3 "$T/entries.py" "$M" >"$T/got" 2>"$T/err" || die "$(cat "$T/err")"
diff "$T/want" "$T/got" || die "it differs from tmpfs"
put_right
