/* The engine for where io_uring is forbidden: epoll(7), level-triggered. Words cannot be waited for. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop/internal.h"

static int open_epoll(struct loop *l)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll < 0 ? -errno : 0;
}

static void close_epoll(struct loop *l)
{
	close(l->epoll);
}

static int add(struct loop *l, uint32_t id, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = loop_key(l, id)};

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static void remove_fd(struct loop *l, uint32_t id, int fd)
{
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static int wait_epoll(struct loop *l, uint64_t ns)
{
	struct epoll_event e[16];
	/* Rounded up: a timer does not fire early. */
	int ms = ns >= (uint64_t)INT32_MAX * 1000000u ? -1 : (int)((ns + 999999) / 1000000);
	int n = epoll_wait(l->epoll, e, array_len(e), ms);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n && !l->ended; i++)
		loop_dispatch(l, e[i].data.u64);
	return 0;
}

const struct loop_engine loop_epoll = {
    .name = "epoll",
    .open = open_epoll,
    .close = close_epoll,
    .add = add,
    .remove = remove_fd,
    .wait = wait_epoll,
};
