/* What both engines share: the table of watches, timers, the loop itself. See loop.h. */
#include "loop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define NONE UINT32_MAX

uint64_t loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int loop_open(enum loop_kind kind, struct loop **out)
{
	struct loop *l = calloc(1, sizeof *l);
	int err = -ENOSYS;

	if (!l)
		return -ENOMEM;
	l->epoll = -1;
	if (kind == LOOP_BEST) {
		l->engine = &loop_uring;
		err = l->engine->open(l);
	}
	/* Forbidden by a sandbox or the administrator, or no memory may be locked for it: all are reasons. */
	if (err) {
		l->engine = &loop_epoll;
		err = l->engine->open(l);
	}
	if (err)
		free(l);
	else
		*out = l;
	return err;
}

void loop_close(struct loop *l)
{
	if (!l)
		return;
	l->engine->close(l);
	free(l->watch);
	free(l);
}

const char *loop_name(const struct loop *l)
{
	return l->engine->name;
}

bool loop_has_words(const struct loop *l)
{
	return l->words;
}

/* Watches. */

static int grow(struct loop *l)
{
	uint32_t n = l->nwatch ? 2 * l->nwatch : 16;
	struct watch *w = realloc(l->watch, n * sizeof *w);

	if (!w)
		return -ENOMEM;
	l->watch = w;
	for (; l->nwatch < n; l->nwatch++)
		w[l->nwatch] = (struct watch){0};
	return 0;
}

static int watch_take(struct loop *l, enum watch_kind kind, void *owner, uint32_t *id)
{
	uint32_t i = 1; /* 0 is for who was never added */
	int err = 0;

	while (i < l->nwatch && l->watch[i].kind != WATCH_FREE)
		i++;
	if (i >= l->nwatch)
		err = grow(l);
	if (err)
		return err;
	l->watch[i] = (struct watch){.kind = kind, .gen = l->watch[i].gen + 1, .owner = owner};
	*id = i;
	return 0;
}

/* The watch that is `owner`'s, NONE where it has none. */
static uint32_t watch_of(const struct loop *l, enum watch_kind kind, const void *owner, uint32_t id)
{
	return id && id < l->nwatch && l->watch[id].kind == kind && l->watch[id].owner == owner ? id : NONE;
}

void loop_dispatch(struct loop *l, uint64_t key)
{
	struct watch *w = loop_watch(l, key);

	if (!w)
		return;
	if (w->kind == WATCH_EVENT) {
		struct loop_event *ev = w->owner;

		ev->ready(ev);
	} else {
		struct loop_word *word = w->owner;

		w->kind = WATCH_FREE;
		word->changed(word);
	}
}

int loop_add(struct loop *l, struct loop_event *ev)
{
	int err = watch_take(l, WATCH_EVENT, ev, &ev->id);

	if (err)
		return err;
	err = l->engine->add(l, ev->id, ev->fd);
	if (err)
		l->watch[ev->id].kind = WATCH_FREE;
	return err;
}

void loop_remove(struct loop *l, struct loop_event *ev)
{
	uint32_t id = watch_of(l, WATCH_EVENT, ev, ev->id);

	if (id == NONE)
		return;
	l->engine->remove(l, id, ev->fd);
	l->watch[id].kind = WATCH_FREE;
}

int loop_set_word(struct loop *l, struct loop_word *w, uint32_t value)
{
	int err;

	if (!l->words)
		return -EOPNOTSUPP;
	if (watch_of(l, WATCH_WORD, w, w->id) != NONE)
		return -EBUSY;
	err = watch_take(l, WATCH_WORD, w, &w->id);
	if (err)
		return err;
	err = l->engine->add_word(l, w->id, w->word, value);
	if (err)
		l->watch[w->id].kind = WATCH_FREE;
	return err;
}

void loop_clear_word(struct loop *l, struct loop_word *w)
{
	uint32_t id = watch_of(l, WATCH_WORD, w, w->id);

	if (id == NONE)
		return;
	l->engine->remove_word(l, id);
	l->watch[id].kind = WATCH_FREE;
}

/* Timers: a list. There are a handful. */

void loop_clear_timer(struct loop *l, struct loop_timer *t)
{
	for (struct loop_timer **p = &l->timers; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			return;
		}
	}
}

void loop_set_timer(struct loop *l, struct loop_timer *t, uint64_t ns)
{
	struct loop_timer **p = &l->timers;

	loop_clear_timer(l, t);
	t->at = loop_now() + ns;
	while (*p && (*p)->at <= t->at)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
}

/* Those due now; not those that they set again meanwhile with nothing to wait. */
static void fire(struct loop *l)
{
	uint64_t now = l->timers ? loop_now() : 0;

	while (l->timers && l->timers->at <= now && !l->ended) {
		struct loop_timer *t = l->timers;

		l->timers = t->next;
		t->fired(t);
	}
}

static uint64_t patience(const struct loop *l)
{
	uint64_t now;

	if (!l->timers)
		return UINT64_MAX;
	now = loop_now();
	return l->timers->at > now ? l->timers->at - now : 0;
}

void loop_before_sleep(struct loop *l, bool (*look)(void *arg), void *arg)
{
	l->look = look;
	l->arg = arg;
}

int loop_run(struct loop *l)
{
	int err = 0;

	while (!l->ended && !err) {
		bool more = l->look && l->look(l->arg);

		if (l->ended)
			break;
		err = l->engine->wait(l, more ? 0 : patience(l));
		if (err == -EINTR || err == -EAGAIN)
			err = 0;
		fire(l);
	}
	l->ended = false;
	return err;
}

void loop_end(struct loop *l)
{
	l->ended = true;
}
