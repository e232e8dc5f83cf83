/*
 * A stamp "<agent>-<kind>" says that images were made after the table last
 * changed; an agent's build id stands for all that it would patch differently. Of
 * agents that were not used for longest the images go: an image is some
 * megabytes, and each build of an agent makes its own.
 */
#include "launch/images.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/scope.h"
#include "launch/file_id.h"

#define AGENTS_KEPT 8
#define NAME 16 /* hexadecimal digits of a build id, as in agent/image.c */

static bool older(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec < b->st_mtim.tv_sec ||
	       (a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec < b->st_mtim.tv_nsec);
}

static bool name_of(const char *agent, char name[NAME + 1])
{
	uint8_t id[TABLE_ID_MAX];

	if (file_id(agent, id) < NAME / 2)
		return false;
	for (unsigned i = 0; i < NAME / 2; i++)
		snprintf(name + 2u * i, 3, "%02x", id[i]);
	return true;
}

/* The newest file of the directory that begins so tells when its agent was last at work. */
struct agent_files {
	char name[NAME + 1];
	struct stat newest;
};

/* All agents that have files there, at most `room`. Files of another form are from an older version. */
static int list(DIR *d, struct agent_files *found, int room)
{
	int n = 0;

	rewinddir(d);
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		int i = 0;
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		while (i < n && strncmp(found[i].name, e->d_name, NAME) != 0)
			i++;
		if (i == room)
			continue;
		if (i == n) {
			snprintf(found[n].name, sizeof(found[n].name), "%.*s", NAME, e->d_name);
			found[n++].newest = st;
		} else if (older(&found[i].newest, &st)) {
			found[i].newest = st;
		}
	}
	return n;
}

static void remove_files(DIR *d, const char *name)
{
	rewinddir(d);
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.' && strncmp(e->d_name, name, NAME) == 0)
			unlinkat(dirfd(d), e->d_name, 0);
}

/* Room for one more. Who has an image mapped keeps it. */
static void make_room(const char *dir)
{
	struct agent_files found[4 * AGENTS_KEPT];
	DIR *d = opendir(dir);

	if (d == NULL)
		return;
	for (;;) {
		int n = list(d, found, (int)array_len(found)), oldest = 0;

		for (int i = 1; i < n; i++)
			if (older(&found[i].newest, &found[oldest].newest))
				oldest = i;
		if (n < AGENTS_KEPT)
			break;
		remove_files(d, found[oldest].name);
	}
	closedir(d);
}

char *images_due(const char *agent, const char *table, const char *kind)
{
	autofree char *dir = NULL, *stamp = NULL;
	struct stat made, changed;
	char name[NAME + 1];

	if (!name_of(agent, name) || asprintf(&dir, "%s.img", table) < 0 ||
	    asprintf(&stamp, "%s/%s-%s", dir, name, kind) < 0)
		return NULL;
	if (stat(stamp, &made) != 0) {
		mkdir(dir, 0700);
		make_room(dir);
		return steal(&stamp);
	}
	return stat(table, &changed) == 0 && older(&made, &changed) ? steal(&stamp) : NULL;
}

void images_done(const char *stamp)
{
	autoclose int fd = open(stamp, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		futimens(fd, NULL);
}
