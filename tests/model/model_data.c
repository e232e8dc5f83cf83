/* File data: an array of the pages that are there, sorted by their place. */
#include "model_int.h"

#include <linux/falloc.h>

/* Index in n->pages of the first page that is at `index` or behind it. */
static size_t lower(const struct mnode *n, int64_t index)
{
	size_t lo = 0, hi = n->npages;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (n->pages[mid].index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct mpage *page_at(const struct mnode *n, int64_t index)
{
	size_t i = lower(n, index);

	return i < n->npages && n->pages[i].index == index ? &n->pages[i] : NULL;
}

static struct mpage *page_make(struct mnode *n, int64_t index)
{
	size_t i = lower(n, index);

	if (i < n->npages && n->pages[i].index == index)
		return &n->pages[i];
	n->pages = realloc(n->pages, (n->npages + 1) * sizeof(*n->pages));
	memmove(&n->pages[i + 1], &n->pages[i], (n->npages - i) * sizeof(*n->pages));
	n->npages++;
	n->pages[i] = (struct mpage){.index = index, .bytes = calloc(1, MODEL_PAGE)};
	return &n->pages[i];
}

/* Removes the pages with from <= index < to. */
static void pages_drop(struct mnode *n, int64_t from, int64_t to)
{
	size_t i = lower(n, from), j = lower(n, to);

	if (j <= i)
		return;
	for (size_t k = i; k < j; k++)
		free(n->pages[k].bytes);
	memmove(&n->pages[i], &n->pages[j], (n->npages - j) * sizeof(*n->pages));
	n->npages -= j - i;
}

/* Zeros [off, off + len) of one page, if it is there. */
static void zero_part(struct mnode *n, int64_t off, int64_t len)
{
	struct mpage *p = page_at(n, off / MODEL_PAGE);

	if (p)
		memset(p->bytes + off % MODEL_PAGE, 0, (size_t)len);
}

/* Makes [off, end) a hole: whole pages go, parts of pages become zeros. */
static void punch(struct mnode *n, int64_t off, int64_t end)
{
	int64_t first = (off + MODEL_PAGE - 1) / MODEL_PAGE, last = end / MODEL_PAGE;

	if (first > last) { /* within one page */
		zero_part(n, off, end - off);
		return;
	}
	if (off % MODEL_PAGE)
		zero_part(n, off, first * MODEL_PAGE - off);
	if (end % MODEL_PAGE)
		zero_part(n, last * MODEL_PAGE, end % MODEL_PAGE);
	pages_drop(n, first, last);
}

void m_set_size(struct mnode *n, int64_t size)
{
	if (size <= (int64_t)n->a.size)
		punch(n, size, INT64_MAX - MODEL_PAGE + 1);
	n->a.size = (uint64_t)size;
}

static int regular(struct mnode *n)
{
	if (!n)
		return -ESTALE;
	if (S_ISDIR(n->a.mode))
		return -EISDIR;
	return S_ISREG(n->a.mode) ? 0 : -EINVAL;
}

static void copy_from(const struct mnode *n, unsigned char *buf, int64_t len, int64_t off)
{
	while (len > 0) {
		int64_t in = off % MODEL_PAGE, part = MODEL_PAGE - in < len ? MODEL_PAGE - in : len;
		struct mpage *p = page_at(n, off / MODEL_PAGE);

		if (p)
			memcpy(buf, p->bytes + in, (size_t)part);
		else
			memset(buf, 0, (size_t)part);
		buf += part;
		off += part;
		len -= part;
	}
}

static void copy_to(struct mnode *n, const unsigned char *buf, int64_t len, int64_t off)
{
	while (len > 0) {
		int64_t in = off % MODEL_PAGE, part = MODEL_PAGE - in < len ? MODEL_PAGE - in : len;
		struct mpage *p = page_make(n, off / MODEL_PAGE);

		p->data = true;
		memcpy(p->bytes + in, buf, (size_t)part);
		buf += part;
		off += part;
		len -= part;
	}
	if (off > (int64_t)n->a.size)
		n->a.size = (uint64_t)off;
}

int64_t model_read(void *s, fs_ino ino, void *buf, size_t len, int64_t off, unsigned flags)
{
	struct mnode *n = m_get(s, ino);
	int64_t left;
	int ret = regular(n);

	if (ret < 0)
		return ret;
	if (!(flags & FS_IO_NOATIME))
		m_touch_atime(n);
	left = (int64_t)n->a.size - off;
	if (left <= 0)
		return 0;
	if ((int64_t)len > left)
		len = (size_t)left;
	copy_from(n, buf, (int64_t)len, off);
	return (int64_t)len;
}

/* See unknown_max. */
static int too_large(struct model *m, const struct fs_cred *c, struct mnode *n)
{
	uint32_t mode = n->a.mode;

	if (m->o.unknown_max)
		m_drop_privileges(c, n);
	if (n->a.mode != mode)
		n->a.ctime = m_now();
	return -EFBIG;
}

int64_t model_write(void *s, const struct fs_cred *c, fs_ino ino, const void *buf, size_t len, int64_t off,
		    unsigned flags, int64_t *end)
{
	struct model *m = s;
	struct mnode *n = m_get(m, ino);
	int ret = regular(n);

	if (ret < 0)
		return ret;
	if (flags & FS_IO_APPEND)
		off = (int64_t)n->a.size;
	if (end)
		*end = off;
	if (len == 0)
		return 0;
	if (off >= m->o.size_max)
		return too_large(m, c, n);
	if ((int64_t)len > m->o.size_max - off)
		len = (size_t)(m->o.size_max - off);
	m_drop_privileges(c, n);
	m_touch(n);
	copy_to(n, buf, (int64_t)len, off);
	if (end)
		*end = off + (int64_t)len;
	return (int64_t)len;
}

static void allocate(struct model *m, struct mnode *n, int64_t off, int64_t end)
{
	for (int64_t i = off / MODEL_PAGE; i * MODEL_PAGE < end; i++) {
		bool again = page_at(n, i) != NULL;
		struct mpage *p = page_make(n, i);

		p->data |= again && m->o.allocated_again_is_data;
	}
}

int model_fallocate(void *s, const struct fs_cred *c, fs_ino ino, int mode, int64_t off, int64_t len)
{
	struct model *m = s;
	struct mnode *n = m_get(m, ino);
	int ret = regular(n);

	if (ret < 0)
		return ret;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | (m->o.zero_range ? FALLOC_FL_ZERO_RANGE : 0)))
		return -EOPNOTSUPP;
	if (len > m->o.size_max - off)
		return too_large(m, c, n);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		punch(n, off, off + len);
	if (!(mode & FALLOC_FL_PUNCH_HOLE))
		allocate(m, n, off, off + len);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > (int64_t)n->a.size)
		n->a.size = (uint64_t)(off + len);
	m_drop_privileges(c, n);
	m_touch(n);
	return 0;
}

