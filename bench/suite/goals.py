"""What calls and eBPF programs are to cost, beside what they do: programs that measure it themselves."""

import json
import os
import re
import subprocess
import tempfile

TITLE = "\nThe goals: calls under run, eBPF programs at calls, maps, code"
TABLE_ROUNDS = {"tiny": 1, "quick": 5}
TABLE_ROUNDS_ELSE = 15
# "hash lookup ...   6.1 ns   (goal 12)", "an empty program ...   9.3 ns   goal 15"
LINE = re.compile(r"^\s*(?P<name>\S.*?)\s+(?P<value>-?[\d.]+) (?P<unit>ns|ms|times)\s+\(?goal (?P<goal>[\d.]+)")


def goal(name, unit, value, wanted, reached):
    return {"name": name, "unit": unit, "value": value, "goal": wanted, "reached": reached}


def of_calls(context, tmpfs, mount):
    """bench/table prints its rows itself, and writes them down."""
    with tempfile.NamedTemporaryFile(dir=context.state.path, suffix=".json") as out:
        few = ["--only", "stat"] if context.mode == "tiny" else []
        subprocess.run([context.program("bench/table"), "-n", str(TABLE_ROUNDS.get(context.mode, TABLE_ROUNDS_ELSE)), *few,
                        "--json", out.name, context.bt_fuse, tmpfs, mount], check=False, env=context.environment)
        rows = json.load(open(out.name))
    return [goal(r["row"], r["unit"], r["value"], r["goal"], r["reached"]) for r in rows]


def of_lines(command, environment):
    """A program whose lines say it: all are shown, those with a goal are kept."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        print(f"{os.path.basename(command[0])}: ended with status {done.returncode}")
    found = [LINE.match(line) for line in done.stdout.splitlines()]
    return [goal(m["name"], m["unit"], float(m["value"]), float(m["goal"]), float(m["value"]) <= float(m["goal"])) for m in found if m]


def all_goals(context, root, peers):
    """None of them needs a peer's worker; the directories of two peers do."""
    where = {p.id: p.directory for p in peers}
    found = []
    if "tmpfs" in where and "run" in where:
        found += of_calls(context, where["tmpfs"], where["run"])
    if context.mode == "tiny":
        return found
    world, maps, code = (os.path.join(context.build, n) for n in ("bench/worldbench", "bench/bpf/mapbench", "bench/bpf/bpfbench"))
    if os.access(world, os.X_OK):
        found += of_lines([os.path.join(root, "bench/world.sh"), context.bt_fuse, os.path.join(context.build, "progs"), world],
                          context.environment)
    if os.access(maps, os.X_OK):
        found += of_lines([maps], context.environment)
    if os.access(code, os.X_OK):
        found += of_lines([code], context.environment)
    return found
