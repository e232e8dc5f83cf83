"""What is measured. A case gives one row or several; each round of it is done on all peers in turn."""

import math
import shutil
import subprocess
from dataclasses import dataclass

from suite.materials import NEEDLE


@dataclass(frozen=True)
class Sizes:
    """How much is done. The times of a batch are in nanoseconds."""

    operations: tuple  # of ops.h; None: all
    rounds: int  # of calls
    runs: int  # of programs
    batch: float  # about as long is one batch of calls
    together: float  # likewise, of several at once
    directories: tuple  # how many files they hold
    depths: tuple
    tree: int  # files of tar, git, grep, cp, rm
    find: tuple
    cat: int
    inserts: int
    compile: int  # files


MODES = {
    "tiny": Sizes(("stat", "create+close", "pread 4K"), 1, 1, 5e4, 1e5, (10, 100), (1, 4), 30, (20, 50), 20, 3, 1),
    "quick": Sizes(None, 5, 3, 1.5e6, 5e6, (10, 1000, 10000), (1, 4, 16), 400, (1000, 3000), 1000, 50, 4),
    "full": Sizes(None, 15, 3, 5e6, 1.5e7, (10, 1000, 100000, 1000000), (1, 2, 4, 8, 16), 2000, (1000, 100000), 10000, 300, 6),
    "large": Sizes(None, 31, 3, 5e6, 3e7, (10, 1000, 100000, 1000000), (1, 2, 4, 8, 16), 20000, (1000, 100000), 10000, 2000, 30),
}
# So many files FUSE takes a minute to make: then only those who take seconds are asked.
MANY = 1000000
MANY_PEERS = ("tmpfs", "run")


class Case:
    """`rows`: names of what a round gives; `per`: what a value is the time of; `params`: for plots."""

    suite = ""
    per = "call"

    def __init__(self, context, rows, params=None):
        self.context, self.rows = context, rows
        self.params = params or {}
        self.rounds = context.sizes.rounds
        self.peers = None  # all

    def prepare(self, peer):
        """Before the first round, not timed; once each peer."""

    def round(self, peer):
        """Nanoseconds, one for each row."""
        raise NotImplementedError


class Calls(Case):
    """Calls in batches. How many make a batch of the wanted length is found before the first round."""

    def __init__(self, context, rows, params, request, batch, least=10):
        super().__init__(context, rows, params)
        self.request, self.batch, self.least = request, batch, least
        self.counts = {}

    def prepare(self, peer):
        ns = peer.ask(*self.request, self.least)
        if ns * self.least < self.batch:
            ns = min(ns, peer.ask(*self.request, self.least))
        # An even number: rename goes there and back.
        self.counts[peer.id] = max(self.least, 2 * math.ceil(self.batch / max(ns, 1) / 2))

    def round(self, peer):
        return [peer.ask(*self.request, self.counts[peer.id])]


class Micro(Calls):
    suite = "micro"

    def __init__(self, context, name):
        super().__init__(context, [name], {"operation": name}, ("op", name), context.sizes.batch)


