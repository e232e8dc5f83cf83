/* By its program headers, as the agent finds it in memory: sections may be stripped. */
#include "launch/build_id.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/scope.h"

static uint32_t id_in(const uint8_t *image, size_t len, uint8_t *id)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(const void *)image;
	const Elf64_Phdr *ph;
	uint32_t n = 0;

	if (len <= sizeof(*eh) || memcmp(image, ELFMAG, SELFMAG) != 0 || eh->e_phoff >= len ||
	    eh->e_phnum * sizeof(*ph) > len - eh->e_phoff)
		return 0;
	ph = (const Elf64_Phdr *)(const void *)(image + eh->e_phoff);
	for (unsigned i = 0; i < eh->e_phnum && n == 0; i++) {
		const uint8_t *found;

		if (ph[i].p_type != PT_NOTE || ph[i].p_offset > len || ph[i].p_filesz > len - ph[i].p_offset)
			continue;
		n = note_build_id(image + ph[i].p_offset, ph[i].p_filesz, &found);
		if (n != 0)
			memcpy(id, found, n);
	}
	return n;
}

uint32_t build_id_of(const char *path, uint8_t id[TABLE_ID_MAX])
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
	n = id_in(p, (size_t)st.st_size, id);
	munmap(p, (size_t)st.st_size);
	return n;
}
