/*
 * An object is recognised by the build id in its notes, which lie in its first
 * page next to the program headers; nothing else of it is looked at.
 */
#include "agent/object.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/auxv.h"
#include "agent/dispatch.h"
#include "agent/image.h"
#include "agent/mem.h"
#include "agent/stats.h"
#include "agent/unknown.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "sites/ident.h"

#define PAGE 4096u
#define OBJECTS 64u
#define ROUNDS 4u /* of looking for what is not known, UNKNOWN_MAX objects each */

static char table_path[256];

/* What was patched, for patch_live. Written at start and by dlopen, under `lock`. */
static struct {
	uint32_t lock;
	uint32_t count;
	struct {
		struct segment seg;
		uint8_t id[TABLE_ID_MAX];
		uint32_t id_len;
	} object[OBJECTS];
} known;

void object_table(const char *path)
{
	size_t n = mem_length(path);

	if (n >= sizeof(table_path))
		return;
	memcpy(table_path, path, n + 1);
	unknown_start(path);
}

/*
 * The table, mapped. Unmap `len` bytes at t->header. Little of it is looked at: the index, and the sites of what has
 * no image.
 */
static int table_map(struct table *t, size_t *len)
{
	struct stat st;
	long fd, rc;
	void *p;

	if (table_path[0] == '\0')
		return -ENOENT;
	fd = sys_call4(SYS_openat, AT_FDCWD, (long)table_path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	rc = sys_call3(SYS_fstat, fd, (long)&st, 0);
	p = rc < 0 ? NULL : sys_mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, (int)fd, 0);
	sys_close((int)fd);
	if (rc < 0 || sys_is_err(p))
		return -EIO;
	*len = (size_t)st.st_size;
	rc = table_open(p, *len, t);
	if (rc != 0)
		sys_munmap(p, *len);
	return (int)rc;
}

static bool wanted_of_libc(const struct site *s, const void *arg)
{
	return dispatch_wanted(s->nr);
}

/* Elsewhere a number that cannot be followed may be anything: what goes by rax is right for all. */
static bool wanted(const struct site *s, const void *arg)
{
	return s->nr == SITE_NR_UNKNOWN || dispatch_wanted(s->nr);
}

/*
 * The loader has done what it does at start: what only that needs is not worth
 * a private page each. It goes on to open and map libraries, and to complain.
 */
static bool wanted_of_loader(const struct site *s, const void *arg)
{
	return dispatch_wanted(s->nr) && s->nr != SYS_arch_prctl && s->nr != SYS_execve && s->nr != SYS_access;
}

static void lock_known(void)
{
	uint32_t open = 0;

	while (!cas(&known.lock, &open, 1)) {
		open = 0;
		sys_call3(SYS_sched_yield, 0, 0, 0);
	}
}

static void unlock_known(void)
{
	store_release(&known.lock, 0);
}

static void remember(const struct segment *seg, const uint8_t *id, uint32_t id_len)
{
	uint32_t i = known.count;

	if (i >= OBJECTS)
		return;
	known.object[i].seg = *seg;
	memcpy(known.object[i].id, id, id_len);
	known.object[i].id_len = id_len;
	known.count = i + 1;
}

/* `file`: the object's, NULL where it is not known. -errno: what is in the table could not be patched. */
static int patch_segment(const struct table *t, const struct segment *seg, const uint8_t *id, uint32_t id_len,
			 patch_choice choice, const char *file)
{
	const struct site *sites;
	int n = table_find(t, id, id_len, &sites), done;
	struct image_of of = {seg, id, id_len, NULL, (uint32_t)max_of(n, 0), choice, file};

	stats_event(n < 0 ? STATS_OBJECTS_UNKNOWN : STATS_OBJECTS);
	if (n <= 0)
		return 0;
	remember(seg, id, id_len);
	of.sites = sites;
	done = image_map(&of);
	if (done == 0)
		done = image_make(&of);
	if (done == 0)
		done = patch_fresh(seg, sites, (uint32_t)n, choice, NULL);
	return done;
}

/* An image in memory: program headers, and what to add to their addresses. */
struct image {
	uint64_t bias;
	const Elf64_Phdr *ph;
	unsigned phnum;
};

static const void *image_bytes(const void *arg, const Elf64_Phdr *ph)
{
	return (const void *)(((const struct image *)arg)->bias + ph->p_vaddr);
}

