/* Laying out a pool and attaching to it. */
#include <fcntl.h>
#include <sys/mman.h>

#include "fs/internal.h"
#include "fs/open.h"
#include "metrics/count.h"

#define INODES_MIN 16u
#define INODES_MAX (1u << 26)
#define BLOCKS_MIN 16u
#define BLOCKS_MAX (1u << 31)
#define FILE_PAGES 16384u  /* a million open files */
#define CELLS_PER_INODE 6u /* the longest name takes five, and something for attributes and open files */

struct geometry {
	uint32_t nblocks, nchunks, inode_pages, cell_pages;
	uint64_t size;
	struct pool_region region[POOL_REGIONS];
};

static void place(struct geometry *g, unsigned r, uint64_t len)
{
	g->region[r] = (struct pool_region){g->size, round_up(len, POOL_PAGE)};
	g->size += g->region[r].len;
}

static bool lay_out(const struct fs_format *f, struct geometry *g)
{
	uint64_t blocks = f->size / BLOCK_SIZE, inodes = f->inodes, cells;

	*g = (struct geometry){.size = round_up(sizeof(struct pool_header), POOL_PAGE)};
	if (blocks < BLOCKS_MIN || blocks > BLOCKS_MAX - 1 || inodes < INODES_MIN || inodes > INODES_MAX)
		return false;
	/* One more of each: number 0 is never used. */
	g->nblocks = (uint32_t)blocks + 1;
	g->nchunks = div_up(g->nblocks, CHUNK_BLOCKS);
	g->inode_pages = (uint32_t)div_up(inodes + 1, SLAB_UNITS);
	cells = inodes * CELLS_PER_INODE + POOL_CLIENTS * 64;
	g->cell_pages = (uint32_t)div_up(cells, SLAB_UNITS);
	place(g, REGION_CLIENTS, POOL_CLIENTS * sizeof(struct client_slot));
	place(g, REGION_TASKS, POOL_TASKS * sizeof(struct task_slot));
	place(g, REGION_HANDLES, (uint64_t)POOL_CLIENTS * FS_HANDLES * sizeof(uint32_t));
	place(g, REGION_CONTROL, sizeof(struct fs_ctl));
	place(g, REGION_INODE_PAGES, (uint64_t)g->inode_pages * sizeof(struct slab_page));
	place(g, REGION_INODES, (uint64_t)g->inode_pages * SLAB_UNITS * sizeof(struct inode));
	place(g, REGION_CELL_PAGES, (uint64_t)g->cell_pages * sizeof(struct slab_page));
	place(g, REGION_CELLS, (uint64_t)g->cell_pages * SLAB_UNITS * 64);
	place(g, REGION_CHUNKS, (uint64_t)g->nchunks * sizeof(struct chunk));
	place(g, REGION_FILE_PAGES, (uint64_t)FILE_PAGES * sizeof(struct slab_page));
	place(g, REGION_FILES, (uint64_t)FILE_PAGES * SLAB_UNITS * sizeof(struct open_file));
	place(g, REGION_RINGS, f->rings);
	place(g, REGION_METRICS, METRICS_BYTES);
	/* Chunks on their own boundary: what the hardware maps as one page could be one. */
	g->size = round_up(g->size, (uint64_t)CHUNK_BLOCKS * BLOCK_SIZE);
	place(g, REGION_BLOCKS, (uint64_t)g->nblocks * BLOCK_SIZE);
	return true;
}

uint64_t fs_format_bytes(const struct fs_format *f)
{
	struct geometry g;

	return lay_out(f, &g) ? g.size : 0;
}

/* An inode's versions and generation start where no earlier life of its page has come to. */
static void inode_fresh(struct pool *pool, void *unit)
{
	struct inode *i = unit;
	uint64_t epoch = fetch_add(&pool_header(pool)->epoch, 1);

	i->meta = i->data = epoch * (LOCK_VERSION << 20);
	i->gen = epoch << 20;
}