int64_t model_seek(void *s, fs_ino ino, int64_t off, int whence)
{
	struct mnode *n = m_get(s, ino);
	int64_t size, i;
	int ret = regular(n);

	if (ret < 0)
		return ret;
	size = (int64_t)n->a.size;
	if (off < 0 || off >= size)
		return -ENXIO;
	if (whence == SEEK_HOLE) {
		struct mpage *p;

		for (i = off / MODEL_PAGE; (p = page_at(n, i)) && p->data; i++)
			;
		i = i * MODEL_PAGE < off ? off : i * MODEL_PAGE;
		return i < size ? i : size;
	}
	for (size_t k = lower(n, off / MODEL_PAGE); k < n->npages; k++)
		if (n->pages[k].data) {
			i = n->pages[k].index * MODEL_PAGE;
			i = i < off ? off : i;
			return i < size ? i : -ENXIO;
		}
	return -ENXIO;
}

/* Holes of the source become written zeros. */
static void copy_bytes(struct mnode *in, int64_t in_off, struct mnode *out, int64_t out_off, int64_t len)
{
	unsigned char *buf = malloc((size_t)len);

	copy_from(in, buf, len, in_off);
	copy_to(out, buf, len, out_off);
	free(buf);
}

int64_t model_copy_range(void *s, const struct fs_cred *c, fs_ino ino_in, int64_t in_off, fs_ino ino_out,
			 int64_t out_off, uint64_t ulen)
{
	struct model *m = s;
	struct mnode *in = m_get(m, ino_in), *out = m_get(m, ino_out);
	int64_t len = (int64_t)ulen, left;
	int ret = regular(in);

	if (ret == 0)
		ret = regular(out);
	if (ret < 0)
		return ret;
	left = (int64_t)in->a.size - in_off;
	len = left <= 0 ? 0 : len < left ? len : left;
	if (len == 0 && m->o.unknown_max)
		return 0;
	if (out_off >= m->o.size_max)
		return too_large(m, c, out);
	if (len > m->o.size_max - out_off)
		len = m->o.size_max - out_off;
	if (in == out && out_off + len > in_off && out_off < in_off + len)
		return -EINVAL;
	if (len == 0)
		return 0;
	m_touch_atime(in); /* at the read, and last: splice_direct_to_actor() */
	m_drop_privileges(c, out);
	m_touch(out);
	m_touch_atime(in);
	copy_bytes(in, in_off, out, out_off, len);
	return len;
}
