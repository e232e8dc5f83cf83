/*
 * Copying some 30 pages of the C library and two changes of its protection take
 * 200 us of each exec; mapping an image takes 15, and what is touched of it is
 * in memory already. See image.h.
 */
#include "agent/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/mem.h"
#include "base/sys.h"

#define PAGE 4096u
#define IMAGE_MAGIC 0x31474d4953465442ull /* "BTFSIMG1" */

struct image_header {
	uint64_t magic;
	uint8_t agent[TABLE_ID_MAX]; /* build id of the agent that made it */
	uint8_t id[TABLE_ID_MAX];    /* of the object */
	uint32_t id_len;
	uint32_t sites;	    /* that are patched */
	uint64_t set;	    /* hash of them */
	uint64_t off;	    /* of the segment in the file */
	uint64_t low, high; /* the patched pages, in the segment */
	uint64_t stubs;	    /* offset in the file */
	uint64_t stubs_len;
};

static char dir[272];
static bool making;

void image_start(const char *table, bool make)
{
	size_t n = mem_length(table);

	if (n + sizeof(".img") > sizeof(dir))
		return;
	memcpy(dir, table, n);
	memcpy(dir + n, ".img", sizeof(".img"));
	making = make;
}

/* ---- Which ------------------------------------------------------------------------------ */

/*
 * The sites that are chosen: two processes with other handlers have other images. By number, since
 * the sites themselves would have to be fetched from the table's file.
 */
static uint64_t set_of(const struct image_of *of)
{
	uint64_t h = 0xcbf29ce484222325ull ^ of->n;

	for (int nr = SITE_NR_ANY; nr < AGENT_NR; nr++) {
		const struct site s = {.nr = (int16_t)nr};

		h = (h ^ of->want(&s, NULL)) * 0x100000001b3ull;
	}
	return h;
}

static char *put_hex(char *to, const uint8_t *from, size_t n)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*to++ = digit[from[i] >> 4];
		*to++ = digit[from[i] & 15];
	}
	return to;
}

extern const char agent_image[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));

/* The agent's own build. */
static bool agent_id(uint8_t *out)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(const void *)agent_image;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(const void *)(agent_image + eh->e_phoff);
	const uint8_t *id;

	for (unsigned i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_NOTE &&
		    note_build_id(agent_image + ph[i].p_vaddr, ph[i].p_memsz, &id) == TABLE_ID_MAX) {
			memcpy(out, id, TABLE_ID_MAX);
			return true;
		}
	}
	return false;
}

#define PATH (sizeof(dir) + 64)

/* "<directory>/<agent>-<build>-<set>" and `end`: agents do not get in each other's way. */
static bool path_of(const struct image_of *of, uint64_t set, const char *end, char *path)
{
	size_t n = mem_length(dir);
	uint8_t agent[TABLE_ID_MAX];
	char *p = path + n;

	if (n == 0 || of->id_len < 8 || !agent_id(agent))
		return false;
	memcpy(path, dir, n);
	*p++ = '/';
	p = put_hex(p, agent, 8);
	*p++ = '-';
	p = put_hex(p, of->id, 8);
	*p++ = '-';
	p = put_hex(p, (const uint8_t *)&set, sizeof(set));
	memcpy(p, end, mem_length(end) + 1);
	return true;
}

static bool whole_pages(uint64_t a, uint64_t b, uint64_t c)
{
	return ((a | b | c) & (PAGE - 1)) == 0;
}

static bool is_of(const struct image_header *h, const struct image_of *of, uint64_t set, uint64_t size)
{
	const struct segment *seg = of->seg;
	uint8_t agent[TABLE_ID_MAX];

	return h->magic == IMAGE_MAGIC && agent_id(agent) && memcmp(h->agent, agent, sizeof(agent)) == 0 &&
	       h->id_len == of->id_len && memcmp(h->id, of->id, of->id_len) == 0 && h->set == set && h->sites != 0 &&
	       h->off == seg->off && h->low < h->high && h->high <= round_up(seg->len, PAGE) && h->stubs_len != 0 &&
	       h->stubs_len < IMAGE_BELOW / 2 && whole_pages(h->low, h->high, h->off) &&
	       whole_pages(h->stubs, h->stubs_len, (uint64_t)seg->base) && h->stubs < size && h->stubs_len < size &&
	       h->stubs + h->stubs_len + PAGE == size && h->off + round_up(seg->len, PAGE) <= h->stubs;
}

/* ---- Mapping ---------------------------------------------------------------------------- */

