#!/bin/bash
# bt-fuse top: what it shows is what goes on, in all its forms; on a terminal it
# can be ended by a key and leaves the screen as it was.
. "$(dirname "$0")/see.sh"

say "without a mount"
XDG_RUNTIME_DIR=$T "$BTFUSE" top --once --interval 10 >"$T/none"
grep -q 'operations a second' "$T/none" || die "$(cat "$T/none")"

mount_fs
"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 100000000 forever >/dev/null &
load=$!
put_right() {
	kill "$load" 2>/dev/null || true
}

say "as JSON"
sleep 0.5
"$BTFUSE" top --mount "$M" --once --json --interval 700 >"$T/json"
python3 - "$T/json" "$load" <<'END'
import json, sys
top = json.load(open(sys.argv[1]))
ops = {o["operation"]: o for o in top["operations"]}
assert top["operations_per_second"] > 1000, top
assert 0.9 < top["bypassed"] <= 1, top["bypassed"]
for name in ("open", "write", "unlink", "rename", "stat"):
    assert ops[name]["per_second"] > 100, (name, ops[name])
    assert 0 < ops[name]["process_p50_ns"] <= ops[name]["process_p99_ns"], ops[name]
assert ops["unlink"]["count"] > 2.5 * ops["rename"]["count"], ops
assert ops["stat"]["failed"] > 0.2 * ops["stat"]["count"], ops["stat"]
load = [p for p in top["processes"] if p["pid"] == int(sys.argv[2])]
assert len(load) == 1 and load[0]["per_second"] > 1000 and not load[0]["daemon"], top["processes"]
assert load[0]["bypassed"] == 1, load
assert any(p["daemon"] for p in top["processes"]), top["processes"]
END

say "as text"
"$BTFUSE" top --mount "$M" --once --interval 300 >"$T/text"
grep -q '^rename .* 100.0%' "$T/text" || die "$(cat "$T/text")"
grep -q "^$load  *see-work " "$T/text" || die "the load is not there: $(cat "$T/text")"
grep -q ' daemon$' "$T/text" || die "no daemon"

say "on a terminal, also on a small one"
for size in "60 120" "12 40"; do
	python3 - "$BTFUSE" "$M" "${size% *}" "${size#* }" <<'END' || die "a terminal of $size"
import fcntl, os, pty, signal, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], ["bt-fuse", "top", "--mount", sys.argv[2], "--interval", "200"])
rows = int(sys.argv[3])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, int(sys.argv[4]), 0, 0))
signal.alarm(20)
seen = b""
while seen.count(b"\x1b[H") < 4:
    seen += os.read(fd, 65536)
os.write(fd, b"q")
try:
    while True:
        seen += os.read(fd, 65536)
except OSError:
    pass
assert os.waitpid(pid, 0)[1] == 0
assert seen.startswith(b"\x1b[?1049h") and seen.endswith(b"\x1b[?1049l"), (seen[:20], seen[-20:])
assert b"\x1b[?7l" in seen and b"\x1b[?7h" in seen.split(b"\x1b[H")[-1], "lines wrap, or do so no more"
assert b"see-work" in seen and (rows < 20 or b"rename" in seen)
frame = seen.split(b"\x1b[H")[-2]  # a whole one, of the size that was set
assert 6 < frame.count(b"\n") < rows, (frame.count(b"\n"), rows)
END
done

say "mistakes"
"$BTFUSE" top --interval 0 >"$T/out" 2>&1 && die "an interval of nothing"
"$BTFUSE" top --interval soon >"$T/out" 2>&1 && die "an interval that is none"
"$BTFUSE" top --once --mount "$T" >"$T/out" 2>&1 && die "where no mount is"
grep -q "$T: no mount of bt-fuse is here" "$T/out" || die "$(cat "$T/out")"
"$BTFUSE" top more >"$T/out" 2>&1 && die "an argument"

kill "$load"
wait "$load" 2>/dev/null || true
