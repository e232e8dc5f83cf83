/*
 * A node is a malloc of its own, with a readers-writer lock of its own. A
 * directory is a hash table of names (chains, doubled when there are as many
 * names as buckets) and an array of slots in the order of listing: the slot's
 * number is the cookie, so that a listing goes on in O(1) and never loses a name
 * that stayed. A file is an array of pages.
 */
#include "node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGES_MAX (1ull << 30) /* of one file: 4 TiB */

static const char zeros[NODE_PAGE];
static _Atomic uint64_t last_ino;

struct timespec node_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return ts;
}

void node_modified(struct node *n)
{
	n->st.st_mtim = n->st.st_ctim = node_now();
}

struct node *node_new(mode_t mode, uid_t uid, gid_t gid, dev_t rdev)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	pthread_rwlock_init(&n->lock, NULL);
	n->refs = 1;
	n->st.st_ino = atomic_fetch_add(&last_ino, 1) + 1;
	n->st.st_mode = mode;
	n->st.st_uid = uid;
	n->st.st_gid = gid;
	n->st.st_rdev = rdev;
	n->st.st_blksize = NODE_PAGE;
	n->st.st_nlink = S_ISDIR(mode) ? 1 : 0; /* its own "." */
	n->st.st_atim = node_now();
	node_modified(n);
	return n;
}

static void node_free(struct node *n)
{
	if (S_ISDIR(n->st.st_mode)) {
		free(n->dir.buckets);
		free(n->dir.slots);
		free(n->dir.vacant);
	} else if (S_ISREG(n->st.st_mode)) {
		for (uint64_t i = 0; i < n->file.npages; i++)
			free(n->file.pages[i]);
		free(n->file.pages);
	} else if (S_ISLNK(n->st.st_mode)) {
		free(n->target);
	}
	pthread_rwlock_destroy(&n->lock);
	free(n);
}

void node_ref(struct node *n)
{
	atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
}

void node_unref(struct node *n, uint64_t count)
{
	if (atomic_fetch_sub_explicit(&n->refs, count, memory_order_acq_rel) == count)
		node_free(n);
}

/* ---- Names ------------------------------------------------------------------ */

/* FNV-1a, 32 bits. */
static uint32_t hash_name(const char *name, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return h;
}

static struct entry **bucket(struct directory *d, uint32_t hash)
{
	return &d->buckets[(hash ^ hash >> 15) & (d->nbuckets - 1)];
}

struct entry *node_find(struct node *dir, const char *name)
{
	size_t len = strlen(name);
	uint32_t hash = hash_name(name, len);

	if (!dir->dir.nbuckets)
		return NULL;
	for (struct entry *e = *bucket(&dir->dir, hash); e; e = e->next)
		if (e->hash == hash && e->len == len && memcmp(e->name, name, len) == 0)
			return e;
	return NULL;
}

/* Room in the buckets for one name more. */
static int grow_buckets(struct directory *d)
{
	struct directory old = *d;

	if (d->entries < d->nbuckets)
		return 0;
	d->nbuckets = old.nbuckets ? old.nbuckets * 2 : 16;
	d->buckets = calloc(d->nbuckets, sizeof(*d->buckets));
	if (!d->buckets) {
		*d = old;
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < old.nbuckets; i++) {
		for (struct entry *e = old.buckets[i], *next; e; e = next) {
			struct entry **b = bucket(d, e->hash);

			next = e->next;
			e->next = *b;
			*b = e;
		}
	}
	free(old.buckets);
	return 0;
}

/* A slot, or -ENOMEM. There is room in `vacant` for all slots. */
static int64_t take_slot(struct directory *d)
{
	if (d->nvacant)
		return d->vacant[--d->nvacant];
	if (d->nslots == d->room) {
		uint32_t room = d->room ? d->room * 2 : 16;
		struct entry **slots = realloc(d->slots, room * sizeof(*slots));
		uint32_t *vacant = slots ? realloc(d->vacant, room * sizeof(*vacant)) : NULL;

		d->slots = slots ? slots : d->slots;
		if (!vacant)
			return -ENOMEM;
		d->vacant = vacant;
		d->room = room;
	}
	return d->nslots++;
}

/* `by` is 1 or -1: a link of a node comes or goes, and with a directory the link from its "..". */
static void count_link(struct node *dir, struct node *n, int by)
{
	pthread_rwlock_wrlock(&n->lock);
	n->st.st_nlink += (nlink_t)by;
	if (S_ISDIR(n->st.st_mode)) {
		dir->st.st_nlink += (nlink_t)by;
		if (by > 0)
			n->dir.parent = dir;
		else
			n->st.st_nlink -= n->st.st_nlink == 1; /* removed: no "." either */
	}
	n->st.st_ctim = node_now();
	pthread_rwlock_unlock(&n->lock);
}

