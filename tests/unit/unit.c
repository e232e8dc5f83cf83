/* See unit.h. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

struct rig unit;

int unit_set_up(void **state)
{
	(void)state;
	rig_open(&unit, UNIT_SIZE);
	return 0;
}

int unit_tear_down(void **state)
{
	(void)state;
	must(fs_reap_dead(&unit.t));
	rig_clean(&unit.t, "after the test");
	rig_detach(&unit);
	return 0;
}

void unit_child(void (*f)(int fd))
{
	int status;
	pid_t pid = (pid_t)must(fork());

	if (pid == 0) {
		f(unit.fs.pool.fd);
		_exit(0);
	}
	expect_is(waitpid(pid, &status, 0), pid);
	expect(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
}
