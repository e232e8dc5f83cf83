/*
 * Site tables: where a build of a library enters the kernel, and how each
 * place is caught. Found once by disassembly (scan.h), kept in a file by build
 * id (store.h), read by the agent, which disassembles nothing. Freestanding.
 *
 * A *site* is one `syscall` instruction. Its *window* is the run of whole
 * instructions, next to it, that a jump overwrites; copies of them run in the
 * stub first. Three kinds, in order of preference:
 *
 *	SITE_NEAR	the window ends where the `syscall` begins and is five
 *			bytes or longer: a jmp rel32, the rest filled up.
 *	SITE_PAD	the window ends where the `syscall` begins and is two to
 *			four bytes: a jmp rel8 to padding between functions,
 *			where a jmp rel32 goes on.
 *	SITE_MOVED	the window contains the `syscall`: the stub has its own.
 *
 * With the first two the `syscall` stays where it is, and handing a call on
 * means jumping to it.
 *
 * The file: struct table_header, then `objects` sorted by id, then `sites`;
 * those of an object lie together, sorted by offset. Written whole under
 * another name and renamed: whoever has it open sees one state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TABLE_MAGIC 0x3153455449535442ull /* "BTSITES1" */
#define TABLE_VERSION 2u
#define TABLE_ID_MAX 20u /* longest build id, SHA-1 */
#define TABLE_OBJECTS_MAX 4096u
#define TABLE_SITES_MAX (1u << 20)

#define SITE_WINDOW 20u
#define SITE_JUMP 5u	/* bytes of jmp rel32 */
#define SITE_SYSCALL 2u /* bytes of syscall */

enum site_kind {
	SITE_NONE = 0, /* known, not patchable */
	SITE_NEAR = 1,
	SITE_PAD = 2,
	SITE_MOVED = 3,
};

enum site_nr {
	SITE_NR_UNKNOWN = -1, /* cannot be followed: futex and kill, as it happens */
	SITE_NR_ANY = -2,     /* the function's first argument (syscall() itself), or out of memory (set*id) */
};

struct site {
	uint32_t off;		     /* of the syscall instruction in the file */
	int16_t nr;		     /* the number as far as seen, a hint for choosing; or enum site_nr */
	uint8_t kind;		     /* enum site_kind */
	uint8_t before;		     /* bytes of the window before the syscall */
	uint8_t after;		     /* bytes of the window after it (SITE_MOVED) */
	uint8_t rip;		     /* 1 + offset in the window of a disp32 relative to rip; 0: none */
	uint8_t rip_end;	     /* offset in the window of the end of that instruction */
	int8_t pad;		     /* SITE_PAD: from the end of the two-byte jump to the padding */
	uint8_t window[SITE_WINDOW]; /* the bytes that must be there */
};

struct table_object {
	uint8_t id[TABLE_ID_MAX];
	uint32_t id_len;
	uint32_t first; /* index of its first site */
	uint32_t count;
};

struct table_header {
	uint64_t magic;
	uint32_t version;
	uint32_t objects;
	uint32_t sites;
	uint32_t pad[3];
};

_Static_assert(sizeof(struct site) == 32, "the file's bytes");
_Static_assert(sizeof(struct table_object) == 32, "the file's bytes");
_Static_assert(sizeof(struct table_header) == 32, "the file's bytes");

/* A table in memory, checked by table_open. */
struct table {
	const struct table_header *header;
	const struct table_object *objects;
	const struct site *sites;
};

/* Checks `len` bytes at `base` and fills in *t. -EUCLEAN: not a table, damaged, or of another version. */
int table_open(const void *base, size_t len, struct table *t);

/*
 * The sites of the build `id`: their number, *sites at the first. -ENOENT: the
 * build is not known. 0 is an answer: it has none.
 */
int table_find(const struct table *t, const uint8_t *id, uint32_t id_len, const struct site **sites);

/* Orders ids as the file does: shorter first, then by bytes. */
int table_compare(const uint8_t *a, uint32_t a_len, const uint8_t *b, uint32_t b_len);

/* Bytes of the window, of the site's own lengths. Bounded by SITE_WINDOW if site_valid. */
static inline uint32_t site_window(const struct site *s)
{
	return s->before + (s->kind == SITE_MOVED ? SITE_SYSCALL + s->after : 0u);
}

/* Is the entry one that a scan could have written? */
int site_valid(const struct site *s);

/*
 * The build id in the notes of an ELF image: `len` bytes at `notes` of a
 * PT_NOTE. Returns its length and sets *id, or 0.
 */
uint32_t note_build_id(const void *notes, size_t len, const uint8_t **id);
