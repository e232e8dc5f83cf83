#include "rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

void rig_make(struct rig *rig, const struct ring_geometry *geo)
{
	struct pool_region regions[POOL_REGIONS] = {
	    {POOL_PAGE, round_up(POOL_CLIENTS * sizeof(struct client_slot), POOL_PAGE)},
	};
	uint64_t size = regions[0].off + regions[0].len;
	int fd = memfd_create("rig", MFD_CLOEXEC);

	must(fd >= 0);
	regions[REGION_TASKS] = (struct pool_region){size, POOL_TASKS * sizeof(struct task_slot)};
	size += regions[REGION_TASKS].len;
	regions[REGION_FIRST_FS] = (struct pool_region){size, ring_bytes(geo)};
	size += regions[REGION_FIRST_FS].len;
	must(pool_format(fd, size, "rig", regions) == 0);
	must(pool_map(fd, &rig->pool) == 0 && client_attach(&rig->pool) == 0);
	must(ring_format(&rig->pool, &rig->pool.region[REGION_FIRST_FS], geo) == 0);
	must(ring_map(&rig->pool, &rig->pool.region[REGION_FIRST_FS], &rig->ring) == 0);
	rig->fd = fd;
}

void rig_join(struct rig *rig, int fd)
{
	rig->fd = fd;
	must(pool_map(fd, &rig->pool) == 0 && client_attach(&rig->pool) == 0);
	must(ring_map(&rig->pool, &rig->pool.region[REGION_FIRST_FS], &rig->ring) == 0);
}

void rig_drop(struct rig *rig)
{
	client_detach(&rig->pool);
	pool_unmap(&rig->pool);
}

void rig_echo(struct ring_server *s, const struct served *q, void *arg)
{
	unsigned char buf[RING_INLINE];

	for (uint32_t i = 0; i < q->len; i++)
		buf[i] = (unsigned char)(((const volatile unsigned char *)q->in)[i] + 1);
	for (uint32_t i = 0; i < q->data_len; i++)
		((unsigned char *)q->data)[i]++;
	must(ring_server_answer(s, q, (int32_t)q->op, buf, q->len, q->data_len) == 0);
}

_Noreturn void rig_serve(int fd, int eventfd, int ready)
{
	struct ring_server s;
	struct rig rig;
	uint32_t value;
	uint64_t n;

	rig_join(&rig, fd);
	must(ring_server_open(&s, &rig.ring, eventfd, rig_echo, NULL) == 0);
	must(ready < 0 || write(ready, "", 1) == 1);
	for (;;) {
		struct pollfd p = {.fd = eventfd, .events = POLLIN};

		while (ring_server_poll(&s) > 0)
			;
		if (eventfd < 0) {
			ring_server_wait(&s, 3600000000000u); /* a lost wake-up is not to be healed by a timeout */
			continue;
		}
		if (ring_server_idle(&s, &value) && poll(&p, 1, -1) == 1)
			must(read(eventfd, &n, sizeof n) == sizeof n || true);
		ring_server_awake(&s);
	}
}

pid_t rig_server(int fd, int eventfd)
{
	int ready[2];
	pid_t pid;
	char c;

	must(pipe2(ready, O_CLOEXEC) == 0);
	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		rig_serve(fd, eventfd, ready[1]);
	}
	close(ready[1]);
	must(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	return pid;
}

void rig_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	must(waitpid(pid, NULL, 0) == pid);
}

int rig_echo_call(struct channel *c, uint32_t who, uint32_t op, uint32_t len, uint64_t timeout)
{
	unsigned char in[RING_INLINE], out[RING_INLINE];
	struct call call = {
	    .who = who, .op = op, .in = in, .len = len, .out = out, .room = sizeof out, .timeout = timeout};
	int n;

	for (uint32_t i = 0; i < len; i++)
		in[i] = (unsigned char)(op * 7 + i * 13);
	n = channel_call(c, &call);
	if (n < 0)
		return n;
	must((uint32_t)n == len && call.result == (int32_t)op);
	for (uint32_t i = 0; i < len; i++)
		must(out[i] == (unsigned char)(in[i] + 1));
	return 0;
}

uint64_t rig_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dull;
}
