/*
 * Placing code: pages are filled while they are writable, then turned
 * executable; from then on nobody in this process writes them.
 */
#include "bpf/jit.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"

int jit_map(const struct jit_code *code, struct jit_map *out)
{
	size_t len = round_up(code->size, 4096);
	void *base = sys_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	if (sys_is_err(base))
		return (int)(long)base;
	memset(base, 0xcc, len); /* int3 */
	memcpy(base, code->text, code->size);
	r = sys_mprotect(base, len, PROT_READ | PROT_EXEC);
	if (r < 0) {
		sys_munmap(base, len);
		return r;
	}
	*out = (struct jit_map){.entry = (run_fn)(uintptr_t)base, .base = base, .len = len};
	return 0;
}

void jit_unmap(struct jit_map *map)
{
	if (map->base)
		sys_munmap(map->base, map->len);
	*map = (struct jit_map){0};
}
