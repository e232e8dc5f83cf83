/* By its program headers, as the agent finds it in memory: sections may be stripped. */
#include "launch/file_id.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "sites/ident.h"

struct file {
	const uint8_t *image;
	size_t len;
};

static const void *file_bytes(const void *arg, const Elf64_Phdr *ph)
{
	const struct file *f = arg;

	return ph->p_offset <= f->len && ph->p_filesz <= f->len - ph->p_offset ? f->image + ph->p_offset : NULL;
}

static uint32_t id_in(const struct file *f, uint8_t *id)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(const void *)f->image;
	struct ident_object o = {.bytes = file_bytes, .arg = f};

	if (f->len <= sizeof(*eh) || memcmp(f->image, ELFMAG, SELFMAG) != 0 || eh->e_phoff >= f->len ||
	    eh->e_phoff % _Alignof(Elf64_Phdr) != 0 || eh->e_phnum * sizeof(*o.ph) > f->len - eh->e_phoff)
		return 0;
	o.ph = (const Elf64_Phdr *)(const void *)(f->image + eh->e_phoff);
	o.phnum = eh->e_phnum;
	return ident_of(&o, id);
}

uint32_t file_id(const char *path, uint8_t id[TABLE_ID_MAX])
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint32_t n;
	void *p;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0)
		return 0;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return 0;
	n = id_in(&(struct file){p, (size_t)st.st_size}, id);
	munmap(p, (size_t)st.st_size);
	return n;
}
