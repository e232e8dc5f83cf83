/*
 * Notes of an ELF object (elf(5), PT_NOTE): its build id; whether Go made it.
 * Freestanding.
 */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTE_GO_BUILD_ID 4 /* of owner "Go": cmd/link of every Go since 1.4 */

/* The first note of that kind: its bytes, in `notes`, and how many they are; 0: there is none. */
static inline uint32_t note_find(const void *notes, size_t len, const char owner[4], uint32_t type,
				 const uint8_t **bytes)
{
	const uint8_t *p = notes;

	if ((uintptr_t)p % _Alignof(Elf64_Nhdr) != 0)
		return 0;
	while (len >= sizeof(Elf64_Nhdr)) {
		const Elf64_Nhdr *n = (const Elf64_Nhdr *)(const void *)p;
		uint64_t name = ((uint64_t)n->n_namesz + 3) & ~3ull;
		uint64_t size = sizeof(*n) + name + (((uint64_t)n->n_descsz + 3) & ~3ull);
		const uint8_t *by = p + sizeof(*n);

		if (size > len)
			return 0;
		if (n->n_type == type && n->n_namesz == 4 && by[0] == owner[0] && by[1] == owner[1] &&
		    by[2] == owner[2] && by[3] == owner[3]) {
			*bytes = by + name;
			return n->n_descsz;
		}
		p += size;
		len -= size;
	}
	return 0;
}

/*
 * Go code makes its system calls on stacks that may have 800 bytes left (nosplit functions, the
 * runtime's StackSmall): too few for any handler. Its sites are not patched.
 */
static inline bool note_is_go(const void *notes, size_t len)
{
	const uint8_t *id;

	return note_find(notes, len, "Go\0", NOTE_GO_BUILD_ID, &id) != 0;
}
