/*
 * Telling the kernel. The daemon's calls mark what they answer before they read
 * it; a direct client's call looks at the marks after it has released its
 * locks, whose release is a full barrier: either it sees the mark, or the
 * daemon has read the new state. What the kernel asked for itself it knows.
 */
#include "fs/internal.h"

void stale_inode(struct task *t, struct inode *i, unsigned marks)
{
	struct fs_stale s = {.ino = inode_number(fs_of(t), i)};

	if (t->flags & TASK_KERNEL || likely(!(load_relaxed(&i->marks) & marks)))
		return;
	if (t->slot->nheld) /* the mark stays until whoever holds the lock has let go and asks again */
		return;
	s.marks = fetch_and(&i->marks, ~(uint32_t)marks) & marks;
	if (s.marks && t->invalidate)
		t->invalidate(t->arg, &s, 1);
}

void stale_name(struct task *t, struct inode *dir, struct fs_name name, bool known)
{
	const struct fs *fs = fs_of(t);
	struct fs_stale s = {.ino = inode_number(fs, dir), .marks = FS_MARK_NAMES, .len = (uint8_t)name.len};

	if (t->flags & TASK_KERNEL || likely(!known && !name_was_absent(fs, dir, name)) || !t->invalidate)
		return;
	mem_copy(s.name, name.s, name.len);
	t->invalidate(t->arg, &s, 1);
}
