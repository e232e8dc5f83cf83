/*
 * What is timed: the calls of a file system, one at a time, on a directory made
 * for them. Programs: fsbench (several directories side by side), table (tmpfs
 * against a program whose calls are hooked). One thread.
 */
#pragma once

#include <stdbool.h>

/* A directory under test, and what every operation finds prepared in it. */
struct place {
	char label[24];	 /* as given, or the end of the path */
	char root[4096]; /* made for this run, removed at its end */
	int fd;		 /* of root: names are looked up from here */
	int data;	 /* `data` in it, FILE_SIZE bytes, open for both */
};

/*
 * An operation on one place. `prepare` and `tidy` (may be NULL) are not timed;
 * `call` is, `batch` times with i from 0 on. All end the program on an error.
 */
struct operation {
	const char *name;
	unsigned batch;
	void (*prepare)(struct place *p, unsigned n);
	void (*call)(struct place *p, unsigned i);
	void (*tidy)(struct place *p, unsigned n);
};

/* All of them, up to one without a name. */
extern const struct operation operations[];

/* Names a place by [LABEL=]DIR, makes it below DIR, and removes it. They end the program on an error. */
void ops_name(struct place *p, const char *arg);
void ops_prepare(struct place *p);
void ops_remove(struct place *p);
/* Nanoseconds a call, over one batch. */
double ops_batch(const struct operation *op, struct place *p);
