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

static void tell(struct teller *w, struct telling *t)
{
	session_forget_all(w->session, &w->task, &t->list, t->n);
	if (t->done)
		t->done(t);
	else
		free(t);
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
	t->next = NULL;
	pthread_mutex_lock(&w->mutex);
	*w->last = t;
	w->last = &t->next;
	pthread_cond_signal(&w->news);
	pthread_mutex_unlock(&w->mutex);
}

void teller_close(struct teller *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->mutex);
	w->end = true;
	pthread_cond_signal(&w->news);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	task_detach(&w->task);
	pthread_cond_destroy(&w->news);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}
