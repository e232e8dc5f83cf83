/* Words of the files that implement helpers. */
#pragma once

#include "maps/helper.h"
#include "maps/internal.h"

#define HELPER(name) static uint64_t name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)

static inline struct map *map_arg(uint64_t a)
{
	return (struct map *)(uintptr_t)a;
}

static inline void *ptr(uint64_t a)
{
	return (void *)(uintptr_t)a;
}

static inline uint64_t addr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static inline uint64_t num(int64_t v)
{
	return (uint64_t)v;
}

static inline struct maps_run *owner_of(struct run *run)
{
	return run->owner;
}

static inline struct task *task_of(struct run *run)
{
	return owner_of(run)->t;
}

/* One convention, see run_fn: the arguments by their position. */
#define HELP(name) uint64_t help_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
HELP(cgroup_id);
HELP(comm);
HELP(cookie);
HELP(copy_from_user);
HELP(get_retval);
HELP(jiffies);
HELP(ktime);
HELP(ktime_boot);
HELP(ktime_coarse);
HELP(ktime_tai);
HELP(ns_pid_tgid);
HELP(numa_node);
HELP(override);
HELP(perf_output);
HELP(pid_tgid);
HELP(prandom);
HELP(probe_read);
HELP(probe_read_str);
HELP(probe_write_user);
HELP(ring_discard);
HELP(ring_output);
HELP(ring_query);
HELP(ring_reserve);
HELP(ring_submit);
HELP(send_signal);
HELP(send_signal_thread);
HELP(set_retval);
HELP(snprintf);
HELP(spin_lock);
HELP(spin_unlock);
HELP(stack);
HELP(stackid);
HELP(storage_delete);
HELP(storage_get);
HELP(strncmp);
HELP(strtol);
HELP(strtoul);
HELP(task);
HELP(trace_printk);
HELP(trace_vprintk);
HELP(uid_gid);
HELP(hash_lookup4);
HELP(hash_lookup8);
HELP(hash_lookup_cpu4);
HELP(hash_lookup_cpu8);
HELP(hash_update4);
HELP(hash_update8);
HELP(hash_delete4);
HELP(hash_delete8);
HELP(timer_init);
HELP(timer_set_callback);
HELP(timer_start);
HELP(timer_cancel);
HELP(user_ring_drain);
HELP(dynptr_from_mem);
HELP(dynptr_read);
HELP(dynptr_write);
HELP(dynptr_data);
HELP(ring_reserve_dynptr);
HELP(ring_submit_dynptr);
HELP(ring_discard_dynptr);
#undef HELP
