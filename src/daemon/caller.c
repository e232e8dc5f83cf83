/*
 * The kernel tells a request's uid, gid and thread. The rest stands in /proc
 * while the thread waits for its answer, as it does during its request.
 */
#include "daemon/caller.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static bool lists(const char *s, gid_t gid)
{
	char *end;

	for (unsigned long g = strtoul(s, &end, 10); end != s; g = strtoul(s, &end, 10)) {
		if (g == gid)
			return true;
		s = end;
	}
	return false;
}

static bool has_fsetid(const char *hex)
{
	return strtoull(hex, NULL, 16) >> CAP_FSETID & 1;
}

bool caller_is_stranger(const struct caller *c, gid_t gid)
{
	__attribute__((cleanup(close_file))) FILE *f = NULL;
	autofree char *line = NULL;
	bool stranger = c->uid != 0;
	char path[64];
	size_t room = 0;

	if (c->gid == gid)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)c->pid);
	f = c->pid ? fopen(path, "re") : NULL;
	while (f && getline(&line, &room, f) > 0) {
		if (!strncmp(line, "Groups:", 7) && lists(line + 7, gid))
			return false;
		if (!strncmp(line, "CapEff:", 7))
			stranger = !has_fsetid(line + 7);
	}
	return stranger;
}
