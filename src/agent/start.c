/*
 * The start: the loader calls this first of all initialisers (-z initfirst),
 * with every library of the program mapped and relocated and no other thread
 * there. Whatever is missing, the agent stays away and the program runs as
 * without it, through the kernel.
 */
#include <time.h>

#include "agent/agent.h"
#include "agent/auxv.h"
#include "agent/calls.h"
#include "agent/exec.h"
#include "agent/mem.h"
#include "agent/object.h"
#include "agent/signals.h"
#include "agent/stats.h"
#include "agent/thread.h"
#include "base/sys.h"

#define HWCAP2_WRGSBASE 2 /* Linux 5.9: the kernel lets user space set the base of %gs */

void agent_start(int argc, char **argv, char **envp);

__attribute__((weak)) void agent_setup(void)
{
}

/* "<table>[:<statistics>]" */
static void configure(const char *config)
{
	char path[512];
	size_t n = 0;

	while (config[n] != '\0' && config[n] != ':')
		n++;
	if (n >= sizeof(path))
		return;
	memcpy(path, config, n);
	path[n] = '\0';
	object_table(path);
	if (config[n] == ':')
		stats_start(config + n + 1);
}

static bool come_up(const unsigned long *auxv)
{
	int sites;

	if (!(aux(auxv, AT_HWCAP2) & HWCAP2_WRGSBASE) || thread_start() != 0)
		return false;
	calls_register();
	agent_setup();
	sites = object_patch_all(auxv);
	if (sites == 0)
		return false;
	stats_add(STATS_SITES, (uint64_t)sites);
	return signal_start() == 0;
}

static uint64_t now(void)
{
	struct timespec ts = {0};

	sys_clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void agent_start(int argc, char **argv, char **envp)
{
	const unsigned long *auxv;
	const char *config;
	uint64_t begin = now();

	/* Another C library passes nothing to initialisers. */
	if (argv == NULL || envp != argv + argc + 1)
		return;
	config = env_take(envp, &auxv);
	if (config == NULL)
		return;
	configure(config);
	stats_event(come_up(auxv) ? STATS_STARTED : STATS_PASSIVE);
	stats_add(STATS_START_NS, now() - begin);
}
