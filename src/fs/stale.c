/*
 * Telling the kernel. What it may hold is marked, before the daemon reads what
 * it answers. A direct client's call that changes a marked thing notes it in
 * its task's slot, under the lock and before the change is final, and has the
 * daemon tell the kernel when it has let go of its locks. Both locking and
 * marking are full barriers: either the client sees the mark, or the daemon
 * waits for the lock and reads the new state.
 *
 * The mark goes when the kernel has let go, not before. So whoever changes the
 * thing meanwhile finds it too, and waits as well; and who is killed between
 * change and telling leaves a note to whoever buries it.
 *
 * A mark of an inode is a bit with a count of settings beside it: it is taken
 * away only if the kernel has not asked again since before it was told. Of
 * names there is a filter of 512 bits a directory. What the kernel knew of a
 * name that changes goes into it too, so that it stays true after the entry is
 * gone. One bit stands for many names: so the daemon, which remembers the names
 * that it has called absent, has all of a directory dropped at once, and the
 * filter is empty again.
 */
#include "fs/internal.h"

void mark(struct inode *i, unsigned marks)
{
	uint32_t old = load_relaxed(&i->marks);

	while (!cas(&i->marks, &old, (old | marks) + MARK_COUNT))
		;
}

void unmark(struct task *t, struct inode *i)
{
	uint32_t old = load_relaxed(&i->marks);
	uint64_t names = 0;

	/* The count goes on: see fs_marks_drop. Whether a file is watched, its directory knows: see fs_is_watched. */
	while (!cas(&i->marks, &old,
		    ((old & ~(MARK_COUNT - 1)) | (is_dir(i->mode) ? 0 : old & FS_MARK_WATCHED)) + MARK_COUNT))
		;
	if (!is_dir(i->mode))
		return;
	for (unsigned k = 0; k < array_len(i->room.dir.absent); k++)
		names |= swap(&i->room.dir.absent[k], 0);
	if (names && t->absent)
		t->absent(t->arg, inode_number(fs_of(t), i), NULL, 0, false);
	store_relaxed(&i->room.dir.asked, i->room.dir.asked + 1);
}

void mark_name(struct inode *dir, struct fs_name name)
{
	uint32_t bit = name_bit(name);

	fetch_or(&dir->room.dir.absent[bit / 64], 1ull << (bit % 64));
	store_relaxed(&dir->room.dir.asked, dir->room.dir.asked + 1);
}

/* ---- Noting ------------------------------------------------------------------------ */

static struct stale_item *item_for(struct task *t, fs_ino ino)
{
	struct task_slot *s = t->slot;

	for (uint32_t k = 0; k < min_of(s->nstale, TASK_STALE); k++) {
		if (s->stale.item[k].ino == ino && !(s->stale.item[k].marks & FS_MARK_NAMES))
			return &s->stale.item[k];
	}
	return NULL;
}

static void push(struct task *t, struct stale_item item)
{
	struct task_slot *s = t->slot;
	uint32_t n = s->nstale;

	if (n >= TASK_STALE) { /* more than any call changes */
		t->broken = 1;
		return;
	}
	s->stale.item[n] = item;
	fence_death();
	store_relaxed(&s->nstale, n + 1);
	step(t);
}

static void note(struct task *t, fs_ino ino, unsigned marks)
{
	struct stale_item *have = item_for(t, ino);

	if (have)
		have->marks |= (uint16_t)marks;
	else
		push(t, (struct stale_item){.ino = ino, .marks = (uint16_t)marks});
}

cold void stale_note_marked(struct task *t, const struct inode *i, unsigned marks)
{
	fs_ino ino = inode_number(fs_of(t), i);

	if (t->flags & TASK_KERNEL || !t->invalidate)
		return; /* what the kernel asked for itself it knows */
	note(t, ino, marks & load_relaxed(&i->marks));
}

bool stale_makes_events(struct task *t, const struct inode *i)
{
	return !(t->flags & TASK_KERNEL) && unlikely(load_relaxed(&i->marks) & FS_MARK_WATCHED);
}

