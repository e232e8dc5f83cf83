/*
 * Objects: programs, maps, links, BTF, rings of perf events. An object lives
 * while something leads to it: a process that has it open (a bit a client in
 * `holders`), a pin, or another object that lives: a link holds its program, a
 * program its maps, a map what its values name. So nothing is counted, and
 * nothing can be counted wrongly by who is killed: object_collect() marks what
 * is reached and takes away the rest.
 */
#pragma once

#include "world/world.h"

enum object_kind {
	OBJECT_PROG = 1,
	OBJECT_MAP,
	OBJECT_LINK,
	OBJECT_BTF,
	OBJECT_RING, /* of a perf event */
	OBJECT_KINDS,
};

#define PROG_IMAGE_MAPS 64u

/* A program as it lies in its run. Constant, but for what object_bind() adds. */
struct prog_image {
	uint64_t magic;
	uint32_t type; /* enum bpf_prog_type */
	uint32_t expected_attach;
	uint32_t nslots; /* instructions, as loaded; map references are ids */
	uint32_t code_bytes;
	uint32_t text_at, code_at; /* from the start of the image */
	uint32_t nmaps;		   /* atomic: grows */
	uint32_t verified;	   /* instructions that the verifier looked at */
	uint32_t gpl, spare;
	uint8_t tag[8];
	uint32_t map[PROG_IMAGE_MAPS]; /* ids */
};

#define PROG_MAGIC 0x31474f5250465442ull /* "BTFPROG1" */

/* Lock and transaction around changes of the table. */
int table_begin(struct world *w, struct task *t) must_check;

/*
 * Enters a new object, held by this process; `o` is a pattern, of which kind,
 * type, off, len, name, prog, event, cookie and btf matter. The run `off` is in
 * the task's hand and becomes the object's. The id, or -ENOSPC, -EUCLEAN (the
 * run stays in the hand).
 */
int object_add(struct world *w, struct task *t, const struct object *o) must_check;

/* A whole copy. -ENOENT. `kind` 0: any. */
int object_get(struct world *w, struct task *t, uint32_t id, unsigned kind, struct object *out) must_check;
/* The object with the lowest id above `id`. -ENOENT. */
int object_next(struct world *w, struct task *t, uint32_t id, unsigned kind, struct object *out) must_check;
/*
 * For who only looks on and has no seat: the next object from entry *i on, in no order; false: there is none.
 * May miss one that is just being made, or show one that has just gone.
 */
bool object_look(const struct world *w, uint32_t *i, struct object *out);
/* The one whose run is at `off`. */
int object_at(struct world *w, struct task *t, uint64_t off, struct object *out) must_check;

/* This process has it open (`hold`), or not any more (what hangs on nothing then, goes). 0 or -ENOENT. */
int object_hold(struct world *w, struct task *t, uint32_t id) must_check;
void object_release(struct world *w, struct task *t, uint32_t id);
/* In the name of another client that waits for it. */
int object_hold_for(struct world *w, struct task *t, uint32_t id, uint32_t client) must_check;
/* The client `c` (a child that is about to be) holds all that this process holds. */
int object_inherit(struct world *w, struct task *t, uint32_t c) must_check;
/* Nobody's client `c`: drops its bits. */
void object_drop_client(struct world *w, struct task *t, uint32_t c);
/* A link lets go of its program and its place: BPF_LINK_DETACH. */
int object_detach(struct world *w, struct task *t, uint32_t id) must_check;
/* What BPF_TASK_FD_QUERY finds a link by. */
int object_set_inode(struct world *w, struct task *t, uint32_t link, uint64_t ino) must_check;
/* A program holds a map that its text does not name: BPF_PROG_BIND_MAP. -E2BIG: it holds too many. */
int object_bind(struct world *w, struct task *t, uint32_t prog, uint32_t map) must_check;
int object_set_prog(struct world *w, struct task *t, uint32_t link, uint32_t prog) must_check;

/* Does a process hold the object at `off` open, or a pin name it? (Not: does something lead to it.) */
bool object_used(struct world *w, struct task *t, uint64_t off);
/*
 * A timer's callback, as one number for all processes: where it lies in its
 * program's code. The program's id is in it.
 */
static inline uint64_t callback_ref(uint32_t prog, uint64_t at)
{
	return (uint64_t)prog << 32 | at;
}

static inline uint32_t callback_prog(uint64_t ref)
{
	return (uint32_t)(ref >> 32);
}

/* Takes away what nothing leads to. */
void object_collect(struct world *w, struct task *t);

/* The parts of a program's image, checked against its run; NULL: damaged. */
const struct prog_image *object_image(const struct world *w, const struct object *o);

/* Pins: a name for an object that outlives its holders. -EEXIST, -ENOENT, -ENOSPC, -ENAMETOOLONG. */
int pin_add(struct world *w, struct task *t, const char *path, uint32_t id) must_check;
int pin_find(struct world *w, struct task *t, const char *path, uint32_t *id) must_check;
int pin_remove(struct world *w, struct task *t, const char *path) must_check;
/* Path number `i` that is in use, of `id` (0: any); false: none. */
bool pin_nth(struct world *w, struct task *t, uint32_t id, uint32_t i, struct pin *out);
