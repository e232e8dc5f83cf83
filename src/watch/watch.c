/* Taking a look: see watch.h. */
#include "watch/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "control/ask.h"
#include "control/pools.h"
#include "ring/ring.h"

#define PATIENCE_MS 1000u /* with daemons that are stopped: a scraper waits some seconds at most */

/* The daemon gives a descriptor that can write; what is kept of it cannot. */
static int open_for_reading(int sock)
{
	struct control_attach reply;
	autoclose int fd = ask_pool(sock, &reply);
	char path[32];
	int look;

	if (fd < 0)
		return steal_fd(&fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	look = open(path, O_RDONLY | O_CLOEXEC);
	return look < 0 ? -errno : look;
}

static void read_seat(const struct fs *fs, uint32_t i, struct metrics_seat *work, struct watch_mount *m)
{
	uint64_t seat = load_acquire(&task_slot(&fs->pool, i)->seat);
	struct watch_seat *s = &m->seats[m->nseats];
	uint32_t client = seat_client(seat);

	memset(work, 0, offsetof(struct metrics_seat, latency));
	if (!metrics_add_seat(&fs->pool, i, work))
		return;
	*s = (struct watch_seat){.index = i, .bytes = {0}};
	if (seat_state(seat) == SLOT_LIVE && client < POOL_CLIENTS) {
		s->pid = load_relaxed(&client_slot(&fs->pool, client)->pid);
		s->daemon = load_relaxed(&pool_header(&fs->pool)->kernel_client) == client + 1u;
	}
	for (unsigned p = 0; p < METRICS_PATHS; p++) {
		for (unsigned op = 0; op < METRICS_OPS; op++)
			s->ops[p] += metrics_ops_of(work, p, op);
		s->bytes[0] += work->bytes[p][0];
		s->bytes[1] += work->bytes[p][1];
	}
	for (unsigned k = 0; k < METRICS_HANDED; k++)
		s->handed += k == HANDED_ELSEWHERE ? 0 : work->handed[k];
	m->nseats++;
}

static int read_seats(const struct fs *fs, struct watch_mount *m)
{
	autofree struct metrics_seat *work = calloc(1, sizeof(*work));
	uint32_t n = task_slots_used(&fs->pool);

	m->seats = calloc(n ? n : 1, sizeof(*m->seats));
	if (!work || !m->seats)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		read_seat(fs, i, work, m);
	return 0;
}

static void read_channel(const struct ring *r, uint32_t i, struct watch_rings *out)
{
	const struct ring_channel *c = ring_channel(r, i);

	if (ring_seat_state(load_relaxed(&c->owner)) != SEAT_LIVE)
		return;
	out->channels++;
	for (uint32_t k = 0; k < r->geo.slots; k++) {
		enum ring_slot_state state = req_state(load_relaxed(&c->slot[k].word));

		out->waiting += state == REQ_HELD;
		out->taken += state == REQ_TAKEN;
	}
}

static void read_rings(const struct fs *fs, struct watch_rings *out)
{
	struct pool *pool = (struct pool *)(uintptr_t)&fs->pool; /* looked at only */
	struct ring r;

	if (ring_map(pool, fs_rings(fs), &r) != 0)
		return;
	for (uint32_t i = 0; i < ring_used(&r); i++)
		read_channel(&r, i, out);
}

static int read_mount(const struct fs *fs, struct watch_mount *m)
{
	fs_stats(fs, &m->stats);
	fs_runs(fs, &m->runs);
	metrics_sum(&fs->pool, &m->sum);
	m->shared = metrics_read_shared(&fs->pool);
	read_rings(fs, &m->rings);
	return read_seats(fs, m);
}

static void free_mount(struct watch_mount *m)
{
	if (m)
		free(m->seats);
	free(m);
}

/* A mount that goes while it is looked at is passed over, like one that has just gone. */
static int add_mount(void *arg, const struct ask_answer *answer)
{
	struct watch *w = arg;
	struct watch_mount **more, *m;
	struct fs fs;
	int fd;

	if (!answer->info) {
		w->silent++;
		return 0;
	}
	more = reallocarray(w->mount, w->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	w->mount = more;
	fd = open_for_reading(answer->sock);
	if (fd < 0 || fs_look(fd, &fs) < 0) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	m = calloc(1, sizeof(*m));
	if (m) {
		m->info = *answer->info;
		if (read_mount(&fs, m) == 0)
			w->mount[w->n++] = m;
		else
			free_mount(m);
	}
	pool_unmap(&fs.pool);
	return m ? 0 : -ENOMEM;
}

static void add_pool(void *arg, const struct pools_found *found)
{
	struct watch *w = arg;

	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->mount[i]->info.name, found->name) == 0)
			return;
	w->orphans++;
}

int watch_take(struct watch *w)
{
	int ret;

	*w = (struct watch){0};
	ret = ask_each(PATIENCE_MS, add_mount, w);
	if (ret == 0) {
		pools_each(add_pool, w);
		ret = watch_bpf(&w->bpf);
	}
	return ret;
}

void watch_free(struct watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		free_mount(w->mount[i]);
	free(w->mount);
	free(w->bpf.maps);
	*w = (struct watch){0};
}

struct watch_share watch_share_of(const struct metrics_seat *m)
{
	struct watch_share s = {0};

	for (unsigned p = 0; p < METRICS_PATHS; p++) {
		for (unsigned op = 0; op < METRICS_OPS; op++) {
			uint64_t n = metrics_ops_of(m, p, op);

			s.bypassed += p == METRICS_KERNEL ? 0 : n;
			s.all += n;
		}
	}
	return s;
}
