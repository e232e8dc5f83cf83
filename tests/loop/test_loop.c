/*
 * The loop, each test on both engines; and the ring's server in it, woken by
 * word and by eventfd.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "loop/loop.h"
#include "rig.h"

#define MS 1000000ull

static enum loop_kind kind;

struct seen {
	struct loop_event ev;
	struct loop_timer timer;
	struct loop_word word;
	struct loop *l;
	struct seen *other;
	int n;
};

static struct loop *open_loop(void)
{
	struct loop *l;

	assert_int_equal(loop_open(kind, &l), 0);
	return l;
}

static void stop(struct loop_timer *t)
{
	struct seen *s = (void *)((char *)t - offsetof(struct seen, timer));

	s->n++;
	loop_end(s->l);
}

/* Takes one byte of several, so that the descriptor stays ready. */
static void take_byte(struct loop_event *ev)
{
	struct seen *s = (void *)ev;
	char c;

	assert_int_equal(read(ev->fd, &c, 1), 1);
	if (++s->n == 3)
		loop_end(s->l);
}

static void level_triggered(void **state)
{
	struct seen s = {.l = open_loop()};
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	s.ev = (struct loop_event){.fd = fd[0], .ready = take_byte};
	assert_int_equal(loop_add(s.l, &s.ev), 0);
	assert_int_equal(write(fd[1], "abc", 3), 3);
	assert_int_equal(loop_run(s.l), 0);
	assert_int_equal(s.n, 3);
	loop_remove(s.l, &s.ev);
	loop_remove(s.l, &s.ev);
	loop_close(s.l);
	close(fd[0]);
	close(fd[1]);
}

static void remove_other(struct loop_event *ev)
{
	struct seen *s = (void *)ev;

	s->n++;
	loop_remove(s->l, &s->other->ev);
	loop_remove(s->l, &s->ev);
	loop_set_timer(s->l, &s->timer, 20 * MS);
}

/* Two are ready at once, and whoever is first removes both. */
static void removed_in_handler(void **state)
{
	struct seen a = {.l = open_loop()}, b = {.l = a.l};
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	a.other = &b;
	b.other = &a;
	a.timer.fired = b.timer.fired = stop;
	a.ev = (struct loop_event){.fd = fd[0], .ready = remove_other};
	b.ev = (struct loop_event){.fd = dup(fd[0]), .ready = remove_other};
	assert_int_equal(loop_add(a.l, &a.ev), 0);
	assert_int_equal(loop_add(a.l, &b.ev), 0);
	assert_int_equal(write(fd[1], "a", 1), 1);
	assert_int_equal(loop_run(a.l), 0);
	assert_int_equal(a.n + b.n, 2); /* one handler, one timer */
	loop_close(a.l);
	close(fd[0]);
	close(fd[1]);
	close(b.ev.fd);
}

/* The peer sees the end as soon as the descriptor was removed and closed. */
static void lets_go(void **state)
{
	struct seen s = {.l = open_loop(), .timer.fired = stop};
	int fd[2];
	char c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	s.ev = (struct loop_event){.fd = fd[0], .ready = take_byte};
	assert_int_equal(loop_add(s.l, &s.ev), 0);
	loop_set_timer(s.l, &s.timer, MS);
	assert_int_equal(loop_run(s.l), 0);
	loop_remove(s.l, &s.ev);
	close(fd[0]);
	assert_int_equal(recv(fd[1], &c, 1, MSG_DONTWAIT), 0);
	close(fd[1]);
	loop_close(s.l);
}

static void timers_in_order(void **state)
{
	struct seen a = {.l = open_loop(), .timer.fired = stop}, b = a, c = a;
	uint64_t began = loop_now();

	loop_set_timer(a.l, &a.timer, 30 * MS);
	loop_set_timer(a.l, &b.timer, 10 * MS);
	loop_set_timer(a.l, &c.timer, 1 * MS);
	loop_set_timer(a.l, &c.timer, 1000 * MS);
	assert_int_equal(loop_run(a.l), 0);
	assert_true(loop_now() - began >= 10 * MS);
	assert_int_equal(b.n, 1);
	assert_int_equal(a.n, 0);
	loop_clear_timer(a.l, &c.timer);
	assert_int_equal(loop_run(a.l), 0);
	assert_true(loop_now() - began >= 30 * MS);
	assert_true(loop_now() - began < 900 * MS);
	assert_int_equal(a.n, 1);
	loop_close(a.l);
}

static void take_signal(struct loop_event *ev)
{
	struct signalfd_siginfo info;
	struct seen *s = (void *)ev;

	assert_int_equal(read(ev->fd, &info, sizeof info), sizeof info);
	s->n = (int)info.ssi_signo;
	loop_end(s->l);
}

static void signals(void **state)
{
	struct seen s = {.l = open_loop()};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s.ev = (struct loop_event){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = take_signal};
	assert_int_equal(loop_add(s.l, &s.ev), 0);
	kill(getpid(), SIGUSR1);
	assert_int_equal(loop_run(s.l), 0);
	assert_int_equal(s.n, SIGUSR1);
	loop_remove(s.l, &s.ev);
	close(s.ev.fd);
	loop_close(s.l);
}

static void word_changed(struct loop_word *w)
{
	struct seen *s = (void *)((char *)w - offsetof(struct seen, word));

	s->n++;
	loop_end(s->l);
}

