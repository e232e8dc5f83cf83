/*
 * Credentials of the model test. Switching works thread by thread, as file
 * system checks do: glibc's wrappers would change all threads, so the system
 * calls are made directly. The saved uid stays 0, so that root comes back.
 */
#include "cred.h"

#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static gid_t own_groups[64];
static const gid_t groups1[] = {2001};
static const gid_t groups2[] = {2000, 2001};

static struct fs_cred creds[CRED_N] = {
    {.groups = own_groups},
    {.uid = 1001, .gid = 2001, .groups = groups1, .ngroups = 1},
    {.uid = 1002, .gid = 2002, .groups = groups2, .ngroups = 2},
    {.uid = 1003, .gid = 2003, .groups = NULL, .ngroups = 0},
};
static bool whole_ids;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local int current;

static uint64_t effective_caps(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {0};

	if (syscall(SYS_capget, &h, d) < 0)
		return 0;
	return d[0].effective | (uint64_t)d[1].effective << 32;
}

/* Do this namespace's ids cover all there are? Else capabilities are not worth what they say. */
static bool in_first_namespace(void)
{
	unsigned long long in, out, n;
	FILE *f = fopen("/proc/self/uid_map", "r");
	bool ok = f && fscanf(f, "%llu %llu %llu", &in, &out, &n) == 3 && in == 0 && out == 0 && n >= 4294967295u;

	if (f)
		fclose(f);
	return ok;
}

static void read_own(void)
{
	static const struct {
		int linux_cap;
		enum fs_cap cap;
	} map[] = {
	    {CAP_CHOWN, FS_CAP_CHOWN},
	    {CAP_DAC_OVERRIDE, FS_CAP_DAC_OVERRIDE},
	    {CAP_DAC_READ_SEARCH, FS_CAP_DAC_READ_SEARCH},
	    {CAP_FOWNER, FS_CAP_FOWNER},
	    {CAP_FSETID, FS_CAP_FSETID},
	    {CAP_SYS_ADMIN, FS_CAP_SYS_ADMIN},
	    {CAP_MKNOD, FS_CAP_MKNOD},
	    {CAP_SYS_RESOURCE, FS_CAP_SYS_RESOURCE},
	};
	uint64_t caps = effective_caps();
	int n = getgroups(64, own_groups);

	creds[0].uid = geteuid();
	creds[0].gid = getegid();
	creds[0].ngroups = n > 0 ? (uint32_t)n : 0;
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (caps >> map[i].linux_cap & 1)
			creds[0].caps |= map[i].cap;
	whole_ids = in_first_namespace();
	if (!whole_ids)
		creds[0].caps &= ~(uint32_t)(FS_CAP_SYS_ADMIN | FS_CAP_MKNOD);
}

const struct fs_cred *cred_get(int who)
{
	pthread_once(&once, read_own);
	return &creds[who % CRED_N];
}

bool cred_multiuser(void)
{
	const uint32_t need = FS_CAP_ALL & ~FS_CAP_SYS_RESOURCE;
	const struct fs_cred *c = cred_get(0);

	return whole_ids && c->uid == 0 && (c->caps & need) == need;
}

static void must(long ret)
{
	if (ret == 0)
		return;
	perror("model: cannot switch credentials");
	exit(2);
}

void cred_switch(int who)
{
	const struct fs_cred *c = cred_get(who);

	if (who == current)
		return;
	if (current != 0) {
		must(syscall(SYS_setresuid, -1, creds[0].uid, -1));
		must(syscall(SYS_setresgid, -1, creds[0].gid, -1));
	}
	must(syscall(SYS_setgroups, c->ngroups, c->groups));
	if (who != 0) {
		must(syscall(SYS_setresgid, -1, c->gid, -1));
		must(syscall(SYS_setresuid, -1, c->uid, -1));
	}
	current = who;
}