static struct ident_object object_of(const struct image *im)
{
	return (struct ident_object){im->ph, im->phnum, image_bytes, im};
}

static uint32_t image_id(const struct image *im, uint8_t id[TABLE_ID_MAX])
{
	const struct ident_object o = object_of(im);

	return ident_of(&o, id);
}

static bool image_is_go(const struct image *im)
{
	const struct ident_object o = object_of(im);

	return ident_is_go(&o);
}

/* The i-th segment, from its page on, if it is code. */
static bool code_of(const struct image *im, unsigned i, struct segment *seg)
{
	const Elf64_Phdr *ph = &im->ph[i];
	uint64_t slack = (im->bias + ph->p_vaddr) & (PAGE - 1);

	if (!ident_is_code(ph) || slack != (ph->p_offset & (PAGE - 1)))
		return false;
	*seg =
	    (struct segment){(uint8_t *)(im->bias + ph->p_vaddr - slack), ph->p_offset - slack, ph->p_filesz + slack};
	return true;
}

static int patch_object(const struct table *t, const struct image *im, patch_choice choice, const char *file)
{
	uint8_t id[TABLE_ID_MAX];
	uint32_t id_len = image_id(im, id);
	struct segment seg;
	int done = image_is_go(im) ? -EOPNOTSUPP : 0;

	for (unsigned i = 0; i < im->phnum && id_len != 0 && done >= 0; i++) {
		int rc = code_of(im, i, &seg) ? patch_segment(t, &seg, id, id_len, choice, file) : 0;

		done = rc < 0 ? rc : done + rc;
	}
	return done;
}

/* One that begins with its ELF header at `base`, as shared objects do. */
static struct image image_at(uint64_t base)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)base;
	struct image im = {.bias = base};

	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_phentsize != sizeof(Elf64_Phdr) ||
	    eh->e_phoff + (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr) > PAGE)
		return im;
	im.ph = (const Elf64_Phdr *)(base + eh->e_phoff);
	im.phnum = eh->e_phnum;
	return im;
}

/* The link map, through DT_DEBUG of the program. */
static const struct link_map *link_map_of(const struct image *im)
{
	for (unsigned i = 0; i < im->phnum; i++) {
		const Elf64_Dyn *d = (const Elf64_Dyn *)(im->bias + im->ph[i].p_vaddr);

		if (im->ph[i].p_type != PT_DYNAMIC)
			continue;
		for (; d->d_tag != DT_NULL; d++) {
			if (d->d_tag == DT_DEBUG && d->d_un.d_ptr != 0)
				return ((const struct r_debug *)d->d_un.d_ptr)->r_map;
		}
	}
	return NULL;
}

static uint64_t bias_of(const Elf64_Phdr *ph, unsigned phnum)
{
	for (unsigned i = 0; i < phnum; i++) {
		if (ph[i].p_type == PT_PHDR)
			return (uint64_t)ph - ph[i].p_vaddr;
	}
	return 0;
}

extern const char agent_image[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));

static bool has_image(const struct link_map *m, uint64_t vdso)
{
	return m->l_addr != 0 && m->l_addr != vdso && m->l_addr != (uint64_t)agent_image;
}

static bool is_libc(const struct link_map *m)
{
	static const char name[] = "/libc.so.6";
	size_t n = mem_length(m->l_name);

	return n >= sizeof(name) - 1 && memcmp(m->l_name + n - (sizeof(name) - 1), name, sizeof(name)) == 0;
}

/*
 * A C library whose sites are not known: the agent would see the calls of
 * others and miss the signals, forks and execs that it has to see.
 */
static bool is_unknown_libc(const struct table *t, const struct link_map *m)
{
	struct image im;
	const struct site *sites;
	uint8_t id[TABLE_ID_MAX];
	uint32_t id_len;

	if (!is_libc(m))
		return false;
	im = image_at(m->l_addr);
	id_len = image_id(&im, id);
	return id_len == 0 || table_find(t, id, id_len, &sites) <= 0;
}

