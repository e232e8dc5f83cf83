#!/bin/bash
# What /proc/self/fd says of descriptors of ours: as of a tmpfs's.
. "$(dirname "$0")/../mount/lib.sh"
. "$(dirname "$0")/listed.sh"

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
def every_way(fd):
    """However the entry is named, and not followed."""
    tid = os.getpid()
    for path in '/proc/self/fd', '/dev/fd', '/proc/thread-self/fd', f'/proc/self/task/{tid}/fd', f'/proc/{tid}/task/{tid}/fd':
        say(fd, path + '/%d')
        at = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        print(os.readlink(str(fd), dir_fd=at).replace(top, 'TOP'))
        os.close(at)
    for path in '/proc/self', '/proc', '/proc/self/task':
        at = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        here = {'/proc/self': 'fd', '/proc': 'self/fd', '/proc/self/task': f'{tid}/fd'}[path]
        print(os.readlink(f'{here}/{fd}', dir_fd=at).replace(top, 'TOP'))
        os.close(at)
    back = os.getcwd()
    os.chdir('/proc/self/fd')
    print(os.readlink(str(fd)).replace(top, 'TOP'))
    os.chdir('..')
    print(os.readlink(f'fd/{fd}').replace(top, 'TOP'))
    os.chdir(back)
    try:
        os.readlink('/proc/self/fd/0%d' % fd)
    except OSError as e:
        print(e.strerror)
every_way(a)
os.rename(top + '/a', top + '/b')
every_way(a)
os.mkdir(top + '/e/deep')
os.rename(top + '/b', top + '/e/deep/c')
say(a)
os.link(top + '/e/deep/c', top + '/a')
os.unlink(top + '/e/deep/c')  # a file may have another name, which tmpfs does not say
print(os.readlink('/proc/self/fd/%d' % a) in (top + '/a', top + '/e/deep/c (deleted)'))
nameless = os.open(top, os.O_TMPFILE | os.O_RDWR)
os.link(f'/proc/self/fd/{nameless}', top + '/named', src_dir_fd=d, follow_symlinks=True)
print(os.readlink(f'/proc/self/fd/{nameless}') == top + '/named' or 'tmpfs' in top)  # which goes on calling it '#N (deleted)'
os.close(nameless)
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
listed env
listed "$BTFUSE" run --mount "$M" --
put_right
