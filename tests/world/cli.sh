#!/bin/bash
# prog, map and link: words and numbers, JSON that parses, bpftool's own view of the same.
. "$(dirname "$0")/lib.sh"

json() {
	python3 -c 'import json, sys; print(eval(sys.argv[1], {"d": json.load(sys.stdin)}))' "$1"
}

[ "$("$BTFUSE" prog --json list)" = '[]' ] || die 'an empty world has programs'
load a "$PROGS/error_inject_syscall.bpf.o"
"$BTFUSE" prog list | grep '^[0-9]*: tracepoint  name deny_write  tag [0-9a-f]*  gpl$' >/dev/null || die "$("$BTFUSE" prog list)"
[ "$("$BTFUSE" prog --json list | json '[p["name"] for p in d]')" = "['deny_write']" ] || die 'prog list --json'
id=$("$BTFUSE" prog --json list | json 'd[0]["id"]')
"$BTFUSE" prog dump xlated id "$id" | grep 'call bpf_override_return#58' >/dev/null || die 'dump xlated'
"$BTFUSE" prog dump jited name deny_write | grep 'ret' >/dev/null || die 'dump jited'
[ "$("$BTFUSE" prog --json dump xlated id "$id" | json 'len(d) > 5')" = True ] || die 'dump --json'
"$BTFUSE" link list | grep "tracepoint 'syscalls/sys_enter_write'" >/dev/null || die "$("$BTFUSE" link list)"
[ "$("$BTFUSE" link --json list | json 'd[0]["prog_id"]')" = "$id" ] || die 'link list --json'

# Maps: .bss counts, and can be set.
bss=$("$BTFUSE" map --json list | json '[m["id"] for m in d if m["name"].endswith(".bss")][0]')
[ "$("$BTFUSE" map --json update id "$bss" key 0 0 0 0 value 6 0 0 0 0 0 0 0)" = null ] || die 'map --json update'
"$BTFUSE" map update id "$bss" key 0 0 0 0 value 5 0 0 0 0 0 0 0
"$BTFUSE" map lookup id "$bss" key hex 00 00 00 00 | grep 'key: 00 00 00 00  value: 05 00 00 00 00 00 00 00' >/dev/null || die 'lookup'
"$BTFUSE" map dump id "$bss" | grep '^Found 1 element$' >/dev/null || die 'map dump'
[ "$("$BTFUSE" map --json dump id "$bss" | json 'd[0]["value"][0]')" = 0x05 ] || die 'map dump --json'
"$BTFUSE" map update id "$bss" key 0 0 0 0 value 1 2>/dev/null && die 'a value that is too short was taken'
"$BTFUSE" map lookup id 999999 key 0 2>/dev/null && die 'a map that is not there was found'

# bpftool is a libbpf program as well.
if command -v bpftool >/dev/null; then
	"$BTFUSE" load -- bpftool prog show id "$id" >bt.out 2>bt.err || die "bpftool: $(cat bt.err)"
	grep -q 'tracepoint  name deny_write' bt.out || die "bpftool: $(cat bt.out)"
	ours=$("$BTFUSE" prog list | sed -n 's/.*tag \([0-9a-f]*\).*/\1/p')
	grep -q "tag $ours" bt.out || die "bpftool shows another tag: $(cat bt.out)"
	"$BTFUSE" load -- bpftool map dump id "$bss" >bt.out 2>&1 || die "bpftool map: $(cat bt.out)"
	"$BTFUSE" load -- bpftool link show >bt.out 2>&1 || die "bpftool link: $(cat bt.out)"
	"$BTFUSE" load -- bpftool perf >bt.out 2>&1 || die "bpftool perf: $(cat bt.out)"
	grep -q "fd [0-9]*: prog_id $id  tracepoint  sys_enter_write" bt.out || die "bpftool perf: $(cat bt.out)"
	"$BTFUSE" load -- bpftool link show >bt.out 2>&1
	grep -q 'perf_event' bt.out || die "bpftool link: $(cat bt.out)"
	"$BTFUSE" load -- bpftool prog pin id "$id" /sys/fs/bpf/here/mine >bt.out 2>&1 || die "pin: $(cat bt.out)"
	"$BTFUSE" prog show pinned /sys/fs/bpf/here/mine | grep "^$id:" >/dev/null || die 'a pin is not found'
fi

