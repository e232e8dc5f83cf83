/* Summing up. Counters of a thread that is still running may be a few calls behind. */
#include "agent/stats.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "agent/thread.h"
#include "base/atomic.h"
#include "base/sys.h"

_Static_assert(STATS_NR == AGENT_NR, "one file layout");

static struct stats_file *file;

void stats_start(const char *path)
{
	long fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0);
	void *p;

	if (fd < 0)
		return;
	p = sys_mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
	sys_close((int)fd);
	if (!sys_is_err(p))
		file = p;
}

void stats_add(enum stats_event e, uint64_t n)
{
	if (file != NULL)
		fetch_add(&file->events[e], n);
}

void stats_event(enum stats_event e)
{
	stats_add(e, 1);
}

void stats_thread(struct agent_thread *t)
{
	if (file == NULL)
		return;
	for (unsigned nr = 0; nr < AGENT_NR; nr++) {
		if (t->calls[nr] == 0)
			continue;
		fetch_add(&file->calls[nr], t->calls[nr]);
		fetch_add(&file->answered[nr], t->answered[nr]);
		t->calls[nr] = t->answered[nr] = 0;
	}
}

static void add_one(struct agent_thread *t, void *arg)
{
	stats_thread(t);
}

void stats_process(void)
{
	if (file != NULL)
		thread_each(add_one, NULL);
}

void stats_forked(void)
{
	/* The child's own page was clean when it was made; the others are gone. */
	stats_event(STATS_FORKED);
}
