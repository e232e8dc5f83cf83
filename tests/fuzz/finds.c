/*
 * What fuzzing has found, by name: each damages one thing in a good pool, and
 * was a crash or an endless loop once.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rig.h"
#include "fs/internal.h"
#include "pool.h"
#include "target.h"

/* The regions of a mapped pool. */
static struct {
	struct pool_header *header;
	struct client_slot *clients;
	struct task_slot *tasks;
	struct fs_ctl *ctl;
	struct slab_page *inode_pages;
	struct inode *inodes;
	char *cells;
	struct chunk *chunks;
	char *blocks;
} at;

static void *region(char *base, unsigned r)
{
	return base + at.header->region[r].off;
}

static void find_regions(char *base)
{
	at.header = (void *)base;
	at.clients = region(base, REGION_CLIENTS);
	at.tasks = region(base, REGION_TASKS);
	at.ctl = region(base, REGION_CONTROL);
	at.inode_pages = region(base, REGION_INODE_PAGES);
	at.inodes = region(base, REGION_INODES);
	at.cells = region(base, REGION_CELLS);
	at.chunks = region(base, REGION_CHUNKS);
	at.blocks = region(base, REGION_BLOCKS);
}

static struct inode *first(bool (*is)(const struct inode *i))
{
	for (fs_ino n = FS_ROOT; n < SLAB_UNITS; n++)
		if (at.inodes[n].mode && is(&at.inodes[n]))
			return &at.inodes[n];
	rig_fail(__FILE__, __LINE__, "no such inode in the good pool", 0);
}

static bool is_inline(const struct inode *i)
{
	return S_ISREG(i->mode) && (i->flags & INODE_INLINE) && i->size;
}
static bool has_xattr(const struct inode *i)
{
	return i->xattr != 0;
}
static bool has_nodes(const struct inode *i)
{
	return S_ISREG(i->mode) && i->flags >> 8 && i->room.map[0];
}

static void regions_overlap(void)
{
	at.header->region[REGION_CELLS].off = at.header->region[REGION_TASKS].off;
}
static void undo_of_2_62_words(void)
{
	at.tasks[0].undo[0] = (struct undo_entry){8192 << 3 | UNDO_ZERO, (1ull << 62) + 1};
}
static void unit_0_is_free(void)
{
	at.inode_pages[0].free |= 1;
}
static void block_0_is_free(void)
{
	at.chunks[0].free[0] |= 1;
	at.chunks[0].nfree++;
}
static void inline_of_a_tib(void)
{
	first(is_inline)->size = 1ull << 40;
}
static void attributes_in_a_circle(void)
{
	uint32_t cell = first(has_xattr)->xattr;

	((struct xattr *)(void *)(at.cells + 64ull * cell))->next = cell;
}
static void map_in_a_circle(void)
{
	struct inode *i = first(has_nodes);
	uint32_t node = i->room.map[0], *e = (void *)(at.blocks + 4096ull * node);

	i->flags = (i->flags & 0xff) | 3 << 8;
	for (unsigned k = 0; k < MAP_ROOT; k++)
		i->room.map[k] = node;
	for (unsigned k = 0; k < MAP_FANOUT; k++)
		e[k] = node;
}
static void locked_by_a_task_that_does_not_hold_it(void)
{
	at.tasks[0].nheld = 0;
	at.inodes[FS_ROOT].meta |= 1;
}
static void locked_by_nobody(void)
{
	at.inodes[FS_ROOT].meta |= 0xffff;
}
static void frozen_by_nobody(void)
{
	at.header->freeze |= 0xffff;
}
static void reaper_locked_by_nobody(void)
{
	at.clients[0].reaper |= 0xffff;
}
static void a_task_without_its_client(void)
{
	at.clients[0].state = SLOT_FREE;
}
static void entry_of_no_directory(void)
{
	((struct dirent *)(void *)(at.cells + 64ull * at.inodes[FS_ROOT].room.dir.root))->dir = 0xfffffff;
}
static void a_hand_of_2_31(void)
{
	at.tasks[0].nhand = 1u << 31;
}
static void a_trim_with_a_count(void)
{
	at.tasks[0].nhand = 1;
	at.tasks[0].hand[0] = hand_item(HAND_TRIM, 3, 2);
}
static void a_free_slot_that_holds(void)
{
	at.tasks[0].seat = 0;
	at.tasks[0].nheld = 100;
}
static void frontiers_behind_the_end(void)
{
	at.ctl->inodes.frontier = at.ctl->cells.frontier = at.ctl->blocks.frontier = 1u << 30;
}

static const struct find {
	const char *name;
	void (*damage)(void);
} finds[] = {
    {"regions overlap", regions_overlap},
    {"an undo entry of 2^62 words", undo_of_2_62_words},
    {"unit 0 is free", unit_0_is_free},
    {"block 0 is free", block_0_is_free},
    {"an inline file of a TiB", inline_of_a_tib},
    {"attributes in a circle", attributes_in_a_circle},
    {"a map in a circle", map_in_a_circle},
    {"locked by a task that does not hold it", locked_by_a_task_that_does_not_hold_it},
    {"locked by nobody", locked_by_nobody},
    {"frozen by nobody", frozen_by_nobody},
    {"a reaper word locked by nobody", reaper_locked_by_nobody},
    {"a task without its client", a_task_without_its_client},
    {"an entry of no directory", entry_of_no_directory},
    {"a hand of 2^31 items", a_hand_of_2_31},
    {"a hand that trims a file by a count", a_trim_with_a_count},
    {"a free slot that holds locks", a_free_slot_that_holds},
    {"frontiers behind the end", frontiers_behind_the_end},
};

const char *target_find(unsigned k)
{
	struct stat st;
	char *base;
	int fd;

	if (k >= sizeof finds / sizeof finds[0])
		return NULL;
	fd = pool_good();
	must(fstat(fd, &st));
	base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(base != MAP_FAILED);
	find_regions(base);
	finds[k].damage();
	munmap(base, (size_t)st.st_size);
	if (finds[k].damage == regions_overlap) { /* nothing to be called then */
		struct fs fs;

		expect_is(fs_attach(fd, 0, &fs), -EUCLEAN);
	}
	pool_call_all(fd);
	return finds[k].name;
}

const char *target_find_name(unsigned k)
{
	return k < sizeof finds / sizeof finds[0] ? finds[k].name : NULL;
}
