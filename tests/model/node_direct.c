/*
 * What a direct client uses of the store beyond inodes: its path walk, which
 * it may remember as long as fs_walk_holds(), and its open files with their
 * offsets. Each walk is remembered here, and when the same path comes again and
 * the way is said to hold, the new answer must be the old one.
 */
#include "node_store.h"

#include <errno.h>
#include <stdio.h>

#include "base/hash.h"

struct node_ops direct_ops;

static uint64_t key_of(const struct fs_cred *c, const struct fs_walk *w)
{
	uint64_t what[] = {w->start, w->flags, c->uid, c->gid};

	return hash_bytes(hash_bytes(1, what, sizeof(what)), w->path, w->len) | 1;
}

static int check_way(struct node_seat *s, const struct fs_walk *w, struct node_way *way, uint64_t key, bool held,
		     int ret)
{
	fs_ino ino = ret == 0 ? w->ino : 0;

	if (held && (ret != 0 || way->ino != ino)) {
		fprintf(stderr, "fs_walk_holds: \"%.*s\" led to %u and now to %u (%d)\n", (int)w->len, w->path,
			way->ino, ino, ret);
		return -EUCLEAN;
	}
	way->key = 0;
	if (ret != 0 || w->nvia > FS_WALK_VIA)
		return ret;
	*way = (struct node_way){.key = key, .ino = ino, .nvia = w->nvia};
	for (uint32_t i = 0; i < w->nvia; i++)
		way->via[i] = w->via[i];
	return ret;
}

static int dn_walk(void *arg, const struct fs_cred *c, struct fs_walk *w)
{
	struct node_seat *s = arg;
	uint64_t key = key_of(c, w);
	struct node_way *way = &s->way[key / 2 % NODE_WAYS];
	/* A parent's own permission is not part of what is remembered: fs.h. */
	bool known = way->key == key && !(w->flags & FS_WALK_PARENT), held;
	int ret = fs_walk(&s->task, c, w);

	/* After the walk: if it holds even now, it held throughout. */
	held = known && fs_walk_holds(&s->task, way->via, way->nvia);
	return check_way(s, w, way, key, held, ret);
}

static int dn_dup(void *s, uint32_t from, uint32_t to)
{
	return fs_dup(s, from, to);
}

static int dn_set_flags(void *s, uint32_t handle, uint32_t mask, uint32_t flags)
{
	return fs_set_flags(s, handle, mask, flags);
}

static int64_t dn_read_next(void *s, uint32_t handle, void *buf, size_t len)
{
	return fs_read_next(s, handle, buf, len);
}

static int64_t dn_write_next(void *s, const struct fs_cred *c, uint32_t handle, const void *buf, size_t len)
{
	return fs_write_next(s, c, handle, buf, len);
}

static int64_t dn_seek_to(void *s, uint32_t handle, int64_t off, int whence)
{
	return fs_seek_to(s, handle, off, whence);
}

void direct_ops_fill(void)
{
	direct_ops = store_ops;
	direct_ops.walk = dn_walk;
	direct_ops.dup = dn_dup;
	direct_ops.set_flags = dn_set_flags;
	direct_ops.read_next = dn_read_next;
	direct_ops.write_next = dn_write_next;
	direct_ops.seek_to = dn_seek_to;
}
