/*
 * Having the kernel forget. What it does not have (-ENOENT) it need not forget,
 * and where the connection is gone so is all that it held: so no error matters.
 *
 * A name that changed is dropped together with all names of its directory that
 * the kernel was told are absent: the store knows of these only that there are
 * some, and with them gone its filter is empty again.
 */
#include "daemon/ops.h"
#include "daemon/tally.h"
#include "metrics/layout.h"

struct names {
	struct absent *absent;
	struct absent_name *list;
	fs_ino dir;
};

static void take_names(void *arg)
{
	struct names *n = arg;

	n->list = absent_take(n->absent, n->dir);
}

static void drop_entry(struct session *s, fs_ino dir, const char *name, size_t len)
{
	tally_forget(s->pool, INVAL_NAME);
	fuse_lowlevel_notify_inval_entry(s->fuse, dir, name, len);
}

static void forget_name(struct session *s, struct task *t, fs_ino dir, const char *name, size_t len)
{
	struct names n = {.absent = s->absent, .dir = dir};
	uint64_t seen;

	if (!fs_names_begin(t, dir, take_names, &n, &seen))
		return;
	drop_entry(s, dir, name, len);
	for (const struct absent_name *a = n.list; a; a = a->next)
		drop_entry(s, dir, a->name, a->len);
	absent_free(n.list);
	fs_names_end(t, dir, seen);
}

void session_forget(struct session *s, struct task *t, const struct stale_item *item, const char *name)
{
	uint32_t seen = fs_marks(t, item->ino);
	unsigned marks = seen & item->marks & (FS_MARK_ATTR | FS_MARK_DATA);

	if (item->marks & FS_MARK_NAMES)
		forget_name(s, t, item->ino, name, item->len);
	if (!marks)
		return; /* told by somebody else meanwhile, and not asked for since */
	tally_forget(s->pool, marks & FS_MARK_DATA ? INVAL_DATA : INVAL_ATTR);
	/* Attributes alone: an offset below 0. */
	fuse_lowlevel_notify_inval_inode(s->fuse, item->ino, marks & FS_MARK_DATA ? 0 : -1, 0);
	fs_marks_drop(t, item->ino, seen, marks);
}
