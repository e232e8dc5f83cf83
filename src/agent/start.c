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
#include "agent/image.h"
#include "agent/mem.h"
#include "agent/object.h"
#include "agent/signals.h"
#include "agent/stats.h"
#include "agent/thread.h"
#include "agent/unknown.h"
#include "agent/user.h"
#include "agent/vdso.h"
#include "base/sys.h"
#include "launch/copy_mode.h"

#define HWCAP2_WRGSBASE 2 /* Linux 5.9: the kernel lets user space set the base of %gs */

void agent_start(int argc, char **argv, char **envp);

__attribute__((weak)) void agent_setup(const char *config)
{
}

/*
 * gcc's -fsanitize=address ends a program whose first library is not its own; unless its options
 * say otherwise, whose defaults it looks up by this name (sanitizer flags, gcc 8 and later).
 */
__attribute__((visibility("default"))) const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "verify_asan_link_order=0";
}

static size_t field(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0' && s[n] != ':')
		n++;
	return n;
}

static unsigned decimal(const char *s)
{
	unsigned n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + (unsigned)(*s++ - '0');
	return n;
}

/* One field of the configuration, copied; what follows it. */
static const char *take_field(const char *s, char *out, size_t size)
{
	size_t n = field(s);

	if (n < size) {
		memcpy(out, s, n);
		out[n] = '\0';
	} else {
		out[0] = '\0';
	}
	return s[n] == ':' ? s + n + 1 : s + n;
}

/*
 * "[!]<table>[:<statistics>[:<copy mode>[.<filters>][:<for the handlers>]]]"; the last is
 * returned. "!": this process is to make images.
 */
static const char *configure(const char *config)
{
	bool make = config[0] == '!';
	char path[512];

	config = take_field(config + make, path, sizeof(path));
	object_table(path);
	image_start(path, make);
	config = take_field(config, path, sizeof(path));
	if (path[0] != '\0')
		stats_start(path);
	config = take_field(config, path, sizeof(path));
	agent_copy_mode = path[0] >= '0' && path[0] <= '2' ? (uint32_t)(path[0] - '0') : COPY_SSE;
	if (path[0] != '\0' && path[1] == '.')
		unknown_filters((uint32_t)decimal(path + 2));
	return config;
}

static bool come_up(const unsigned long *auxv, const char *rest)
{
	int sites;
	bool up;

	if (!(aux(auxv, AT_HWCAP2) & HWCAP2_WRGSBASE))
		return false;
	thread_start();
	calls_register();
	agent_setup(rest);
	sites = object_patch_all(auxv);
	stats_add(STATS_SITES, (uint64_t)max_of(sites, 0));
	up = sites != 0 && signal_start() == 0;
	/* What its predecessor had open is its own, whether calls are caught or not. */
	if ((!up || sites < 0) && agent_hooks.blind != NULL)
		agent_hooks.blind(agent_self());
	if (up && agent_hooks.started != NULL)
		agent_hooks.started(agent_self());
	return up;
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
	const char *config, *rest;
	uint64_t begin = now();

	/* Another C library passes nothing to initialisers. */
	if (argv == NULL || envp != argv + argc + 1)
		return;
	config = env_take(envp, &auxv);
	if (config == NULL)
		return;
	rest = configure(config);
	vdso_found((const void *)aux(auxv, AT_SYSINFO_EHDR));
	stats_event(come_up(auxv, rest) ? STATS_STARTED : STATS_PASSIVE);
	stats_add(STATS_START_NS, now() - begin);
}
