/*
 * Locks between two processes: flock(2), POSIX record locks, locks of open
 * file descriptions. The parent holds, the child asks.
 */
#include "posix.h"

#include <signal.h>
#include <sys/file.h>
#include <time.h>

static int set(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &l);
}

/* in_child { ... }: the block runs in another process, which must end well. */
#define in_child for (int child_once = child_begin(); child_once; child_once = user_end())

static int child_begin(void)
{
	pid_t pid;

	fflush(stdout);
	pid = (pid_t)must(fork());
	if (pid == 0)
		return 1;
	join(pid);
	return 0;
}

static void flock_locks(void)
{
	int fd = new_file();

	must(flock(fd, LOCK_EX));
	in_child
	{
		int mine = (int)must(open("f", O_RDWR));

		fails(flock(mine, LOCK_EX | LOCK_NB), EWOULDBLOCK);
		fails(flock(mine, LOCK_SH | LOCK_NB), EWOULDBLOCK);
		must(flock(fd, LOCK_EX | LOCK_NB)); /* the inherited one is the same lock */
	}
	must(flock(fd, LOCK_SH));
	in_child
	{
		int mine = (int)must(open("f", O_RDONLY));

		must(flock(mine, LOCK_SH | LOCK_NB));
		fails(flock(mine, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	}
	must(close(fd));
	in_child
	{
		must(flock((int)must(open("f", O_RDWR)), LOCK_EX | LOCK_NB));
	}
}

static void record_locks(void)
{
	int fd = new_file();

	must(set(fd, F_SETLK, F_WRLCK, 100, 50));
	must(set(fd, F_SETLK, F_RDLCK, 200, 0)); /* to the end, however far */
	in_child
	{
		struct flock l = {.l_type = F_WRLCK, .l_start = 140, .l_len = 100};

		fails(set(fd, F_SETLK, F_WRLCK, 149, 1), EAGAIN);
		must(set(fd, F_SETLK, F_WRLCK, 150, 50));
		fails(set(fd, F_SETLK, F_WRLCK, 1ll << 40, 1), EAGAIN);
		must(set(fd, F_SETLK, F_RDLCK, 300, 10));
		must(fcntl(fd, F_GETLK, &l));
		same(l.l_type, F_WRLCK);
		same(l.l_start, 100);
		same(l.l_len, 50);
		same(l.l_pid, getppid());
	}
	must(set(fd, F_SETLK, F_UNLCK, 110, 10)); /* splits the first */
	in_child
	{
		fails(set(fd, F_SETLK, F_WRLCK, 109, 1), EAGAIN);
		must(set(fd, F_SETLK, F_WRLCK, 110, 10));
		fails(set(fd, F_SETLK, F_WRLCK, 120, 1), EAGAIN);
	}
	/* Closing any descriptor of the file lets go of the process's locks. */
	must(close((int)must(open("f", O_RDONLY))));
	in_child
	{
		must(set(fd, F_SETLK, F_WRLCK, 0, 0));
	}
}

static void description_locks(void)
{
	int fd = new_file(), second = (int)must(open("f", O_RDWR));

	must(set(fd, F_OFD_SETLK, F_WRLCK, 0, 100));
	fails(set(second, F_OFD_SETLK, F_WRLCK, 50, 100), EAGAIN); /* though in one process */
	must(close((int)must(open("f", O_RDONLY))));
	in_child
	{
		fails(set((int)must(open("f", O_RDWR)), F_OFD_SETLK, F_RDLCK, 99, 1), EAGAIN);
		fails(set((int)must(open("f", O_RDWR)), F_SETLK, F_RDLCK, 99, 1), EAGAIN);
		must(set(fd, F_OFD_SETLK, F_WRLCK, 0, 100)); /* inherited */
	}
	must(close(fd));
	must(set(second, F_OFD_SETLK, F_WRLCK, 50, 100));
}

/* A waiter gets the lock when the holder lets go, and not before. */
static void waits(int how)
{
	int fd = new_file(), ready[2];
	pid_t pid;
	char c;

	must(pipe(ready));
	must(how == 0 ? flock(fd, LOCK_EX) : set(fd, how, F_WRLCK, 0, 0));
	pid = (pid_t)must(fork());
	if (pid == 0) {
		int mine = (int)must(open("f", O_RDWR));

		same(write(ready[1], "r", 1), 1);
		must(how == 0 ? flock(mine, LOCK_EX) : set(mine, how, F_WRLCK, 0, 0));
		same(pread(mine, &c, 1, 0), 1);
		is(c == 'x'); /* written before the holder let go */
		_exit(0);
	}
	same(read(ready[0], &c, 1), 1);
	tick();
	same(pwrite(fd, "x", 1, 0), 1);
	must(how == 0 ? flock(fd, LOCK_UN) : set(fd, how, F_UNLCK, 0, 0));
	join(pid);
}

static void flock_waits(void)
{
	waits(0);
}

static void record_lock_waits(void)
{
	waits(F_SETLKW);
}

static void description_lock_waits(void)
{
	waits(F_OFD_SETLKW);
}

static void record_lock_deadlock(void)
{
	int fd = new_file(), ready[2];
	pid_t pid;
	char c;

	must(pipe(ready));
	must(set(fd, F_SETLK, F_WRLCK, 0, 1));
	pid = (pid_t)must(fork());
	if (pid == 0) {
		must(set(fd, F_SETLK, F_WRLCK, 1, 1));
		same(write(ready[1], "r", 1), 1);
		must(set(fd, F_SETLKW, F_WRLCK, 0, 1));
		_exit(0);
	}
	same(read(ready[0], &c, 1), 1);
	tick();
	tick(); /* now it waits for us */
	fails(set(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	must(set(fd, F_SETLK, F_UNLCK, 0, 1));
	join(pid);
}

static void on_alarm(int sig)
{
}

static void lock_interrupted(void)
{
	int fd = new_file();

	must(flock(fd, LOCK_EX));
	in_child
	{
		struct sigaction sa = {.sa_handler = on_alarm};

		must(sigaction(SIGALRM, &sa, NULL));
		alarm(1);
		fails(flock((int)must(open("f", O_RDWR)), LOCK_EX), EINTR);
	}
}

/* A killed holder's locks are free. */
static void lock_of_killed(void)
{
	int fd = new_file(), ready[2];
	pid_t pid;
	char c;

	must(pipe(ready));
	pid = (pid_t)must(fork());
	if (pid == 0) {
		must(set(fd, F_SETLK, F_WRLCK, 0, 0));
		must(flock((int)must(open("f", O_RDWR)), LOCK_EX));
		same(write(ready[1], "r", 1), 1);
		pause();
	}
	same(read(ready[0], &c, 1), 1);
	fails(set(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	must(kill(pid, SIGKILL));
	must(set(fd, F_SETLKW, F_WRLCK, 0, 0));
	must(flock(fd, LOCK_EX));
}

const struct check lock_checks[] = {
    {"flock_locks", flock_locks},
    {"record_locks", record_locks},
    {"description_locks", description_locks},
    {"flock_waits", flock_waits},
    {"record_lock_waits", record_lock_waits},
    {"description_lock_waits", description_lock_waits},
    {"record_lock_deadlock", record_lock_deadlock},
    {"lock_interrupted", lock_interrupted},
    {"lock_of_killed", lock_of_killed},
    {NULL, NULL},
};
