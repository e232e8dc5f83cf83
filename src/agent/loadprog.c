/*
 * Programs and BTF. A program goes to the server with its map references
 * turned into object ids; BTF is put into the world as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/load.h"
#include "agent/mem.h"
#include "agent/user.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "bpf/insn.h"
#include "world/btf.h"
#include "world/wire.h"

#define HIDDEN_FROM 400 /* below the usual limit of 1,024, above what programs count on */

static struct {
	const char *path;
	uint32_t lock;
	int fd;
} server = {.fd = -1};

void load_prog_start(const char *socket)
{
	server.path = socket;
}

/* The child has the same connection: two askers on it would get each other's answers. */
void load_prog_forked(void)
{
	server.lock = 0;
	if (server.fd >= 0)
		sys_close(server.fd);
	server.fd = -1;
}

static int connected(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = mem_length(server.path);
	int fd, high;

	if (server.fd >= 0)
		return server.fd;
	if (n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, server.path, n + 1);
	fd = (int)sys_call3(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	high = sys_fcntl(fd, F_DUPFD_CLOEXEC, HIDDEN_FROM);
	if (high >= 0) {
		sys_close(fd);
		fd = high;
	}
	if (sys_call3(SYS_connect, fd, (long)&addr, sizeof(addr)) != 0) {
		sys_close(fd);
		return -ENOTCONN;
	}
	server.fd = fd;
	return fd;
}

static bool give(int fd, const void *buf, size_t n)
{
	while (n > 0) {
		long k = sys_call6(SYS_sendto, fd, (long)buf, (long)n, MSG_NOSIGNAL, 0, 0);

		if (k <= 0 && k != -EINTR)
			return false;
		k = max_of(k, 0);
		buf = (const char *)buf + k;
		n -= (size_t)k;
	}
	return true;
}

static bool take(int fd, void *buf, size_t n)
{
	while (n > 0) {
		long k = sys_call6(SYS_recvfrom, fd, (long)buf, (long)n, 0, 0, 0);

		if (k <= 0 && k != -EINTR)
			return false;
		k = max_of(k, 0);
		buf = (char *)buf + k;
		n -= (size_t)k;
	}
	return true;
}

/* ---- Instructions ------------------------------------------------------------------------ */

static void *map_pages(size_t n)
{
	void *p = sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

/* A map by descriptor or by place in fd_array becomes one by id. */
static int refer(struct task *t, struct bpf_insn *in, const union bpf_attr *attr)
{
	int fd = in->imm;
	struct object o;
	int err;

	if (in->src_reg == BPF_PSEUDO_MAP_IDX || in->src_reg == BPF_PSEUDO_MAP_IDX_VALUE) {
		const int *array = (const int *)(uintptr_t)attr->fd_array;

		if (!array || in->imm < 0)
			return -EPROTO;
		if (copy_from_user(&fd, array + in->imm, sizeof(fd)) != 0)
			return -EFAULT;
		in->src_reg = in->src_reg == BPF_PSEUDO_MAP_IDX ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE;
	}
	err = load_object(t, fd, OBJECT_MAP, &o);
	if (err)
		return err;
	in->imm = (int32_t)o.id;
	return 0;
}

static bool is_map_ref(const struct bpf_insn *in)
{
	return in->code == (BPF_LD | BPF_IMM | BPF_DW) &&
	       (in->src_reg == BPF_PSEUDO_MAP_FD || in->src_reg == BPF_PSEUDO_MAP_VALUE ||
		in->src_reg == BPF_PSEUDO_MAP_IDX || in->src_reg == BPF_PSEUDO_MAP_IDX_VALUE);
}

static int refer_all(struct task *t, struct bpf_insn *in, uint32_t n, const union bpf_attr *attr)
{
	for (uint32_t i = 0; i < n; i++) {
		int err = is_map_ref(&in[i]) ? refer(t, &in[i], attr) : 0;

		if (err)
			return err;
		i += in[i].code == (BPF_LD | BPF_IMM | BPF_DW);
	}
	return 0;
}

/* ---- The log ----------------------------------------------------------------------------- */

static long put_log(const union bpf_attr *attr, int fd, uint32_t len)
{
	char part[512];
	char *to = (char *)(uintptr_t)attr->log_buf;

	while (len > 0) {
		uint32_t n = min_of(len, (uint32_t)sizeof(part));

		if (!take(fd, part, n))
			return -EIO;
		if (to && copy_to_user(to, part, n) != 0)
			to = NULL; /* the rest is read all the same */
		to = to ? to + n : NULL;
		len -= n;
	}
	return !to && attr->log_buf ? -EFAULT : 0;
}

/* What is refused before anybody has verified it. */
static long say(uint32_t level, uint64_t buf, uint32_t size, const char *text)
{
	size_t n = mem_length(text) + 1;

	if (level && buf && n <= size)
		(void)!copy_to_user((void *)(uintptr_t)buf, text, n);
	return -EINVAL;
}

static long ask(const union bpf_attr *attr, const struct wire_load *q, const struct bpf_insn *in, uint32_t *id)
{
	struct wire_loaded a;
	int fd = connected();
	long err;

	if (fd < 0)
		return -ENOTCONN;
	if (!give(fd, q, sizeof(*q)) || !give(fd, in, (size_t)q->nslots * 8) || !take(fd, &a, sizeof(a))) {
		sys_close(fd);
		server.fd = -1;
		return -ENOTCONN;
	}
	*id = a.id;
	err = put_log(attr, fd, a.log_len);
	if (a.error)
		return a.error;
	return err ? err : a.log_full ? -ENOSPC : 0;
}

static long ask_alone(const union bpf_attr *attr, const struct wire_load *q, const struct bpf_insn *in, uint32_t *id)
{
	long err;

	while (swap(&server.lock, 1))
		sys_call3(SYS_sched_yield, 0, 0, 0);
	err = ask(attr, q, in, id);
	store_release(&server.lock, 0);
	return err;
}

/* ---- BPF_PROG_LOAD ------------------------------------------------------------------------ */

static bool is_gpl(const char *license)
{
	static const char *const free[] = {"GPL",	   "GPL v2",	   "GPL and additional rights",
					   "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};

	for (unsigned i = 0; i < array_len(free); i++)
		if (mem_length(license) == mem_length(free[i]) && mem_prefix(license, free[i]))
			return true;
	return false;
}

/* How to verify, which is the same here always, and what only other types may be: what Linux 6.18 knows. */
#define PROG_FLAGS 0xffu

static bool may_sleep(const union bpf_attr *attr)
{
	return attr->prog_type != BPF_PROG_TYPE_TRACEPOINT && attr->prog_type != BPF_PROG_TYPE_RAW_TRACEPOINT;
}

static long describe(struct task *t, const union bpf_attr *attr, struct wire_load *q)
{
	char license[128];
	struct object btf;
	long n = strncpy_from_user(license, (const char *)(uintptr_t)attr->license, sizeof(license));

	if (n < 0)
		return -EFAULT;
	if (attr->insn_cnt == 0 || attr->insn_cnt > WIRE_SLOTS)
		return -E2BIG;
	if ((attr->log_level && !attr->log_buf) || (attr->prog_flags & ~PROG_FLAGS))
		return -EINVAL;
	if ((attr->prog_flags & BPF_F_SLEEPABLE) && !may_sleep(attr))
		return say(attr->log_level, attr->log_buf, attr->log_size,
			   "programs of tracepoints can't be sleepable\n");
	*q = (struct wire_load){.magic = WIRE_MAGIC,
				.client = agent_world()->arena.pool.client,
				.prog_type = attr->prog_type,
				.expected_attach = attr->expected_attach_type,
				.nslots = attr->insn_cnt,
				.log_level = attr->log_level,
				.log_size = attr->log_level ? min_of(attr->log_size, WIRE_LOG) : 0,
				.gpl = is_gpl(license)};
	memcpy(q->name, attr->prog_name, sizeof(q->name));
	if (attr->prog_btf_fd && load_object(t, (int)attr->prog_btf_fd, OBJECT_BTF, &btf) == 0)
		q->btf = btf.id;
	return 0;
}

long load_prog_load(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object o = {.kind = OBJECT_PROG};
	struct bpf_insn *in;
	struct wire_load q;
	size_t bytes;
	long err = describe(t, attr, &q);

	if (err)
		return err;
	bytes = (size_t)attr->insn_cnt * sizeof(*in);
	in = map_pages(bytes);
	if (!in)
		return -ENOMEM;
	if (copy_from_user(in, (const void *)(uintptr_t)attr->insns, bytes) != 0)
		err = -EFAULT;
	if (!err)
		err = refer_all(t, in, attr->insn_cnt, attr);
	if (!err)
		err = ask_alone(attr, &q, in, &o.id);
	sys_munmap(in, bytes);
	if (!err)
		return load_new(t, &o);
	/* It may be there for all that: its log did not get through. */
	if (o.id)
		object_release(agent_world(), t, o.id);
	return err;
}

/* The program holds on to the map though its text does not name it. */
long load_bind_map(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object prog, map;
	long err =
	    attr->prog_bind_map.flags ? -EINVAL : load_object(t, attr->prog_bind_map.prog_fd, OBJECT_PROG, &prog);

	if (!err)
		err = load_object(t, attr->prog_bind_map.map_fd, OBJECT_MAP, &map);
	return err ? err : object_bind(agent_world(), t, prog.id, map.id);
}

/* ---- BPF_BTF_LOAD ------------------------------------------------------------------------- */

long load_btf_load(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct world *w = agent_world();
	struct object o = {.kind = OBJECT_BTF, .len = attr->btf_size};
	struct btf_view v;
	long err;

	if (attr->btf_size == 0 || attr->btf_size > (16u << 20))
		return -E2BIG;
	err = arena_take(t, attr->btf_size, &o.off);
	if (err)
		return err;
	if (pool_commit(&w->arena.pool, o.off, attr->btf_size) != 0)
		err = -ENOMEM;
	else if (copy_from_user(w->arena.pool.base + o.off, (const void *)(uintptr_t)attr->btf, attr->btf_size) != 0)
		err = -EFAULT;
	else if (btf_view(w->arena.pool.base + o.off, attr->btf_size, &v) != 0)
		err = say(attr->btf_log_level, attr->btf_log_buf, attr->btf_log_size,
			  "BTF: not whole: a header, a type or a name lies outside of the data\n");
	if (!err)
		err = object_add(w, t, &o);
	if (err < 0) {
		(void)!arena_put(t, o.off);
		return err;
	}
	o.id = (uint32_t)err;
	return load_new(t, &o);
}

/* ---- BPF_PROG_TEST_RUN --------------------------------------------------------------------- */

#define CTX_MAX 512u

long load_prog_run(struct agent_thread *a, struct task *t, union bpf_attr *attr, void *uattr)
{
	struct world_thread *w = agent_world_thread(a);
	struct agent_regs regs = {0};
	struct hook_call c = {.thread = a, .regs = &regs};
	uint64_t ctx[CTX_MAX / 8] = {0};
	struct object o;
	run_fn entry;
	uint32_t ret;
	long err = load_object(t, (int)attr->test.prog_fd, OBJECT_PROG, &o);

	if (err)
		return err;
	if (o.type != BPF_PROG_TYPE_RAW_TRACEPOINT || attr->test.data_size_in || attr->test.data_size_out)
		return -MAP_ENOTSUPP;
	if (attr->test.ctx_size_in > sizeof(ctx) ||
	    copy_from_user(ctx, (const void *)(uintptr_t)attr->test.ctx_in, attr->test.ctx_size_in) != 0)
		return attr->test.ctx_size_in > sizeof(ctx) ? -EINVAL : -EFAULT;
	entry = agent_code(w, o.id);
	if (!entry)
		return -ENOMEM;
	run_enter(t);
	w->call = &c;
	ret = (uint32_t)run_program(entry, ctx, &w->run);
	maps_run_end(&w->run);
	run_leave(t);
	return load_put(uattr, offsetof(union bpf_attr, test.retval), &ret, sizeof(ret));
}