static int map(const struct image_header *h, const struct segment *seg, int fd)
{
	const int prot = PROT_READ | PROT_EXEC;
	uint8_t *want = seg->base - IMAGE_BELOW;
	uint64_t len = round_up(seg->len, (uint64_t)PAGE);
	void *stubs = sys_mmap(want, h->stubs_len, prot, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, h->stubs);

	if (sys_is_err(stubs))
		return 0;
	/* All of the segment, of which the image has the rest too: a part would split the mapping. */
	if (stubs == want && !sys_is_err(sys_mmap(seg->base, len, prot, MAP_PRIVATE | MAP_FIXED, fd, h->off)))
		return (int)h->sites;
	sys_munmap(stubs, h->stubs_len);
	return 0;
}

int image_map(const struct image_of *of)
{
	uint64_t set = set_of(of);
	struct image_header h;
	char path[PATH];
	struct stat st;
	int done = 0;
	long fd;

	if (making || !path_of(of, set, "", path))
		return 0;
	fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	if (sys_call3(SYS_fstat, fd, (long)&st, 0) == 0 && st.st_size > (int64_t)PAGE && !(st.st_mode & 022) &&
	    sys_call4(SYS_pread64, fd, (long)&h, sizeof(h), st.st_size - (int64_t)PAGE) == sizeof(h) &&
	    is_of(&h, of, set, (uint64_t)st.st_size))
		done = map(&h, of->seg, (int)fd);
	sys_close((int)fd);
	return done;
}

/* ---- Making ------------------------------------------------------------------------------ */

static bool write_all(int fd, const void *from, uint64_t len, uint64_t at)
{
	while (len != 0) {
		long n = sys_call4(SYS_pwrite64, fd, (long)from, (long)len, (long)at);

		if (n <= 0)
			return false;
		from = (const char *)from + n;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return true;
}

/* Copies the object's file; its size, or 0. */
static uint64_t copy_object(const char *file, int to)
{
	long fd = sys_call4(SYS_openat, AT_FDCWD, (long)file, O_RDONLY | O_CLOEXEC, 0);
	uint64_t size = 0;
	struct stat st;
	void *p;

	if (fd < 0)
		return 0;
	if (sys_call3(SYS_fstat, fd, (long)&st, 0) == 0) {
		p = sys_mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, (int)fd, 0);
		if (!sys_is_err(p)) {
			if (write_all(to, p, (uint64_t)st.st_size, 0))
				size = (uint64_t)st.st_size;
			sys_munmap(p, (size_t)st.st_size);
		}
	}
	sys_close((int)fd);
	return size;
}

static bool write_image(const struct image_of *of, const struct patch_batch *b, uint64_t set, int fd)
{
	const struct segment *seg = of->seg;
	uint64_t size = copy_object(of->file, fd);
	struct image_header h = {.magic = IMAGE_MAGIC,
				 .id_len = of->id_len,
				 .sites = (uint32_t)b->sites,
				 .set = set,
				 .off = seg->off,
				 .low = b->low,
				 .high = b->high,
				 .stubs = round_up(size, (uint64_t)PAGE),
				 .stubs_len = b->stubs_len};
	uint8_t page[512] = {0};

	memcpy(h.id, of->id, of->id_len);
	memcpy(page, &h, sizeof(h));
	return size != 0 && agent_id(((struct image_header *)(void *)page)->agent) && size >= seg->off + b->high &&
	       write_all(fd, seg->base + b->low, b->high - b->low, seg->off + b->low) &&
	       write_all(fd, b->stubs, h.stubs_len, h.stubs) &&
	       write_all(fd, page, sizeof(page), h.stubs + h.stubs_len) &&
	       sys_ftruncate(fd, (int64_t)(h.stubs + h.stubs_len + PAGE)) == 0;
}

int image_make(const struct image_of *of)
{
	struct patch_batch b = {.stubs = of->seg->base - IMAGE_BELOW};
	uint64_t set = set_of(of);
	char path[PATH], temporary[PATH], own[1 + 11] = ".";
	int done;
	long fd;

	mem_decimal(own + 1, (unsigned)sys_getpid());
	if (!making || of->file == NULL || !path_of(of, set, "", path) || !path_of(of, set, own, temporary))
		return 0;
	done = patch_placed(of->seg, of->sites, of->n, of->want, &b);
	if (done <= 0)
		return 0;
	/*
	 * Several may make the same image at once, each a file of its own. What is there already has been left by one
	 * that was killed; it is not truncated: where a pid means two processes it could be an image by now, mapped.
	 */
	sys_call3(SYS_unlink, (long)temporary, 0, 0);
	fd = sys_call4(SYS_openat, AT_FDCWD, (long)temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return done;
	if (write_image(of, &b, set, (int)fd))
		sys_call3(SYS_rename, (long)temporary, (long)path, 0);
	else
		sys_call3(SYS_unlink, (long)temporary, 0, 0);
	sys_close((int)fd);
	return done;
}
