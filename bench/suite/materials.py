"""What the applications work on: made anew by each run, the same on every machine."""

import io
import os
import random
import shutil
import subprocess
import tarfile

WORDS = ("struct", "inode", "return", "static", "const", "if", "while", "size", "offset", "lock", "name", "entry", "0",
         "->", "=", "==", "(", ")", ";", "{", "}", "+", "next", "unsigned", "void", "block", "pool", "/*", "*/", "NULL")
NEEDLE = "this_word_stands_in_one_file_only"
WHEN = 1700000000


def text(rng):
    lines = (" ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 12))) for _ in range(4000))
    return "\n".join(lines).encode()


def add_file(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), WHEN, 0o644
    tar.addfile(info, io.BytesIO(data))


def source_tree(tar, count):
    """`count` files, a hundred a directory at two levels; half are below 2 KiB, a few above 30."""
    rng = random.Random(1)
    block = text(rng)
    for i in range(count):
        size = min(int(rng.lognormvariate(7.6, 1.1)), len(block))
        start = rng.randint(0, len(block) - size)
        data = block[start:start + size] + (NEEDLE.encode() if i == count // 2 else b"")
        add_file(tar, f"tree/part{i // 1000}/dir{i // 100 % 10}/file{i % 100}.c", data)


class Materials:
    """Files below `path`; those that are packed to be unpacked on the peers hold no names but tree/ or code/."""

    def __init__(self, path, root, sizes, environment):
        self.path, self.environment = path, environment
        self.tree, self.code = f"{path}/tree.tar", f"{path}/code.tar"
        self.inserts, self.one, self.all = f"{path}/inserts.sql", f"{path}/one.list", f"{path}/all.list"
        self._pack_tree(sizes.tree)
        self._pack_code(root, sizes.compile)
        self._write_inserts(sizes.inserts)
        self._write_lists(sizes.cat)

    def _run(self, *command):
        subprocess.run(command, cwd=self.path, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def _pack_tree(self, count):
        """With its repository, all of it committed and packed."""
        with tarfile.open(self.tree, "w") as tar:
            source_tree(tar, count)
        self._run("tar", "-xf", self.tree)
        git = ("git", "-C", "tree", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0")
        self._run(*git, "init", "-q")
        self._run(*git, "add", "-A")
        self._run(*git, "commit", "-qm", "all")
        self._run(*git, "repack", "-adq")
        self._run("tar", "-cf", self.tree, "tree")
        shutil.rmtree(f"{self.path}/tree")

    def _pack_code(self, root, count):
        """The store of bt-fuse, as many of its files as are to be compiled."""
        names = []
        for layer in ("shm", "ds", "fs"):
            names += sorted(f"{layer}/{n}" for n in os.listdir(f"{root}/src/{layer}") if n.endswith(".c"))
        rules = ("objs := " + " ".join(n.replace(".c", ".o") for n in names[:count]) + "\n"
                 "lib.a: $(objs) ; ar rcs $@ $^\n"
                 "%.o: %.c ; gcc -O1 -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -std=gnu11 -w -c -o $@ $<\n"
                 "clean: ; rm -f $(objs) lib.a\n")
        with tarfile.open(self.code, "w") as tar:
            add_file(tar, "code/Makefile", rules.encode())
            for directory, _, files in sorted(os.walk(f"{root}/src")):
                layer = os.path.relpath(directory, f"{root}/src")
                for name in sorted(f for f in files if f.endswith((".h", ".c"))):
                    with open(f"{directory}/{name}", "rb") as f:
                        add_file(tar, f"code/{layer}/{name}", f.read())

    def _write_inserts(self, count):
        with open(self.inserts, "w") as f:
            f.write("CREATE TABLE t(id INTEGER PRIMARY KEY, text); CREATE INDEX i ON t(text);\n")
            for i in range(count):
                f.write(f"INSERT INTO t(text) VALUES('{i * 2654435761 % 2**32:08x}' || hex(zeroblob(50)));\n")

    def _write_lists(self, count):
        with open(self.one, "w") as f:
            f.write("cats/d0000/f0000000\n" * count)
        with open(self.all, "w") as f:
            f.writelines(f"cats/d{i // 100:04}/f{i:07}\n" for i in range(count))
