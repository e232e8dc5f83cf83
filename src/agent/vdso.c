/* Finding __vdso_clock_gettime in the image that the kernel mapped. */
#include "agent/vdso.h"

#include <elf.h>

#include "agent/mem.h"
#include "base/compiler.h"

static const Elf64_Ehdr *vdso;

void vdso_found(const void *image)
{
	vdso = image;
}

static const void *at(uint64_t off)
{
	return (const char *)vdso + off;
}

/* Offset that addresses in the image are relative to. */
static const Elf64_Dyn *dynamic(uint64_t *bias)
{
	const Elf64_Phdr *ph = at(vdso->e_phoff);
	const Elf64_Dyn *d = NULL;

	*bias = 0;
	for (unsigned i = 0; i < vdso->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !*bias)
			*bias = ph[i].p_offset - ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			d = at(ph[i].p_offset);
	}
	return d;
}

static bool is_named(const char *s, const char *name)
{
	size_t n = mem_length(name);

	return mem_length(s) == n && memcmp(s, name, n) == 0;
}

int (*vdso_clock(void))(int, struct timespec *)
{
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL;
	const Elf64_Dyn *d;
	uint64_t bias;

	if (!vdso || !(d = dynamic(&bias)))
		return NULL;
	for (; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			sym = at(d->d_un.d_ptr + bias);
		if (d->d_tag == DT_STRTAB)
			str = at(d->d_un.d_ptr + bias);
		if (d->d_tag == DT_HASH)
			hash = at(d->d_un.d_ptr + bias);
	}
	/* hash[1] is the number of symbols. */
	for (uint32_t i = 0; sym && str && hash && i < hash[1]; i++)
		if (sym[i].st_shndx != SHN_UNDEF && is_named(str + sym[i].st_name, "__vdso_clock_gettime"))
			return (int (*)(int, struct timespec *))(uintptr_t)at(sym[i].st_value + bias);
	return NULL;
}
