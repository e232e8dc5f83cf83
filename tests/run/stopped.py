"""stopped.py BTFUSE MOUNT: a hooked process is stopped while it holds a lock of the store. Who waits for it can be ended,
hooked or not, and all goes on when it does."""
import os, signal, subprocess, sys, time

btfuse, mount = sys.argv[1:]
os.chdir(mount)


def hooked(code):
    return subprocess.Popen([btfuse, 'run', '--mount', mount, '--', sys.executable, '-c', 'import os, time\n' + code])


def ends(pid, sig, who):
    os.kill(pid, sig)
    for _ in range(500):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.01)
    sys.exit(f'{who} waits for a stopped process and cannot be ended by {sig!r}')


def makes(name):
    """A process without an agent that makes a name; its pid, once it has begun."""
    pid = os.fork()
    if pid == 0:
        try:
            os.mkdir(name)
            os.rmdir(name)
        finally:
            os._exit(0)
    return pid


busy = hooked('''
while True:
    for i in range(50):
        fd = os.open('x%d' % i, os.O_CREAT | os.O_WRONLY); os.close(fd); os.unlink('x%d' % i)
''')
waiter = hooked('''
while True:
    os.mkdir('w'); os.rmdir('w'); open('beat', 'w').close()
''')
try:
    while not os.path.exists('x1') and not os.path.exists('beat'):
        time.sleep(0.01)
    for tries in range(500):
        os.kill(busy.pid, signal.SIGSTOP)
        time.sleep(0.01)
        pid = makes('q')
        time.sleep(0.1)
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            break
        os.kill(busy.pid, signal.SIGCONT)
        time.sleep(0.003)
    else:
        sys.exit('500 stops, and none while a lock was held')
    ends(pid, signal.SIGKILL, 'a process without an agent')
    ends(makes('r'), signal.SIGTERM, 'another')
    ends(waiter.pid, signal.SIGTERM, 'a hooked process')
    os.kill(busy.pid, signal.SIGCONT)
    for _ in range(100):
        ends(makes('s'), 0, 'the next')  # which ends by itself
    print(f'a lock was held at the {tries + 1}. stop')
finally:
    for p in (busy, waiter):
        p.kill()
