"""What a run has on the machine: directories, mounts, daemons; and how it goes again.

A run has one directory, STATE, with a file `owner` in it: pid and start time of
the driver, the name that its mounts carry, and the directory outside of it. So
the next run can clear away after one that was killed.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time

PREFIX = "bt-fuse-bench."


def start_time(pid):
    """Of a process, in ticks: with the pid it is never another's. None: there is none, or it is a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def mounts_below(directory):
    """Mount points in it, the last mounted first."""
    with open("/proc/self/mountinfo") as f:
        points = [line.split()[4].encode().decode("unicode_escape") for line in f]
    return [p for p in reversed(points) if p.startswith(directory + "/")]


def unmount(point):
    """At once, whoever uses it and whether or not its daemon lives."""
    for command in (["umount", "-l", point], ["fusermount3", "-uz", point]):
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return


def daemons(name):
    """Processes with an argument, or a part of one between commas, that is the name or begins with it and '-'."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace").replace("\0", ",").replace("=", ",").split(",")
        except OSError:
            continue
        if any(w == name or w.startswith(name + "-") for w in words):
            found.append(int(pid))
    return found


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def end_workers(directories):
    """Workers in them whose driver was killed, with the programs that they have started: they still write."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace").rstrip("\0").split("\0")
            if any(w.endswith("bench/worker/worker") for w in words) and words[-1].startswith(directories):
                os.killpg(int(pid), signal.SIGKILL)
        except OSError:
            continue


def remove_files(name):
    """What a daemon that was killed leaves: its pool, its socket and its lock. And what the run's eBPF lay in."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "/nowhere") + "/bt-fuse"
    world = f"bt-fuse-bpf.{os.getuid()}.{name}"
    for directory in ("/dev/shm", "/run/bt-fuse", f"/tmp/bt-fuse-{os.getuid()}", runtime):
        try:
            entries = os.listdir(directory)
        except OSError:
            continue
        for entry in entries:
            path = os.path.join(directory, entry)
            if entry == f"{world}.wake":
                shutil.rmtree(path, ignore_errors=True)
            elif entry == world or entry.startswith((f"bt-fuse-{os.getuid()}-{name}-", f"{name}-")):
                os.unlink(path)


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class State:
    """The directory of this run. `path` is it, `disk` one on the disk, `name` begins the names of its mounts."""

    def __init__(self, disk_parent):
        self.path = tempfile.mkdtemp(prefix=PREFIX)
        self.name = "bench-" + self.path.rpartition(".")[2]
        self.disk = tempfile.mkdtemp(prefix=PREFIX, dir=disk_parent)
        self.shm = None
        self._write_owner()

    def _write_owner(self):
        with open(f"{self.path}/owner", "w") as f:
            f.write(f"{os.getpid()} {start_time(os.getpid())}\n{self.name}\n{self.disk}\n{self.shm or ''}\n")

    def directory(self, name):
        path = f"{self.path}/{name}"
        os.mkdir(path)
        return path

    def shm_directory(self):
        """One in /dev/shm, for those who may not mount a tmpfs."""
        self.shm = tempfile.mkdtemp(prefix=PREFIX, dir="/dev/shm")
        self._write_owner()
        return self.shm

    def clear(self):
        clear(self.path)


def clear(path):
    """Everything of the run whose directory it is, also while it runs."""
    name, outside = "", []
    try:
        with open(f"{path}/owner") as f:
            _, name, *outside = f.read().splitlines()
    except (OSError, ValueError):
        pass
    outside = [d for d in outside if os.path.basename(d).startswith(PREFIX)]
    end_workers((path, *outside))
    for point in mounts_below(path):
        unmount(point)
    if name:
        wait_until(lambda: not daemons(name), 2) or kill(daemons(name))
        remove_files(name)
    for directory in outside:
        # A program that was just killed may be in its last call.
        wait_until(lambda d=directory: shutil.rmtree(d, ignore_errors=True) or not os.path.exists(d), 2)
    if not mounts_below(path):
        shutil.rmtree(path, ignore_errors=True)


def sweep():
    """Clears away after runs whose driver is no more."""
    parent = tempfile.gettempdir()
    for entry in os.listdir(parent):
        path = os.path.join(parent, entry)
        if not entry.startswith(PREFIX) or os.lstat(path).st_uid != os.getuid():
            continue
        try:
            with open(f"{path}/owner") as f:
                pid, started = f.readline().split()
        except (OSError, ValueError):
            continue  # just being made
        if start_time(pid) != started:
            clear(path)
