/* What `-o` takes: the options of mount(8), FUSE and tmpfs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "control/err.h"

struct options {
	uint64_t size;	 /* 0: not given */
	uint64_t inodes; /* 0: not given */
	char name[64];	 /* empty: not given */
	uint32_t mode;
	uid_t uid;
	gid_t gid;
	bool noatime;
	char fuse[512]; /* for libfuse, comma-separated */
};

/* What holds when nothing is given. */
void options_init(struct options *o);

/* Takes a comma-separated list; later ones win. 0 or -errno with a text. */
int options_parse(struct options *o, const char *list, struct err *err) must_check;

/* One of the options that the command line has by itself: size, inodes, name. */
int options_set(struct options *o, const char *key, const char *value, struct err *err) must_check;