static int patch_objects(const struct table *t, const struct image *program, uint64_t vdso, uint64_t loader)
{
	const struct link_map *m = link_map_of(program), *first = m;
	int done = 0, rc, err = 0;

	if (m == NULL)
		return 0;
	for (m = first->l_next; m != NULL; m = m->l_next) {
		if (has_image(m, vdso) && is_unknown_libc(t, m))
			return 0;
	}
	/* The C library first: without it, nothing. */
	for (m = first->l_next; m != NULL; m = m->l_next) {
		struct image im = has_image(m, vdso) && is_libc(m) ? image_at(m->l_addr) : (struct image){0};

		rc = patch_object(t, &im, wanted_of_libc, m->l_name);
		if (rc < 0)
			return 0;
		done += rc;
	}
	rc = patch_object(t, program, wanted, NULL);
	done += max_of(rc, 0);
	err = min_of(rc, 0);
	for (m = first->l_next; m != NULL; m = m->l_next) {
		struct image im;

		if (!has_image(m, vdso) || is_libc(m))
			continue;
		im = image_at(m->l_addr);
		rc = patch_object(t, &im, m->l_addr == loader ? wanted_of_loader : wanted, m->l_name);
		done += max_of(rc, 0);
		err = min_of(err, rc);
	}
	return err ? err : done;
}

static void look_at(const struct table *t, const struct image *im, const char *path, struct unknown *u)
{
	const struct site *sites;
	uint8_t id[TABLE_ID_MAX];
	uint32_t id_len = image_id(im, id);
	struct segment seg;

	if (id_len == 0 || table_find(t, id, id_len, &sites) >= 0)
		return;
	for (unsigned i = 0; i < im->phnum; i++) {
		if (code_of(im, i, &seg))
			unknown_add(u, &seg, path);
	}
}

/* "/proc/<pid>/<of>": for another process what we have under this name. */
static void proc_path(char *to, const char *of)
{
	memcpy(to, "/proc/", 6);
	to = mem_decimal(to + 6, (unsigned)sys_getpid());
	*to++ = '/';
	memcpy(to, of, mem_length(of) + 1);
}

static void look_at_all(const struct table *t, const struct image *program, uint64_t vdso, const char *exe,
			struct unknown *u)
{
	const struct link_map *m = link_map_of(program);

	look_at(t, program, exe, u);
	for (m = m != NULL ? m->l_next : NULL; m != NULL; m = m->l_next) {
		struct image im;

		if (!has_image(m, vdso))
			continue;
		im = image_at(m->l_addr);
		look_at(t, &im, m->l_name, u);
	}
}

/* As another process has left it. On an error nothing is mapped. */
static int table_again(struct table *t, size_t *len)
{
	sys_munmap((void *)(uintptr_t)t->header, *len);
	t->header = NULL;
	return table_map(t, len);
}

/*
 * The objects that the table does not know are looked through, and the table is looked at again. -errno: some may have
 * calls that it does not know.
 */
static int learn(struct table *t, size_t *len, const struct image *program, uint64_t vdso)
{
	bool more = true;
	char exe[32];

	proc_path(exe, "exe");
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct unknown u = {.again = round > 0};
		int rc;

		look_at_all(t, program, vdso, exe, &u);
		if (u.n == 0)
			return 0;
		rc = more ? unknown_scan(&u) : -ENOEXEC;
		if (rc > 0)
			rc = table_again(t, len);
		if (rc < 0)
			return rc;
		more = u.more;
	}
	return -ENOEXEC;
}

int object_patch_all(const unsigned long *auxv)
{
	struct image program = {.ph = (const Elf64_Phdr *)aux(auxv, AT_PHDR), .phnum = (unsigned)aux(auxv, AT_PHNUM)};
	uint64_t vdso = aux(auxv, AT_SYSINFO_EHDR);
	struct table t;
	size_t len;
	int done, err;

	if (program.ph == NULL || table_map(&t, &len) != 0)
		return 0;
	program.bias = bias_of(program.ph, program.phnum);
	err = learn(&t, &len, &program, vdso);
	if (t.header == NULL)
		return 0;
	done = patch_objects(&t, &program, vdso, aux(auxv, AT_BASE));
	sys_munmap((void *)(uintptr_t)t.header, len);
	return done > 0 && err < 0 ? err : done;
}

/* An open file whose code, or some of it, is mapped. */
struct mapped {
	uint8_t page[1024] __attribute__((aligned(8))); /* headers and notes of what a linker makes fit */
	const struct segment *seg;
};

static const void *mapped_bytes(const void *arg, const Elf64_Phdr *ph)
{
	const struct mapped *m = arg;
	uint64_t in = ph->p_offset - m->seg->off;

	if (ph->p_offset <= sizeof(m->page) && ph->p_filesz <= sizeof(m->page) - ph->p_offset)
		return m->page + ph->p_offset;
	/* Else it may be another segment than what was mapped. */
	return in < PAGE && ph->p_filesz <= m->seg->len - in ? m->seg->base + in : NULL;
}

