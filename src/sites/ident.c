/* Notes first, then the first segment of code: the same for a file, its image in memory, and its first page alone. */
#include "sites/ident.h"

#include "base/hash.h"
#include "sites/note.h"

#define TEXT_ID 20u

static uint32_t build_id(const struct ident_object *o, uint8_t *id)
{
	for (unsigned i = 0; i < o->phnum; i++) {
		const void *notes = o->ph[i].p_type == PT_NOTE ? o->bytes(o->arg, &o->ph[i]) : NULL;
		const uint8_t *found;
		uint32_t n = notes != NULL ? note_build_id(notes, o->ph[i].p_filesz, &found) : 0;

		if (n != 0) {
			__builtin_memcpy(id, found, n);
			return n;
		}
	}
	return 0;
}

static uint32_t text_id(const void *text, size_t len, uint8_t *id)
{
	uint64_t word[2] = {hash_bytes(1, text, len), len};

	__builtin_memcpy(id, "text", 4);
	__builtin_memcpy(id + 4, word, sizeof(word));
	return TEXT_ID;
}

uint32_t ident_of(const struct ident_object *o, uint8_t id[TABLE_ID_MAX])
{
	uint32_t n = build_id(o, id);

	for (unsigned i = 0; i < o->phnum && n == 0; i++) {
		const void *text;

		if (!ident_is_code(&o->ph[i]))
			continue;
		text = o->bytes(o->arg, &o->ph[i]);
		return text != NULL ? text_id(text, o->ph[i].p_filesz, id) : 0;
	}
	return n;
}

bool ident_is_go(const struct ident_object *o)
{
	for (unsigned i = 0; i < o->phnum; i++) {
		const void *notes = o->ph[i].p_type == PT_NOTE ? o->bytes(o->arg, &o->ph[i]) : NULL;

		if (notes != NULL && note_is_go(notes, o->ph[i].p_filesz))
			return true;
	}
	return false;
}
