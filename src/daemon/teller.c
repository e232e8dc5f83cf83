/* A queue, and a thread with a seat of its own in the pool. First come, first told. */
#include "daemon/teller.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/scope.h"

struct teller {
	struct session *session;
	struct task task;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t news;
	struct telling *first, **last;
	bool end;
};

static struct telling *take(struct teller *w)
{
	struct telling *t;

	pthread_mutex_lock(&w->mutex);
	while (!w->first && !w->end)
		pthread_cond_wait(&w->news, &w->mutex);
	t = w->first;
	w->first = NULL;
	w->last = &w->first;
	pthread_mutex_unlock(&w->mutex);
	return t;
}

static void finish(struct telling *t, int err)
{
	t->err = err;
	if (t->done)
		t->done(t);
	else
		free(t);
}

static void tell(struct teller *w, struct telling *t)
{
	fs_ino gone = session_gone_in(&t->list, t->n);

	session_forget_all(w->session, &w->task, &t->list, t->n);
	finish(t, 0);
	/* Nobody waits for these. */
	if (gone)
		session_let_go(w->session, &w->task, gone);
	session_tidy(w->session);
}

static void *run(void *arg)
{
	struct teller *w = arg;
	struct telling *t;

	while ((t = take(w))) {
		while (t) {
			struct telling *next = t->next;

			tell(w, t);
			t = next;
		}
	}
	return NULL;
}

int teller_open(struct session *s, struct pool *pool, struct teller **out)
{
	autofree struct teller *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return -ENOMEM;
	w->session = s;
	w->last = &w->first;
	ret = task_attach(pool, TASK_KERNEL, &w->task);
	if (ret < 0)
		return ret;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->news, NULL);
	ret = -pthread_create(&w->thread, NULL, run, w);
	if (ret < 0) {
		task_detach(&w->task);
		return ret;
	}
	*out = steal(&w);
	return 0;
}

void teller_tell(struct teller *w, struct telling *t)
{
	bool ended;

	t->next = NULL;
	pthread_mutex_lock(&w->mutex);
	ended = w->end;
	if (!ended) {
		*w->last = t;
		w->last = &t->next;
		pthread_cond_signal(&w->news);
	}
	pthread_mutex_unlock(&w->mutex);
	if (ended)
		finish(t, -ENOTCONN);
}

void teller_stop(struct teller *w)
{
	bool ended;

	pthread_mutex_lock(&w->mutex);
	ended = w->end;
	w->end = true;
	pthread_cond_signal(&w->news);
	pthread_mutex_unlock(&w->mutex);
	if (!ended)
		pthread_join(w->thread, NULL);
}

void teller_close(struct teller *w)
{
	if (!w)
		return;
	teller_stop(w);
	task_detach(&w->task);
	pthread_cond_destroy(&w->news);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}