static uint32_t shared_word;

static void *wake_later(void *arg)
{
	usleep(20000);
	store_release(&shared_word, 8);
	futex_wake(&shared_word, 1);
	return NULL;
}

static void words(void **state)
{
	struct seen s = {.l = open_loop()};
	pthread_t t;

	s.word = (struct loop_word){.changed = word_changed, .word = &shared_word};
	s.timer.fired = stop;
	shared_word = 7;
	if (!loop_has_words(s.l)) {
		assert_int_equal(loop_set_word(s.l, &s.word, 7), -EOPNOTSUPP);
		loop_close(s.l);
		return;
	}
	/* Another value: at once. Then woken. Then taken back. */
	assert_int_equal(loop_set_word(s.l, &s.word, 6), 0);
	assert_int_equal(loop_set_word(s.l, &s.word, 6), -EBUSY);
	assert_int_equal(loop_run(s.l), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(loop_set_word(s.l, &s.word, 7), 0);
	pthread_create(&t, NULL, wake_later, NULL);
	assert_int_equal(loop_run(s.l), 0);
	pthread_join(t, NULL);
	assert_int_equal(s.n, 2);
	assert_int_equal(loop_set_word(s.l, &s.word, 8), 0);
	loop_clear_word(s.l, &s.word);
	store_release(&shared_word, 9);
	futex_wake(&shared_word, 1);
	loop_set_timer(s.l, &s.timer, 10 * MS);
	assert_int_equal(loop_run(s.l), 0);
	assert_int_equal(s.n, 3); /* the timer */
	loop_close(s.l);
}

/* The ring's server in a loop. */

struct host {
	struct loop_event bell;
	struct loop_word word;
	struct loop *l;
	struct ring_server s;
	uint64_t until;
};

static void word_rang(struct loop_word *w)
{
}

static void bell_rang(struct loop_event *ev)
{
	uint64_t n;

	assert_true(read(ev->fd, &n, sizeof n) == sizeof n || errno == EAGAIN);
}

static bool serve(void *arg)
{
	struct host *h = arg;
	uint32_t value;
	int err;

	ring_server_awake(&h->s);
	while (ring_server_poll(&h->s) > 0)
		;
	if (h->s.stats.served == h->until)
		loop_end(h->l);
	if (!ring_server_idle(&h->s, &value))
		return true;
	/* Still set from the time before (-EBUSY): whoever rings wakes that one too. */
	err = loop_has_words(h->l) ? loop_set_word(h->l, &h->word, value) : 0;
	assert_true(err == 0 || err == -EBUSY);
	return false;
}

static void serves_rings(void **state)
{
	static const struct ring_geometry geo = {.channels = 2, .slots = 2, .data = 0};
	struct host h = {.l = open_loop(), .until = 2000};
	int efd = loop_has_words(h.l) ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct rig rig;
	pid_t pid;

	rig_make(&rig, &geo);
	assert_int_equal(ring_server_open(&h.s, &rig.ring, efd, rig_echo, NULL), 0);
	h.bell = (struct loop_event){.fd = efd, .ready = bell_rang};
	h.word = (struct loop_word){.changed = word_rang, .word = ring_server_word(&h.s)};
	if (efd >= 0)
		assert_int_equal(loop_add(h.l, &h.bell), 0);
	loop_before_sleep(h.l, serve, &h);
	pid = fork();
	if (pid == 0) {
		struct channel c;
		struct rig mine;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rig_join(&mine, rig.fd);
		must(channel_attach(&c, &mine.ring, &(struct channel_options){.eventfd = efd}) == 0);
		for (uint32_t i = 0; i < 2000; i++) {
			must(rig_echo_call(&c, 1, i, 8, 5000 * MS) == 0);
			if (i % 64 == 0)
				usleep(500);
		}
		_exit(0);
	}
	assert_int_equal(loop_run(h.l), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(h.s.stats.slept > 5);
	loop_close(h.l);
	rig_drop(&rig);
	if (efd >= 0)
		close(efd);
}

/* io_uring_setup fails as a sandbox makes it fail. */
static void falls_back(void **state)
{
	static const int errors[] = {EPERM, ENOSYS};

	for (unsigned i = 0; i < array_len(errors); i++) {
		struct sock_filter code[] = {
		    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errors[i]),
		    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog prog = {array_len(code), code};
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			struct loop *l;

			must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
			must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
			must(loop_open(LOOP_BEST, &l) == 0);
			must(strcmp(loop_name(l), "epoll") == 0 && !loop_has_words(l));
			loop_close(l);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(level_triggered), cmocka_unit_test(removed_in_handler),
	    cmocka_unit_test(lets_go),	       cmocka_unit_test(timers_in_order),
	    cmocka_unit_test(signals),	       cmocka_unit_test(words),
	    cmocka_unit_test(serves_rings),    cmocka_unit_test(falls_back),
	};
	int failed = 0;

	for (kind = LOOP_BEST; kind <= LOOP_EPOLL; kind++) {
		struct loop *l;

		if (loop_open(kind, &l) == 0) {
			printf("# engine: %s, words: %s\n", loop_name(l), loop_has_words(l) ? "yes" : "no");
			loop_close(l);
		}
		failed += cmocka_run_group_tests(tests, NULL, NULL);
	}
	return failed;
}
