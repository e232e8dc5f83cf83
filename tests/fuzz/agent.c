/* What the rest of the agent is to its loader's side: see agent.h. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/load.h"
#include "agent/user.h"
#include "base/user.h"
#include "bpfd/bpfd.h"
#include "host.h"

#define CODE (1u << 20)

static struct world world;
static struct agent_thread thread;
static struct world_thread seat;
static struct host host;
static agent_handler handlers[AGENT_NR];
static char socket_path[160];

/* ---- Memory ------------------------------------------------------------------------------ */

/* The kernel copies: what is not there is left. */
static size_t copy(void *dst, const void *src, size_t n)
{
	const struct iovec to = {dst, n}, from = {(void *)(uintptr_t)src, n};
	/* Not the library's, which a sanitizer checks; of the last argument all 64 bits count. */
	long done = n ? syscall(SYS_process_vm_readv, getpid(), &to, 1ul, &from, 1ul, 0ul) : 0;

	return done < 0 ? n : n - (size_t)done;
}

size_t user_copy(void *dst, const void *src, size_t n)
{
	return copy(dst, src, n);
}

size_t agent_copy(void *dst, const void *src, size_t n)
{
	return copy(dst, src, n);
}

size_t user_zero(void *dst, size_t n)
{
	static const char zeros[4096];

	while (n > 0) {
		size_t part = min_of(n, sizeof(zeros));

		if (copy(dst, zeros, part) != 0)
			return n;
		dst = (char *)dst + part;
		n -= part;
	}
	return 0;
}

int user_byte(const void *src)
{
	unsigned char c;

	return copy(&c, src, 1) == 0 ? c : -1;
}

long user_copy_string(char *dst, const char *src, long n)
{
	for (long i = 0; i < n; i++) {
		if (copy(dst + i, src + i, 1) != 0)
			return -1;
		if (!dst[i])
			return i;
	}
	return n;
}

long agent_copy_string(char *dst, const char *src, long n)
{
	long len = user_copy_string(dst, src, n);

	return len < 0 ? -EFAULT : len;
}

/* ---- Calls --------------------------------------------------------------------------------- */

static long hand_on(struct agent_thread *t, struct agent_regs *r)
{
	return AGENT_HAND_ON;
}

agent_handler agent_register(unsigned nr, agent_handler h)
{
	agent_handler before = handlers[nr];

	handlers[nr] = h;
	return before ? before : hand_on;
}

/* What the kernel may do for the loader; all else could reach what is not the test's. */
long agent_pass(struct agent_thread *t, const struct agent_regs *r)
{
	long ret;

	switch (r->rax) {
	case SYS_fcntl:
		if (r->rsi != F_DUPFD && r->rsi != F_DUPFD_CLOEXEC)
			return -ENOSYS;
		break;
	case SYS_close:
	case SYS_dup:
	case SYS_dup2:
	case SYS_dup3:
	case SYS_poll:
		break;
	default:
		return -ENOSYS;
	}
	ret = syscall(r->rax, r->rdi, r->rsi, r->rdx);
	return ret < 0 ? -errno : ret;
}

long agent_call(long nr, long a, long b, long c, long d, long e, long f)
{
	struct agent_regs r = {.rax = nr, .rdi = a, .rsi = b, .rdx = c, .r10 = d, .r8 = e, .r9 = f};
	long ret = handlers[nr] ? handlers[nr](&thread, &r) : AGENT_HAND_ON;

	return ret == AGENT_HAND_ON ? agent_pass(&thread, &r) : ret;
}

void agent_fork_fails(void)
{
	if (load_before_clone(&thread, 0) == 0)
		load_parent_cloned(&thread, 0, -EAGAIN);
}

/* ---- The world ------------------------------------------------------------------------------ */

struct world *agent_world(void)
{
	return &world;
}

struct task *agent_task(void)
{
	return &seat.task;
}

struct world_thread *agent_world_seat(struct agent_thread *t)
{
	return &seat;
}

void agent_world_take(uint32_t client)
{
}

/* One program at a time. */
run_fn agent_code(struct world_thread *w, uint32_t id)
{
	static char *pages;
	const struct prog_image *img;
	struct object o;

	if (!pages)
		pages = mmap(NULL, CODE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED || object_get(&world, &w->task, id, OBJECT_PROG, &o) != 0)
		return NULL;
	img = object_image(&world, &o);
	if (!img || img->code_bytes > CODE)
		return NULL;
	memcpy(pages, (const char *)img + img->code_at, img->code_bytes);
	return (run_fn)(uintptr_t)pages;
}

/* ---- The server ------------------------------------------------------------------------------- */

/* Ends with its parent, and takes the world away. */
static void serve(int pidfd)
{
	struct world_path path = world_path();
	struct err err = {0};
	char wake[160];
	struct bpfd s;
	int ret = bpfd_start(&s, getenv("BTFUSE_WORLD"), &err);

	if (ret)
		fprintf(stderr, "the server: %s\n", strerror(-ret));
	else
		bpfd_run(&s, pidfd, -1);
	bpfd_end(&s);
	snprintf(wake, sizeof(wake), "%s.wake", path.s);
	unlink(path.s);
	rmdir(wake);
	_exit(ret != 0);
}

static void start_server(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct rundir dir;
	struct err err;
	pid_t pid;

	must(pidfd);
	pid = fork();
	must(pid);
	if (pid == 0) {
		alarm(0);
		serve(pidfd);
	}
	close(pidfd);
	must(bpfd_path(getenv("BTFUSE_WORLD"), socket_path, sizeof(socket_path), &dir, &err));
	for (int i = 0; i < 500; i++) {
		int fd = agent_connect();

		if (fd >= 0) {
			close(fd);
			return;
		}
		usleep(10000);
	}
	must(-ETIMEDOUT);
}

/* The lock that proves life is the parent's, and so are the seats. */
int agent_forked(void)
{
	int err;

	world.arena.pool.client = POOL_CLIENTS;
	err = client_attach(&world.arena.pool);
	if (!err)
		err = task_attach(&world.arena.pool, 0, &seat.task);
	return err;
}

int agent_connect(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, socket_path, min_of(strlen(socket_path), sizeof(addr.sun_path) - 1));
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void agent_start(void)
{
	static char config[1024], name[32];
	const char *btf = getenv("VMLINUX");

	snprintf(name, sizeof(name), "fuzz-%d", (int)getpid());
	setenv("BTFUSE_WORLD", name, 1);
	start_server();
	must(world_join(&world, &seat.task));
	host_init(&host, &seat.task);
	seat.maps = host.mr;
	maps_run_init(&seat.run, &seat.maps);
	thread.self = &thread;
	thread.world = &seat;
	snprintf(config, sizeof(config), "%s,%s", socket_path, btf ? btf : "/dev/null");
	load_start(config);
}