static void file_fresh(struct pool *pool, void *unit)
{
	struct open_file *f = unit;

	f->lock = fetch_add(&pool_header(pool)->epoch, 1) * (LOCK_VERSION << 20);
}

/* The views of the regions, from the geometry that pool_map has verified. */
static int view(struct fs *fs)
{
	const struct pool_region *r = fs->pool.region;
	char *base = fs->pool.base;
	struct fs_ctl *ctl;

	if (r[REGION_CONTROL].len < sizeof *ctl || r[REGION_METRICS].len < METRICS_BYTES ||
	    r[REGION_HANDLES].len < (uint64_t)POOL_CLIENTS * FS_HANDLES * sizeof(uint32_t))
		return -EUCLEAN;
	ctl = fs_ctl(fs);
	fs->inodes = (struct slab){.ctl = &ctl->inodes,
				   .pages = (void *)(base + r[REGION_INODE_PAGES].off),
				   .base = base + r[REGION_INODES].off,
				   .npages = (uint32_t)(r[REGION_INODES].len / (SLAB_UNITS * sizeof(struct inode))),
				   .unit = sizeof(struct inode),
				   .pocket = POCKET_INODE,
				   .pool = &fs->pool,
				   .fresh = inode_fresh};
	fs->cells = (struct slab){.ctl = &ctl->cells,
				  .pages = (void *)(base + r[REGION_CELL_PAGES].off),
				  .base = base + r[REGION_CELLS].off,
				  .npages = (uint32_t)(r[REGION_CELLS].len / (SLAB_UNITS * 64)),
				  .unit = TREE_CELL,
				  .pocket = POCKET_CELL,
				  .pool = &fs->pool};
	fs->files = (struct slab){.ctl = &ctl->files,
				  .pages = (void *)(base + r[REGION_FILE_PAGES].off),
				  .base = base + r[REGION_FILES].off,
				  .npages = (uint32_t)(r[REGION_FILES].len / (SLAB_UNITS * sizeof(struct open_file))),
				  .unit = sizeof(struct open_file),
				  .pocket = POCKET_FILE,
				  .pool = &fs->pool,
				  .fresh = file_fresh};
	fs->blocks = (struct blocks){.ctl = &ctl->blocks,
				     .chunks = (void *)(base + r[REGION_CHUNKS].off),
				     .base = base + r[REGION_BLOCKS].off,
				     .nchunks = (uint32_t)(r[REGION_CHUNKS].len / sizeof(struct chunk)),
				     .nblocks = (uint32_t)(r[REGION_BLOCKS].len / BLOCK_SIZE)};
	fs->blocks.nchunks = min_of(fs->blocks.nchunks, div_up(fs->blocks.nblocks, CHUNK_BLOCKS));
	if (r[REGION_INODE_PAGES].len / sizeof(struct slab_page) < fs->inodes.npages ||
	    r[REGION_CELL_PAGES].len / sizeof(struct slab_page) < fs->cells.npages ||
	    r[REGION_FILE_PAGES].len / sizeof(struct slab_page) < fs->files.npages || !fs->files.npages ||
	    fs->blocks.nchunks * (uint64_t)CHUNK_BLOCKS < fs->blocks.nblocks || !fs->inodes.npages ||
	    !fs->cells.npages || !fs->blocks.nblocks)
		return -EUCLEAN;
	return 0;
}

static int make_root(struct fs *fs, const struct fs_format *f)
{
	struct inode *root = (struct inode *)(void *)fs->inodes.base + FS_ROOT;
	struct timespec now = {0};

	sys_clock_gettime(CLOCK_REALTIME, &now);
	root->mode = S_IFDIR | (f->root_mode & 07777);
	root->nlink = 2;
	root->uid = f->root_uid;
	root->gid = f->root_gid;
	root->room.dir.parent = FS_ROOT;
	root->room.dir.parent_gen = root->gen;
	for (int k = 0; k < TIMES; k++) {
		root->sec[k] = now.tv_sec;
		root->nsec[k] = (uint32_t)now.tv_nsec;
	}
	fs->inodes.pages[0].free &= ~(1ull << FS_ROOT);
	fs->inodes.ctl->arena[0].used++;
	return 0;
}

