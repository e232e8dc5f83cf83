/*
 * A program for a compiler's sanitizers: threads, files and a mapping on the mount.
 * With an argument more it makes the mistake of that name, which is to be reported.
 *
 *	sanitized DIR [overflow|race|uninitialized|leak|shift]
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES 70000
#define THREADS 4

static char path[THREADS][256];
static int raced;

static void *work(void *arg)
{
	const char *name = arg;
	char *out = malloc(BYTES), *in = malloc(BYTES), *map;
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	FILE *f;

	memset(out, name[strlen(name) - 1], BYTES);
	if (fd < 0 || write(fd, out, BYTES) != BYTES || pread(fd, in, BYTES, 0) != BYTES || memcmp(in, out, BYTES))
		abort();
	map = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
	f = fopen(name, "r");
	if (map == MAP_FAILED || memcmp(map, out, BYTES) || !f || fread(in, 1, BYTES, f) != BYTES ||
	    memcmp(in, map, BYTES))
		abort();
	fclose(f);
	munmap(map, BYTES);
	close(fd);
	free(in);
	free(out);
	return NULL;
}

static void *race(void *arg)
{
	raced += *(int *)arg;
	return NULL;
}

/* What was read from the file decides, so that no compiler sees it coming. */
static int mistake(const char *what, int fd)
{
	char *bytes = malloc(16);
	pthread_t a, b;
	char at;
	int one = 1;

	if (pread(fd, &at, 1, 0) != 1) /* '0' */
		abort();
	if (strcmp(what, "overflow") == 0)
		return (int)pread(fd, bytes, (size_t)at, 0);
	if (strcmp(what, "uninitialized") == 0)
		return bytes[at - '0'] ? 1 : 2;
	if (strcmp(what, "shift") == 0)
		one = one << at;
	if (strcmp(what, "leak") == 0)
		bytes = NULL;
	if (strcmp(what, "race") == 0) {
		pthread_create(&a, NULL, race, &one);
		pthread_create(&b, NULL, race, &one);
		pthread_join(a, NULL);
		pthread_join(b, NULL);
	}
	free(bytes);
	return one == 0;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	int status;

	for (long i = 0; i < THREADS; i++) {
		snprintf(path[i], sizeof path[i], "%s/%ld", argv[1], i);
		if (pthread_create(&t[i], NULL, work, path[i]))
			abort();
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	if (fork() == 0) {
		work(path[0]);
		_exit(0);
	}
	if (wait(&status) < 0 || status)
		abort();
	puts("done");
	fflush(stdout);
	return argc > 2 ? mistake(argv[2], open(path[0], O_RDONLY)) : 0;
}