int node_enter(struct node *dir, const char *name, struct node *n)
{
	struct directory *d = &dir->dir;
	size_t len = strlen(name);
	struct entry *e, **b;
	int64_t slot;

	if (len > NODE_NAME_MAX)
		return -ENAMETOOLONG;
	if (node_find(dir, name))
		return -EEXIST;
	e = malloc(sizeof(*e) + len + 1);
	if (!e || grow_buckets(d) < 0 || (slot = take_slot(d)) < 0) {
		free(e);
		return -ENOMEM;
	}
	memcpy(e->name, name, len + 1);
	e->len = (uint16_t)len;
	e->hash = hash_name(name, len);
	e->slot = (uint32_t)slot;
	e->node = n;
	b = bucket(d, e->hash);
	e->next = *b;
	*b = e;
	d->slots[slot] = e;
	d->entries++;
	node_ref(n);
	count_link(dir, n, 1);
	node_modified(dir);
	return 0;
}

void node_remove(struct node *dir, struct entry *e)
{
	struct directory *d = &dir->dir;
	struct entry **p = bucket(d, e->hash);

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	d->slots[e->slot] = NULL;
	d->vacant[d->nvacant++] = e->slot;
	d->entries--;
	count_link(dir, e->node, -1);
	node_modified(dir);
	node_unref(e->node, 1);
	free(e);
}

struct node *node_redirect(struct node *dir, struct entry *e, struct node *n)
{
	struct node *old = e->node;

	count_link(dir, old, -1);
	count_link(dir, n, 1);
	e->node = n;
	node_modified(dir);
	return old;
}

/* ---- Data -------------------------------------------------------------------- */

const char *node_page(const struct node *n, uint64_t index)
{
	return index < n->file.npages && n->file.pages[index] ? n->file.pages[index] : zeros;
}

/* The array of pages reaches as far as `count`. */
static int reach(struct node *n, uint64_t count)
{
	uint64_t room = n->file.npages ? n->file.npages : 1;
	char **pages;

	if (count <= n->file.npages)
		return 0;
	if (count > PAGES_MAX)
		return -EFBIG;
	while (room < count)
		room *= 2;
	pages = realloc(n->file.pages, room * sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	memset(pages + n->file.npages, 0, (room - n->file.npages) * sizeof(*pages));
	n->file.pages = pages;
	n->file.npages = room;
	return 0;
}

/* The page, made where there is none. The caller is about to write that many bytes of it. */
static char *make_page(struct node *n, uint64_t index, size_t bytes)
{
	char **p = &n->file.pages[index];

	if (!*p) {
		*p = aligned_alloc(NODE_PAGE, NODE_PAGE);
		if (!*p)
			return NULL;
		if (bytes < NODE_PAGE)
			memset(*p, 0, NODE_PAGE);
		n->st.st_blocks += NODE_PAGE / 512;
	}
	return *p;
}

long node_write(struct node *n, const char *buf, size_t len, uint64_t off)
{
	int ret = reach(n, (off + len + NODE_PAGE - 1) / NODE_PAGE);
	size_t done = 0;

	if (ret < 0)
		return ret;
	while (done < len) {
		size_t in = (off + done) % NODE_PAGE;
		size_t part = len - done < NODE_PAGE - in ? len - done : NODE_PAGE - in;
		char *page = make_page(n, (off + done) / NODE_PAGE, part);

		if (!page)
			break;
		memcpy(page + in, buf + done, part);
		done += part;
	}
	if (len && !done)
		return -ENOMEM;
	if ((off_t)(off + done) > n->st.st_size)
		n->st.st_size = (off_t)(off + done);
	node_modified(n);
	return (long)done;
}

static void drop_page(struct node *n, uint64_t index)
{
	if (index >= n->file.npages || !n->file.pages[index])
		return;
	free(n->file.pages[index]);
	n->file.pages[index] = NULL;
	n->st.st_blocks -= NODE_PAGE / 512;
}

void node_punch(struct node *n, uint64_t off, uint64_t len)
{
	while (len) {
		uint64_t index = off / NODE_PAGE, in = off % NODE_PAGE;
		uint64_t part = len < NODE_PAGE - in ? len : NODE_PAGE - in;

		if (index >= n->file.npages)
			return;
		if (part == NODE_PAGE)
			drop_page(n, index);
		else if (n->file.pages[index])
			memset(n->file.pages[index] + in, 0, part);
		off += part;
		len -= part;
	}
}

/* Behind the end there are zeros only, so that growing shows zeros. */
void node_resize(struct node *n, uint64_t size)
{
	uint64_t old = (uint64_t)n->st.st_size;

	if (size < old)
		node_punch(n, size, (old + NODE_PAGE - 1) / NODE_PAGE * NODE_PAGE - size);
	n->st.st_size = (off_t)size;
	node_modified(n);
}

int node_fill(struct node *n, uint64_t off, uint64_t len)
{
	uint64_t last = (off + len + NODE_PAGE - 1) / NODE_PAGE;
	int ret = reach(n, last);

	for (uint64_t i = off / NODE_PAGE; ret == 0 && i < last; i++)
		ret = make_page(n, i, 0) ? 0 : -ENOMEM;
	return ret;
}
