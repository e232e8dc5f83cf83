#include "host.h"

#include <errno.h>
#include <string.h>

static struct host *of(struct maps_run *mr)
{
	return mr->arg;
}

static uint64_t pid_tgid(struct maps_run *mr)
{
	return 1000ull << 32 | 1001;
}

static uint64_t uid_gid(struct maps_run *mr)
{
	return 7ull << 32 | 6;
}

static void comm(struct maps_run *mr, char text[16])
{
	strcpy(text, "tested");
}

static void *task(struct maps_run *mr)
{
	return &of(mr)->task;
}

static int ns(struct maps_run *mr, uint64_t *dev, uint64_t *ino)
{
	*dev = 4;
	*ino = 5;
	return 0;
}

static int send_signal(struct maps_run *mr, uint32_t sig, bool thread)
{
	of(mr)->signals += thread ? sig * 100 : sig;
	return 0;
}

static void print(struct maps_run *mr, const char *text, uint32_t len)
{
	snprintf(of(mr)->printed, sizeof(of(mr)->printed), "%.*s", (int)len, text);
}

static void wake(struct maps_run *mr, uint64_t ring)
{
	of(mr)->wakes++;
	of(mr)->woken = ring;
}

static int override(struct maps_run *mr, void *ctx, uint64_t value)
{
	of(mr)->override = value;
	return 0;
}

static int get_retval(struct maps_run *mr)
{
	return of(mr)->retval;
}

static int set_retval(struct maps_run *mr, int value)
{
	of(mr)->retval = value;
	return 0;
}

static uint64_t cookie(struct maps_run *mr, void *ctx)
{
	return 0xc00c1e;
}

static int stack(struct maps_run *mr, void *ctx, uint64_t *ip, uint32_t max)
{
	uint32_t n = min_of(max, of(mr)->nips);

	memcpy(ip, of(mr)->ips, n * sizeof(*ip));
	return (int)n;
}

static uint64_t entry(struct maps_run *mr, uint64_t ref)
{
	return of(mr)->tail;
}

static uint64_t callback_ref(struct maps_run *mr, uint64_t fn)
{
	return fn;
}

static bool map_used(struct maps_run *mr, uint64_t map)
{
	return !of(mr)->unused;
}

static const struct maps_host table = {
    .pid_tgid = pid_tgid,
    .uid_gid = uid_gid,
    .comm = comm,
    .task = task,
    .ns = ns,
    .send_signal = send_signal,
    .print = print,
    .wake = wake,
    .override = override,
    .get_retval = get_retval,
    .set_retval = set_retval,
    .cookie = cookie,
    .stack = stack,
    .entry = entry,
    .callback_ref = callback_ref,
    .map_used = map_used,
};

void host_init(struct host *h, struct task *t)
{
	memset(h, 0, sizeof(*h));
	h->parent = (struct maps_task){.pid = 900,
				       .tgid = 900,
				       .real_parent = &h->parent,
				       .parent = &h->parent,
				       .group_leader = &h->parent,
				       .comm = "parent"};
	h->task = (struct maps_task){.pid = 1001,
				     .tgid = 1000,
				     .real_parent = &h->parent,
				     .parent = &h->parent,
				     .group_leader = &h->task,
				     .comm = "tested"};
	h->mr = (struct maps_run){.t = t, .host = &table, .arg = h};
	maps_run_init(&h->run, &h->mr);
}

static const struct map_info *find(void *arg, const struct bpf_insn *lddw)
{
	const struct loaded *p = arg;

	return (uint32_t)lddw->imm < p->nmaps ? &p->info[lddw->imm] : NULL;
}

int prog_load(struct rig *r, const struct bpf_insn *insns, uint32_t len, struct map *const *maps, uint32_t nmaps,
	      struct loaded *p)
{
	static char text[65536];
	struct log log = {.buf = text, .size = sizeof(text)};
	const struct verify_opts opts = {.type = &prog_type_raw_tracepoint, .log = &log, .log_level = 1};
	struct jit_code code;
	int err;

	memset(p, 0, sizeof(*p));
	p->nmaps = nmaps;
	for (uint32_t k = 0; k < nmaps; k++)
		map_describe(&r->a.pool, maps[k], &p->info[k], &p->inner[k]);
	err = prog_decode(insns, len, &p->prog, &log);
	if (!err)
		err = prog_resolve_maps(&p->prog, find, p, &log);
	if (!err)
		err = verify_prog(&p->prog, &opts, NULL);
	if (err) {
		for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
			printf("# %s\n", line);
		prog_free(&p->prog);
		return err;
	}
	must(jit_compile(&p->prog, 0, &code));
	must(jit_map(&code, &p->jit));
	jit_free(&code);
	return 0;
}

void prog_unload(struct loaded *p)
{
	jit_unmap(&p->jit);
	prog_free(&p->prog);
}

uint64_t prog_run(struct host *h, const struct loaded *p, void *ctx)
{
	uint64_t r0;

	run_enter(h->mr.t);
	r0 = run_program(p->jit.entry, ctx, &h->run);
	maps_run_end(&h->run);
	run_leave(h->mr.t);
	return r0;
}

static bool in_task(const struct maps_task *t, uint64_t addr, uint64_t len)
{
	uint64_t at = addr - (uintptr_t)t;

	return at <= sizeof(*t) && len <= sizeof(*t) - at;
}

/* The world's maps are what a program may touch beside its stack and context. */
static bool in_world(void *arg, uint64_t addr, uint64_t len, bool write)
{
	const struct host *h = arg;
	const struct pool *p = h->mr.t->pool;

	if (!write && (in_task(&h->task, addr, len) || in_task(&h->parent, addr, len)))
		return true;
	return maps_access(p, addr, len, write);
}

uint64_t prog_interp(struct host *h, const struct loaded *p, void *ctx, uint32_t len)
{
	const struct interp_mem mem = {.start = (uintptr_t)ctx, .len = len};
	const struct interp_env env = {.mem = &mem, .nmem = len ? 1 : 0, .access = in_world, .arg = h};
	const uint64_t args[1] = {(uintptr_t)ctx};
	struct interp_fault fault;
	uint64_t r0 = 0;

	run_enter(h->mr.t);
	h->run.tail_left = 33;
	if (interp_run(&p->prog, &h->run, &env, args, 1, &r0, &fault) < 0) {
		printf("Bail out! interpreter: %s at %u\n", fault.what, fault.pc);
		exit(1);
	}
	maps_run_end(&h->run);
	run_leave(h->mr.t);
	return r0;
}