/* What an image of it in memory would have as id; -EOPNOTSUPP: Go made it. */
static int file_id(int fd, const struct segment *seg, uint8_t id[TABLE_ID_MAX])
{
	struct mapped m;
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(void *)m.page;
	struct ident_object o = {
	    .ph = (const Elf64_Phdr *)(void *)(m.page + sizeof(*eh)), .bytes = mapped_bytes, .arg = &m};

	m.seg = seg;
	if (sys_call4(SYS_pread64, fd, (long)m.page, sizeof(m.page), 0) != sizeof(m.page) ||
	    memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_phoff != sizeof(*eh) ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || sizeof(*eh) + eh->e_phnum * sizeof(*o.ph) > sizeof(m.page))
		return 0;
	o.phnum = eh->e_phnum;
	return ident_is_go(&o) ? -EOPNOTSUPP : (int)ident_of(&o, id);
}

static int learn_mapped(struct table *t, size_t *len, const uint8_t *id, uint32_t id_len, const struct segment *seg,
			int fd)
{
	const struct site *sites;
	struct unknown u = {0};
	char path[40], number[16] = "fd/";
	int rc;

	if (table_find(t, id, id_len, &sites) >= 0)
		return 0;
	mem_decimal(number + 3, (unsigned)fd);
	proc_path(path, number);
	unknown_add(&u, seg, path);
	rc = unknown_scan(&u);
	if (rc > 0)
		rc = table_again(t, len);
	else if (rc == 0)
		return 0;
	return rc == 0 && table_find(t, id, id_len, &sites) < 0 ? -ENOEXEC : rc;
}

/* How much of a mapping can be read: behind the end of the file there are no pages. */
static size_t backed(size_t len, int fd, uint64_t off)
{
	struct stat st;

	if (sys_call4(SYS_newfstatat, fd, (long)"", (long)&st, AT_EMPTY_PATH) != 0 || off >= (uint64_t)st.st_size)
		return 0;
	return min_of(len, ((uint64_t)st.st_size - off + PAGE - 1) & ~(uint64_t)(PAGE - 1));
}

int object_mapped(void *at, size_t len, int fd, uint64_t off)
{
	struct segment seg = {at, off, backed(len, fd, off)};
	uint8_t id[TABLE_ID_MAX];
	int rc = file_id(fd, &seg, id), err;
	uint32_t id_len = (uint32_t)rc;
	struct table t;
	size_t table_len;

	if (rc <= 0)
		return rc;
	rc = table_map(&t, &table_len);
	if (rc != 0)
		return rc;
	err = learn_mapped(&t, &table_len, id, id_len, &seg, fd);
	if (t.header == NULL)
		return err;
	lock_known();
	rc = patch_segment(&t, &seg, id, id_len, wanted, NULL);
	unlock_known();
	sys_munmap((void *)(uintptr_t)t.header, table_len);
	return err ? err : min_of(rc, 0);
}

void object_unmapped(const void *at, size_t len)
{
	const uint8_t *from = at, *to = from + len;

	lock_known();
	for (uint32_t i = 0; i < known.count;) {
		const struct segment *seg = &known.object[i].seg;

		if (seg->base < to && seg->base + seg->len > from)
			known.object[i] = known.object[--known.count];
		else
			i++;
	}
	unlock_known();
}

void object_forked(void)
{
	store_changed(&known.lock, 0);
}

static bool has_number(const struct site *s, const void *arg)
{
	return s->nr == *(const int *)arg;
}

int agent_patch_number(unsigned nr)
{
	int number = (int)nr, done = 0;
	struct table t;
	size_t len;

	if (table_map(&t, &len) != 0)
		return 0;
	lock_known();
	for (uint32_t i = 0; i < known.count; i++) {
		const struct site *sites;
		int n = table_find(&t, known.object[i].id, known.object[i].id_len, &sites);
		int rc = n > 0 ? patch_live(&known.object[i].seg, sites, (uint32_t)n, has_number, &number) : 0;

		done += rc > 0 ? rc : 0;
	}
	unlock_known();
	sys_munmap((void *)(uintptr_t)t.header, len);
	return done;
}
