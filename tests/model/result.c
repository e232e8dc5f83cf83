/*
 * Comparing results. What is left out, and why:
 *	st_size of directories	tmpfs counts 20 bytes a name, ext4 blocks; POSIX leaves it open
 *	inode numbers		any numbers will do; the dump compares which names share an inode
 *	st_blocks		only zero or not: metadata may count. A store that keeps small files
 *				inline may count a block where tmpfs has a hole, and take it for data
 *	time of "now"		see result.h
 */
#include "result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void result_clear(struct result *r)
{
	free(r->text);
	*r = (struct result){0};
}

void result_text(struct result *r, const void *text, size_t len)
{
	free(r->text);
	r->text = malloc(len + 1);
	memcpy(r->text, text, len);
	r->text[len] = 0;
	r->text_len = len;
}

static void print_time(FILE *f, const char *what, struct timespec t)
{
	fprintf(f, " %s=%lld.%09ld", what, (long long)t.tv_sec, t.tv_nsec);
}

static void print_probe(FILE *f, const struct probe *p)
{
	const struct fs_attr *a = &p->attr;

	if (p->err) {
		fprintf(f, "    %-6s %s\n", p->what, strerror(-p->err));
		return;
	}
	fprintf(f, "    %-6s ino=%u mode=%o nlink=%u uid=%u gid=%u rdev=%x size=%llu blocks=%llu", p->what, a->ino,
		a->mode, a->nlink, a->uid, a->gid, a->rdev, (unsigned long long)a->size, (unsigned long long)a->blocks);
	print_time(f, "atime", a->atime);
	print_time(f, "mtime", a->mtime);
	print_time(f, "ctime", a->ctime);
	print_time(f, "btime", a->btime);
	fputc('\n', f);
}

void result_print(FILE *f, const struct result *r)
{
	fprintf(f, "  ret=%lld", (long long)r->ret);
	if (r->ret < 0)
		fprintf(f, " (%s)", strerror((int)-r->ret));
	if (r->text) {
		fprintf(f, " text[%zu]=\"", r->text_len);
		for (size_t i = 0; i < r->text_len && i < 400; i++)
			fprintf(f, r->text[i] >= ' ' && r->text[i] < 127 ? "%c" : "\\x%02x", (unsigned char)r->text[i]);
		fputc('"', f);
	}
	fputc('\n', f);
	for (int i = 0; i < r->nprobe; i++)
		print_probe(f, &r->probe[i]);
}

static int cmp(struct timespec a, struct timespec b)
{
	if (a.tv_sec != b.tv_sec)
		return a.tv_sec < b.tv_sec ? -1 : 1;
	return (a.tv_nsec > b.tv_nsec) - (a.tv_nsec < b.tv_nsec);
}

struct timespec result_stamp(const struct timeline *t, size_t op)
{
	return (struct timespec){
	    .tv_sec = t->start.tv_sec + (time_t)(op / 1000000),
	    .tv_nsec = (long)(op % 1000000) * 1000,
	};
}

/* The operation that a logical time names, or -1: it was set by hand. */
static int64_t stamp_op(const struct timeline *t, struct timespec x)
{
	int64_t us = (int64_t)(x.tv_sec - t->start.tv_sec) * 1000000 + x.tv_nsec / 1000;

	if (x.tv_sec < t->start.tv_sec || x.tv_sec - t->start.tv_sec > 1000 || x.tv_nsec % 1000 || us >= (int64_t)t->n)
		return -1;
	return us;
}

static struct timespec earlier(struct timespec t, long ns)
{
	t.tv_nsec -= ns;
	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}

/*
 * A logical against a kernel time. `lax`: atime where several operations share
 * a tick of the kernel's clock. relatime's "not later than mtime" then holds
 * for reads that come after the first one, which update it again; and since
 * Linux 6.13 atime may come from the fine clock and be later than a ctime that
 * is set after it from the coarse one, so that the next read leaves it alone.
 */
static bool stamp_matches(const struct timeline *tl, struct timespec logical, const struct timeline *tr,
			  struct timespec real, bool lax)
{
	const long two_ticks = 20000000; /* HZ=100 */
	int64_t k = stamp_op(tl, logical);

