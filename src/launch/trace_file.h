/*
 * The shared file of `bt-fuse trace`: a ring of records that every process with
 * the agent adds to, and the tracer reads and prints. A writer takes the next
 * number, waits until the reader has made room, fills its record and publishes it by its
 * turn; one that dies in between is passed over after a second.
 */
#pragma once

#include <stdint.h>
#include <sys/syscall.h>

#define TRACE_RECORDS 4096u
#define TRACE_PATH 192u

enum trace_flags {
	TRACE_HANDED = 1 << 0,	  /* the kernel has done it */
	TRACE_NO_RESULT = 1 << 1, /* and its result is not known here */
};

struct trace_record {
	uint64_t turn; /* 1 + number of the record in here; published last */
	uint32_t pid, tid;
	uint32_t nr;
	uint32_t flags; /* enum trace_flags */
	uint64_t start; /* CLOCK_REALTIME, ns */
	uint64_t took;	/* ns */
	int64_t ret;
	int64_t a[6];
	char path[2][TRACE_PATH]; /* cut to fit, with an end */
	uint64_t spare[4];
};

struct trace_file {
	uint64_t head;	 /* records that were begun. Atomic */
	uint32_t closed; /* nobody reads any more */
	uint32_t pad[13];
	uint64_t tail; /* records that were read. By the reader */
	uint64_t pad2[7];
	struct trace_record record[TRACE_RECORDS];
};

_Static_assert(sizeof(struct trace_record) == 512, "the file's layout");

/* Which arguments of call `nr` are paths: their numbers, -1: none. */
static inline void trace_paths(unsigned nr, int at[2])
{
	static const struct {
		uint16_t nr;
		int8_t first, second;
	} table[] = {
#define ONE(call, i) {SYS_##call, i, -1}
	    ONE(open, 0),	ONE(creat, 0),	       ONE(stat, 0),	    ONE(lstat, 0),	  ONE(access, 0),
	    ONE(truncate, 0),	ONE(chdir, 0),	       ONE(mkdir, 0),	    ONE(rmdir, 0),	  ONE(unlink, 0),
	    ONE(readlink, 0),	ONE(chmod, 0),	       ONE(chown, 0),	    ONE(lchown, 0),	  ONE(mknod, 0),
	    ONE(statfs, 0),	ONE(setxattr, 0),      ONE(lsetxattr, 0),   ONE(getxattr, 0),	  ONE(lgetxattr, 0),
	    ONE(listxattr, 0),	ONE(llistxattr, 0),    ONE(removexattr, 0), ONE(lremovexattr, 0), ONE(openat, 1),
	    ONE(openat2, 1),	ONE(newfstatat, 1),    ONE(statx, 1),	    ONE(faccessat, 1),	  ONE(faccessat2, 1),
	    ONE(readlinkat, 1), ONE(fchmodat, 1),      ONE(fchownat, 1),    ONE(utimensat, 1),	  ONE(mkdirat, 1),
	    ONE(mknodat, 1),	ONE(unlinkat, 1),      ONE(getcwd, 0),	    ONE(execveat, 1),	  ONE(chroot, 0),
#undef ONE
	    {SYS_rename, 0, 1}, {SYS_link, 0, 1},      {SYS_symlink, 0, 1}, {SYS_renameat, 1, 3}, {SYS_renameat2, 1, 3},
	    {SYS_linkat, 1, 3}, {SYS_symlinkat, 0, 2},
	};

	at[0] = at[1] = -1;
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].nr == nr) {
			at[0] = table[i].first;
			at[1] = table[i].second;
		}
	}
}
