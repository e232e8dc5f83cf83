/*
 * bt-fuse doctor: what this machine has of the things that bt-fuse uses, and what
 * to do about what is not there. Each check looks at one thing and changes
 * nothing (a cache directory may come into being). Three grades: ok; slow, where it
 * works without; and missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/json.h"
#include "control/rundir.h"
#include "launch/run.h"
#include "loop/loop.h"

#define HWCAP2_WRGSBASE 2
#define MIB (UINT64_C(1) << 20)

enum grade { OK, SLOW, MISSING };

static const char *const grade_name[] = {"ok", "slow", "missing"};

struct finding {
	enum grade grade;
	char value[160];    /* what there is */
	const char *remedy; /* one line; not for OK */
};

static void found(struct finding *f, enum grade grade, const char *value, const char *remedy)
{
	f->grade = grade;
	f->remedy = remedy;
	snprintf(f->value, sizeof(f->value), "%s", value);
}

/* The first line of a file; "" where it cannot be read. */
static void first_line(const char *path, char *text, size_t size)
{
	FILE *in = fopen(path, "re");

	text[0] = 0;
	if (!in)
		return;
	if (fgets(text, (int)size, in))
		text[strcspn(text, "\n")] = 0;
	fclose(in);
}

/* ---- The kernel -------------------------------------------------------------------------- */

static void check_kernel(struct finding *f)
{
	struct utsname u;
	int major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	found(f, major > 5 || (major == 5 && minor >= 11) ? OK : MISSING, u.release,
	      "use Linux 5.11 or later: the agent and the daemon's loop count on it");
}

static void check_gsbase(struct finding *f)
{
	bool has = getauxval(AT_HWCAP2) & HWCAP2_WRGSBASE;

	found(f, has ? OK : MISSING, has ? "wrgsbase is allowed" : "wrgsbase is not allowed",
	      "boot without nofsgsbase, on a processor with FSGSBASE: `run` works through the kernel until then");
}

static void check_uring(struct finding *f)
{
	struct loop *l = NULL;
	bool uring = loop_open(LOOP_BEST, &l) == 0 && strcmp(loop_name(l), "io_uring") == 0;
	char text[32];

	first_line("/proc/sys/kernel/io_uring_disabled", text, sizeof(text));
	found(f, uring ? OK : SLOW, uring ? "allowed" : "forbidden: the daemon's loop uses epoll",
	      *text && *text != '0' ? "sysctl kernel.io_uring_disabled=0"
				    : "allow io_uring_setup in the container's seccomp profile, or raise ulimit -l");
	loop_close(l);
}

static void check_words(struct finding *f)
{
	struct loop *l = NULL;
	bool words = loop_open(LOOP_BEST, &l) == 0 && loop_has_words(l);

	found(f, words ? OK : SLOW,
	      words ? "io_uring waits for futexes" : "a thread waits for hooked processes' requests",
	      "use Linux 6.7 or later, with io_uring: a request to the daemon is answered some 5 us sooner");
	loop_close(l);
}

static void check_huge(struct finding *f)
{
	char text[128];
	bool never;

	first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled", text, sizeof(text));
	never = strstr(text, "[never]") || strstr(text, "[deny]") || !*text;
	found(
	    f, never ? SLOW : OK, *text ? text : "not in this kernel",
	    "echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled: the first touch of much data costs less");
}

/* ---- FUSE --------------------------------------------------------------------------------- */

static void check_device(struct finding *f)
{
	bool there = access("/dev/fuse", F_OK) == 0, open = access("/dev/fuse", R_OK | W_OK) == 0;

	found(f, open ? OK : MISSING,
	      open    ? "/dev/fuse"
	      : there ? "/dev/fuse: not permitted"
		      : "no /dev/fuse",
	      there ? "chmod 0666 /dev/fuse" : "modprobe fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN");
}

static bool find_setuid(const char *name)
{
	const char *path = getenv("PATH");
	autofree char *copy = strdup(path ? path : "/usr/bin:/bin");
	char *rest = copy, *dir;

	while (copy && (dir = strsep(&rest, ":"))) {
		char file[4096];
		struct stat st;
		int n = snprintf(file, sizeof(file), "%s/%s", dir, name);

		if (n > 0 && n < (int)sizeof(file) && stat(file, &st) == 0)
			return (st.st_mode & S_ISUID) && st.st_uid == 0;
	}
	return false;
}

static void check_fusermount(struct finding *f)
{
	bool has = find_setuid("fusermount3");

	found(f,
	      has	       ? OK
	      : geteuid() == 0 ? SLOW
			       : MISSING,
	      has ? "setuid root" : "not there, or not setuid root", "apt install fuse3: ordinary users mount with it");
}

static void check_allow_other(struct finding *f)
{
	FILE *in = fopen("/etc/fuse.conf", "re");
	char line[256];
	bool has = false;

	while (in && fgets(line, sizeof(line), in))
		has |= strncmp(line, "user_allow_other", 16) == 0;
	if (in)
		fclose(in);
	found(f, has || geteuid() == 0 ? OK : SLOW,
	      has	       ? "set in /etc/fuse.conf"
	      : geteuid() == 0 ? "not set; root needs it not"
			       : "not set",
	      "add user_allow_other to /etc/fuse.conf: only then may ordinary users mount with -o allow_other");
}

/* ---- Room --------------------------------------------------------------------------------- */

