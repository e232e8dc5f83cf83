/*
 * A program that makes its system calls itself, as Rust's rustix does: no hook in
 * libc sees them. `raw file` writes the file so, reads it back, and closes what libc
 * opened; `raw file lib` has a library, which is loaded then, do it.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "run/raw.h"

#define NEED(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			return __LINE__;                                                                               \
	} while (0)

int raw_work(const char *path)
{
	volatile long one = 1;
	long unknown = SYS_pread64 - 1 + one; /* the disassembler does not follow it */
	struct stat st;
	char text[8];
	long fd;
	int of_libc;

	fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	NEED(fd >= 0);
	NEED(sys_call3(SYS_write, fd, (long)"hello", 5) == 5);
	NEED(pwrite((int)fd, "J", 1, 0) == 1);
	NEED(sys_call4(SYS_pread64, fd, (long)text, sizeof(text), 0) == 5 && !memcmp(text, "Jello", 5));
	NEED(sys_call3(SYS_fstat, fd, (long)&st, 0) == 0 && st.st_size == 5);
	NEED(sys_close((int)fd) == 0);
	for (int i = 0; i < 3; i++) {
		of_libc = open(path, O_RDONLY | O_CLOEXEC);
		NEED(of_libc == fd);
		NEED(sys_call4(unknown, of_libc, (long)text, sizeof(text), 0) == 5);
		NEED(sys_call3(SYS_read, of_libc, (long)text, sizeof(text)) == 5);
		NEED(sys_close(of_libc) == 0);
		NEED(read(of_libc, text, sizeof(text)) < 0);
	}
	return 0;
}

#ifndef RAW_LIBRARY
int main(int argc, char **argv)
{
	int (*work)(const char *) = raw_work;
	int line;

	if (argc > 2) {
		void *library = dlopen(argv[2], RTLD_NOW);
		void *symbol = library ? dlsym(library, "raw_work") : NULL;

		if (!symbol)
			return fprintf(stderr, "raw: %s\n", dlerror()), 1;
		memcpy(&work, &symbol, sizeof(work));
	}
	line = work(argv[1]);
	if (line)
		fprintf(stderr, "raw: line %d\n", line);
	return line != 0;
}
#endif
