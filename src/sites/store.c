/*
 * Writing the table file: the old one and what is new, merged, sorted, written
 * under a name of its own and renamed into place. Two writers at once: the
 * last one wins, what the other added is found again when it is missed.
 */
#include "sites/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/scope.h"

/* A build and where its sites are, from the old file or from a scan. */
struct build {
	const uint8_t *id;
	uint32_t id_len;
	const struct site *sites;
	uint32_t count;
};

static int by_id(const void *a, const void *b)
{
	const struct build *x = a, *y = b;

	return table_compare(x->id, x->id_len, y->id, y->id_len);
}

static bool known(const struct build *builds, unsigned n, const uint8_t *id, uint32_t id_len)
{
	for (unsigned i = 0; i < n; i++) {
		if (table_compare(builds[i].id, builds[i].id_len, id, id_len) == 0)
			return true;
	}
	return false;
}

static unsigned gather(struct build *builds, const struct scan_result *scans, unsigned n, const struct table *old)
{
	bool full = old != NULL && old->header->objects + n > TABLE_OBJECTS_MAX / 4 * 3;
	unsigned count = 0, fresh;

	for (unsigned i = 0; i < n; i++) {
		if (scans[i].id_len != 0 && !known(builds, count, scans[i].id, scans[i].id_len))
			builds[count++] = (struct build){scans[i].id, scans[i].id_len, scans[i].sites, scans[i].count};
	}
	fresh = count;
	for (uint32_t i = 0; old != NULL && i < old->header->objects; i++) {
		const struct table_object *o = &old->objects[i];
		struct build b = {o->id, o->id_len, NULL, 0};
		int found = o->id_len <= TABLE_ID_MAX ? table_find(old, o->id, o->id_len, &b.sites) : -1;

		/* What has no sites is soon found not to have any again. */
		if (found < (full ? 1 : 0) || known(builds, fresh, o->id, o->id_len) || count == TABLE_OBJECTS_MAX)
			continue;
		b.count = (uint32_t)found;
		builds[count++] = b;
	}
	qsort(builds, count, sizeof(*builds), by_id);
	return count;
}

static bool write_builds(FILE *f, const struct build *builds, unsigned n)
{
	struct table_header h = {.magic = TABLE_MAGIC, .version = TABLE_VERSION, .objects = n};
	bool ok;

	for (unsigned i = 0; i < n; i++)
		h.sites += builds[i].count;
	ok = fwrite(&h, sizeof(h), 1, f) == 1;
	h.sites = 0;
	for (unsigned i = 0; ok && i < n; i++) {
		struct table_object o = {.id_len = builds[i].id_len, .first = h.sites, .count = builds[i].count};

		memcpy(o.id, builds[i].id, o.id_len);
		h.sites += o.count;
		ok = fwrite(&o, sizeof(o), 1, f) == 1;
	}
	for (unsigned i = 0; ok && i < n; i++)
		ok = builds[i].count == 0 ||
		     fwrite(builds[i].sites, sizeof(struct site), builds[i].count, f) == builds[i].count;
	return ok;
}

static int write_file(const char *path, const struct build *builds, unsigned n)
{
	autofree char *tmp = NULL;
	FILE *f;
	bool ok;

	if (asprintf(&tmp, "%s.%d", path, (int)getpid()) < 0)
		return -ENOMEM;
	f = fopen(tmp, "we");
	if (f == NULL)
		return -errno;
	ok = write_builds(f, builds, n);
	ok = fclose(f) == 0 && ok;
	if (ok && rename(tmp, path) == 0)
		return 0;
	unlink(tmp);
	return -EIO;
}

int store_add(const char *path, const struct scan_result *scans, unsigned n)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	autofree struct build *builds = NULL;
	struct table old = {0};
	struct stat st = {0};
	void *map = MAP_FAILED;
	bool have;
	int rc;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	have = map != MAP_FAILED && table_open(map, (size_t)st.st_size, &old) == 0;
	builds = calloc(n + (have ? old.header->objects : 0) + 1u, sizeof(*builds));
	rc = builds == NULL ? -ENOMEM : write_file(path, builds, gather(builds, scans, n, have ? &old : NULL));
	if (map != MAP_FAILED)
		munmap(map, (size_t)st.st_size);
	return rc;
}
