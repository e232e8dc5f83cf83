#!/bin/bash
# What is not served says so and why; what feature probes of libbpf and bpftool ask gets the answer that is true.
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2031
export PATH=$PATH:/usr/sbin:/sbin
PROGRAM=${TEST_PROGS:-$ROOT/build/tests/world}

"$BTFUSE" load -- "$PROGRAM/test_refused" >out 2>&1 || die "$(cat out)"
say "$(grep -c '^ok' out) answers"

# refuse SECTION TEXT: an object file with a program of this section is refused, and `load` says so.
refuse() {
	cat >bad.c <<-C
		__attribute__((section("$1"), used)) int bad(void *ctx) { return 0; }
		char _license[] __attribute__((section("license"))) = "GPL";
	C
	clang -O2 -g -target bpf -c bad.c -o bad.o
	"$BTFUSE" load bad.o >out 2>&1 && die "a program of $1 was attached"
	grep -q "$2" out || die "$1: $(tail -5 out)"
}
refuse xdp 'program type 6 is not served here'
refuse xdp 'Operation not supported'
refuse raw_tp/sched_switch "raw tracepoint 'sched_switch': Operation not supported"
refuse tp/sched/sched_switch "'sched/sched_switch' perf event ID: Operation not supported"
refuse kprobe/do_nanosleep 'Operation not supported'
refuse uprobe//proc/self/exe:main 'Operation not supported\|failed to find symbol'
refuse kprobe.multi/do_nano* 'Operation not supported'
# libbpf looks for the function in the kernel's types and finds none: it gets no further.
refuse fentry/do_nanosleep "failed to find kernel BTF type ID of 'do_nanosleep'"
refuse tp/syscalls/sys_enter_nonesuch 'No such file or directory'

# A type of the kernel's that our BTF has not: libbpf tells its name.
cat >bad.c <<'C'
struct trace_event_raw_signal_generate { int sig; } __attribute__((preserve_access_index));
__attribute__((section("tp/syscalls/sys_enter_kill"), used)) int bad(struct trace_event_raw_signal_generate *ctx)
{
	return ctx->sig;
}
char _license[] __attribute__((section("license"))) = "GPL";
C
clang -O2 -g -target bpf -c bad.c -o bad.o
"$BTFUSE" load bad.o >out 2>&1 && die 'a program that needs what is not here was attached'
grep -q 'Operation not supported' out || die "a type that is not here: $(tail -3 out)"
grep -q 'failed to resolve CO-RE relocation.*struct trace_event_raw_signal_generate.sig' out || die "no type is named: $(cat out)"

command -v bpftool >/dev/null || { say 'no bpftool here'; exit 0; }
"$BTFUSE" load -- bpftool -j feature probe kernel full >features 2>err || die "bpftool feature: $(cat err)"
python3 - <<'PY' || die 'bpftool sees other features'
import json, sys
f = json.load(open('features'))
progs = {k[5:-10] for k, v in f['program_types'].items() if v}
maps = {k[5:-9] for k, v in f['map_types'].items() if v}
helpers = set(f['helpers']['tracepoint_available_helpers'])
want_maps = set('''hash array prog_array perf_event_array percpu_hash percpu_array stack_trace cgroup_array lru_hash
    lru_percpu_hash lpm_trie array_of_maps hash_of_maps queue stack ringbuf bloom_filter user_ringbuf task_storage'''.split())
want_helpers = set('''map_lookup_elem map_update_elem map_delete_elem map_push_elem map_pop_elem map_peek_elem
    map_lookup_percpu_elem for_each_map_elem probe_read probe_read_user probe_read_kernel probe_read_str probe_read_user_str
    probe_read_kernel_str probe_write_user get_current_pid_tgid get_ns_current_pid_tgid get_current_uid_gid get_current_comm
    get_current_task get_current_task_btf task_storage_get task_storage_delete send_signal send_signal_thread
    get_smp_processor_id ktime_get_ns ktime_get_boot_ns ktime_get_coarse_ns ktime_get_tai_ns jiffies64 get_prandom_u32
    trace_printk trace_vprintk snprintf strncmp strtol strtoul perf_event_output ringbuf_output ringbuf_reserve ringbuf_submit
    ringbuf_discard ringbuf_query user_ringbuf_drain get_stackid get_stack tail_call loop spin_lock spin_unlock timer_init
    timer_set_callback timer_start timer_cancel get_attach_cookie get_retval set_retval override_return copy_from_user
    dynptr_from_mem dynptr_read dynptr_write dynptr_data ringbuf_reserve_dynptr ringbuf_submit_dynptr
    ringbuf_discard_dynptr'''.split())
print('programs', sorted(progs))
bad = [('programs', progs ^ {'socket_filter', 'kprobe', 'tracepoint', 'raw_tracepoint'}), ('maps', maps ^ want_maps),
       ('helpers', want_helpers - {h[4:] for h in helpers})]
for what, s in bad:
    if s:
        print(what, 'that differ:', sorted(s))
sys.exit(any(s for _, s in bad))
PY
say ok
