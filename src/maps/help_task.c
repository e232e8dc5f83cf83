/*
 * Helpers that ask who runs, and when. What only the process knows comes from
 * its host (helper.h).
 */
#include <time.h>

#include "base/sys.h"
#include "maps/help.h"

#define TICK_NS 4000000u /* a jiffy: Linux on x86-64 is built with 250 a second by nearly everybody */

static uint64_t clock_ns(struct run *run, int clock)
{
	struct task *t = task_of(run);
	struct timespec ts = {0};

	if (!t->clock || t->clock(clock, &ts) != 0)
		sys_clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#define CLOCK_HELPER(name, clock)                                                                                      \
	uint64_t name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)                    \
	{                                                                                                              \
		return clock_ns(run, clock);                                                                           \
	}
CLOCK_HELPER(help_ktime, CLOCK_MONOTONIC)
CLOCK_HELPER(help_ktime_boot, CLOCK_BOOTTIME)
CLOCK_HELPER(help_ktime_coarse, CLOCK_MONOTONIC_COARSE)
CLOCK_HELPER(help_ktime_tai, CLOCK_TAI)

uint64_t help_jiffies(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	/* The kernel's count begins five minutes before 2^32. */
	return clock_ns(run, CLOCK_MONOTONIC_COARSE) / TICK_NS + (uint32_t)(0 - 300u * (1000000000u / TICK_NS));
}

uint64_t help_prandom(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);
	uint64_t x = mr->prandom;

	if (!x)
		x = (__builtin_ia32_rdtsc() ^ (uint64_t)mr->t->slot->tid << 32) | 1;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	mr->prandom = x;
	return (uint32_t)(x >> 32);
}

uint64_t help_pid_tgid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	return mr->host->pid_tgid(mr);
}

uint64_t help_uid_gid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	return mr->host->uid_gid(mr);
}

uint64_t help_comm(uint64_t buf, uint64_t size, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);
	char comm[16] = "", *to = ptr(buf);
	uint32_t room = (uint32_t)size, n = 0;

	mr->host->comm(mr, comm);
	for (; n + 1 < room && n < sizeof comm - 1 && comm[n]; n++)
		to[n] = comm[n];
	mem_zero(to + n, room - n);
	return 0;
}

uint64_t help_task(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	return addr(mr->host->task(mr));
}

struct ns_info {
	uint32_t pid, tgid;
};

uint64_t help_ns_pid_tgid(uint64_t dev, uint64_t ino, uint64_t out, uint64_t size, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);
	struct ns_info *info = ptr(out);
	uint64_t our_dev = 0, our_ino = 0, id;
	int err = (uint32_t)size == sizeof *info ? mr->host->ns(mr, &our_dev, &our_ino) : -EINVAL;

	if (!err && (our_dev != dev || our_ino != ino))
		err = -EINVAL;
	if (err) {
		mem_zero(info, (uint32_t)size);
		return num(err);
	}
	id = mr->host->pid_tgid(mr);
	*info = (struct ns_info){.pid = (uint32_t)id, .tgid = (uint32_t)(id >> 32)};
	return 0;
}

/* There is one control group, the root's. */
uint64_t help_cgroup_id(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	return 1;
}

uint64_t help_numa_node(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	uint32_t v = 0;

	__asm__("lsl %1, %0" : "=r"(v) : "r"(15u * 8 + 3), "0"(v));
	return v >> 12;
}

uint64_t help_send_signal(uint64_t sig, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	return num(mr->host->send_signal(mr, (uint32_t)sig, false));
}

uint64_t help_send_signal_thread(uint64_t sig, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	return num(mr->host->send_signal(mr, (uint32_t)sig, true));
}

uint64_t help_override(uint64_t ctx, uint64_t value, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	return num(mr->host->override(mr, ptr(ctx), value));
}

uint64_t help_cookie(uint64_t ctx, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	return mr->host->cookie(mr, ptr(ctx));
}

uint64_t help_get_retval(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	return num(mr->host->get_retval(mr));
}

uint64_t help_set_retval(uint64_t value, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	return num(mr->host->set_retval(mr, (int)value));
}
