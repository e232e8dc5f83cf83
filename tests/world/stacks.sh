#!/bin/bash
# Stacks of programs, by frame pointers: what bpf_get_stackid and bpf_get_stack see is
# what the program knows of itself; frames that lead nowhere harm nobody.
. "$(dirname "$0")/lib.sh"
PROGRAM=${TEST_PROGS:-$ROOT/build/tests/world}

load stacks "$PROGRAM/stacks.bpf.o"
run "$PROGRAM/test_frames" >truth || die "the program did not live through it: $(cat truth)"
"$BTFUSE" map --json dump name stacks >stacks.json
"$BTFUSE" map --json dump name calls >calls.json
python3 - <<'PY' || die 'the stacks are others'
import json, struct, sys

def words(entry, at, n):
    return struct.unpack('<%dQ' % n, bytes(int(b, 0) if isinstance(b, str) else b for b in entry['value'])[at:at + 8 * n])

def number(entry):
    return struct.unpack('<I', bytes(int(b, 0) if isinstance(b, str) else b for b in entry['key']))[0]

stacks = {number(e): words(e, 0, 127) for e in json.load(open('stacks.json'))}
calls = {number(e): e for e in json.load(open('calls.json'))}
bad = 0
for line in open('truth'):
    n, *want = line.split()
    n, want = int(n), [int(w, 16) for w in want]
    id, size, ids = struct.unpack('<3q', struct.pack('<3Q', *words(calls[n], 0, 3)))
    got = list(words(calls[n], 24, max(size, 0) // 8))
    by_id = list(stacks[id])[:len(got)] if id in stacks else None
    if n == 5:  # it leads to itself: as many as there may be
        want += [want[1]] * 125
    # What called main is the library's affair.
    if (got[:4] if n == 0 else got) != want or by_id != got or ids != -95:
        print('%d: %s, not %s; by id %d: %s; build ids: %d' % (n, [hex(i) for i in got[:8]], [hex(i) for i in want[:8]], id, by_id and by_id[:4], ids))
        bad = 1
sys.exit(bad)
PY
say ok