# Detached: it passes, though the loader is still there.
link=$("$BTFUSE" link --json list | json 'd[0]["id"]')
"$BTFUSE" link detach id "$link"
run bash -c 'echo hi >f' || die 'detached, and a write fails'
unload a
if command -v bpftool >/dev/null; then
	[ "$("$BTFUSE" prog --json list | json 'len(d)')" = 1 ] || die 'a pinned program went with its loader'
fi

# What is refused gives the log that the loader asked for.
cat >bad.c <<'C'
__attribute__((section("tp/syscalls/sys_enter_write"), used)) int bad(void *ctx)
{
	return *(volatile int *)((char *)ctx + 4096);
}
char _license[] __attribute__((section("license"))) = "GPL";
C
clang -O2 -target bpf -c bad.c -o bad.o
"$BTFUSE" load bad.o >out 2>&1 && die 'a bad program was loaded'
grep -q 'invalid bpf_context access off=4096' out || die "no reason is given: $(tail -5 out)"
head -c 3000 /dev/urandom >junk.o
"$BTFUSE" load -- "$(dirname "$BTFUSE")/../bpfd/bt-fuse-attach" junk.o >out 2>&1 && die 'junk was loaded'

# One program on its own: r0 = r1[0] + 2.
prog='7110000000000000 0700000002000000 9500000000000000'
for how in '' --interp; do
	# shellcheck disable=SC2086
	[ "$(echo "$prog" | "$BTFUSE" prog run --raw $how 28)" = 2a ] || die "prog run --raw $how"
done
[ "$(echo "$prog" | "$BTFUSE" prog --json run --raw 28)" = '{"r0":"0x2a"}' ] || die 'prog --json run --raw'

# One that is loaded, on a context of its own; as in the kernel only of raw tracepoints.
cat >two.c <<'C'
__attribute__((section("raw_tp/sys_enter"), used)) int add(unsigned long long *ctx) { return ctx[0] + ctx[1]; }
static long (*print)(const char *text, unsigned size, ...) = (void *)6;
__attribute__((section("tp/syscalls/sys_enter_getpgid"), used)) int tell(void *ctx)
{
	const char text[] = "a \"quoted\" line";

	print(text, sizeof(text));
	return 0;
}
char _license[] __attribute__((section("license"))) = "GPL";
C
clang -O2 -g -target bpf -c two.c -o two.o
load two two.o
if command -v bpftool >/dev/null; then
	"$BTFUSE" load -- bpftool perf >bt.out 2>&1 || die "bpftool perf: $(cat bt.out)"
	grep -q 'raw_tracepoint  sys_enter' bt.out || die "bpftool perf: $(cat bt.out)"
fi
printf '\x28\0\0\0\0\0\0\0\x2\0\0\0\0\0\0\0' >ctx
[ "$("$BTFUSE" prog run name add ctx_in ctx)" = 'Return value: 42, duration: 0ns' ] || die 'prog run'
[ "$("$BTFUSE" prog --json run name add ctx_in ctx | json 'd["retval"]')" = 42 ] || die 'prog --json run'
[ "$("$BTFUSE" prog run name add)" = 'Return value: 0, duration: 0ns' ] || die 'prog run without a context'
"$BTFUSE" prog run name tell 2>err && die 'a program of a tracepoint was run on its own'
grep -q 524 err || die "prog run: $(cat err)"
"$BTFUSE" prog run name nobody 2>/dev/null && die 'a program that is not there was run'
run python3 -c 'import os; os.getpgid(0)'
"$BTFUSE" prog --json tracelog -1 | json '[l.split(": ")[-1] for l in d][-1]' >said
[ "$(cat said)" = 'a "quoted" line' ] || die "prog --json tracelog: $(cat said)"
timeout --preserve-status -s INT 1 "$BTFUSE" prog --json tracelog | json 'len(d)' >said || die 'a tracelog in JSON that is interrupted has no end'
unload two
echo 'zz' | "$BTFUSE" prog run --raw 2>/dev/null && die 'what is not hex was run'
vectors=$ROOT/../shared/bpf-vectors/execute.tsv
if [ -r "$vectors" ]; then
	n=0
	while IFS=$'\t' read -r name text mem want _; do
		case $want in 0x*) ;; *) continue ;; esac
		got=$(echo "$text" | "$BTFUSE" prog run --raw ${mem:+$([ "$mem" = - ] || echo "$mem")} 2>&1) || die "$name: $got"
		[ "0x$got" = "$want" ] || [ $((0x$got)) = $((want)) ] || die "$name: $got, not $want"
		n=$((n + 1))
	done <"$vectors"
	say "$n vectors of others"
fi
say ok
