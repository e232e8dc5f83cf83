/*
 * Having the kernel forget. What it does not have (-ENOENT) it need not forget,
 * and where the connection is gone so is all that it held: so no error matters.
 *
 * A name that changed is dropped together with all names of its directory that
 * the kernel was told are absent: the store knows of these only that there are
 * some, and with them gone its filter is empty again.
 *
 * An inode without entries the kernel keeps in its cache until memory is short,
 * unless it knows that there are no links. So an inode that has ended behind its
 * back is looked up once more, by number: it reads of no links, and lets go.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

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

/* `gone`: an inode that the name may have led to and that has ended, or 0. */
static void drop_entry(struct session *s, fs_ino dir, fs_ino gone, const char *name, size_t len)
{
	tally_forget(s->pool, INVAL_NAME);
	if (!gone || fuse_lowlevel_notify_delete(s->fuse, dir, gone, name, len) != 0)
		fuse_lowlevel_notify_inval_entry(s->fuse, dir, name, len);
}

static void forget_name(struct session *s, struct task *t, fs_ino dir, fs_ino gone, const char *name, size_t len)
{
	struct names n = {.absent = s->absent, .dir = dir};
	uint64_t seen;

	if (!fs_names_begin(t, dir, take_names, &n, &seen))
		return;
	drop_entry(s, dir, gone, name, len);
	for (const struct absent_name *a = n.list; a; a = a->next)
		drop_entry(s, dir, 0, a->name, a->len);
	absent_free(n.list);
	fs_names_end(t, dir, seen);
}

void session_forget(struct session *s, struct task *t, const struct stale_item *item)
{
	uint32_t seen = fs_marks(t, item->ino);
	unsigned marks = seen & item->marks & (FS_MARK_ATTR | FS_MARK_DATA);

	if (!marks)
		return; /* told by somebody else meanwhile, and not asked for since */
	tally_forget(s->pool, marks & FS_MARK_DATA ? INVAL_DATA : INVAL_ATTR);
	/* Attributes alone: an offset below 0. */
	fuse_lowlevel_notify_inval_inode(s->fuse, item->ino, marks & FS_MARK_DATA ? 0 : -1, 0);
	fs_marks_drop(t, item->ino, seen, marks);
}

void session_set_teller(struct session *s, struct teller *t)
{
	s->teller = t;
}

/* ---- By number ------------------------------------------------------------------------- */

#define NUMBER_NAME (sizeof(FS_BY_NUMBER) + 10)

static size_t number_name(char *to, fs_ino ino)
{
	return (size_t)snprintf(to, NUMBER_NAME, FS_BY_NUMBER "%u", ino);
}

static void drop_number(struct session *s, fs_ino ino)
{
	char name[NUMBER_NAME];
	size_t len = number_name(name, ino);

	fuse_lowlevel_notify_inval_entry(s->fuse, FS_ROOT, name, len);
}

/* Directories have one entry in the kernel, and end with it. */
void session_let_go(struct session *s, struct task *t, fs_ino ino)
{
	char path[PATH_MAX + NUMBER_NAME];
	struct fs_attr a;

	if (!fs_is_held(t, ino) || fs_getattr(t, ino, &a) != 0 || a.nlink || S_ISDIR(a.mode))
		return;
	snprintf(path, sizeof(path), "%s/" FS_BY_NUMBER "%u", s->mountpoint, ino);
	(void)herald_look(&s->herald, path);
	drop_number(s, ino);
}

bool session_untidy(struct session *s)
{
	return numbers_age(s->numbers) != 0;
}

void session_tidy(struct session *s)
{
	uint32_t ino[64];
	size_t n;

	while ((n = numbers_take(s->numbers, ino, array_len(ino)))) {
		while (n)
			drop_number(s, ino[--n]);
	}
}

/* ---- A list ------------------------------------------------------------------------------ */

fs_ino session_gone_in(const struct stale_list *l, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (l->item[i].marks & FS_MARK_GONE)
			return l->item[i].ino;
	}
	return 0;
}

void session_forget_all(struct session *s, struct task *t, const struct stale_list *l, uint32_t n)
{
	fs_ino gone = session_gone_in(l, n);

	for (uint32_t i = 0; i < n; i++) {
		const struct stale_item *item = &l->item[i];

		if (item->marks & FS_MARK_NAMES)
			forget_name(s, t, item->ino, gone, l->name[item->name % TASK_STALE_NAMES], item->len);
		else
			session_forget(s, t, item);
	}
}
