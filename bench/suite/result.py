"""The file of results: docs/bench.md says what stands in it, check() holds it to that."""

import json
import os
import platform
import re
import subprocess
import time

FORMAT = "bt-fuse-bench"
VERSION = 1
SUITES = ("micro", "applications", "scale")


class BadResult(Exception):
    """A file that is not as described."""


def first_match(path, pattern, otherwise):
    try:
        with open(path) as f:
            found = re.search(pattern, f.read(), re.M)
    except OSError:
        return otherwise
    return found[1].strip() if found else otherwise


def hypervisor():
    done = subprocess.run(["systemd-detect-virt", "--vm"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False) if os.path.exists("/usr/bin/systemd-detect-virt") else None
    return done.stdout.strip() if done else "unknown"


def describe_machine():
    memory = int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)", "0"))
    return {
        "processor": first_match("/proc/cpuinfo", r"^model name\s*:(.*)", platform.machine()),
        "processors": os.cpu_count(),
        "memory_mib": memory // 1024,
        "kernel": platform.release(),
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)', "unknown"),
        "libc": " ".join(platform.libc_ver()),
        "hypervisor": hypervisor(),
    }


def commit_of(root):
    """Of the tree that is measured, with a + where it holds changes; empty where there is no git."""
    git = ["git", "-C", root]
    head = subprocess.run(git + ["rev-parse", "--short=12", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False).stdout.strip()
    changes = subprocess.run(git + ["status", "--porcelain", "--untracked-files=no"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True, check=False).stdout
    return head + ("+" if changes.strip() else "")


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def new(mode, root, peers):
    return {
        "format": FORMAT,
        "version": VERSION,
        "mode": mode,
        "started": now(),
        "ended": now(),
        "seconds": 0,
        "commit": commit_of(root),
        "machine": describe_machine(),
        "peers": [{"id": p.id, "label": p.label, "what": p.what, "fstype": p.fstype} for p in peers],
        "goals": [],
        "rows": [],
    }


def save(result, path):
    """The file is always a whole one: a new one takes the old one's place. A row or goal a line."""
    lists = "".join(f',\n "{name}": [\n  ' + ",\n  ".join(json.dumps(r) for r in result[name]) + "\n ]"
                    for name in ("goals", "rows"))
    head = json.dumps({k: v for k, v in result.items() if k not in ("goals", "rows")}, indent=1)
    with open(path + ".new", "w") as f:
        f.write(head[:-2] + lists + "\n}\n")
    os.replace(path + ".new", path)


def load(path):
    try:
        with open(path) as f:
            result = json.load(f)
    except ValueError as e:
        raise BadResult(f"{path}: {e}") from e
    check(result)
    return result


# ---- The format ---------------------------------------------------------------------


def need(condition, what):
    if not condition:
        raise BadResult(what)


def check_fields(thing, fields, where):
    need(isinstance(thing, dict), f"{where}: not an object")
    need(set(thing) == set(fields), f"{where}: has {sorted(thing)}, not {sorted(fields)}")
    for name, kind in fields.items():
        need(isinstance(thing[name], kind) and not isinstance(thing[name], bool), f"{where}: {name} is {thing[name]!r}")


def check_value(value, where):
    if set(value) == {"error"}:
        need(isinstance(value["error"], str), f"{where}: error")
        return
    check_fields(value, {"median": (int, float), "spread": (int, float), "samples": list}, where)
    need(value["samples"] and all(isinstance(s, (int, float)) and s > 0 for s in value["samples"]), f"{where}: samples")
    need(min(value["samples"]) <= value["median"] <= max(value["samples"]), f"{where}: median")
    need(value["spread"] >= 0, f"{where}: spread")


def check_row(row, peers):
    where = f"row {row.get('name')!r}" if isinstance(row, dict) else "a row"
    check_fields(row, {"suite": str, "name": str, "per": str, "params": dict, "values": dict}, where)
    need(row["suite"] in SUITES, f"{where}: suite {row['suite']}")
    need(row["per"] in ("call", "name", "run"), f"{where}: per {row['per']}")
    need(row["values"] and set(row["values"]) <= peers, f"{where}: values of {sorted(row['values'])}")
    for peer, value in row["values"].items():
        check_value(value, f"{where}, {peer}")


def check_goal(goal):
    need(isinstance(goal, dict) and isinstance(goal.get("reached"), bool), f"a goal: reached is no truth: {goal}")
    check_fields({k: v for k, v in goal.items() if k != "reached"},
                 {"name": str, "unit": str, "value": (int, float), "goal": (int, float)}, "a goal")


def check(result):
    """Raises BadResult where the result is not as docs/bench.md says."""
    check_fields(result, {"format": str, "version": int, "mode": str, "started": str, "ended": str, "seconds": (int, float),
                          "commit": str, "machine": dict, "peers": list, "goals": list, "rows": list}, "the result")
    need(result["format"] == FORMAT and result["version"] == VERSION, "not this format, or another version")
    check_fields(result["machine"], {"processor": str, "processors": int, "memory_mib": int, "kernel": str, "system": str,
                                     "libc": str, "hypervisor": str}, "machine")
    for time_of in ("started", "ended"):
        need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result[time_of]), time_of)
    for peer in result["peers"]:
        check_fields(peer, {"id": str, "label": str, "what": str, "fstype": str}, "a peer")
    for goal in result["goals"]:
        check_goal(goal)
    ids = {p["id"] for p in result["peers"]}
    for row in result["rows"]:
        check_row(row, ids)
    names = [(r["suite"], r["name"]) for r in result["rows"]]
    need(len(names) == len(set(names)), "a row twice")
