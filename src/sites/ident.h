/*
 * What an object is known by: the build id in its notes, or where it has none its code. Freestanding.
 */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>

#include "sites/table.h"

/* An object's program headers, and how its bytes are reached. */
struct ident_object {
	const Elf64_Phdr *ph;
	unsigned phnum;
	/* The p_filesz bytes of one of its segments; NULL: they are not to be had. */
	const void *(*bytes)(const void *arg, const Elf64_Phdr *ph);
	const void *arg;
};

/* How many bytes its id has; 0: none, it has no code. */
uint32_t ident_of(const struct ident_object *o, uint8_t id[TABLE_ID_MAX]);

/* Did Go make it (note_is_go)? */
bool ident_is_go(const struct ident_object *o);

static inline bool ident_is_code(const Elf64_Phdr *ph)
{
	return ph->p_type == PT_LOAD && (ph->p_flags & PF_X);
}
