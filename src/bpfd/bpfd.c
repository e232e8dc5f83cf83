/* A socket, and at its other end the agents of a loader and its children. */
#include "bpfd/bpfd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/scope.h"
#include "bpfd/keeper.h"
#include "bpfd/load.h"
#include "control/rundir.h"
#include "world/wire.h"

int bpfd_path(const char *name, char *path, size_t size, struct rundir *dir, struct err *err)
{
	int ret = rundir_make(dir, err), n;

	if (ret)
		return ret;
	n = name ? snprintf(path, size, "%s/load-%s.bpf", dir->path, name)
		 : snprintf(path, size, "%s/load-%d.bpf", dir->path, (int)getpid());
	return n < (int)size ? 0 : err_set(err, -ENAMETOOLONG, "%s: too long for a socket", path);
}

/* Of its sockets in `dir` one user's process at a time takes or removes some. Descriptor, to be closed; -errno. */
static int lock_dir(const char *dir)
{
	autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return steal_fd(&fd);
}

static bool answers(const struct sockaddr_un *addr)
{
	autoclose int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Too many wait already: somebody is there. */
	return connect(s, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN;
}

/* A socket that nobody listens on was left by one who was killed: all of them go, under the lock. */
static void remove_dead(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct sockaddr_un addr = {.sun_family = AF_UNIX};
		size_t n = strlen(e->d_name);

		if (strncmp(e->d_name, "load-", 5) != 0 || n < 9 || strcmp(e->d_name + n - 4, ".bpf") != 0)
			continue;
		if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", dir, e->d_name) <
			(int)sizeof(addr.sun_path) &&
		    !answers(&addr))
			unlink(addr.sun_path);
	}
	if (d)
		closedir(d);
}

static int take_path(struct bpfd *s, const char *dir, const struct sockaddr_un *addr, struct err *err)
{
	autoclose int lock = lock_dir(dir);
	int ret = lock < 0 ? lock : 0;

	if (ret == 0)
		remove_dead(dir);
	if (ret == 0 && bind(s->listener, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		ret = -errno;
	if (ret == -EADDRINUSE)
		return err_set(err, -EEXIST, "load: a loader of this name is there already");
	if (ret == 0 && listen(s->listener, BPFD_PEERS) < 0)
		ret = -errno;
	return ret ? err_set(err, ret, "%s: %s", addr->sun_path, strerror(-ret)) : 0;
}

int bpfd_start(struct bpfd *s, const char *name, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct rundir dir;
	int ret;

	*s = (struct bpfd){.listener = -1};
	ret = bpfd_path(name, addr.sun_path, sizeof(addr.sun_path), &dir, err);
	if (ret)
		return ret;
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listener < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	ret = take_path(s, dir.path, &addr, err);
	if (ret)
		return ret;
	memcpy(s->path, addr.sun_path, sizeof(addr.sun_path));
	ret = world_join(&s->world, &s->task);
	if (ret)
		return err_set(err, ret, "%s: %s", world_path().s, strerror(-ret));
	world_clear_up(&s->world, &s->task);
	ret = timers_start(&s->timers, &s->world);
	return ret ? err_set(err, ret, "load: a thread for timers: %s", strerror(-ret)) : 0;
}

static bool read_all(int fd, void *buf, size_t n)
{
	while (n > 0) {
		ssize_t k = recv(fd, buf, n, 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		buf = (char *)buf + k;
		n -= (size_t)k;
	}
	return true;
}

static bool write_all(int fd, const void *buf, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, buf, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		buf = (const char *)buf + k;
		n -= (size_t)k;
	}
	return true;
}

static struct wire_loaded do_load(struct bpfd *s, const struct wire_load *q, const struct bpf_insn *insns,
				  struct log *log)
{
	char name[sizeof(q->name) + 1] = "";
	struct load_request r = {.insns = insns,
				 .nslots = q->nslots,
				 .prog_type = q->prog_type,
				 .expected_attach = q->expected_attach,
				 .gpl = q->gpl,
				 .btf = q->btf,
				 .log_level = q->log_level,
				 .name = name};
	struct wire_loaded a = {0};
	int id;

	memcpy(name, q->name, sizeof(q->name));
	id = load_program(&s->world, &s->task, &r, log);
	if (id > 0) {
		a.id = (uint32_t)id;
		a.error = object_hold_for(&s->world, &s->task, a.id, q->client);
		object_release(&s->world, &s->task, a.id);
	} else {
		a.error = id;
	}
	a.log_full = log_full(log);
	return a;
}

/* One request. False: the peer is gone, or speaks something else. */
static bool serve(struct bpfd *s, int peer)
{
	autofree struct bpf_insn *insns = NULL;
	autofree char *buf = NULL;
	struct wire_loaded a;
	struct wire_load q;
	struct log log = {0};

	if (!read_all(peer, &q, sizeof(q)) || q.magic != WIRE_MAGIC || q.nslots > WIRE_SLOTS || q.log_size > WIRE_LOG)
		return false;
	insns = malloc(q.nslots * sizeof(*insns) + 8);
	buf = malloc((size_t)q.log_size + 1);
	if (!insns || !buf || !read_all(peer, insns, q.nslots * sizeof(*insns)))
		return false;
	buf[0] = 0;
	log.buf = q.log_size ? buf : NULL;
	log.size = q.log_size;
	a = do_load(s, &q, insns, &log);
	a.log_len = q.log_size ? (uint32_t)strlen(buf) + 1 : 0;
	return write_all(peer, &a, sizeof(a)) && write_all(peer, buf, a.log_len);
}

static bool is_ours(int peer)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	return getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 && cred.uid == geteuid();
}

static void let_in(struct bpfd *s)
{
	const struct timeval patience = {.tv_sec = 10};
	int peer = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

	if (peer < 0)
		return;
	if (!is_ours(peer) || s->npeers == BPFD_PEERS) {
		close(peer);
		return;
	}
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	s->peer[s->npeers++] = peer;
}

static void drop(struct bpfd *s, uint32_t i)
{
	close(s->peer[i]);
	s->peer[i] = s->peer[--s->npeers];
}

bool bpfd_run(struct bpfd *s, int pidfd, int stop)
{
	struct pollfd fds[3 + BPFD_PEERS] = {
	    {.fd = s->listener, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}, {.fd = stop, .events = POLLIN}};

	for (;;) {
		uint32_t n = s->npeers;

		for (uint32_t i = 0; i < n; i++)
			fds[3 + i] = (struct pollfd){.fd = s->peer[i], .events = POLLIN};
		if (poll(fds, 3 + n, -1) < 0) {
			if (errno != EINTR)
				return false;
			continue;
		}
		if (fds[1].revents || fds[2].revents)
			return fds[2].revents != 0;
		/* From the last on: who goes leaves the place to one that was looked at. */
		for (uint32_t i = n; i-- > 0;)
			if (fds[3 + i].revents && !serve(s, s->peer[i]))
				drop(s, i);
		if (fds[0].revents)
			let_in(s);
	}
}

void bpfd_end(struct bpfd *s)
{
	bool timers_stay = false;

	while (s->npeers > 0)
		drop(s, s->npeers - 1);
	if (s->listener >= 0) {
		/* While it is ours: nobody takes a name whose owner listens. */
		if (s->path[0])
			unlink(s->path);
		close(s->listener);
	}
	timers_stop(&s->timers);
	if (s->world.table) {
		world_clear_up(&s->world, &s->task);
		timers_stay = keeper_needed(&s->world, &s->task);
		world_leave(&s->world, &s->task);
	}
	if (timers_stay)
		keeper_start();
}