static int fill(struct fs *fs, const struct fs_format *f)
{
	const struct pool_region *r = fs->pool.region;
	int err = view(fs);

	if (!err)
		err = pool_commit(&fs->pool, r[REGION_CLIENTS].off, r[REGION_CLIENTS].len);
	if (!err)
		err = pool_commit(&fs->pool, r[REGION_CONTROL].off, r[REGION_CONTROL].len);
	if (!err)
		err = pool_commit(&fs->pool, r[REGION_METRICS].off, sizeof(struct metrics_shared));
	if (!err)
		err = slab_format(&fs->pool, &fs->inodes);
	if (!err)
		err = slab_format(&fs->pool, &fs->cells);
	if (!err)
		err = slab_format(&fs->pool, &fs->files);
	if (!err)
		err = blocks_format(&fs->pool, &fs->blocks);
	if (err)
		return err;
	err = make_root(fs, f);
	store_release(&pool_header(&fs->pool)->ready, 1);
	return err;
}

int fs_format(int fd, const struct fs_format *f)
{
	struct geometry g;
	struct fs fs;
	int err;

	if (!lay_out(f, &g))
		return -EINVAL;
	err = pool_format(fd, g.size, f->name, g.region);
	if (!err)
		err = pool_map(fd, &fs.pool);
	if (err)
		return err;
	err = fill(&fs, f);
	sys_munmap(fs.pool.base, fs.pool.size); /* and not pool_unmap: fd is the caller's */
	return err;
}

/* The daemon's seat among the clients: one at a time, taken over from the dead. */
static int claim_kernel(struct fs *fs)
{
	uint64_t *word = &pool_header(&fs->pool)->kernel_client;
	uint64_t old = load_acquire(word);

	do {
		if (old && old <= POOL_CLIENTS && old - 1 != fs->pool.client &&
		    client_alive(&fs->pool, (uint32_t)old - 1))
			return -EBUSY;
	} while (!cas(word, &old, fs->pool.client + 1));
	return 0;
}

static int settle_in(struct fs *fs, unsigned flags)
{
	uint64_t me = fs->pool.client + 1;
	struct task t;
	int err = flags & FS_ATTACH_KERNEL ? claim_kernel(fs) : 0;

	if (err)
		return err;
	err = task_attach(&fs->pool, 0, &t);
	if (err) {
		cas(&pool_header(&fs->pool)->kernel_client, &me, 0);
		return err;
	}
	fs_reap_dead(&t);
	task_detach(&t);
	return 0;
}

/* The views of a pool that is mapped; unmaps it where they cannot be had. */
static int view_mapped(struct fs *fs)
{
	int err = load_acquire(&pool_header(&fs->pool)->ready) == 1 ? view(fs) : -EUCLEAN;
	if (err)
		sys_munmap(fs->pool.base, fs->pool.size); /* fd stays the caller's */
	return err;
}

static int map_pool(int fd, struct fs *fs)
{
	int err = pool_map(fd, &fs->pool);

	return err ? err : view_mapped(fs);
}

int fs_look(int fd, struct fs *fs)
{
	int err = pool_look(fd, &fs->pool);

	return err ? err : view_mapped(fs);
}

/* A seat in the pool. 1: the one that this process had before its exec. */
static int sit_down(struct fs *fs, unsigned flags)
{
	int err = flags & FS_ATTACH_EXEC ? client_resume(&fs->pool) : -ENOENT;

	if (!err)
		return 1;
	err = client_attach(&fs->pool);
	if (!err) {
		err = settle_in(fs, flags);
		if (err)
			client_detach(&fs->pool);
	}
	return err;
}

int fs_attach(int fd, unsigned flags, struct fs *fs)
{
	int err = map_pool(fd, fs);

	if (err)
		return err;
	err = sit_down(fs, flags);
	if (err < 0)
		sys_munmap(fs->pool.base, fs->pool.size);
	return err;
}

