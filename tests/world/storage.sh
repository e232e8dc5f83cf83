#!/bin/bash
# Task storage from the loader's side: by pidfd, with the kernel's error codes; it goes with its task.
. "$(dirname "$0")/lib.sh"
PROGRAM=${TEST_PROGS:-$ROOT/build/tests/world}

coproc TOOL { exec "$BTFUSE" load -- "$PROGRAM/test_storage" "$PROGRAM/storage.bpf.o" 2>tool.err; }
LOADERS="$LOADERS $TOOL_PID"
read -r -t 20 line <&"${TOOL[0]}" || die "not loaded: $(cat tool.err)"
[ "$line" = attached ] || die "not loaded: $line"

# expect VALUE COMMAND...
expect() {
	local want=$1 got
	shift
	echo "$*" >&"${TOOL[1]}"
	read -r -t 20 got <&"${TOOL[0]}" || die "$*: no answer: $(cat tool.err)"
	[ "$got" = "$want" ] || die "$*: $got, not $want"
}

# A hooked program that makes a call for each line.
mkfifo go
"$BTFUSE" run -- python3 -uc '
import os, sys
print(os.getpid())
for line in open("go"):
    os.getpgid(0)
    print(line.strip())
' >seen &
WATCHED=$!
LOADERS="$LOADERS $WATCHED"
exec 4>go
until_true 10 grep -q . seen || die 'the program does not run'
pid=$(head -n 1 seen)
expect -2 get "$pid"  # it has made no call yet
expect -2 put "$pid" 7 2  # BPF_EXIST
echo one >&4
until_true 10 grep -q one seen
expect 1 get "$pid"
expect -17 put "$pid" 7 1  # BPF_NOEXIST
expect -22 put "$pid" 7 9
expect 0 put "$pid" 40 2
echo two >&4
until_true 10 grep -q two seen
expect 41 get "$pid"
expect -14 putbad "$pid"
expect -9 getfd 12345
expect -9 getfd -1
expect -9 getfd 0  # no pidfd
expect -524 next
expect -524 take "$pid"
expect 0 del "$pid"
expect -2 del "$pid"
echo three >&4
until_true 10 grep -q three seen
expect 1 get "$pid"
# A pidfd that stays open past the end of its task.
expect "$pid" keep "$pid"
exec 4>&-
wait "$WATCHED" || true
expect -2 kept get
expect -2 kept put
expect -2 kept del
say ok
