/*
 * The prototypes of the helpers, by the kernel's numbers. A helper that is
 * not in the table cannot be called by a program; the layers above give each
 * of these an implementation in struct run.
 */
#include "bpf/proto.h"

#include <linux/bpf.h>

#include "bpf/own.h"

#define KEYED                                                                                                          \
	(MAPS_OF(BPF_MAP_TYPE_HASH) | MAPS_OF(BPF_MAP_TYPE_ARRAY) | MAPS_OF(BPF_MAP_TYPE_PERCPU_HASH) |                \
	 MAPS_OF(BPF_MAP_TYPE_PERCPU_ARRAY) | MAPS_OF(BPF_MAP_TYPE_LRU_HASH) | MAPS_OF(BPF_MAP_TYPE_LRU_PERCPU_HASH) | \
	 MAPS_OF(BPF_MAP_TYPE_LPM_TRIE))
#define NESTED (MAPS_OF(BPF_MAP_TYPE_ARRAY_OF_MAPS) | MAPS_OF(BPF_MAP_TYPE_HASH_OF_MAPS))
#define QUEUES (MAPS_OF(BPF_MAP_TYPE_QUEUE) | MAPS_OF(BPF_MAP_TYPE_STACK) | MAPS_OF(BPF_MAP_TYPE_BLOOM_FILTER))
#define PERCPU                                                                                                         \
	(MAPS_OF(BPF_MAP_TYPE_PERCPU_HASH) | MAPS_OF(BPF_MAP_TYPE_PERCPU_ARRAY) | MAPS_OF(BPF_MAP_TYPE_LRU_PERCPU_HASH))

#define P(name, ...) [BPF_FUNC_##name] = {.known = 1, __VA_ARGS__}
#define READ_ARGS                                                                                                      \
	{                                                                                                              \
		ARG_MEM_OUT, ARG_SIZE_OR_ZERO, ARG_ANY                                                                 \
	}

