/* Runs programs for the worker. */
#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs.h"

extern char **environ;

double job_spawn(const char *dir, char *const argv[])
{
	posix_spawn_file_actions_t fa;
	double start;
	int ret, status;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addchdir_np(&fa, dir);
	start = job_now();
	ret = posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ);
	if (ret != 0)
		errx(1, "%s: %s", argv[0], strerror(ret));
	if (waitpid(pid, &status, 0) < 0)
		err(1, "%s", argv[0]);
	if (status != 0)
		errx(1, "%s: ended with status 0x%x in %s", argv[0], (unsigned)status, dir);
	posix_spawn_file_actions_destroy(&fa);
	return job_now() - start;
}
