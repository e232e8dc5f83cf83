#!/bin/bash
# Maps whose descriptors are for reading or for writing only, as in the kernel.
. "$(dirname "$0")/lib.sh"
PROGRAM=${TEST_PROGS:-$ROOT/build/tests/world}

"$BTFUSE" load -- "$PROGRAM/test_access" >ours || die "it failed: $(cat ours)"
if "$PROGRAM/test_access" >kernels 2>/dev/null; then
	diff -u kernels ours || die 'not as in the kernel'
else
	say 'bpf(2) is not to be had here: compared with less'
fi
# By hand, for where there is no kernel to ask.
[ "$(sed -n '/^made with 0x8:/,/^made with 0x10:/p' ours)" = 'made with 0x8: 0
made:
lookup 0
update -1
delete -1
next 0
take -1
lookup batch 0
update batch -1
map for 0: -22
map for 1: -22
map for 2: -13
map for 3: -13
freeze -1
made with 0x10: 0' ] || die "for reading: $(cat ours)"
