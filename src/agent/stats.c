/* Summing up. Counters of a thread that is still running may be a few calls behind. */
#include "agent/stats.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <time.h>

#include "agent/thread.h"
#include "base/atomic.h"
#include "base/sys.h"

_Static_assert(STATS_NR == AGENT_NR, "one file layout");

struct stats_file *stats_file;

static struct stats_process *mine; /* NULL: there is no record left */

static uint64_t now(void)
{
	struct timespec ts = {0};

	sys_clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* This process, or this program of it, begins. */
static void new_process(void)
{
	uint64_t i = fetch_add(&stats_file->processes, 1);

	mine = i < STATS_PROCESSES ? &stats_file->process[i] : NULL;
	if (mine == NULL)
		return;
	sys_call3(SYS_prctl, PR_GET_NAME, (long)mine->name, 0);
	mine->start = now();
	store_release(&mine->pid, (uint32_t)sys_getpid());
}

void stats_start(const char *path)
{
	long fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0);
	void *p;

	if (fd < 0)
		return;
	p = sys_mmap(NULL, sizeof(*stats_file), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
	sys_close((int)fd);
	if (sys_is_err(p))
		return;
	stats_file = p;
	new_process();
}

void stats_add(enum stats_event e, uint64_t n)
{
	if (stats_file != NULL)
		fetch_add(&stats_file->events[e], n);
}

void stats_event(enum stats_event e)
{
	stats_add(e, 1);
}

void stats_handed(unsigned nr, enum stats_why why)
{
	fetch_add(&stats_file->handed[why][nr], 1);
}

static void add_to_process(uint64_t seen, uint64_t answered)
{
	uint64_t at = now(), old;

	if (mine == NULL)
		return;
	fetch_add(&mine->seen, seen);
	fetch_add(&mine->answered, answered);
	old = load_relaxed(&mine->end);
	while (old < at && !cas(&mine->end, &old, at))
		;
}

void stats_thread(struct agent_thread *t)
{
	uint64_t seen = 0, answered = 0;

	if (stats_file == NULL)
		return;
	for (unsigned nr = 0; nr < AGENT_NR; nr++) {
		if (t->calls[nr] == 0)
			continue;
		fetch_add(&stats_file->calls[nr], t->calls[nr]);
		fetch_add(&stats_file->answered[nr], t->answered[nr]);
		seen += t->calls[nr];
		answered += t->answered[nr];
		t->calls[nr] = t->answered[nr] = 0;
	}
	add_to_process(seen, answered);
}

static void add_one(struct agent_thread *t, void *arg)
{
	stats_thread(t);
}

void stats_process(void)
{
	if (stats_file != NULL)
		thread_each(add_one, NULL);
}

void stats_forked(void)
{
	/* The child's own page was clean when it was made; the others are gone. */
	stats_event(STATS_FORKED);
	if (stats_file != NULL)
		new_process();
}