	if (k < 0)
		return cmp(logical, real) == 0;
	if (lax)
		return cmp(earlier(tr->begin[k], two_ticks), real) <= 0 && cmp(real, tr->end[tr->n - 1]) <= 0;
	return cmp(tr->begin[k], real) <= 0 && cmp(real, tr->end[k]) <= 0;
}

static bool same_time(struct timespec a, const struct timeline *ta, struct timespec b, const struct timeline *tb,
		      bool lax)
{
	if (!ta->begin && !tb->begin)
		return cmp(a, b) == 0;
	if (!ta->begin)
		return stamp_matches(ta, a, tb, b, lax && !tb->ticking);
	if (!tb->begin)
		return stamp_matches(tb, b, ta, a, lax && !ta->ticking);
	/* The kernel's time on both sides: now, or the same value. */
	return cmp(a, b) == 0 || (cmp(a, ta->start) >= 0 && cmp(b, tb->start) >= 0);
}

/*
 * One operation may read an inode and change it (link("l", "l/x") follows l).
 * The kernel's two stamps for it can then compare either way, and the next
 * read update atime or not.
 */
static bool same_atime(const struct fs_attr *a, const struct timeline *ta, const struct fs_attr *b,
		       const struct timeline *tb)
{
	if (same_time(a->atime, ta, b->atime, tb, true))
		return true;
	if (!ta->begin == !tb->begin)
		return false;
	return !ta->begin ? same_time(a->ctime, ta, b->atime, tb, false) : same_time(a->atime, ta, b->ctime, tb, false);
}

static const char *compare_times(const struct fs_attr *a, const struct timeline *ta, const struct fs_attr *b,
				 const struct timeline *tb, unsigned traits)
{
	if ((traits & TRAIT_ATIME) && !same_atime(a, ta, b, tb))
		return "atime";
	if (!same_time(a->mtime, ta, b->mtime, tb, false))
		return "mtime";
	if (!same_time(a->ctime, ta, b->ctime, tb, false))
		return "ctime";
	if ((traits & TRAIT_BTIME) && !same_time(a->btime, ta, b->btime, tb, false))
		return "btime";
	return NULL;
}

static const char *compare_attr(const struct fs_attr *a, const struct timeline *ta, const struct fs_attr *b,
				const struct timeline *tb, unsigned traits)
{
	if (a->mode != b->mode)
		return "mode";
	if (a->nlink != b->nlink)
		return "nlink";
	if (a->uid != b->uid)
		return "uid";
	if (a->gid != b->gid)
		return "gid";
	if (a->rdev != b->rdev)
		return "rdev";
	if (!S_ISDIR(a->mode) && a->size != b->size)
		return "size";
	if ((traits & TRAIT_BLOCKS) && S_ISREG(a->mode) && !a->blocks != !b->blocks &&
	    ((traits & TRAIT_FIRST) || a->blocks + b->blocks > 8))
		return "blocks";
	return compare_times(a, ta, b, tb, traits);
}

/* Two things are wrong: an old name that is not there and a new one that is too long. Linux 6.15 swapped them. */
static bool either_error(const struct op *o, int64_t a, int64_t b)
{
	return o->kind == OP_RENAME && ((a == -ENOENT && b == -ENAMETOOLONG) || (a == -ENAMETOOLONG && b == -ENOENT));
}

const char *result_compare(const struct op *o, const struct result *a, const struct timeline *ta,
			   const struct result *b, const struct timeline *tb, unsigned traits)
{
	bool holes = o->kind == OP_LSEEK && (o->flags == SEEK_DATA || o->flags == SEEK_HOLE);
	bool exact = (traits & TRAIT_HOLES) && ((traits & TRAIT_FIRST) || o->off >= 4096 || o->off < 0);

	if (a->ret != b->ret && (!holes || exact) && !either_error(o, a->ret, b->ret))
		return "return value";
	if (a->text_len != b->text_len || (a->text_len && memcmp(a->text, b->text, a->text_len) != 0))
		return "content";
	for (int i = 0; i < a->nprobe && i < b->nprobe; i++) {
		const struct probe *p = &a->probe[i], *q = &b->probe[i];
		const char *diff = NULL;

		if (p->err != q->err)
			return p->what;
		if (!p->err)
			diff = compare_attr(&p->attr, ta, &q->attr, tb, traits);
		if (diff)
			return diff;
	}
	return NULL;
}
