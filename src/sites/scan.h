/*
 * Finding the sites of an ELF file by disassembly. Hosted: tools and tests
 * only, never the agent.
 */
#pragma once

#include "sites/table.h"

struct scan_result {
	uint8_t id[TABLE_ID_MAX];
	uint32_t id_len;    /* 0: the file has no build id, nothing can be remembered for it */
	struct site *sites; /* count of them, sorted by offset; free() them */
	uint32_t count;
};

/*
 * Disassembles the executable sections of an x86-64 ELF image of `len` bytes.
 * -ENOEXEC: not such an image, or damaged. -ENOMEM.
 */
int scan_image(const uint8_t *image, size_t len, struct scan_result *out);
/* The same of a file. Also what open(2) and mmap(2) return. */
int scan_file(const char *path, struct scan_result *out);