static const struct proto protos[] = {
    P(map_lookup_elem, .ret = RET_VALUE_OR_NULL, .arg = {ARG_MAP, ARG_KEY}, .maps = KEYED | NESTED),
    P(map_update_elem, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_KEY, ARG_VALUE, ARG_ANY}, .maps = KEYED),
    P(map_delete_elem, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_KEY}, .maps = KEYED),
    P(map_push_elem, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_VALUE, ARG_ANY}, .maps = QUEUES),
    P(map_pop_elem, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_VALUE_OUT},
      .maps = QUEUES & ~MAPS_OF(BPF_MAP_TYPE_BLOOM_FILTER)),
    /* A Bloom filter reads what it is asked for; others only write it. */
    P(map_peek_elem, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_VALUE_OUT}, .maps = QUEUES),
    P(map_lookup_percpu_elem, .ret = RET_VALUE_OR_NULL, .arg = {ARG_MAP, ARG_KEY, ARG_ANY}, .maps = PERCPU),
    P(for_each_map_elem, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_CALLBACK, ARG_STACK_OR_NULL, ARG_ANY},
      .flags = PROTO_EACH, .maps = KEYED & ~MAPS_OF(BPF_MAP_TYPE_LPM_TRIE)),
    P(loop, .ret = RET_SCALAR, .arg = {ARG_ANY, ARG_CALLBACK, ARG_STACK_OR_NULL, ARG_ANY}, .flags = PROTO_LOOP),
    P(tail_call, .ret = RET_VOID, .arg = {ARG_CTX, ARG_MAP, ARG_ANY}, .flags = PROTO_TAIL_CALL,
      .maps = MAPS_OF(BPF_MAP_TYPE_PROG_ARRAY)),

    P(probe_read, .ret = RET_SCALAR, .arg = READ_ARGS),
    P(probe_read_str, .ret = RET_SCALAR, .arg = READ_ARGS, .flags = PROTO_RANGE),
    P(probe_read_user, .ret = RET_SCALAR, .arg = READ_ARGS),
    P(probe_read_user_str, .ret = RET_SCALAR, .arg = READ_ARGS, .flags = PROTO_RANGE),
    P(probe_read_kernel, .ret = RET_SCALAR, .arg = READ_ARGS),
    P(probe_read_kernel_str, .ret = RET_SCALAR, .arg = READ_ARGS, .flags = PROTO_RANGE),
    P(copy_from_user, .ret = RET_SCALAR, .arg = READ_ARGS),
    P(probe_write_user, .ret = RET_SCALAR, .arg = {ARG_ANY, ARG_MEM, ARG_SIZE}),
    P(strncmp, .ret = RET_SCALAR, .arg = {ARG_MEM, ARG_SIZE, ARG_STR}),
    P(strtol, .ret = RET_SCALAR, .arg = {ARG_MEM, ARG_SIZE, ARG_ANY, ARG_LONG_OUT}),
    P(strtoul, .ret = RET_SCALAR, .arg = {ARG_MEM, ARG_SIZE, ARG_ANY, ARG_LONG_OUT}),
    P(snprintf, .ret = RET_SCALAR,
      .arg = {ARG_MEM_OUT | ARG_OR_NULL, ARG_SIZE_OR_ZERO, ARG_STR, ARG_MEM | ARG_OR_NULL, ARG_SIZE_OR_ZERO}),
    /* What it prints it takes from R3 to R5, as the kernel: a format with less leaves them unread. */
    P(trace_printk, .ret = RET_SCALAR, .arg = {ARG_MEM, ARG_SIZE}),
    P(trace_vprintk, .ret = RET_SCALAR, .arg = {ARG_MEM, ARG_SIZE, ARG_MEM | ARG_OR_NULL, ARG_SIZE_OR_ZERO}),

    P(get_current_pid_tgid, .ret = RET_SCALAR),
    P(get_current_uid_gid, .ret = RET_SCALAR),
    P(get_current_comm, .ret = RET_SCALAR, .arg = {ARG_MEM_OUT, ARG_SIZE}),
    P(get_current_task, .ret = RET_SCALAR),
    P(get_ns_current_pid_tgid, .ret = RET_SCALAR, .arg = {ARG_ANY, ARG_ANY, ARG_MEM_OUT, ARG_SIZE}),
    P(get_current_cgroup_id, .ret = RET_SCALAR),
    P(get_smp_processor_id, .ret = RET_SCALAR),
    P(get_numa_node_id, .ret = RET_SCALAR),
    P(get_prandom_u32, .ret = RET_SCALAR),
    P(ktime_get_ns, .ret = RET_SCALAR),
    P(ktime_get_boot_ns, .ret = RET_SCALAR),
    P(ktime_get_coarse_ns, .ret = RET_SCALAR),
    P(ktime_get_tai_ns, .ret = RET_SCALAR),
    P(jiffies64, .ret = RET_SCALAR),
    P(send_signal, .ret = RET_SCALAR, .arg = {ARG_ANY}),
    P(send_signal_thread, .ret = RET_SCALAR, .arg = {ARG_ANY}),
    P(override_return, .ret = RET_SCALAR, .arg = {ARG_CTX, ARG_ANY}),
    P(get_attach_cookie, .ret = RET_SCALAR, .arg = {ARG_CTX}),
    P(get_retval, .ret = RET_SCALAR),
    P(set_retval, .ret = RET_SCALAR, .arg = {ARG_ANY}),
    P(get_stackid, .ret = RET_SCALAR, .arg = {ARG_CTX, ARG_MAP, ARG_ANY}, .maps = MAPS_OF(BPF_MAP_TYPE_STACK_TRACE)),
    P(get_stack, .ret = RET_SCALAR, .arg = {ARG_CTX, ARG_MEM_OUT, ARG_SIZE_OR_ZERO, ARG_ANY}, .flags = PROTO_RANGE),

    P(perf_event_output, .ret = RET_SCALAR, .arg = {ARG_CTX, ARG_MAP, ARG_ANY, ARG_MEM, ARG_SIZE_OR_ZERO},
      .maps = MAPS_OF(BPF_MAP_TYPE_PERF_EVENT_ARRAY)),
    P(ringbuf_output, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_MEM, ARG_SIZE_OR_ZERO, ARG_ANY},
      .maps = MAPS_OF(BPF_MAP_TYPE_RINGBUF)),
    P(ringbuf_reserve, .ret = RET_RECORD_OR_NULL, .arg = {ARG_MAP, ARG_CONST_SIZE, ARG_ANY},
      .maps = MAPS_OF(BPF_MAP_TYPE_RINGBUF)),
    P(ringbuf_submit, .ret = RET_VOID, .arg = {ARG_RECORD, ARG_ANY}),
    P(ringbuf_discard, .ret = RET_VOID, .arg = {ARG_RECORD, ARG_ANY}),
    P(ringbuf_query, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_ANY}, .maps = MAPS_OF(BPF_MAP_TYPE_RINGBUF)),

    P(get_current_task_btf, .ret = RET_TASK),
    P(task_storage_get, .ret = RET_VALUE_OR_NULL, .arg = {ARG_MAP, ARG_TASK, ARG_VALUE | ARG_OR_NULL, ARG_ANY},
      .maps = MAPS_OF(BPF_MAP_TYPE_TASK_STORAGE)),
    P(task_storage_delete, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_TASK}, .maps = MAPS_OF(BPF_MAP_TYPE_TASK_STORAGE)),
    P(user_ringbuf_drain, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_CALLBACK, ARG_STACK_OR_NULL, ARG_ANY},
      .flags = PROTO_DRAIN, .maps = MAPS_OF(BPF_MAP_TYPE_USER_RINGBUF)),
    P(ringbuf_reserve_dynptr, .ret = RET_SCALAR, .arg = {ARG_MAP, ARG_ANY, ARG_ANY, ARG_DYNPTR_NEW},
      .flags = PROTO_DYN_RING, .maps = MAPS_OF(BPF_MAP_TYPE_RINGBUF)),
    P(ringbuf_submit_dynptr, .ret = RET_VOID, .arg = {ARG_DYNPTR_RING, ARG_ANY}),
    P(ringbuf_discard_dynptr, .ret = RET_VOID, .arg = {ARG_DYNPTR_RING, ARG_ANY}),
    P(dynptr_from_mem, .ret = RET_SCALAR, .arg = {ARG_MEM_OUT, ARG_SIZE_OR_ZERO, ARG_ANY, ARG_DYNPTR_NEW},
      .flags = PROTO_DYN_LOCAL),
    P(dynptr_write, .ret = RET_SCALAR, .arg = {ARG_DYNPTR, ARG_ANY, ARG_MEM, ARG_SIZE_OR_ZERO, ARG_ANY}),
    P(dynptr_data, .ret = RET_MEM_OR_NULL, .arg = {ARG_DYNPTR, ARG_ANY, ARG_CONST_SIZE}),
    P(dynptr_read, .ret = RET_SCALAR, .arg = {ARG_MEM_OUT, ARG_SIZE_OR_ZERO, ARG_DYNPTR, ARG_ANY, ARG_ANY}),

    P(spin_lock, .ret = RET_VOID, .arg = {ARG_LOCK}, .flags = PROTO_LOCK),
    P(spin_unlock, .ret = RET_VOID, .arg = {ARG_LOCK}, .flags = PROTO_UNLOCK),
    P(timer_init, .ret = RET_SCALAR, .arg = {ARG_TIMER, ARG_MAP, ARG_ANY}),
    P(timer_set_callback, .ret = RET_SCALAR, .arg = {ARG_TIMER, ARG_CALLBACK}, .flags = PROTO_TIMER),
    P(timer_start, .ret = RET_SCALAR, .arg = {ARG_TIMER, ARG_ANY, ARG_ANY}),
    P(timer_cancel, .ret = RET_SCALAR, .arg = {ARG_TIMER}),

    [OWN_PATH] = {.known = 1, .arg = {ARG_MEM_OUT, ARG_SIZE, ARG_ANY, ARG_ANY}, .flags = PROTO_RANGE},
    [OWN_FD_PATH] = {.known = 1, .arg = {ARG_MEM_OUT, ARG_SIZE, ARG_ANY}, .flags = PROTO_RANGE},
    [OWN_MOUNT] = {.known = 1, .arg = {ARG_ANY, ARG_ANY}},
    [OWN_FD_MOUNT] = {.known = 1, .arg = {ARG_ANY}},
    [OWN_TO_KERNEL] = {.known = 1, .arg = {ARG_CTX}},
    [OWN_WAY] = {.known = 1, .arg = {ARG_CTX}},
    [OWN_SET_PATH] = {.known = 1, .arg = {ARG_CTX, ARG_ANY, ARG_MEM, ARG_SIZE}},
    [OWN_DELAY] = {.known = 1, .arg = {ARG_ANY}},
    [OWN_MATCH] = {.known = 1, .arg = {ARG_MEM, ARG_SIZE, ARG_MEM, ARG_SIZE}},
};

static const char *const names[] = {
#define FN(x) [BPF_FUNC_##x] = #x
    __BPF_FUNC_MAPPER(FN)
#undef FN
	[OWN_PATH] = "btfuse_path",
    [OWN_FD_PATH] = "btfuse_fd_path",
    [OWN_MOUNT] = "btfuse_mount",
    [OWN_FD_MOUNT] = "btfuse_fd_mount",
    [OWN_TO_KERNEL] = "btfuse_to_kernel",
    [OWN_WAY] = "btfuse_way",
    [OWN_SET_PATH] = "btfuse_set_path",
    [OWN_DELAY] = "btfuse_delay",
    [OWN_MATCH] = "btfuse_match",
};

const struct proto *proto_of(uint32_t helper)
{
	if (helper >= array_len(protos) || !protos[helper].known)
		return NULL;
	return &protos[helper];
}

const char *proto_name(uint32_t helper)
{
	return helper < array_len(names) ? names[helper] : NULL;
}
