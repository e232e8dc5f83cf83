"""A worker process (bench/worker): the driver's hand on a peer."""

import os
import select
import signal
import subprocess


class Failed(Exception):
    """A worker has ended, with these words."""


class Worker:
    """Runs `command` DIR. In a session of its own: Ctrl-C is for the driver, who ends it with all that it started."""

    def __init__(self, command, directory, environment, log):
        self.directory = directory
        self.log = log
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(command + [directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, env=environment, start_new_session=True)
        self.buffer = b""
        self._answer(60)

    def _answer(self, seconds):
        """A line with a number."""
        out = self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            if not select.select([out], [], [], seconds)[0]:
                self.end()
                raise Failed(f"no answer in {seconds} seconds")
            part = os.read(out, 4096)
            if not part:
                self.end()
                raise Failed(self._words() or f"ended with status {self.process.returncode}")
            self.buffer += part
        line, _, self.buffer = self.buffer.partition(b"\n")
        return float(line)

    def _words(self):
        with open(self.log, errors="replace") as f:
            lines = f.read().split("\n")
        return " ".join(line for line in lines[-4:] if line)[-300:]

    def ask(self, *words, seconds=180):
        """Nanoseconds; see worker.c for what can be asked."""
        if self.process.poll() is not None:
            raise Failed(self._words() or "not there")
        try:
            self.process.stdin.write(("\t".join(str(w) for w in words) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says why
        return self._answer(seconds)

    def end(self):
        """It and all that it has started are no more afterwards."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(timeout=0.3)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()
