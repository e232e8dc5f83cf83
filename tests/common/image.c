/* See image.h. A pool is sparse: only the pieces that hold data are kept. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"
#include "image.h"

struct piece {
	off_t off;
	size_t len;
	void *bytes;
};

struct image {
	off_t size;
	size_t n;
	struct piece *pieces;
};

static void add(struct image *im, int fd, off_t from, off_t to)
{
	struct piece *p;

	im->pieces = realloc(im->pieces, (im->n + 1) * sizeof *im->pieces);
	expect(im->pieces != NULL);
	p = &im->pieces[im->n++];
	*p = (struct piece){from, (size_t)(to - from), malloc((size_t)(to - from))};
	expect(p->bytes != NULL);
	expect_is(pread(fd, p->bytes, p->len, from), p->len);
}

struct image *image_take(int fd)
{
	struct image *im = calloc(1, sizeof *im);
	struct stat st;
	off_t from = 0, to;

	expect(im != NULL);
	must(fstat(fd, &st));
	im->size = st.st_size;
	while ((from = lseek(fd, from, SEEK_DATA)) >= 0) {
		to = lseek(fd, from, SEEK_HOLE);
		add(im, fd, from, to);
		from = to;
	}
	return im;
}

int image_restore(const struct image *im)
{
	int fd = (int)must(memfd_create("pool", MFD_CLOEXEC));

	must(ftruncate(fd, im->size));
	for (size_t i = 0; i < im->n; i++)
		expect_is(pwrite(fd, im->pieces[i].bytes, im->pieces[i].len, im->pieces[i].off), im->pieces[i].len);
	return fd;
}

uint64_t image_bytes(const struct image *im)
{
	uint64_t n = 0;

	for (size_t i = 0; i < im->n; i++)
		n += im->pieces[i].len;
	return n;
}

uint64_t image_offset(const struct image *im, uint64_t i)
{
	size_t p = 0;

	while (i >= im->pieces[p].len)
		i -= im->pieces[p++].len;
	return (uint64_t)im->pieces[p].off + i;
}

void image_free(struct image *im)
{
	for (size_t i = 0; i < im->n; i++)
		free(im->pieces[i].bytes);
	free(im->pieces);
	free(im);
}
