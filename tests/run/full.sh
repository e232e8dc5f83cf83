#!/bin/bash
# A pool with no room left, under `bt-fuse run`: ENOSPC where something is to be stored, everything else as before, what
# was acknowledged is there, and room that is given back can be used.
. "$(dirname "$0")/../mount/lib.sh"

mount_fs --size 8M
"$BTFUSE" run --mount "$M" -- python3 - "$M" <<'END' || die "fails"
import errno, mmap, os, subprocess, sys, threading
os.chdir(sys.argv[1])

def no_room(f, *args):
    try:
        f(*args)
    except OSError as e:
        assert e.errno == errno.ENOSPC, e
        return True
    return False

def until_full(f):
    n = 0
    while not no_room(f, n):
        n += 1
        assert n < 1000000
    return n

def block(n):
    return bytes([n % 251]) * 65536

def write_block(n):
    done = 0
    while done < 65536:
        done += os.write(big, block(n)[done:])

def write_byte(n):
    os.write(small, b'.' * 512)

def make(n):
    os.close(os.open('n%d' % n, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

os.mkdir('d')
open('before', 'w').write('before')
big = os.open('big', os.O_CREAT | os.O_RDWR, 0o600)
small = os.open('small', os.O_CREAT | os.O_RDWR, 0o600)
for _ in range(3):
    blocks = until_full(write_block)
    assert blocks > 20, blocks
    until_full(write_byte)
    made = until_full(make)

    # What stores nothing new goes on.
    os.rename('before', 'd/after')
    os.chmod('d/after', 0o600)
    os.utime('d/after', (1, 1))
    assert open('d/after').read() == 'before'
    assert len(os.listdir('.')) == 3 + made
    os.rename('d/after', 'before')
    for n in range(blocks):
        assert os.pread(big, 65536, n * 65536) == block(n), n
    m = mmap.mmap(big, 65536, mmap.MAP_SHARED, mmap.PROT_READ)
    assert m[0:1] == block(0)[0:1]
    m.close()

    # Threads, children and programs, which want seats in the pool.
    wrong = []
    def in_thread():
        if open('before').read() != 'before' or not no_room(os.mkdir, 'none'):
            wrong.append(1)
    threads = [threading.Thread(target=in_thread) for _ in range(20)]
    for t in threads: t.start()
    for t in threads: t.join()
    assert not wrong
    pid = os.fork()
    if pid == 0:
        os._exit(0 if os.pread(big, 1, 65536) == block(1)[:1] and no_room(os.symlink, 'x', 'none') else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert subprocess.run(['cat', 'before'], capture_output=True).stdout == b'before'
    r = subprocess.run('cat before before >none', shell=True, capture_output=True)
    assert r.returncode and b'No space left' in r.stderr, r
    assert subprocess.run('sort <before', shell=True, capture_output=True).stdout.strip() == b'before'

    # And room that comes free is room.
    for n in range(made):
        os.unlink('n%d' % n)
    for f in big, small:
        os.ftruncate(f, 0)
        os.lseek(f, 0, 0)
    open('again', 'wb').write(b'again' * 100000)
    assert os.stat('again').st_size == 500000
    os.unlink('again')
END
[ "$(ls "$M")" = "$(printf 'before\nbig\nd\nsmall')" ] || die "left: $(ls "$M")"
rm -r "${M:?}"/*