const struct pool_region *fs_rings(const struct fs *fs)
{
	return &fs->pool.region[REGION_RINGS];
}

/* Copies a text with its end; false where it does not fit. */
static bool put_text(char *to, size_t size, const char *s)
{
	size_t n = 0;

	while (n < size && s[n])
		n++;
	if (n == size)
		return false;
	mem_copy(to, s, n + 1);
	return true;
}

const char *fs_control_path(const struct fs *fs)
{
	struct pool_header *h = pool_header(&fs->pool);

	h->control[sizeof h->control - 1] = 0;
	return h->control;
}

#ifndef PIDFD_GET_USER_NAMESPACE
#define PIDFD_GET_USER_NAMESPACE 0xff09 /* Linux 6.11: _IO(PIDFS_IOCTL_MAGIC, 9) of linux/pidfd.h */
#endif

/* By a descriptor: the entries of /proc are made when a process is first looked for there, which takes 25 us. */
static uint64_t user_ns_by_pidfd(void)
{
	struct stat st = {0};
	long pid, ns;

	if (sys_is_filtered())
		return 0;
	pid = sys_call3(SYS_pidfd_open, sys_getpid(), 0, 0);
	if (pid < 0)
		return 0;
	ns = sys_call3(SYS_ioctl, pid, PIDFD_GET_USER_NAMESPACE, 0);
	sys_close((int)pid);
	if (ns < 0)
		return 0;
	if (sys_call3(SYS_fstat, ns, (long)&st, 0) != 0)
		st.st_ino = 0;
	sys_close((int)ns);
	return st.st_ino;
}

static uint64_t user_ns(void)
{
	uint64_t ns = user_ns_by_pidfd();
	struct stat st;

	if (ns)
		return ns;
	return sys_call3(SYS_stat, (long)"/proc/self/ns/user", (long)&st, 0) == 0 ? st.st_ino : 0;
}

bool fs_ids_hold(const struct fs *fs)
{
	uint64_t there = pool_header(&fs->pool)->user_ns, here = there ? user_ns() : 0;

	return !here || here == there;
}

void fs_set_mounted(struct fs *fs, const char *path, uint64_t st_dev, const char *control)
{
	struct pool_header *h = pool_header(&fs->pool);

	store_release(&h->mounted, 0);
	if (!put_text(h->mountpoint, sizeof h->mountpoint, path) || !put_text(h->control, sizeof h->control, control))
		return;
	h->st_dev = st_dev;
	h->user_ns = user_ns();
	store_release(&h->mounted, 1);
}

int fs_mounted_at(const struct fs *fs, char *path, uint64_t *st_dev)
{
	const struct pool_header *h = pool_header(&fs->pool);
	int n = 0;

	if (load_acquire(&h->mounted) != 1)
		return -ENOENT;
	for (; n < (int)sizeof h->mountpoint && (path[n] = h->mountpoint[n]); n++)
		;
	*st_dev = h->st_dev;
	return n > 1 && n < (int)sizeof h->mountpoint && path[0] == '/' ? n : -ENOENT;
}

void fs_set_unseen(struct task *t, bool unseen)
{
	store_relaxed(&pool_header(t->pool)->unseen, unseen);
}

bool fs_opens_unseen(const struct task *t)
{
	return load_relaxed(&pool_header(t->pool)->unseen);
}

void fs_detach(struct fs *fs)
{
	struct task t;
	uint64_t me = fs->pool.client + 1;

	/* Without a task's seat nothing can be let go: then it is as after a death, and others clear up. */
	if (task_attach(&fs->pool, 0, &t) == 0) {
		int err = open_drop_all(&t, fs->pool.client);

		task_detach(&t);
		cas(&pool_header(&fs->pool)->kernel_client, &me, 0);
		if (!err)
			client_detach(&fs->pool);
	}
	pool_unmap(&fs->pool);
}
