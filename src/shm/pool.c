/* The region and its header: see pool.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "shm/pool.h"
#include "shm/step.h"
#include "shm/task.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

uintptr_t pool_place;

static int map(int fd, uint64_t size, int prot, char **base)
{
	void *p;

	if (pool_place && pool_place + size > POOL_PLACE_END)
		pool_place = POOL_PLACE_LARGE;
	p = sys_mmap((void *)pool_place, size, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (sys_is_err(p)) /* once more, wherever it may be: descriptors that a program has inherited are only in it */
		p = sys_mmap(NULL, size, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (sys_is_err(p))
		return (int)(long)p;
	*base = p;
	/* The next one goes behind it: a place that is taken sends it where the kernel likes. */
	if ((uintptr_t)p == pool_place && pool_place)
		pool_place += round_up(size, (uint64_t)1 << 30);
	return 0;
}

static uint64_t random_u64(void)
{
	uint64_t v = 0;

	sys_call3(SYS_getrandom, (long)&v, sizeof v, 0);
	return v | 1;
}

static void header_fill(struct pool_header *h, uint64_t size, const char *name, const struct pool_region *regions)
{
	struct timespec now = {0};

	sys_clock_gettime(CLOCK_REALTIME, &now);
	h->magic = POOL_MAGIC;
	h->version = POOL_VERSION;
	h->header_size = sizeof *h;
	h->size = size;
	h->secret = random_u64();
	h->created = now.tv_sec;
	h->epoch = 1;
	for (size_t i = 0; i < sizeof h->name - 1 && name[i]; i++)
		h->name[i] = name[i];
	for (unsigned i = 0; i < POOL_REGIONS; i++)
		h->region[i] = regions[i];
}

int pool_format(int fd, uint64_t size, const char *name, const struct pool_region *regions)
{
	struct pool p = {.size = size, .fd = fd};
	int err = sys_ftruncate(fd, (int64_t)size);

	if (!err)
		err = map(fd, size, PROT_READ | PROT_WRITE, &p.base);
	if (err)
		return err;
	err = pool_commit(&p, 0, POOL_PAGE);
	if (!err)
		header_fill(pool_header(&p), size, name, regions);
	sys_munmap(p.base, size);
	return err;
}

static bool overlap(const struct pool_region *a, const struct pool_region *b)
{
	return a->len && b->len && a->off < b->off + b->len && b->off < a->off + a->len;
}

static bool header_ok(const struct pool_header *h, uint64_t size)
{
	if (h->magic != POOL_MAGIC || h->version != POOL_VERSION || h->header_size != sizeof *h || h->size != size)
		return false;
	for (unsigned i = 0; i < POOL_REGIONS; i++) {
		const struct pool_region *r = &h->region[i];

		if (r->off > size || r->len > size - r->off || r->off % POOL_PAGE || (r->len && r->off < POOL_PAGE))
			return false;
		for (unsigned k = 0; k < i; k++)
			if (overlap(r, &h->region[k]))
				return false;
	}
	return h->region[REGION_CLIENTS].len >= POOL_CLIENTS * sizeof(struct client_slot) &&
	       h->region[REGION_TASKS].len >= POOL_TASKS * sizeof(struct task_slot);
}

static int map_checked(int fd, int prot, struct pool *p)
{
	struct stat st;
	int err = (int)sys_call3(SYS_fstat, fd, (long)&st, 0);

	*p = (struct pool){.fd = fd, .client = POOL_CLIENTS};
	if (err)
		return err;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)POOL_PAGE)
		return -EUCLEAN;
	p->size = (uint64_t)st.st_size;
	err = map(fd, p->size, prot, &p->base);
	if (err)
		return err;
	if (!header_ok(pool_header(p), p->size)) {
		sys_munmap(p->base, p->size);
		return -EUCLEAN;
	}
	for (unsigned i = 0; i < POOL_REGIONS; i++)
		p->region[i] = pool_header(p)->region[i];
	p->secret = pool_header(p)->secret;
	return 0;
}

int pool_map_region(int fd, unsigned region, uint64_t len, const void **at)
{
	struct pool_header h;
	struct stat st;
	void *p;

	if (sys_call3(SYS_fstat, fd, (long)&st, 0) != 0 ||
	    sys_call4(SYS_pread64, fd, (long)&h, sizeof h, 0) != sizeof h || !header_ok(&h, (uint64_t)st.st_size) ||
	    h.region[region].len < len)
		return -EUCLEAN;
	p = sys_mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (int64_t)h.region[region].off);
	if (sys_is_err(p))
		return -ENOMEM;
	*at = p;
	return 0;
}

int pool_map(int fd, struct pool *p)
{
	return map_checked(fd, PROT_READ | PROT_WRITE, p);
}

int pool_look(int fd, struct pool *p)
{
	return map_checked(fd, PROT_READ, p);
}

void pool_unmap(struct pool *p)
{
	sys_munmap(p->base, p->size);
	sys_close(p->fd);
	p->base = NULL;
	p->fd = -1;
}

int pool_commit(struct pool *p, uint64_t off, uint64_t len)
{
	uint64_t from = off / POOL_PAGE * POOL_PAGE;
	uint64_t to = round_up(off + len, POOL_PAGE);
	int err;

	if (room_refused(p))
		return -ENOSPC;
	do {
		err = sys_madvise(p->base + from, to - from, MADV_POPULATE_WRITE);
	} while (err == -EINTR || err == -EAGAIN);
	if (err == -EINVAL) /* before Linux 5.14 */
		err = sys_fallocate(p->fd, 0, (int64_t)from, (int64_t)(to - from));
	return err ? -ENOSPC : 0;
}

int pool_decommit(struct pool *p, uint64_t off, uint64_t len)
{
	return sys_fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (int64_t)off, (int64_t)len);
}
