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
 *
 * What is open for writing through the kernel needs more. The kernel copies a
 * write(2) into its page, lets go of the page, and sends the request: a page that
 * is dropped and read anew in between lacks those bytes, and stays so. And it
 * appends where it believes the end to be, without asking: in its pages, the bytes
 * are then where the store has others. Both go on under the inode's lock. So the
 * looker takes that lock, by asking where the file ends, which has the kernel learn
 * the size, and then where its data begins: while that is being answered no write
 * is under way, and the pages are dropped (session_settle). Until then the mark
 * stays, and the call of who has changed the file does not return.
 *
 * A writer may come while somebody has just seen that there is none. So opening
 * counts first and then looks whether the kernel's attributes are still marked, and
 * telling takes the mark away first and then looks whether there are writers: one of
 * the two sees the other, and settles.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/ops.h"
#include "daemon/tally.h"
#include "metrics/layout.h"

#define NUMBER_NAME (sizeof(FS_BY_NUMBER) + 10)

static size_t number_name(char *to, fs_ino ino)
{
	return (size_t)snprintf(to, NUMBER_NAME, FS_BY_NUMBER "%u", ino);
}

static void number_path(const struct session *s, char *to, size_t size, fs_ino ino)
{
	snprintf(to, size, "%s/" FS_BY_NUMBER "%u", s->mountpoint, ino);
}

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

static void drop(struct session *s, struct task *t, fs_ino ino, unsigned which)
{
	uint32_t seen = fs_marks(t, ino);
	unsigned marks = seen & which & (FS_MARK_ATTR | FS_MARK_DATA);

	if (!marks)
		return; /* told by somebody else meanwhile, and not asked for since */
	tally_forget(s->pool, marks & FS_MARK_DATA ? INVAL_DATA : INVAL_ATTR);
	/* Attributes alone: an offset below 0. */
	fuse_lowlevel_notify_inval_inode(s->fuse, ino, marks & FS_MARK_DATA ? 0 : -1, 0);
	fs_marks_drop(t, ino, seen, marks);
}

bool session_forget_attr(struct session *s, struct task *t, const struct stale_item *item)
{
	if (session_may_be_written(s, t, item->ino))
		return false;
	drop(s, t, item->ino, FS_MARK_ATTR);
	return !session_may_be_written(s, t, item->ino);
}

void session_set_teller(struct session *s, struct teller *t)
{
	s->teller = t;
}

/* ---- What is open for writing ------------------------------------------------------------ */

bool session_may_be_written(struct session *s, struct task *t, fs_ino ino)
{
	return S_ISREG(fs_mode(t, ino)) && (s->zero_open || writers_any(&s->writers, ino));
}

void session_settle(struct session *s, struct task *t, fs_ino ino)
{
	drop(s, t, ino, FS_MARK_DATA);
}

/* False: it could not be opened. */
static bool settle(struct session *s, struct task *t, fs_ino ino)
{
	char path[PATH_MAX + NUMBER_NAME];

	if (!fs_is_held(t, ino))
		return true;
	number_path(s, path, sizeof(path), ino);
	return herald_settle(&s->looker, path) == 0;
}

/* A directory has one entry in the kernel, and is looked up by that. */
static bool path_of(struct session *s, struct task *t, fs_ino ino, char *path, size_t size)
{
	char *at = path + size - 1;
	struct fs_dirent self;
	fs_ino parent;

	if (!S_ISDIR(fs_mode(t, ino))) {
		number_path(s, path, size, ino);
		return true;
	}
	for (*at = 0; ino != FS_ROOT; ino = parent) {
		if (fs_dirname(t, ino, &parent, &self) != 0 ||
		    (size_t)(at - path) < strlen(s->mountpoint) + self.len + 2u)
			return false;
		at -= self.len;
		memcpy(at, self.name, self.len);
		*--at = '/';
	}
	memmove(path + strlen(s->mountpoint), at, (size_t)(path + size - at));
	memcpy(path, s->mountpoint, strlen(s->mountpoint));
	return true;
}

static void ask_again(struct session *s, struct task *t, fs_ino ino)
{
	char path[2 * PATH_MAX];

	drop(s, t, ino, FS_MARK_ATTR);
	if (fs_is_held(t, ino) && path_of(s, t, ino, path, sizeof(path)))
		(void)herald_look(&s->looker, path);
}

static void forget_inode(struct session *s, struct task *t, const struct stale_item *item)
{
	const unsigned mine = FS_MARK_ATTR | FS_MARK_DATA | FS_MARK_OWNER;
	bool settled;

	if (!(item->marks & mine))
		return;
	settled = session_may_be_written(s, t, item->ino) && settle(s, t, item->ino);
	if (!settled) {
		drop(s, t, item->ino, item->marks);
		if (session_may_be_written(s, t, item->ino))
			settled = settle(s, t, item->ino);
	}
	if (settled) /* the looker's look has marked them again: each change to come would be told, and nobody asks */
		drop(s, t, item->ino, FS_MARK_ATTR);
	else if (item->marks & FS_MARK_OWNER)
		ask_again(s, t, item->ino);
}

/* ---- By number ------------------------------------------------------------------------- */

static void drop_number(struct session *s, uint32_t number)
{
	char name[NUMBER_NAME + sizeof(FS_BY_CREATION)];
	size_t len = number_name(name, number & ~NUMBERS_CREATED);

	if (number & NUMBERS_CREATED) {
		memcpy(name + len, FS_BY_CREATION, sizeof(FS_BY_CREATION));
		len += sizeof(FS_BY_CREATION) - 1;
	}

	fuse_lowlevel_notify_inval_entry(s->fuse, FS_ROOT, name, len);
}

/* Directories have one entry in the kernel, and end with it. */
void session_let_go(struct session *s, struct task *t, fs_ino ino)
{
	char path[PATH_MAX + NUMBER_NAME];
	struct fs_attr a;

	if (!fs_is_held(t, ino) || fs_getattr(t, ino, &a) != 0 || a.nlink || S_ISDIR(a.mode))
		return;
	number_path(s, path, sizeof(path), ino);
	(void)herald_look(&s->looker, path);
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
			forget_inode(s, t, item);
	}
}
