/*
 * The launcher. All that is slow happens here, once: whatever build is not in
 * the table yet is disassembled by bt-fuse-sites, a process of its own.
 */
#include "launch/run.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/scope.h"
#include "launch/copy_mode.h"
#include "launch/file_id.h"
#include "launch/images.h"
#include "launch/relay.h"
#include "launch/stats.h"
#include "launch/target.h"
#include "sites/table.h"

#define OBJECTS_MAX 64

extern char **environ;

/* --- where things are --- */

/* `name` under the directory of this program, `up` levels higher, if it is there. */
static char *beside(const char *name)
{
	char self[PATH_MAX], *slash, *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	/* Each directory above the program: build trees and prefixes differ in depth only. */
	while ((slash = strrchr(self, '/')) != NULL && slash != self) {
		*slash = '\0';
		if (asprintf(&path, "%s/%s", self, name) < 0)
			return NULL;
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* The program may change its directory before its children look for these. */
static char *absolute(const char *path)
{
	char cwd[PATH_MAX], *joined;

	if (path[0] == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
		return strdup(path);
	return asprintf(&joined, "%s/%s", cwd, path) < 0 ? NULL : joined;
}

static char *locate(const char *given, const char *const *names)
{
	char *found = given != NULL ? absolute(given) : NULL;

	for (; found == NULL && *names != NULL; names++)
		found = beside(*names);
	return found;
}

char *run_find(const char *const *names)
{
	return locate(NULL, names);
}

static char *locate_agent(const struct run_options *o)
{
	static const char *const names[] = {"lib/bt-fuse/libbtfuse-agent.so",
					    "lib/x86_64-linux-gnu/bt-fuse/libbtfuse-agent.so",
					    "src/agent/libbtfuse-agent.so", NULL};

	return locate(o->agent, names);
}

static char *locate_scanner(const struct run_options *o)
{
	static const char *const names[] = {"libexec/bt-fuse/bt-fuse-sites", "src/sites/bt-fuse-sites", NULL};

	return locate(o->scanner, names);
}

static char *table_path(const struct run_options *o)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	autofree char *path = NULL;
	char *table;
	int n;

	if (o->table != NULL)
		return absolute(o->table);
	if (cache != NULL && cache[0] == '/')
		n = asprintf(&path, "%s/bt-fuse", cache);
	else if (home != NULL && home[0] == '/')
		n = asprintf(&path, "%s/.cache/bt-fuse", home);
	else
		n = asprintf(&path, "/run/user/%u/bt-fuse", (unsigned)getuid());
	if (n < 0)
		return NULL;
	for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	mkdir(path, 0700);
	return asprintf(&table, "%s/sites.%u", path, TABLE_VERSION) < 0 ? NULL : table;
}

/* --- the table --- */

struct objects {
	char *path[OBJECTS_MAX + 1];
	int n;
};

static void add_object(struct objects *l, const char *path)
{
	if (l->n < OBJECTS_MAX && access(path, R_OK) == 0)
		l->path[l->n++] = strdup(path);
}

static int add_mapped(struct dl_phdr_info *info, size_t size, void *arg)
{
	static const char *const companions[] = {"liburing.so.2", "libasan.so.8", "libtsan.so.2", "libubsan.so.1",
						 "liblsan.so.0"};
	struct objects *l = arg;
	const char *slash = strrchr(info->dlpi_name, '/');

	if (slash == NULL)
		return 0;
	add_object(l, info->dlpi_name);
	if (strcmp(slash, "/libc.so.6") != 0)
		return 0;
	for (size_t i = 0; i < array_len(companions); i++) {
		autofree char *path = NULL;

		if (asprintf(&path, "%.*s/%s", (int)(slash - info->dlpi_name), info->dlpi_name, companions[i]) > 0)
			add_object(l, path);
	}
	return 0;
}

/* Maps a whole file. NULL, or its bytes and *len. */
static void *map_file(const char *path, size_t *len)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
		return NULL;
	*len = (size_t)st.st_size;
	p = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* What has no code need not be. */
static bool is_known(const struct table *t, const char *path)
{
	const struct site *sites;
	uint8_t id[TABLE_ID_MAX];
	uint32_t n = file_id(path, id);

	return n == 0 || (t->header != NULL && table_find(t, id, n, &sites) >= 0);
}

static int spawn_scanner(const char *scanner, const char *table, char **missing, int n)
{
	char *argv[OBJECTS_MAX + 4] = {(char *)(uintptr_t)scanner, (char *)(uintptr_t) "-o", (char *)(uintptr_t)table};
	int rc, status;
	pid_t pid;

	memcpy(argv + 3, missing, (size_t)n * sizeof(*missing));
	rc = posix_spawn(&pid, scanner, NULL, NULL, argv, environ);
	if (rc != 0)
		return -rc;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* What agents met and found without a call (agent/unknown.h): to be remembered, if it still exists. */
static void add_seen(struct objects *l, const char *table)
{
	autofree char *seen = NULL, *mine = NULL, *line = NULL;
	size_t room = 0;
	ssize_t n;
	FILE *in;

	if (asprintf(&seen, "%s.seen", table) < 0 || access(seen, F_OK) != 0 ||
	    asprintf(&mine, "%s.%d", seen, (int)getpid()) < 0 || rename(seen, mine) != 0)
		return;
	in = fopen(mine, "re");
	while (in && (n = getline(&line, &room, in)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '/')
			add_object(l, line);
	}
	if (in)
		fclose(in);
	unlink(mine);
}

/* Where agents find the scanner: beside the table. */
static void name_scanner(const char *scanner, const char *table)
{
	autofree char *path = absolute(scanner), *link = NULL, *mine = NULL;
	char there[PATH_MAX];
	ssize_t n;

	if (!path || asprintf(&link, "%s.scan", table) < 0)
		return;
	n = readlink(link, there, sizeof(there));
	if ((n == (ssize_t)strlen(path) && memcmp(there, path, (size_t)n) == 0) ||
	    asprintf(&mine, "%s.%d", link, (int)getpid()) < 0)
		return;
	if (symlink(path, mine) == 0 && rename(mine, link) != 0)
		unlink(mine);
}

/* The objects that run here, or are named, and that the table does not know: the list is the caller's. */
static void find_missing(const struct run_options *o, const char *table, struct objects *l)
{
	struct table t = {0};
	size_t len = 0;
	void *map = map_file(table, &len);
	int missing = 0;

	if (map != NULL && table_open(map, len, &t) != 0)
		t.header = NULL;
	dl_iterate_phdr(add_mapped, l);
	for (int i = 0; o->objects != NULL && o->objects[i] != NULL; i++)
		add_object(l, o->objects[i]);
	for (int i = 0; i < l->n; i++) {
		char *path = l->path[i];

		l->path[i] = NULL;
		if (is_known(&t, path))
			free(path);
		else
			l->path[missing++] = path;
	}
	l->n = missing;
	if (map != NULL)
		munmap(map, len);
}

static void free_objects(struct objects *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->path[i]);
}

static int prepare(const struct run_options *o, const char *table)
{
	autofree char *scanner = locate_scanner(o);
	struct objects l = {0};
	int rc = 0;

	if (scanner != NULL)
		name_scanner(scanner, table);
	add_seen(&l, table);
	find_missing(o, table, &l);
	if (l.n != 0) {
		rc = scanner == NULL ? -ENOENT : spawn_scanner(scanner, table, l.path, l.n);
	}
	free_objects(&l);
	return rc;
}

int run_prepare(const struct run_options *o)
{
	autofree char *table = table_path(o);

	return table == NULL ? -ENOMEM : prepare(o, table);
}

int run_unknown(const struct run_options *o)
{
	autofree char *table = table_path(o);
	struct objects l = {0};
	int n;

	if (table == NULL)
		return -ENOMEM;
	find_missing(o, table, &l);
	n = l.n;
	free_objects(&l);
	return n;
}

bool run_installed(const struct run_options *o)
{
	autofree char *agent = locate_agent(o);
	autofree char *scanner = locate_scanner(o);

	return agent != NULL && scanner != NULL;
}

/* --- the program --- */

/* As execvp finds it; NULL where it does not. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	char *found;

	if (strchr(name, '/') != NULL)
		return strdup(name);
	if (path == NULL)
		path = "/bin:/usr/bin";
	while (*path != '\0') {
		size_t n = strcspn(path, ":");

		if (asprintf(&found, "%.*s%s%s", (int)n, path, n != 0 ? "/" : "./", name) < 0)
			return NULL;
		if (access(found, X_OK) == 0)
			return found;
		free(found);
		path += n + (path[n] == ':');
	}
	return NULL;
}

static bool has_separator(const char *path)
{
	return strpbrk(path, ": ") != NULL;
}

/* Where upper halves in use slow down the program's SSE code (Intel's), they are to be left as they were. */
static enum copy_mode copy_mode(void)
{
	unsigned a, b, c, d;

	if (!__builtin_cpu_supports("avx")) /* and the system saves it */
		return COPY_SSE;
	if (__get_cpuid(0, &a, &b, &c, &d) && c == signature_AMD_ecx)
		return COPY_AVX;
	return __get_cpuid_count(0xd, 1, &a, &b, &c, &d) && (a & 4 /* xgetbv of 1 */) ? COPY_AVX_CLEAN : COPY_SSE;
}

/* On system calls, that are in force here, and for all that we start; Linux 5.9. */
static unsigned filters(void)
{
	FILE *in = prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER ? fopen("/proc/self/status", "re") : NULL;
	char line[128];
	unsigned n = 0;

	while (in != NULL && fgets(line, sizeof(line), in) != NULL)
		(void)!sscanf(line, "Seccomp_filters: %u", &n);
	if (in != NULL)
		fclose(in);
	return n;
}

/*
 * The environment with what carries the agent at its end, two entries, so that
 * taking it out leaves the rest where it was.
 */
static char **carry(const char *agent, const char *table, const char *stats, const char *handlers)
{
	char **env, *entry;
	size_t n = 0, out = 0;
	bool joined = false;

	while (environ[n] != NULL)
		n++;
	env = calloc(n + 3, sizeof(*env));
	for (size_t i = 0; env != NULL && i < n; i++) {
		env[out] = environ[i];
		if (!joined && strncmp(environ[i], "LD_PRELOAD=", 11) == 0) {
			if (asprintf(&env[out], "LD_PRELOAD=%s:%s", agent, environ[i] + 11) < 0)
				return NULL;
			joined = true;
		}
		out++;
	}
	if (env == NULL)
		return NULL;
	if (joined)
		entry = strdup("BTFUSE_PAD=");
	else if (asprintf(&entry, "LD_PRELOAD=%s", agent) < 0)
		return NULL;
	env[out++] = entry;
	if (asprintf(&env[out++], "BTFUSE_AGENT=%s:%s:%d.%u:%s", table, stats != NULL ? stats : "", (int)copy_mode(),
		     filters(), handlers != NULL ? handlers : "") < 0)
		return NULL;
	return env;
}

/* ---- images of patched code ---- */

/* Any program does, under an agent that makes images (agent/image.h): the scanner, which is ours, and has nothing to
 * scan. */
static void make_images(const struct run_options *o, const char *agent, const char *table)
{
	autofree char *flagged = NULL, *scanner = locate_scanner(o);
	char *argv[] = {scanner, NULL};
	posix_spawn_file_actions_t actions;
	char **env;
	pid_t pid;
	int status;

	if (scanner == NULL || asprintf(&flagged, "!%s", table) < 0)
		return;
	env = carry(agent, flagged, NULL, o->handlers);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (env != NULL && posix_spawn(&pid, scanner, &actions, NULL, argv, env) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&actions);
}

/* With and without handlers for files other sites are patched. */
static void ensure_images(const struct run_options *o, const char *agent, const char *table)
{
	autofree char *stamp = images_due(agent, table, o->handlers ? "files" : "none");

	if (stamp == NULL)
		return;
	make_images(o, agent, table);
	images_done(stamp);
}

static int report(const char *program, int err)
{
	fprintf(stderr, "bt-fuse: run %s: %s\n", program, strerror(err));
	return err == ENOENT ? 127 : 126;
}

/* As the program has ended, so do we: its exit status, or by the same signal, without a core of our own. */
static int end_like(int status)
{
	const struct rlimit none = {0, 0};

	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	fflush(NULL);
	setrlimit(RLIMIT_CORE, &none);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/* A wait status. */
static int run_counted(const struct run_options *o, const char *program, char **argv, char **env,
		       struct stats_file *stats)
{
	struct timespec begin, end;
	struct rusage used = {0};
	struct relay relay;
	pid_t pid;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	pid = relay_fork(&relay);
	if (pid == 0) {
		execve(program, argv, env);
		_exit(report(argv[0], errno));
	}
	if (pid < 0)
		return W_EXITCODE(report(program, -pid), 0);
	rc = relay_wait(&relay);
	clock_gettime(CLOCK_MONOTONIC, &end);
	getrusage(RUSAGE_CHILDREN, &used);
	stats_print(stats, o->verbose, o->out != NULL ? o->out : stderr);
	if (o->unserved)
		fprintf(o->out != NULL ? o->out : stderr, "bt-fuse: through the kernel: %s\n", o->unserved);
	if (o->processes)
		stats_print_processes(stats, o->out != NULL ? o->out : stderr);
	fprintf(o->out != NULL ? o->out : stderr,
		"bt-fuse: %.3f s in all; %.3f s of processor in the program, %.3f in the kernel\n",
		(double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
		seconds(&used.ru_utime), seconds(&used.ru_stime));
	return rc;
}

int run_exec(const struct run_options *o, char **argv)
{
	autofree char *agent = locate_agent(o), *table = table_path(o), *program = find_program(argv[0]);
	autofree char *stats_path = NULL;
	struct stats_file *stats = NULL;
	char **env = environ;
	int rc;

	if (program == NULL)
		return report(argv[0], ENOENT);
	if (o->stats)
		stats = stats_create(&stats_path);
	if (agent != NULL && table != NULL && !has_separator(agent) && !has_separator(table) &&
	    prepare(o, table) == 0 && target_classify(AT_FDCWD, program, 0) == TARGET_TAKES_AGENT) {
		ensure_images(o, agent, table);
		env = carry(agent, table, stats_path, o->handlers);
	} else if (o->verbose)
		fprintf(stderr, "bt-fuse: run %s: without the agent\n", argv[0]);
	if (env == NULL)
		return report(argv[0], ENOMEM);
	if (stats != NULL) {
		rc = run_counted(o, program, argv, env, stats);
		unlink(stats_path);
		return end_like(rc);
	}
	execve(program, argv, env);
	return report(argv[0], errno);
}
