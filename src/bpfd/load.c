/* The kernel's side of BPF_PROG_LOAD: see load.h. */
#include "bpfd/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/scope.h"
#include "bpf/jit.h"
#include "bpf/verify.h"

/* Descriptions of the maps that the text refers to; kept while the program is verified. */
struct maps {
	struct world *w;
	struct task *t;
	struct {
		uint32_t id;
		struct map_info info, inner;
	} map[PROG_MAPS];
	uint32_t n;
};

static const struct map_info *find_map(void *arg, const struct bpf_insn *lddw)
{
	struct maps *m = arg;
	uint32_t id = (uint32_t)lddw->imm;
	const struct map *map;
	struct object o;

	for (uint32_t i = 0; i < m->n; i++)
		if (m->map[i].id == id)
			return &m->map[i].info;
	if (m->n == PROG_MAPS || object_get(m->w, m->t, id, OBJECT_MAP, &o) != 0)
		return NULL;
	map = map_at(&m->w->arena.pool, o.off);
	if (!map)
		return NULL;
	m->map[m->n].id = id;
	map_describe(&m->w->arena.pool, map, &m->map[m->n].info, &m->map[m->n].inner);
	return &m->map[m->n++].info;
}

#define TYPE_LAST 32u /* BPF_PROG_TYPE_NETFILTER, the last of Linux 6.18: the headers may be older */

/* Programs of these kinds are loaded by probes of what the kernel can do; nothing here runs them. */
static const struct prog_type no_context = {.name = "probe"};
static const struct prog_type kprobe = {.name = "kprobe", .ctx_end = 168};

static const struct prog_type *type_of(uint32_t type)
{
	switch (type) {
	case BPF_PROG_TYPE_TRACEPOINT:
		return &prog_type_tracepoint;
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
		return &prog_type_raw_tracepoint;
	case BPF_PROG_TYPE_KPROBE:
		return &kprobe;
	case BPF_PROG_TYPE_SOCKET_FILTER:
		return &no_context;
	default:
		return NULL;
	}
}

/* Writes the image into a fresh run. */
static int place(struct world *w, struct task *t, const struct load_request *r, const struct maps *m,
		 const struct jit_code *code, const struct verify_stats *stats, uint64_t *off)
{
	uint32_t text_at = round_up((uint32_t)sizeof(struct prog_image), 16u), text = r->nslots * 8;
	uint32_t code_at = round_up(text_at + text, 64u);
	struct prog_image *img;
	int err = arena_take(t, (uint64_t)code_at + code->size, off);

	if (!err && pool_commit(&w->arena.pool, *off, (uint64_t)code_at + code->size) != 0)
		err = -ENOMEM;
	if (err)
		return err;
	img = (struct prog_image *)(void *)(w->arena.pool.base + *off);
	*img = (struct prog_image){
	    .magic = PROG_MAGIC,
	    .type = r->prog_type,
	    .expected_attach = r->expected_attach,
	    .nslots = r->nslots,
	    .code_bytes = (uint32_t)code->size,
	    .text_at = text_at,
	    .code_at = code_at,
	    .nmaps = m->n,
	    .verified = stats->insns,
	    .gpl = r->gpl,
	};
	for (uint32_t i = 0; i < m->n; i++)
		img->map[i] = m->map[i].id;
	memcpy((char *)img + text_at, r->insns, text);
	memcpy((char *)img + code_at, code->text, code->size);
	memcpy(img->tag, &(uint64_t){hash_bytes(0, r->insns, text)}, sizeof(img->tag));
	return 0;
}

static int enter(struct world *w, struct task *t, const struct load_request *r, uint64_t off)
{
	struct object o = {.kind = OBJECT_PROG, .type = r->prog_type, .off = off, .btf = r->btf};
	int id;

	strncpy(o.name, r->name, sizeof(o.name) - 1);
	id = object_add(w, t, &o);
	if (id < 0)
		(void)!arena_put(t, off);
	return id;
}

static int verify(struct prog *prog, struct maps *m, const struct load_request *r, struct log *log,
		  struct verify_stats *stats)
{
	const struct verify_opts opts = {.type = type_of(r->prog_type), .log = log, .log_level = r->log_level};
	int err = prog_resolve_maps(prog, find_map, m, log);

	return err ? err : verify_prog(prog, &opts, stats);
}

int load_program(struct world *w, struct task *t, const struct load_request *r, struct log *log)
{
	autofree struct maps *m = calloc(1, sizeof(*m));
	struct verify_stats stats = {0};
	struct jit_code code = {0};
	struct prog prog = {0};
	uint64_t off = 0;
	int ret;

	if (!m)
		return -ENOMEM;
	m->w = w;
	m->t = t;
	if (!r->prog_type || r->prog_type > TYPE_LAST) {
		log_printf(log, "bt-fuse: program type %u is not known\n", r->prog_type);
		return -EINVAL;
	}
	if (!type_of(r->prog_type)) {
		log_printf(log,
			   "bt-fuse: program type %u is not served here: programs of tracepoints and raw tracepoints "
			   "of system calls are\n",
			   r->prog_type);
		return -EOPNOTSUPP;
	}
	ret = prog_decode(r->insns, r->nslots, &prog, log);
	if (ret)
		return ret;
	ret = verify(&prog, m, r, log, &stats);
	if (!ret)
		ret = jit_compile(&prog, 0, &code);
	if (!ret)
		ret = place(w, t, r, m, &code, &stats, &off);
	if (!ret)
		ret = enter(w, t, r, off);
	else if (off)
		(void)!arena_put(t, off);
	jit_free(&code);
	prog_free(&prog);
	return ret;
}
