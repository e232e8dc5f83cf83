/*
 * epoll(7), level-triggered. One event is fetched at a time, so that a handler
 * may free any other event's memory.
 */
#include "daemon/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int loop_open(struct loop *l)
{
	l->ended = false;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll < 0 ? -errno : 0;
}

void loop_close(struct loop *l)
{
	if (l->epoll >= 0)
		close(l->epoll);
	l->epoll = -1;
}

int loop_add(struct loop *l, struct loop_event *ev)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = ev};

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, ev->fd, &e) < 0 ? -errno : 0;
}

void loop_remove(struct loop *l, struct loop_event *ev)
{
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, ev->fd, NULL);
}

int loop_run(struct loop *l)
{
	struct epoll_event e;

	while (!l->ended) {
		int n = epoll_wait(l->epoll, &e, 1, -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			struct loop_event *ev = e.data.ptr;

			ev->ready(ev);
		}
	}
	return 0;
}

void loop_end(struct loop *l)
{
	l->ended = true;
}
