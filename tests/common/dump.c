/* See dump.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "dump.h"

#define BATCH 32
#define PIECE (1u << 16)

struct dump {
	struct task *t;
	FILE *out;
	unsigned flags;
	unsigned char *piece;
};

/* Hash of the bytes; holes cost nothing, so that sparse files of TiB can be dumped. */
static uint64_t hash_content(struct dump *d, fs_ino ino)
{
	uint64_t h = 1;
	int64_t at = 0, n;

	while ((at = fs_seek(d->t, ino, at, 3 /* SEEK_DATA */)) >= 0) {
		at = at / FS_BLOCK_SIZE * FS_BLOCK_SIZE;
		n = must(fs_read(d->t, ino, d->piece, FS_BLOCK_SIZE, at, FS_IO_NOATIME));
		if (n == 0)
			break;
		/* A hole and zeros are the same bytes. */
		memset(d->piece + n, 0, (size_t)(FS_BLOCK_SIZE - n));
		for (int64_t i = 0; i < n; i++)
			if (d->piece[i]) {
				h = hash_bytes(h ^ (uint64_t)at, d->piece, FS_BLOCK_SIZE);
				break;
			}
		at += FS_BLOCK_SIZE;
	}
	return h;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dump_xattrs(struct dump *d, fs_ino ino)
{
	char list[8192];
	int n = (int)must(fs_listxattr(d->t, NULL, ino, list, sizeof list));
	char *names[256];
	int k = 0;

	for (int at = 0; at < n && k < 256; at += (int)strlen(list + at) + 1)
		names[k++] = list + at;
	qsort(names, (size_t)k, sizeof names[0], by_name);
	for (int i = 0; i < k; i++) {
		int len = (int)must(fs_getxattr(d->t, NULL, ino, names[i], d->piece, PIECE));

		fprintf(d->out, " %s=%d:%016llx", names[i], len,
			(unsigned long long)hash_bytes(1, d->piece, (size_t)len));
	}
}

static void dump_inode(struct dump *d, const char *path, const char *name, fs_ino ino)
{
	bool loose = (d->flags & DUMP_LOOSE) && strcmp(name, "target") == 0;
	struct fs_attr a;

	must(fs_getattr(d->t, ino, &a));
	fprintf(d->out, "%s %o nlink %u owner %u:%u rdev %x", path, a.mode, a.nlink, a.uid, a.gid, a.rdev);
	if (!loose)
		fprintf(d->out, " size %llu", (unsigned long long)a.size);
	if ((d->flags & DUMP_SPACE) && !loose)
		fprintf(d->out, " blocks %llu", (unsigned long long)a.blocks);
	if (S_ISREG(a.mode) && !loose)
		fprintf(d->out, " content %016llx", (unsigned long long)hash_content(d, ino));
	if (S_ISLNK(a.mode)) {
		int n = (int)must(fs_readlink(d->t, ino, (char *)d->piece, FS_SYMLINK_MAX));

		fprintf(d->out, " -> %.*s", n, (char *)d->piece);
	}
	dump_xattrs(d, ino);
	fputc('\n', d->out);
}

static int entry_by_name(const void *a, const void *b)
{
	return strcmp(((const struct fs_dirent *)a)->name, ((const struct fs_dirent *)b)->name);
}

/* All entries but the dots, in the order of their names. */
static struct fs_dirent *list_dir(struct dump *d, fs_ino dir, size_t *count)
{
	struct fs_dirent *all = NULL;
	uint64_t cookie = 0;
	size_t n = 0;

	for (;;) {
		int got;

		all = realloc(all, (n + BATCH) * sizeof *all);
		expect(all != NULL);
		got = (int)must(fs_readdir(d->t, dir, cookie, all + n, BATCH));
		if (got == 0)
			break;
		cookie = all[n + (size_t)got - 1].cookie;
		for (size_t i = n, end = n + (size_t)got; i < end; i++)
			if (strcmp(all[i].name, ".") && strcmp(all[i].name, ".."))
				all[n++] = all[i];
	}
	qsort(all, n, sizeof *all, entry_by_name);
	*count = n;
	return all;
}

static void dump_dir(struct dump *d, const char *path, fs_ino dir)
{
	size_t n;
	struct fs_dirent *e = list_dir(d, dir, &n);

	for (size_t i = 0; i < n; i++) {
		char *sub;

		expect(asprintf(&sub, "%s/%s", path, e[i].name) > 0);
		dump_inode(d, sub, e[i].name, e[i].ino);
		if (S_ISDIR(e[i].mode))
			dump_dir(d, sub, e[i].ino);
		free(sub);
	}
	free(e);
}

static void dump_counts(struct dump *d)
{
	struct fs *fs = (struct fs *)(void *)d->t->pool;
	struct fs_stats s;

	must(fs_statfs(d->t, &s));
	fprintf(d->out, "free: %llu blocks, %llu inodes; %llu cells, %llu open files in use\n",
		(unsigned long long)s.blocks_free, (unsigned long long)s.inodes_free,
		(unsigned long long)slab_used(&fs->cells), (unsigned long long)slab_used(&fs->files));
	fprintf(d->out, "%u clients, %u tasks, %u opens\n", s.clients, s.tasks, s.opens);
}

char *dump_state(struct task *t, unsigned flags)
{
	struct dump d = {.t = t, .flags = flags, .piece = malloc(PIECE)};
	char *text = NULL;
	size_t len = 0;

	d.out = open_memstream(&text, &len);
	expect(d.out && d.piece);
	dump_inode(&d, "/", "", FS_ROOT);
	dump_dir(&d, "", FS_ROOT);
	if ((flags & DUMP_SPACE) && !(flags & DUMP_LOOSE))
		dump_counts(&d);
	fclose(d.out);
	free(d.piece);
	return text;
}

void dump_diff(const char *a, const char *b)
{
	while (*a && *b) {
		size_t na = strcspn(a, "\n"), nb = strcspn(b, "\n");

		if (na != nb || memcmp(a, b, na) != 0)
			break;
		a += na + 1;
		b += nb + 1;
	}
	fprintf(stderr, "  - %.*s\n  + %.*s\n", (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
}
