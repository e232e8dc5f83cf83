/*
 * Settling the hand: freeing, in small transactions that each hold one lock at
 * a time, what an operation has unlinked or did not use. An item that leads to
 * more (an inode, a node of a map) puts what it leads to behind itself and is
 * done when nothing is left, so that a death at any point leaves the rest to
 * the heir of the hand.
 */
#include "fs/internal.h"

static int reap_free(struct task *t, struct inode *i)
{
	struct task_slot *s = t->slot;

	txn_set(t, &i->mode, 0);
	txn_set(t, &i->gen, i->gen + 1);
	if (pocket_put(t, &fs_of(t)->inodes, inode_number(fs_of(t), i)))
		hand_take(t, s->nhand - 1);
	else
		txn_set(t, &s->hand[s->nhand - 1], hand_item(HAND_INODE, 1, inode_number(fs_of(t), i)));
	return txn_commit(t);
}

bool inode_bare(const struct inode *i)
{
	uint32_t mode = load_relaxed(&i->mode), flags = load_relaxed(&i->flags);
	bool whole = !(S_ISREG(mode) || S_ISLNK(mode)) || (flags & (INODE_INLINE | INODE_TRIM)) == INODE_INLINE;

	return whole && (is_dir(mode) || load_relaxed(&i->nlink) == 1) && !load_relaxed(&i->xattr) &&
	       !load_relaxed(&i->nopen) && !load_relaxed(&i->kref) && !(load_relaxed(&i->marks) & (MARK_COUNT - 1));
}

void inode_free(struct task *t, struct inode *i)
{
	const struct fs *fs = fs_of(t);

	txn_set(t, &i->mode, 0);
	txn_set(t, &i->gen, i->gen + 1);
	hand_push_unit(t, &fs->inodes, hand_item(HAND_INODE, 1, inode_number(fs, i)));
}

/* One step of taking an inode apart: an attribute, a piece of its mapping, or itself. */
static int reap(struct task *t, fs_ino ino)
{
	struct inode *i = inode_at(fs_of(t), ino);
	int err;

	if (!i)
		return -EUCLEAN;
	txn_begin(t);
	/* The data word too: who still has the number may be reading or resizing. */
	err = txn_lock(t, &i->data);
	if (!err)
		err = txn_lock(t, &i->meta);
	if (!err && i->mode == 0)
		err = -EUCLEAN;
	if (err)
		return txn_abort(t, err);
	if (i->xattr) {
		xattr_pop(t, i);
		return txn_commit(t);
	}
	if (!(i->flags & INODE_INLINE) && (S_ISREG(i->mode) || S_ISLNK(i->mode))) {
		err = map_cut(t, i, 0, UINT64_MAX);
		if (err < 0)
			return txn_abort(t, err);
		if (err == 0) { /* as when it was new */
			txn_set(t, &i->size, 0);
			txn_set(t, &i->flags, (i->flags & ~(uint32_t)INODE_TRIM) | INODE_INLINE);
		}
		return txn_commit(t);
	}
	return reap_free(t, i);
}

/* The inode may have been freed and be in use again for long: a trim that is not asked for does no harm. */
static int trim(struct task *t, uint64_t item)
{
	struct inode *i = inode_at(fs_of(t), item_index(item));
	int err = i ? lock_data(t, i) : -EUCLEAN;

	if (err)
		return err;
	unlock_data(t, true);
	txn_begin(t);
	err = txn_lock_own(t);
	if (err)
		return txn_abort(t, err);
	hand_forget(t, item); /* lock_data() has, but for one with bits that damage has set */
	return txn_commit_quiet(t);
}

static int settle_last(struct task *t, uint64_t item)
{
	const struct fs *fs = fs_of(t);

	switch ((enum hand_tag)(item >> 60)) {
	case HAND_INODE:
		return slab_put(t, &fs->inodes, item_index(item), 1);
	case HAND_CELLS:
		return slab_put(t, &fs->cells, item_index(item), item_count(item));
	case HAND_FILE:
		return slab_put(t, &fs->files, item_index(item), 1);
	case HAND_BLOCKS:
		return blocks_put(t, &fs->blocks);
	case HAND_REAP:
		return reap(t, item_index(item));
	case HAND_TRIM:
		return trim(t, item);
	case HAND_NODE:
		return map_reap(t);
	case HAND_XATTR:
		return xattr_reap(t);
	}
	return -EUCLEAN;
}

int hand_settle_to(struct task *t, uint32_t n)
{
	struct task_slot *s = t->slot;
	uint8_t was = t->firm;
	int first = 0;

	t->firm = 1;
	while (s->nhand > n) {
		int err = settle_last(t, s->hand[s->nhand - 1]);

		if (err < 0) { /* damage: better a leak than to hang on it for ever */
			first = first ? first : err;
			store_relaxed(&s->nhand, s->nhand - 1);
		}
	}
	t->firm = was;
	return first;
}

int hand_settle_all(struct task *t)
{
	int err = hand_settle_to(t, 0);

	if (t->slot->nstale)
		stale_tell(t);
	return err;
}

bool hand_forget(struct task *t, uint64_t item)
{
	for (uint32_t i = t->slot->nhand; i-- > 0;) {
		if (t->slot->hand[i] == item) {
			hand_take(t, i);
			return true;
		}
	}
	return false;
}

void hand_drop(struct task *t, uint64_t item)
{
	if (!hand_forget(t, item))
		t->broken = 1;
}
