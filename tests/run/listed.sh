# shellcheck shell=bash
# listed COMMAND...: in /proc/self/fd what is open is shown and nothing else, whoever opened the directory and by
# whatever path.
cat >"$T/list.py" <<'END'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
def old(fd):  # getdents(2), which has 18 bytes in front of a name
    got, buf = [], ctypes.create_string_buffer(4096)
    while (n := libc.syscall(78, fd, buf, 4096)) > 0:
        at = 0
        while at < n:
            size, = struct.unpack_from('H', buf, at + 16)
            got.append(buf[at + 18:at + size - 1].split(b'\0')[0].decode())
            at += size
    return [int(n) for n in got if n[0] != '.']
def numbers(names):
    return [int(n) for n in names]
def open_now():
    return [n for n in range(1100) if not libc.fcntl(n, 1) == -1]
given = int(sys.argv[1])  # opened before the exec, by the shell
want = open_now()
own = os.open('/proc/self', os.O_RDONLY)
for fd in given, os.open('fd', os.O_RDONLY, dir_fd=own), os.open(f'/proc/self/task/{os.getpid()}/fd', os.O_RDONLY), \
        os.open('/proc/thread-self/fd', os.O_RDONLY), os.open(f'task/{os.getpid()}/fd', os.O_RDONLY, dir_fd=own):
    for how in old, lambda fd: numbers(os.listdir(fd)):
        os.lseek(fd, 0, 0)
        got = sorted(how(fd))
        if not set(want) <= set(got) or max(got) > max(want) + 10:
            print(fd, how, got, want)
END
listed() {
	"$@" bash -c 'exec 7</proc/self/fd && exec "$@"' - python3 "$T/list.py" 7 >"$T/got" 2>&1 || die "$(cat "$T/got")"
	[ ! -s "$T/got" ] || die "$*: other descriptors than the program's: $(cat "$T/got")"
}
