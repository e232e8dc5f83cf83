/* Rows about fork, vfork, clone and posix_spawn. */
#include "posix.h"

#include <pthread.h>
#include <spawn.h>

extern char **environ;

static void children_share(void)
{
	int fd = new_file(), pid;
	FILE *p;

	same(write(fd, "1", 1), 1);
	pid = fork();
	if (pid == 0)
		_exit(write(fd, "2", 1) != 1);
	join(pid);
	same(write(fd, "3", 1), 1);
	pid = vfork();
	if (pid == 0)
		_exit(write(fd, "4", 1) != 1);
	join(pid);
	same(write(fd, "5", 1), 1);
	/* By system and popen: a shell that inherits the descriptor. */
	same(dup2(fd, 9), 9);
	same(system("printf 6 >&9"), 0);
	same(write(fd, "7", 1), 1);
	p = popen("cat >&9", "w");
	is(p && fputs("8", p) >= 0 && pclose(p) == 0);
	same(write(fd, "9", 1), 1);
	holds("f", "123456789");
}

/* What bash and make do: a child on its parent's memory moves descriptors about, and the exec fails. */
static void vfork_then_nothing(void)
{
	char *const args[] = {(char *)"nothing", NULL};
	int a = new_file(), b = new_file_named("g"), pid;

	for (int round = 0; round < 20; round++) {
		pid = vfork();
		if (pid == 0) {
			dup2(a, b);
			close(a);
			fcntl(b, F_SETFD, FD_CLOEXEC);
			execve("./nothing", args, environ);
			_exit(errno == ENOENT ? 3 : 4);
		}
		same(status_of(pid), 3);
		same(fcntl(b, F_GETFD), 0); /* here nothing has changed */
		same(write(a, "a", 1), 1);
		same(write(b, "b", 1), 1);
	}
	holds("f", "aaaaaaaaaaaaaaaaaaaa");
	holds("g", "bbbbbbbbbbbbbbbbbbbb");
}

static void spawned(void)
{
	posix_spawn_file_actions_t acts;
	char *const args[] = {(char *)"sh", (char *)"-c", (char *)"cat; echo err >&2", NULL};
	pid_t pid;

	put("in", 0600, "input\n");
	posix_spawn_file_actions_init(&acts);
	posix_spawn_file_actions_addopen(&acts, 0, "in", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&acts, 1, "out", O_CREAT | O_WRONLY, 0600);
	posix_spawn_file_actions_adddup2(&acts, 1, 2);
	same(posix_spawn(&pid, "/bin/sh", &acts, NULL, args, environ), 0);
	same(status_of(pid), 0);
	holds("out", "input\nerr\n");
	same(posix_spawn(&pid, "./none", &acts, NULL, args, environ), ENOENT);
}

static void *write_lines(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 500; i++)
		if (write(fd, "line\n", 5) != 5)
			return arg;
	return NULL;
}

static void threads_and_forks(void)
{
	int fd = (int)must(open("f", O_CREAT | O_RDWR | O_APPEND, 0600));
	pthread_t t[3];
	void *bad;

	for (int i = 0; i < 3; i++)
		same(pthread_create(&t[i], NULL, write_lines, &fd), 0);
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(write(fd, "fork\n", 5) != 5);
		join(pid);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &bad);
		is(!bad);
	}
	same(stat_of("f").st_size, 5 * (3 * 500 + 30));
}

static volatile bool enough;

static void *moves(void *arg)
{
	long bad = 0;

	while (!enough)
		bad |= chdir("d") != 0 || chdir("..") != 0;
	return bad ? arg : NULL;
}

/* Wherever the child of a fork begins while another thread moves about: kernel and agent believe the same. */
static void moves_while_forking(void)
{
	char path[4096];
	struct stat here, there;
	pthread_t t;
	void *bad;

	must(mkdir("d", 0700));
	same(pthread_create(&t, NULL, moves, path), 0);
	for (int i = 0; i < 300; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			long n = readlink("/proc/self/cwd", path, sizeof(path) - 1);

			path[n > 0 ? n : 0] = '\0';
			_exit(stat(".", &here) != 0 || stat(path, &there) != 0 || here.st_ino != there.st_ino);
		}
		same(status_of(pid), 0);
	}
	enough = true;
	pthread_join(t, &bad);
	is(!bad);
	must(rmdir("d"));
}

const struct check fork_traps[] = {
    {"children_share", children_share},	      {"vfork_then_nothing", vfork_then_nothing},   {"spawned", spawned},
    {"threads_and_forks", threads_and_forks}, {"moves_while_forking", moves_while_forking}, {NULL, NULL}};
