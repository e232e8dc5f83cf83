/* What one thread does with the table of descriptors, or with where the process is, while another works. */
#include "posix.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/atomic.h"

/* ---- Closing what takes long to close ---- */

/*
 * A socket that lingers: it holds what its peer does not take, and whoever closes it waits for that, seconds long
 * or until the peer is closed.
 */
static int lingering(int *peer)
{
	const struct linger half_a_minute = {.l_onoff = 1, .l_linger = 30};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	static char much[65536];
	int listener = (int)must(socket(AF_INET, SOCK_STREAM, 0)), fd = (int)must(socket(AF_INET, SOCK_STREAM, 0));

	if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &len) || connect(fd, (struct sockaddr *)&at, len))
		skip("no TCP here");
	*peer = (int)must(accept(listener, NULL, NULL));
	must(close(listener));
	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &half_a_minute, sizeof(half_a_minute)));
	while (send(fd, much, sizeof(much), MSG_DONTWAIT) > 0)
		;
	return fd;
}

static uint32_t closed; /* atomic */

static void *closes_range(void *arg)
{
	int fd = *(int *)arg;
	long ret = close_range((unsigned)fd, (unsigned)fd, 0);

	store_release(&closed, 1);
	return ret ? arg : NULL;
}

static void *duplicates_over(void *arg)
{
	int fd = *(int *)arg, from = open("f", O_RDONLY);
	long bad = from < 0 || dup2(from, fd) != fd;
	char c;

	store_release(&closed, 1);
	bad |= pread(fd, &c, 1, 0) != 1 || c != 'x' || close(fd) || close(from);
	return bad ? arg : NULL;
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* While one thread waits for a socket to be closed, others open, read and close. */
static void others_go_on(void *(*closes)(void *))
{
	int peer, fd = lingering(&peer), end[2], there;
	bool done = false;
	pthread_t t;
	void *bad;

	store_relaxed(&closed, 0);
	same(pthread_create(&t, NULL, closes, &fd), 0);
	while (is_socket(fd))
		sched_yield();
	for (int i = 0; i < 1000; i++) {
		char c = 0;

		there = (int)must(open("f", O_RDONLY));
		same(read(there, &c, 1), 1);
		same(c, 'x');
		same(fcntl(there, F_GETFD), 0);
		same(pread(there, &c, 1, 0), 1);
		must(close(there));
		fails(read(there, &c, 1), EBADF);
		must(pipe(end));
		must(close(end[0]));
		must(close(end[1]));
		done = load_acquire(&closed);
	}
	is(!done);
	must(close(peer));
	same(pthread_join(t, &bad), 0);
	is(!bad);
}

static void slow_closes(void)
{
	put("f", 0600, "x");
	others_go_on(closes_range);
	others_go_on(duplicates_over);
}

/* ---- One table ------------------------------------------------------------------------ */

static uint32_t over; /* atomic: the others are to end */

/* Opens and duplicates below what is closed, and a pipe: what comes to numbers in the range may be gone at once. */
static void *opens_and_closes(void *arg)
{
	long bad = 0;
	char c;

	while (!load_acquire(&over)) {
		int fd = open("f", O_RDONLY), high = fcntl(fd, F_DUPFD, 60), end[2];

		bad |= fd < 0 || high < 0 || pread(fd, &c, 1, 0) != 1 || c != 'x';
		/* EISDIR: a number that is free may be held for a moment still. */
		bad |= pread(high, &c, 1, 0) != 1 && errno != EBADF && errno != EISDIR;
		bad |= close(high) != 0 && errno != EBADF;
		bad |= dup2(fd, 70) != 70 && errno != EBUSY;
		bad |= close(fd) != 0 || pipe(end) != 0 || write(end[1], "p", 1) != 1 || read(end[0], &c, 1) != 1;
		bad |= c != 'p' || close(end[0]) != 0 || close(end[1]) != 0;
	}
	return bad ? arg : NULL;
}

/* What is left of the table: every number is what it says, and the free ones are given out from the lowest. */
static void table_is_sound(void)
{
	int first = (int)must(open("f", O_RDONLY)), end[2];
	char c = 0;

	for (int i = 1; i < 100; i++) {
		int fd = (int)must(open("f", O_RDONLY));

		same(fd, first + i);
		same(stat_fd(fd).st_ino, stat_of("f").st_ino);
		same(flock(fd, LOCK_SH), 0); /* the kernel has it too */
	}
	must(pipe(end));
	same(end[0], first + 100);
	same(write(end[1], "p", 1), 1);
	same(read(end[0], &c, 1), 1);
	same(c, 'p');
	same(close_range((unsigned)first, ~0u, 0), 0);
	for (int i = 0; i < 200; i++)
		fails(fcntl(first + i, F_GETFD), EBADF);
}

/* One thread closes ranges in which others take and give back numbers. */
static void ranges_of_others(void)
{
	enum { OTHERS = 3 };
	pthread_t t[OTHERS];
	void *bad;

	put("f", 0600, "x");
	store_relaxed(&over, 0);
	for (long i = 0; i < OTHERS; i++)
		same(pthread_create(&t[i], NULL, opens_and_closes, (void *)(i + 1)), 0);
	for (int i = 0; i < 3000; i++) {
		must(close_range(60, i % 2 ? ~0u : 80, 0));
		if (i % 100 == 0) {
			int pid = fork();

			if (pid == 0) {
				same(close_range(3, ~0u, 0), 0);
				table_is_sound();
				_exit(0);
			}
			join(pid);
		}
	}
	store_release(&over, 1);
	for (int i = 0; i < OTHERS; i++) {
		same(pthread_join(t[i], &bad), 0);
		is(!bad);
	}
	must(close_range(3, ~0u, 0));
	table_is_sound();
}

static int log_fd;

static void *writes_log(void *arg)
{
	long bad = 0;

	while (!load_acquire(&over))
		bad |= write(log_fd, "x", 1) != 1;
	return bad ? arg : NULL;
}

/* What a thread writes to is replaced under it, by two files in turns: it never finds nothing (dup2 is atomic). */
static void replaces(int one, int two)
{
	pthread_t t;
	void *bad;

	log_fd = (int)must(dup(one));
	store_relaxed(&over, 0);
	same(pthread_create(&t, NULL, writes_log, &log_fd), 0);
	for (int i = 0; i < 10000; i++) {
		same(dup2(two, log_fd), log_fd);
		same(dup2(one, log_fd), log_fd);
	}
	store_release(&over, 1);
	same(pthread_join(t, &bad), 0);
	is(!bad);
	must(close(log_fd));
}

static void replaced_while_used(void)
{
	int null = (int)must(open("/dev/null", O_WRONLY)), file = new_file();

	replaces(file, new_file_named("g"));
	replaces(file, null);
	replaces(null, new_file_named("h"));
}

/* ---- More threads than a pool has seats ---- */

#define CROWD 2100

static int crowd_file;
static pthread_barrier_t all_there;
static sem_t few; /* for a lock they would stand in line */

static void *of_crowd(void *arg)
{
	long i = (long)arg, bad = 0;
	char name[32];
	struct stat st;
	int fd;

	bad |= access("f", F_OK) != 0;
	pthread_barrier_wait(&all_there);
	sem_wait(&few);
	snprintf(name, sizeof(name), "n%ld", i);
	bad |= pwrite(crowd_file, "x", 1, i) != 1 || fstat(crowd_file, &st) != 0;
	fd = open(name, O_CREAT | O_RDWR, 0600);
	bad |= fd < 0 || write(fd, "y", 1) != 1 || lseek(fd, 0, SEEK_END) != 1;
	bad |= flock(fd, LOCK_EX) != 0 || close(fd) != 0 || unlink(name) != 0;
	sem_post(&few);
	pthread_barrier_wait(&all_there);
	return bad ? arg : NULL;
}

/* For threads by the thousand. */
static void small_stacks(pthread_attr_t *a)
{
	pthread_attr_init(a);
	pthread_attr_setstacksize(a, 65536);
}

/* A thread for which there is no seat in the pool works on what others have opened all the same. */
static void crowd(void)
{
	static pthread_t t[CROWD];
	pthread_attr_t small;
	long n, bad = 0;
	void *ret;

	crowd_file = new_file();
	small_stacks(&small);
	sem_init(&few, 0, 4);
	pthread_barrier_init(&all_there, NULL, CROWD);
	for (n = 0; n < CROWD; n++)
		if (pthread_create(&t[n], &small, of_crowd, (void *)n) != 0)
			skip("not so many threads");
	for (long i = 0; i < n; i++) {
		same(pthread_join(t[i], &ret), 0);
		bad += ret != NULL;
	}
	same(bad, 0);
	same(stat_of("f").st_size, CROWD);
	same(count_names("."), 1);
}

/* ---- Those for whom there is no seat, at the numbers of descriptors ---- */

#define SEATED 2000 /* more than a pool has for programs */

static pthread_barrier_t all_seated;

static void *sits(void *arg)
{
	long bad = access("f", F_OK) != 0;

	pthread_barrier_wait(&all_seated);
	pthread_barrier_wait(&all_seated);
	return bad ? arg : NULL;
}

static void *opens(void *arg)
{
	long bad = 0;

	for (int i = 0; i < 3000; i++) {
		int fd = open("f", O_RDONLY);

		bad |= fd < 0 || close(fd) != 0;
	}
	return bad ? arg : NULL;
}

static void *closes_ranges(void *arg)
{
	long bad = 0;

	for (int i = 0; i < 3000; i++)
		bad |= dup2(crowd_file, 900) != 900 || close_range(900, 901, 0) != 0;
	return bad ? arg : NULL;
}

static void *forks(void *arg)
{
	long bad = 0;

	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		bad |= pid < 0 || waitpid(pid, NULL, 0) != pid;
	}
	return bad ? arg : NULL;
}

