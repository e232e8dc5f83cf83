/*
 * What prog, map and link share: a seat in the world, how an object is named
 * ("id 3", "name x", "pinned P"), and printing as bpftool does, for people or
 * as JSON.
 */
#pragma once

#include "control/err.h"
#include "world/object.h"

struct show {
	struct world world;
	struct task task;
	const char *verb;
	bool json;
	bool joined;
	unsigned rows; /* printed so far */
};

/* Takes options out of argv (they may stand anywhere) and joins the world. 0 or -errno with a text. */
int show_begin(struct show *s, const char *verb, int *argc, char **argv, struct err *err) must_check;
void show_end(struct show *s);

/*
 * The object that argv[0] and argv[1] name. 0 or -errno with a text. `kind`:
 * enum object_kind.
 */
int show_find(struct show *s, unsigned kind, char **argv, struct object *out, struct err *err) must_check;

/* JSON, where `first` is before the first member. Text goes to standard output. */
void show_text(const char *key, const char *value);
void show_number(const char *key, uint64_t value);
void show_hex(const void *bytes, size_t n);
/* "[0x01,0x02]", as bpftool has bytes in JSON. */
void show_hex_json(const void *bytes, size_t n);
/* Before each element of a list in JSON. */
void show_comma(struct show *s);
/* "?" where there is no name. */
const char *show_prog_type(uint32_t type);
/* Pins of the object: lines, or a JSON member. */
void show_pins(struct show *s, uint32_t id);
/* Processes that have it open: "bash(12)", or a JSON member. */
void show_holders(struct show *s, const struct object *o);
