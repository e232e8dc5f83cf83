"""The peers: what the same work is done on, side by side.

Each has a directory of its own and a worker in it. The two of bt-fuse are two
mounts: what one has made the kernel keep is no burden to the other.
"""

import os
import subprocess

from suite import state as states
from suite.worker import Failed, Worker


class Peer:
    """`id` names it in the results, `label` in tables and plots."""

    def __init__(self, identity, label, what):
        self.id, self.label, self.what = identity, label, what
        self.directory = None
        self.command = None
        self.worker = None
        self.fstype = ""

    def start(self, context):
        self.directory = self.make(context)
        self.command = self.prefix(context) + [context.program("bench/worker/worker")]
        self.environment = context.environment
        self.log = f"{context.state.path}/{self.id}.log"
        self.fstype = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", self.directory], check=True,
                                     stdout=subprocess.PIPE, text=True).stdout.strip()
        self.start_worker()

    def start_worker(self):
        self.worker = Worker(self.command, self.directory, self.environment, self.log)

    def prefix(self, context):
        return []

    def ask(self, *words, **options):
        """As Worker.ask; after a failure the worker is a new one."""
        try:
            return self.worker.ask(*words, **options)
        except Failed:
            self.start_worker()
            raise

    def spawn(self, *words, directory=None):
        """Nanoseconds of a program that runs in the peer's directory, or one in it."""
        return self.ask("spawn", os.path.join(self.directory, directory or ""), *words)

    def stop(self):
        if self.worker:
            self.worker.end()


class Tmpfs(Peer):
    """One of its own where that is allowed, else a directory in /dev/shm."""

    def make(self, context):
        directory = context.state.directory("tmpfs")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700", context.state.name, directory],
                              stderr=subprocess.DEVNULL, check=False)
        return directory if done.returncode == 0 else context.state.shm_directory()


class Disk(Peer):
    """Whatever file system the build directory is on; the results say which."""

    def make(self, context):
        return context.state.disk

    def start(self, context):
        super().start(context)
        self.label = self.fstype


class BtFuse(Peer):
    def make(self, context):
        directory = context.state.directory(self.id)
        subprocess.run([context.bt_fuse, "mount", "--name", f"{context.state.name}-{self.id}", directory], check=True)
        return directory

    def stop(self):
        super().stop()
        if self.directory and not os.path.ismount(self.directory):
            raise Failed(f"{self.label}: the mount is gone")


class BtFuseRun(BtFuse):
    def prefix(self, context):
        return [context.bt_fuse, "run", "--mount", self.directory, "--"]


class Memfs(Peer):
    """The peer that is written as one writes a FUSE file system (bench/peer)."""

    def __init__(self, *names, options=()):
        super().__init__(*names)
        self.options = list(options)
        self.process = None

    def make(self, context):
        directory = context.state.directory(self.id)
        fsname = f"fsname={context.state.name}-{self.id}"
        self.process = subprocess.Popen([context.program("bench/peer/memfs"), *self.options, "-o", fsname, directory],
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        if not states.wait_until(lambda: os.path.ismount(directory) or self.process.poll() is not None, 10):
            raise Failed("memfs: does not mount")
        if self.process.poll() is not None:
            raise Failed("memfs: ended at once")
        return directory

    def stop(self):
        super().stop()
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def all_peers():
    """In the order of the tables; the first is what ratios are to."""
    return [
        Tmpfs("tmpfs", "tmpfs", "the kernel's own file system in memory"),
        Disk("disk", "disk", "the disk file system of the build directory"),
        BtFuse("mount", "bt-fuse mount", "bt-fuse through the kernel's FUSE mount"),
        BtFuseRun("run", "bt-fuse run", "bt-fuse with the calls answered in the process (bt-fuse run)"),
        Memfs("memfs", "FUSE cached", "a plain libfuse file system in memory, kernel caching on"),
        Memfs("memfs-nocache", "FUSE uncached", "the same, kernel caching off", options=["--no-cache"]),
    ]