static void check_files(struct finding *f)
{
	struct rlimit l = {0};
	char text[64];

	getrlimit(RLIMIT_NOFILE, &l);
	snprintf(text, sizeof(text), "%llu, at most %llu", (unsigned long long)l.rlim_cur,
		 (unsigned long long)l.rlim_max);
	found(f,
	      l.rlim_cur < 64	  ? MISSING
	      : l.rlim_max < 1024 ? SLOW
				  : OK,
	      text, "ulimit -n 1024: a mount serves as many hooked processes at once as it may have descriptors");
}

static void check_memlock(struct finding *f)
{
	struct rlimit l = {0};
	char text[64];

	getrlimit(RLIMIT_MEMLOCK, &l);
	if (l.rlim_cur == RLIM_INFINITY)
		snprintf(text, sizeof(text), "no limit");
	else
		snprintf(text, sizeof(text), "%llu KiB", (unsigned long long)l.rlim_cur / 1024);
	found(f, l.rlim_cur < 64 * 1024 && geteuid() != 0 ? SLOW : OK, text,
	      "ulimit -l 64: before Linux 5.12 io_uring needs it");
}

static void check_shm(struct finding *f)
{
	uint64_t half = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2, room = 0;
	struct statvfs st;
	char text[64];
	bool there = statvfs("/dev/shm", &st) == 0;

	if (there)
		room = st.f_blocks ? (uint64_t)st.f_bavail * st.f_frsize : half;
	snprintf(text, sizeof(text), there ? "%llu MiB free" : "not there", (unsigned long long)(room / MIB));
	found(
	    f,
	    room < 64 * MIB	  ? MISSING
	    : room < half / 8 * 7 ? SLOW
				  : OK,
	    text,
	    "mount -o remount,size=50% /dev/shm (docker: --shm-size): a pool that fits there outlives a killed daemon");
}

static void check_rundir(struct finding *f)
{
	struct rundir dir = {""};
	struct statvfs st;
	char parent[sizeof(dir.path)], *slash;
	bool good = rundir_candidate(0, &dir);

	memcpy(parent, dir.path, sizeof(parent));
	slash = strrchr(parent, '/');
	if (slash)
		*slash = 0;
	good = good && (access(dir.path, F_OK) == 0 ? rundir_trusted(&dir) : access(parent, W_OK) == 0) &&
	       statvfs(access(dir.path, F_OK) == 0 ? dir.path : parent, &st) == 0 && st.f_bavail > 0;
	found(f, good ? OK : MISSING, dir.path,
	      "make it a directory of this user's own with mode 0700 and some room: daemons listen there");
}

/* ---- Programs ------------------------------------------------------------------------------ */

static void check_libc(struct finding *f)
{
	int major = 0, minor = 0;
	char text[64];

	sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor);
	snprintf(text, sizeof(text), "glibc %s", gnu_get_libc_version());
	found(f, major > 2 || minor >= 41 ? MISSING : OK, text,
	      "use glibc before 2.41: from there on it compares addresses when a thread is cancelled");
}

static void check_sites(struct finding *f)
{
	const struct run_options o = {0};
	int n = run_unknown(&o);
	char text[64];

	snprintf(text, sizeof(text), n == 0 ? "known" : "%d objects not known yet", n);
	found(f, n ? SLOW : OK, text, "bt-fuse run true: finds the system calls of this libc once, in some 60 ms");
}

static void check_agent(struct finding *f)
{
	const struct run_options o = {0};
	bool there = run_installed(&o);

	found(f, there ? OK : MISSING, there ? "installed" : "not found", "make install, or run it in the build tree");
}

static const struct check {
	const char *name;
	void (*look)(struct finding *f);
} checks[] = {
    {"kernel", check_kernel},
    {"fsgsbase", check_gsbase},
    {"io_uring", check_uring},
    {"futex-in-io_uring", check_words},
    {"huge-pages-shm", check_huge},
    {"dev-fuse", check_device},
    {"fusermount3", check_fusermount},
    {"user_allow_other", check_allow_other},
    {"nofile", check_files},
    {"memlock", check_memlock},
    {"dev-shm", check_shm},
    {"runtime-dir", check_rundir},
    {"libc", check_libc},
    {"libc-sites", check_sites},
    {"agent", check_agent},
};

/* ---- Showing -------------------------------------------------------------------------------- */

static void show_json(const struct check *c, const struct finding *f, bool first)
{
	printf("%s\n  {\"check\": \"%s\", \"grade\": \"%s\", \"value\": ", first ? "" : ",", c->name,
	       grade_name[f->grade]);
	json_text(f->value);
	if (f->grade != OK) {
		printf(", \"remedy\": ");
		json_text(f->remedy);
	}
	printf("}");
}

static void show_line(const struct check *c, const struct finding *f)
{
	printf("%-8s %-18s %s%s%s\n", grade_name[f->grade], c->name, f->value,
	       f->grade == OK ? "" : "; remedy: ", f->grade == OK ? "" : f->remedy);
}

int cmd_doctor(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	bool json = false, missing = false;
	int c;

	while ((c = args_next(argc, argv, ":", longs, err)) != -1) {
		if (c != 'j')
			return -EINVAL;
		json = true;
	}
	if (optind != argc)
		return err_set(err, -EINVAL, "doctor: %s: takes no argument", argv[optind]);
	if (json)
		printf("[");
	for (size_t i = 0; i < array_len(checks); i++) {
		struct finding f = {OK, "", ""};

		checks[i].look(&f);
		missing |= f.grade == MISSING;
		if (json)
			show_json(&checks[i], &f, i == 0);
		else
			show_line(&checks[i], &f);
	}
	if (json)
		printf("\n]\n");
	return missing ? 1 : 0;
}