class Together(Calls):
    suite = "scale"

    def __init__(self, context, kind, workers, call):
        what = {"create": "create+unlink", "open": "open+close", "read": "pread 4K of one file"}.get(call, call)
        super().__init__(context, [f"{what}, {workers} {kind}"],
                         {"line": "workers", "kind": kind, "workers": workers, "call": what},
                         ("together", kind, workers, call), context.sizes.together, least=20)
        self.rounds = max(1, context.sizes.rounds // 2 + 1)


class Directory(Calls):
    suite = "scale"

    def __init__(self, context, size, call):
        what = {"create": "create+unlink", "list": "readdir, a name", "stat": "stat"}[call]
        super().__init__(context, [f"{what}, {size:,} files"], {"line": "directory", "files": size, "call": what},
                         ("many", size, call), context.sizes.batch)
        self.size, self.call = size, call
        self.per = "name" if call == "list" else "call"
        if size >= MANY and context.mode != "large":
            self.peers = MANY_PEERS

    def prepare(self, peer):
        peer.ask("fill", self.size, seconds=600)
        super().prepare(peer)


class Deep(Calls):
    suite = "scale"

    def __init__(self, context, depth):
        super().__init__(context, [f"stat below {depth} directories"], {"line": "depth", "depth": depth, "call": "stat"},
                         ("deep", depth), context.sizes.batch)


# ---- Applications -----------------------------------------------------------------


class Application(Case):
    suite = "applications"
    per = "run"

    def __init__(self, context, rows, params=None):
        super().__init__(context, rows, params)
        self.rounds = context.sizes.runs
        self.files = context.materials

    def remove(self, peer, *names):
        peer.spawn("rm", "-rf", "--", *names)


class Start(Application):
    """What each of the programs below pays to begin with."""

    def __init__(self, context):
        super().__init__(context, ["start of a program (true)"])
        self.rounds = context.sizes.rounds

    def round(self, peer):
        return [min(peer.spawn("true") for _ in range(3))]


class Tree(Application):
    """One life of a tree of source files."""

    def __init__(self, context):
        n = f"{context.sizes.tree:,} files"
        super().__init__(context, [f"tar x, {n}", f"git status, {n}", f"grep -r, {n}", f"cp -a, {n}", f"rm -rf, two times {n}"])

    def round(self, peer):
        unpack = peer.spawn("tar", "-xf", self.files.tree)
        status = ("git", "-C", "tree", "status", "--porcelain")
        peer.spawn(*status)  # notes in its index when the files were made
        return [
            unpack,
            peer.spawn(*status),
            peer.spawn("grep", "-rl", NEEDLE, "tree"),
            peer.spawn("cp", "-a", "tree", "copy"),
            peer.spawn("rm", "-rf", "tree", "copy"),
        ]


class Find(Application):
    def __init__(self, context, count):
        super().__init__(context, [f"find, {count:,} files", f"find -size, {count:,} files"])
        self.count, self.top = count, f"found{count}"

    def prepare(self, peer):
        peer.ask("tree", self.top, self.count, 0, seconds=600)
        peer.spawn("find", self.top)

    def round(self, peer):
        return [peer.spawn("find", self.top, "-name", "f*"), peer.spawn("find", self.top, "-type", "f", "-size", "+1000k")]


class Cat(Application):
    def __init__(self, context):
        n = f"{context.sizes.cat:,}"
        super().__init__(context, [f"cat of one file {n} times", f"cat of {n} files"])

    def prepare(self, peer):
        peer.ask("tree", "cats", self.context.sizes.cat, 4096, seconds=600)
        self.cat(peer, self.files.all)

    @staticmethod
    def cat(peer, names):
        return peer.spawn("xargs", "-a", names, "-s", "1500000", "cat")

    def round(self, peer):
        return [self.cat(peer, names) for names in (self.files.one, self.files.all)]


class Sqlite(Application):
    def __init__(self, context):
        super().__init__(context, [f"SQLite, {context.sizes.inserts:,} transactions"])

    def round(self, peer):
        self.remove(peer, "test.db", "test.db-journal")
        return [peer.spawn("sqlite3", "-batch", "test.db", f".read {self.files.inserts}")]


class Compile(Application):
    def __init__(self, context):
        super().__init__(context, [f"make -j2, {context.sizes.compile} C files"])

    def prepare(self, peer):
        peer.spawn("tar", "-xf", self.files.code)

    def round(self, peer):
        peer.spawn("make", "-s", "-C", "code", "clean")
        return [peer.spawn("make", "-s", "-C", "code", "-j2")]


def operations(context):
    """Their names, of the program that does them."""
    listing = subprocess.run([context.program("bench/worker/worker"), "--list"], check=True, stdout=subprocess.PIPE, text=True)
    return [n for n in listing.stdout.splitlines() if context.sizes.operations is None or n in context.sizes.operations]


def all_cases(context):
    """In the order in which they run. The applications come first: they need the memory that the directories take."""
    sizes = context.sizes
    cases = [Micro(context, name) for name in operations(context)]
    cases += [Start(context), Tree(context)]
    cases += [Find(context, n) for n in sizes.find] + [Cat(context)]
    cases += [Sqlite(context)] if shutil.which("sqlite3") else []
    cases += [Compile(context)]
    cases += [Together(context, kind, n, call) for call in ("stat", "open", "create", "read")
              for kind in ("processes", "threads") for n in (1, 2)]
    cases += [Deep(context, n) for n in sizes.depths]
    cases += [Directory(context, n, call) for n in sizes.directories for call in ("stat", "create", "list")]
    return cases
