#!/bin/bash
# Signals for a program that bt-fuse run waits for: it gets each once, whether a terminal sends it, somebody to the whole
# process group, or to the launcher alone. Each scenario says the same without the launcher.
. "$(dirname "$0")/../mount/lib.sh"

cat >"$T/program.py" <<'END'
import os, signal, sys
if 'apart' in sys.argv:
    os.setpgid(0, 0)
for s in sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}):
    signal.signal(s, lambda s, f: os.write(1, (signal.Signals(s).name + '\n').encode()))
os.write(1, b'%d\nready\n' % os.getpid())
while True:
    signal.pause()
END
cat >"$T/scenarios.py" <<'END'
import atexit, os, pty, signal, sys
launcher = sys.argv[2:]

class Run:
    """A program in a session of its own whose first is what is given, its terminal's foreground group."""
    def __init__(self, *more, leader=True):
        out, inner = os.pipe()
        self.pid, self.tty = pty.fork()
        if self.pid == 0:
            os.dup2(inner, 1)
            if not leader:  # as a shell starts a job
                child = os.fork()
                if child:
                    os.write(1, b'%d\n' % child)
                    for s in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
                        signal.signal(s, signal.SIG_IGN)
                    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
            os.execvp((launcher + [sys.executable])[0], launcher + [sys.executable, sys.argv[1], *more])
        os.close(inner)
        self.out = os.fdopen(out)
        self.group = self.pid
        if not leader:
            self.pid = int(self.out.readline())
        self.program = int(self.until('ready')[-2])
        atexit.register(self.end)

    def until(self, last):
        got = []
        while not got or got[-1] != last:
            line = self.out.readline()
            assert line, got
            got.append(line.strip())
        return got

    def after(self, stimulus):
        """What the program has been told when it hears of what comes after."""
        stimulus()
        os.kill(self.pid, signal.SIGWINCH)
        return self.until('SIGWINCH')[:-1]

    def end(self):
        atexit.unregister(self.end)
        os.kill(self.program, signal.SIGKILL)
        os.close(self.tty)

def say(what, got):
    print(what, *got, flush=True)

for leader in True, False:
    r = Run(leader=leader)
    for i in range(3):
        say('terminal', r.after(lambda: os.write(r.tty, b'\3') and r.until('SIGINT')))
        say('quit', r.after(lambda: os.write(r.tty, b'\x1c') and r.until('SIGQUIT')))
        for s in signal.SIGUSR1, signal.SIGTERM, signal.SIGALRM:
            say('group', r.after(lambda: os.killpg(r.group, s) or r.until(s.name)))
            say('alone', r.after(lambda: os.kill(r.pid, s)))
    say('both', r.after(lambda: os.killpg(r.group, signal.SIGUSR1) or os.killpg(r.group, signal.SIGUSR2) or
                        r.until('SIGUSR1')))
    r.end()
r = Run('apart', leader=False)
say('a group that it has left', r.after(lambda: os.killpg(r.group, signal.SIGUSR1)))
r.end()
END
python3 "$T/scenarios.py" "$T/program.py" >"$T/plain" || die "the scenarios do not work"
python3 "$T/scenarios.py" "$T/program.py" "$BTFUSE" run --stats -- >"$T/run" || die "they do not under run"
diff "$T/plain" "$T/run" || die "it hears something else"