/* Some wait for the seat that they share, some for the numbers: not for each other. */
static void crowd_at_numbers(void)
{
	static void *(*const work[])(void *) = {opens, opens, closes_ranges, forks};
	static pthread_t t[SEATED], w[4];
	pthread_attr_t small;
	long n, bad = 0;
	void *ret;

	crowd_file = new_file();
	small_stacks(&small);
	pthread_barrier_init(&all_seated, NULL, SEATED + 1);
	for (n = 0; n < SEATED; n++)
		if (pthread_create(&t[n], &small, sits, (void *)(n + 1)) != 0)
			skip("not so many threads");
	pthread_barrier_wait(&all_seated);
	for (long i = 0; i < 4; i++)
		same(pthread_create(&w[i], NULL, work[i], (void *)(i + 1)), 0);
	for (long i = 0; i < 4; i++) {
		same(pthread_join(w[i], &ret), 0);
		bad += ret != NULL;
	}
	pthread_barrier_wait(&all_seated);
	for (long i = 0; i < n; i++) {
		same(pthread_join(t[i], &ret), 0);
		bad += ret != NULL;
	}
	same(bad, 0);
}

const struct check thread_traps[] = {{"slow_closes", slow_closes},
				     {"ranges_of_others", ranges_of_others},
				     {"replaced_while_used", replaced_while_used},
				     {"crowd", crowd},
				     {"crowd_at_numbers", crowd_at_numbers},
				     {NULL, NULL}};
