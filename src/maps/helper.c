/*
 * The table of helpers, and those that work on keyed maps.
 */
#include "maps/helper.h"

#include "maps/help.h"

static bool is_percpu(const struct map *m)
{
	return m->cpu_stride != 0;
}

static uint32_t cpu_for(struct run *run, const struct map *m)
{
	return is_percpu(m) ? maps_cpu(run) : 0;
}

HELPER(lookup)
{
	struct map *m = map_arg(a);

	return addr(map_ops(m->type)->find(task_of(run), m, ptr(b), cpu_for(run, m)));
}

HELPER(update)
{
	struct map *m = map_arg(a);
	struct side s = {.cpu = cpu_for(run, m)};

	return num(map_ops(m->type)->update(task_of(run), m, ptr(b), ptr(c), d, s));
}

HELPER(remove_key)
{
	struct map *m = map_arg(a);

	return num(map_ops(m->type)->remove(task_of(run), m, ptr(b)));
}

HELPER(lookup_percpu)
{
	struct map *m = map_arg(a);

	if ((uint32_t)c >= m->ncpus)
		return 0;
	return addr(map_ops(m->type)->find(task_of(run), m, ptr(b), (uint32_t)c));
}

HELPER(push)
{
	struct map *m = map_arg(a);

	return num(map_ops(m->type)->push(task_of(run), m, ptr(b), c, (struct side){0}));
}

HELPER(pop)
{
	struct map *m = map_arg(a);

	return num(map_ops(m->type)->pop(task_of(run), m, ptr(b), (struct side){0}));
}

HELPER(peek)
{
	struct map *m = map_arg(a);

	return num(map_ops(m->type)->peek(task_of(run), m, ptr(b), (struct side){0}));
}

struct each {
	struct run *run;
	uint64_t map, fn, ctx;
};

static bool visit(void *arg, const void *key, void *value)
{
	const struct each *e = arg;

	return run_callback(e->run, e->fn, e->map, addr(key), addr(value), e->ctx) == 0;
}

HELPER(for_each)
{
	struct map *m = map_arg(a);
	struct each e = {run, a, b, c};

	if (d)
		return num(-EINVAL);
	return num(map_ops(m->type)->each(task_of(run), m, cpu_for(run, m), visit, &e));
}

HELPER(loop)
{
	uint32_t n = (uint32_t)a;

	if (d)
		return num(-EINVAL);
	if (n > 1u << 23)
		return num(-E2BIG);
	for (uint32_t k = 0; k < n; k++)
		if (run_callback(run, b, k, c, 0, 0))
			return k + 1;
	return n;
}

HELPER(processor_id)
{
	return maps_cpu(run);
}