void stale_gone(struct task *t, const struct inode *i)
{
	/* What the kernel removes itself it lets go, if it knows how many links there were. */
	if (t->flags & TASK_KERNEL && load_relaxed(&i->marks) & FS_MARK_ATTR)
		return;
	if (i->nlink == 0 && unlikely(i->kref) && t->invalidate)
		note(t, inode_number(fs_of(t), i), FS_MARK_GONE);
}

void stale_owner(struct task *t, const struct inode *i)
{
	if (unlikely(i->kref) && !(t->flags & TASK_KERNEL) && t->invalidate)
		note(t, inode_number(fs_of(t), i), FS_MARK_OWNER);
}

cold void stale_name_marked(struct task *t, struct inode *dir, struct fs_name name, bool known)
{
	struct stale_item item = {.ino = inode_number(fs_of(t), dir), .marks = FS_MARK_NAMES, .len = (uint8_t)name.len};

	if (t->flags & TASK_KERNEL || !t->invalidate)
		return;
	for (uint32_t k = 0; k < min_of(t->slot->nstale, TASK_STALE); k++)
		item.name += t->slot->stale.item[k].marks == FS_MARK_NAMES;
	if (item.name >= TASK_STALE_NAMES) {
		t->broken = 1;
		return;
	}
	if (known)
		mark_name(dir, name);
	mem_copy(t->slot->stale.name[item.name], name.s, item.len);
	push(t, item);
}

/* ---- Telling ----------------------------------------------------------------------- */

void stale_tell(struct task *t)
{
	struct task_slot *s = t->slot;

	if (s->nheld)
		return;
	step(t);
	if (t->invalidate) {
		t->invalidate(t->arg, &s->stale, min_of(s->nstale, TASK_STALE));
		t->told = 1;
	}
	store_relaxed(&s->nstale, 0);
	step(t);
}

void fs_settle(struct task *t, fs_ino ino)
{
	if (!t->invalidate)
		return;
	note(t, ino, FS_MARK_OWNER);
	stale_tell(t);
}

/* ---- The daemon's part -------------------------------------------------------------- */

uint32_t fs_marks(struct task *t, fs_ino ino)
{
	const struct inode *i = inode_at(fs_of(t), ino);

	return i ? load_acquire(&i->marks) : 0;
}

void fs_marks_drop(struct task *t, fs_ino ino, uint32_t seen, unsigned marks)
{
	struct inode *i = inode_at(fs_of(t), ino);
	uint32_t old = seen;

	/* Another one may have taken away another bit: the count is what must not have moved. */
	while (i && !cas(&i->marks, &old, old & ~(uint32_t)marks)) {
		if (old / MARK_COUNT != seen / MARK_COUNT)
			return;
	}
}

/* Locks a directory in a transaction of its own. NULL: it is none. */
static struct inode *lock_dir(struct task *t, fs_ino ino)
{
	struct inode *dir = inode_at(fs_of(t), ino);

	if (!dir)
		return NULL;
	txn_begin(t);
	if (txn_lock(t, &dir->meta) == 0 && is_dir(dir->mode))
		return dir;
	txn_abort(t, 0);
	return NULL;
}

bool fs_names_begin(struct task *t, fs_ino ino, void (*begun)(void *arg), void *arg, uint64_t *seen)
{
	struct inode *dir = lock_dir(t, ino);

	if (!dir)
		return false;
	*seen = dir->room.dir.asked;
	begun(arg);
	txn_abort(t, 0);
	return true;
}

void fs_names_end(struct task *t, fs_ino ino, uint64_t seen)
{
	struct inode *dir = lock_dir(t, ino);

	if (!dir)
		return;
	for (unsigned k = 0; k < array_len(dir->room.dir.absent) && dir->room.dir.asked == seen; k++)
		store_relaxed(&dir->room.dir.absent[k], 0);
	txn_abort(t, 0);
}
