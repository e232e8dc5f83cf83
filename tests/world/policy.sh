#!/bin/bash
# The examples do what they say: policies, a redirect, quotas, counting.
. "$(dirname "$0")/lib.sh"

load_with() {
	local name=$1
	shift
	"$BTFUSE" load --name "$BTFUSE_WORLD-$name" "$@" >"load-$name.out" 2>&1 &
	LOADERS="$LOADERS $!"
	until_true 20 grep -q attached "load-$name.out" || die "$* was not loaded: $(tail -5 "load-$name.out")"
}

# A subtree that is read-only, however it is written.
mkdir safe open
echo old >safe/f
load_with ro --set "root=$T/safe" "$PROGS/readonly.bpf.o"
run bash -c 'echo x >safe/f' 2>err && die 'a file of the read-only tree was written'
grep -q 'Read-only file system' err || die "not EROFS: $(cat err)"
run bash -c 'cd open; echo x >../safe/./f' 2>/dev/null && die 'a relative path got through'
for cmd in 'rm -f safe/f' 'mkdir safe/d' 'mv safe/f open/f' 'mv open safe/o' 'ln -s x safe/l' 'chmod 600 safe/f' 'touch safe/f'; do
	# shellcheck disable=SC2086
	run $cmd 2>/dev/null && die "$cmd got through"
done
[ "$(run cat safe/f)" = old ] || die 'the tree cannot be read'
run bash -c 'echo x >open/f; echo x >safely' || die 'something else cannot be written'
unload ro
run rm safe/f || die 'the policy is gone, and a file cannot be removed'

echo two >other
echo one >this
load_with re --set "from=$T/this" --set "to=$T/other" "$PROGS/redirect.bpf.o"
[ "$(run cat this)" = two ] || die 'an open was not redirected'
[ "$(run cat "$T/open/../this" other)" = $'two\ntwo' ] || die 'a path with .. was not redirected'
unload re
[ "$(run cat this)" = one ] || die 'an open is still redirected'

load_with qu --set limit=10000 "$PROGS/quota.bpf.o"
run dd if=/dev/zero of=big bs=1000 count=20 2>err && die 'more than the quota was written'
grep -q 'quota exceeded' err || die "not EDQUOT: $(cat err)"
[ "$(stat -c %s big)" = 10000 ] || die "$(stat -c %s big) bytes written, not 10000"
unload qu

# What programs print, count and time.
load_with op "$PROGS/opensnoop.bpf.o"
run cat this >/dev/null
"$BTFUSE" prog tracelog -1 | grep 'cat-.*: [0-9]* this' >/dev/null || die "tracelog: $("$BTFUSE" prog tracelog -1 | tail -3)"
unload op
load_with sc "$PROGS/syscount.bpf.o"
run cat this >/dev/null
# openat is 257, 01 01 00 00.
"$BTFUSE" map dump name calls | grep 'key: 01 01 00 00  value: ' >/dev/null || die "syscount: $("$BTFUSE" map dump name calls)"
unload sc
"$BTFUSE" load -- "$PROGS/latency" "$PROGS/latency.bpf.o" 2 >bars 2>&1 &
until_true 20 grep -q attached bars || die "latency: $(cat bars)"
run cat this >/dev/null
wait $!
if ! grep -q '^call 257$' bars || ! grep -q 'ns .*|#' bars; then die "latency: $(cat bars)"; fi
load_with tb "$PROGS/trace-bypass.bpf.o"
run cat this >/dev/null
"$BTFUSE" map dump name left | grep 'key: .*value: ' >/dev/null || die 'trace-bypass counted nothing'
unload tb

"$BTFUSE" inject --call openat --errno EACCES --path '*/thi?' -- cat this 2>err && die 'inject: an open got through'
grep -q 'Permission denied' err || die "inject: $(cat err)"
# shellcheck disable=SC2016
[ "$("$BTFUSE" inject --call write --errno EIO --nth 2 -- bash -c 'for i in 1 2 3; do echo $i; done' 2>/dev/null)" = $'1\n3' ] ||
	die 'inject --nth'
begin=$(date +%s%N)
"$BTFUSE" inject --call getpgid --delay 700ms -- python3 -c 'import os; os.getpgid(0)' || die 'inject --delay: the call fails'
[ $((($(date +%s%N) - begin) / 1000000)) -ge 700 ] || die 'inject --delay: it comes at once'
# shellcheck disable=SC2016
[ "$("$BTFUSE" inject --call write --errno EIO --after 300ms -- bash -c 'echo 1; sleep 0.5; echo 2' 2>/dev/null)" = 1 ] ||
	die 'inject --after'
# shellcheck disable=SC2016
a=$("$BTFUSE" inject --call openat --errno EIO --rate 50% --seed 7 --path '*/f[0-9]*' -- true; "$BTFUSE" inject --call write --errno EIO --rate 50% --seed 7 -- bash -c 'for i in 1 2 3 4 5 6 7 8; do echo $i 2>/dev/null; done')
# shellcheck disable=SC2016
b=$("$BTFUSE" inject --call write --errno EIO --rate 50% --seed 7 -- bash -c 'for i in 1 2 3 4 5 6 7 8; do echo $i 2>/dev/null; done')
if [ "$a" != "$b" ] || [ "${#b}" -ge 15 ]; then die "inject --rate: '$a', '$b'"; fi
say ok
