/*
 * Comparing whole trees: a walk made of ordinary operations, with the listing
 * of the first side as its guide (the second one's was found equal). Inode
 * numbers of the sides must correspond one to one.
 */
#include "lane.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_SLOT (OP_SLOTS - 1)

struct pairs {
	struct {
		fs_ino a, b;
	} * v;
	size_t n;
};

/* Enters a pair of inode numbers. false: one of them had another partner. */
static bool pair(struct pairs *p, fs_ino a, fs_ino b)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].a == a || p->v[i].b == b)
			return p->v[i].a == a && p->v[i].b == b;
	p->v = realloc(p->v, (p->n + 1) * sizeof(*p->v));
	p->v[p->n].a = a;
	p->v[p->n++].b = b;
	return true;
}

static const char *pair_probe(struct lane *l, struct pairs *p)
{
	if (l->sides < 2 || l->r[0].nprobe == 0 || l->r[0].probe[0].err)
		return NULL;
	if (!pair(p, l->r[0].probe[0].attr.ino, l->r[1].probe[0].attr.ino))
		l->diff = "which names share an inode";
	return l->diff;
}

static const char *step_path(struct lane *l, enum op_kind kind, const char *path, int flags, int64_t len)
{
	struct op o = op_make(kind);
	const char *diff;

	o.path = strdup(path);
	o.flags = flags;
	o.len = len;
	o.mode = kind == OP_LISTXATTR || kind == OP_GETXATTR;
	if (kind == OP_OPEN) {
		o.fd = DUMP_SLOT;
		o.mode = 0;
	}
	diff = lane_step(l, &o);
	op_free(&o);
	return diff;
}

static const char *step_fd(struct lane *l, enum op_kind kind, int fd)
{
	struct op o = op_make(kind);

	o.fd = fd;
	o.len = 32;
	return lane_step(l, &o);
}

static const char *dump_xattrs(struct lane *l, const char *path)
{
	const char *diff = step_path(l, OP_LISTXATTR, path, 0, 65536);
	size_t len = l->r[0].text_len;
	char *names = malloc(len + 1);

	memcpy(names, l->r[0].text ? l->r[0].text : "", len);
	for (char *n = names; !diff && n < names + len; n += strlen(n) + 1) {
		struct op o = op_make(OP_GETXATTR);

		o.path = strdup(path);
		o.path2 = strdup(n + 1);
		o.mode = 1;
		o.len = 65536;
		diff = lane_step(l, &o);
		op_free(&o);
	}
	free(names);
	return diff;
}

static const char *dump_content(struct lane *l, const char *path)
{
	const char *diff = step_path(l, OP_OPEN, path, O_RDONLY | O_NOFOLLOW, 0);

	if (!diff && l->r[0].ret == 0)
		diff = step_fd(l, OP_CONTENT, DUMP_SLOT);
	return diff;
}

static const char *dump_dir(struct lane *l, struct pairs *p, const char *path);

static const char *dump_object(struct lane *l, struct pairs *p, char type, const char *path)
{
	const char *diff = step_path(l, OP_STAT, path, AT_SYMLINK_NOFOLLOW, 0);

	if (!diff)
		diff = pair_probe(l, p);
	if (!diff)
		diff = dump_xattrs(l, path);
	if (diff)
		return diff;
	if (type == 'l')
		return step_path(l, OP_READLINK, path, 0, 4096);
	if (type == 'f')
		return dump_content(l, path);
	return type == 'd' ? dump_dir(l, p, path) : NULL;
}

/* Paths at the kernel's limit (or a directory that cannot be opened) end the walk. */
static const char *dump_dir(struct lane *l, struct pairs *p, const char *path)
{
	const char *diff = step_path(l, OP_OPEN, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	char *list, *sub;
	size_t len;

	if (diff || l->r[0].ret < 0)
		return diff;
	diff = step_fd(l, OP_READDIR, DUMP_SLOT);
	len = diff || !l->r[0].text ? 0 : l->r[0].text_len;
	list = malloc(len + 1);
	memcpy(list, len ? l->r[0].text : "", len);
	for (char *e = list; !diff && e < list + len; e += strlen(e) + 1) {
		if (!strcmp(e + 1, ".") || !strcmp(e + 1, ".."))
			continue;
		sub = malloc(strlen(path) + strlen(e) + 2);
		sprintf(sub, "%s%s%s", strcmp(path, ".") ? path : "", strcmp(path, ".") ? "/" : "", e + 1);
		diff = dump_object(l, p, *e, sub);
		free(sub);
	}
	free(list);
	return diff;
}

const char *lane_dump(struct lane *l)
{
	struct pairs p = {0};
	const char *diff = NULL;

	for (int i = 0; i < OP_SLOTS_GEN && !diff; i++) {
		diff = step_fd(l, OP_FSTAT, i);
		if (!diff && l->r[0].ret == 0)
			diff = pair_probe(l, &p);
		if (!diff && l->r[0].ret == 0)
			diff = step_fd(l, OP_CONTENT, i);
	}
	if (!diff && !l->s->shared)
		diff = dump_dir(l, &p, ".");
	if (!diff)
		diff = step_fd(l, OP_CLOSE, DUMP_SLOT);
	free(p.v);
	return diff;
}