const run_fn maps_helpers[MAPS_HELPERS] = {
    [BPF_FUNC_map_lookup_elem] = lookup,
    [BPF_FUNC_map_update_elem] = update,
    [BPF_FUNC_map_delete_elem] = remove_key,
    [BPF_FUNC_map_lookup_percpu_elem] = lookup_percpu,
    [BPF_FUNC_map_push_elem] = push,
    [BPF_FUNC_map_pop_elem] = pop,
    [BPF_FUNC_map_peek_elem] = peek,
    [BPF_FUNC_for_each_map_elem] = for_each,
    [BPF_FUNC_loop] = loop,
    [BPF_FUNC_probe_read] = help_probe_read,
    [BPF_FUNC_probe_read_user] = help_probe_read,
    [BPF_FUNC_probe_read_kernel] = help_probe_read,
    [BPF_FUNC_probe_read_str] = help_probe_read_str,
    [BPF_FUNC_probe_read_user_str] = help_probe_read_str,
    [BPF_FUNC_probe_read_kernel_str] = help_probe_read_str,
    [BPF_FUNC_copy_from_user] = help_copy_from_user,
    [BPF_FUNC_probe_write_user] = help_probe_write_user,
    [BPF_FUNC_strncmp] = help_strncmp,
    [BPF_FUNC_strtol] = help_strtol,
    [BPF_FUNC_strtoul] = help_strtoul,
    [BPF_FUNC_snprintf] = help_snprintf,
    [BPF_FUNC_trace_printk] = help_trace_printk,
    [BPF_FUNC_trace_vprintk] = help_trace_vprintk,
    [BPF_FUNC_get_current_pid_tgid] = help_pid_tgid,
    [BPF_FUNC_get_current_uid_gid] = help_uid_gid,
    [BPF_FUNC_get_current_comm] = help_comm,
    [BPF_FUNC_get_current_task] = help_task,
    [BPF_FUNC_get_current_task_btf] = help_task,
    [BPF_FUNC_get_ns_current_pid_tgid] = help_ns_pid_tgid,
    [BPF_FUNC_get_current_cgroup_id] = help_cgroup_id,
    [BPF_FUNC_get_numa_node_id] = help_numa_node,
    [BPF_FUNC_get_prandom_u32] = help_prandom,
    [BPF_FUNC_ktime_get_ns] = help_ktime,
    [BPF_FUNC_ktime_get_boot_ns] = help_ktime_boot,
    [BPF_FUNC_ktime_get_coarse_ns] = help_ktime_coarse,
    [BPF_FUNC_ktime_get_tai_ns] = help_ktime_tai,
    [BPF_FUNC_jiffies64] = help_jiffies,
    [BPF_FUNC_send_signal] = help_send_signal,
    [BPF_FUNC_send_signal_thread] = help_send_signal_thread,
    [BPF_FUNC_override_return] = help_override,
    [BPF_FUNC_get_attach_cookie] = help_cookie,
    [BPF_FUNC_get_retval] = help_get_retval,
    [BPF_FUNC_set_retval] = help_set_retval,
    [BPF_FUNC_get_stackid] = help_stackid,
    [BPF_FUNC_get_stack] = help_stack,
    [BPF_FUNC_perf_event_output] = help_perf_output,
    [BPF_FUNC_ringbuf_output] = help_ring_output,
    [BPF_FUNC_ringbuf_reserve] = help_ring_reserve,
    [BPF_FUNC_ringbuf_submit] = help_ring_submit,
    [BPF_FUNC_ringbuf_discard] = help_ring_discard,
    [BPF_FUNC_ringbuf_query] = help_ring_query,
    [BPF_FUNC_spin_lock] = help_spin_lock,
    [BPF_FUNC_spin_unlock] = help_spin_unlock,
    [BPF_FUNC_task_storage_get] = help_storage_get,
    [BPF_FUNC_task_storage_delete] = help_storage_delete,
    [FAST_LOOKUP] = help_hash_lookup4,
    [FAST_LOOKUP + 1] = help_hash_lookup8,
    [FAST_LOOKUP_CPU] = help_hash_lookup_cpu4,
    [FAST_LOOKUP_CPU + 1] = help_hash_lookup_cpu8,
    [FAST_UPDATE] = help_hash_update4,
    [FAST_UPDATE + 1] = help_hash_update8,
    [FAST_DELETE] = help_hash_delete4,
    [FAST_DELETE + 1] = help_hash_delete8,
    [BPF_FUNC_timer_init] = help_timer_init,
    [BPF_FUNC_timer_set_callback] = help_timer_set_callback,
    [BPF_FUNC_timer_start] = help_timer_start,
    [BPF_FUNC_timer_cancel] = help_timer_cancel,
    [BPF_FUNC_user_ringbuf_drain] = help_user_ring_drain,
    [BPF_FUNC_dynptr_from_mem] = help_dynptr_from_mem,
    [BPF_FUNC_dynptr_read] = help_dynptr_read,
    [BPF_FUNC_dynptr_write] = help_dynptr_write,
    [BPF_FUNC_dynptr_data] = help_dynptr_data,
    [BPF_FUNC_ringbuf_reserve_dynptr] = help_ring_reserve_dynptr,
    [BPF_FUNC_ringbuf_submit_dynptr] = help_ring_submit_dynptr,
    [BPF_FUNC_ringbuf_discard_dynptr] = help_ring_discard_dynptr,
    [BPF_FUNC_get_smp_processor_id] = processor_id,
};

/* A slot of a program array: the reference there, as an address in this process. */
static uint64_t tail(struct run *run, uint64_t map, uint32_t index)
{
	struct maps_run *mr = run->owner;
	uint64_t ref = map_slot(map_arg(map), index);

	return ref ? mr->host->entry(mr, ref) : 0;
}

void maps_run_init(struct run *run, struct maps_run *mr)
{
	*run = (struct run){.base = mr->t->pool->base,
			    .helpers = maps_helpers,
			    .nhelpers = MAPS_HELPERS,
			    .tail_left = 33,
			    .tail = tail,
			    .owner = mr};
}
