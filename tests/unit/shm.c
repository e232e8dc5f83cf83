/* Locks, transactions and seats. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* ---- lock -------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS 20000

static struct {
	uint64_t *word;
	uint64_t count; /* under the word */
} shared;

static void *count_up(void *arg)
{
	struct task t;

	(void)arg;
	must(task_attach(&unit.fs.pool, 0, &t));
	for (int i = 0; i < ROUNDS; i++) {
		must(lock_acquire(&t, shared.word));
		shared.count++;
		lock_release(&t, LOCK_VERSION);
	}
	task_detach(&t);
	return NULL;
}

static uint64_t *word_in(const struct rig *r)
{
	return &((struct inode *)slab_at(&r->fs.inodes, FS_ROOT, 1))->meta;
}

static uint64_t *root_word(void)
{
	return word_in(&unit);
}

static void lock_excludes(void **state)
{
	pthread_t threads[THREADS];
	uint64_t from;

	(void)state;
	shared.word = root_word();
	shared.count = 0;
	from = *shared.word / LOCK_VERSION;
	for (int i = 0; i < THREADS; i++)
		expect_is(pthread_create(&threads[i], NULL, count_up, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(shared.count, THREADS * ROUNDS);
	/* Each release with a change is one version, and the word is free. */
	assert_int_equal(*shared.word / LOCK_VERSION - from, THREADS * ROUNDS);
	assert_int_equal(*shared.word & LOCK_OWNER, 0);
}

static struct {
	uint64_t from; /* 0: has not begun to wait */
	uint64_t took;
} waiter;

static void *wait_for_word(void *arg)
{
	struct task t;

	must(task_attach(&unit.fs.pool, 0, &t));
	store_release(&waiter.from, rig_now());
	must(lock_acquire(&t, root_word()));
	waiter.took = rig_now() - waiter.from;
	lock_release(&t, 0);
	task_detach(&t);
	return NULL;
}

static void lock_wakes(void **state)
{
	pthread_t thread;

	(void)state;
	waiter.from = 0;
	must(lock_acquire(&unit.t, root_word()));
	expect_is(pthread_create(&thread, NULL, wait_for_word, NULL), 0);
	while (!load_acquire(&waiter.from))
		usleep(1000);
	usleep(20000);
	lock_release(&unit.t, 0);
	pthread_join(thread, NULL);
	assert_true(waiter.took > 10000000);
	assert_true(waiter.took < 10000000000);
}

static void lock_versions(void **state)
{
	uint64_t seq;

	(void)state;
	must(seq_begin(&unit.t, root_word(), &seq));
	assert_true(seq_valid(root_word(), seq));
	must(lock_acquire(&unit.t, root_word()));
	assert_false(seq_valid(root_word(), seq));
	lock_release(&unit.t, 0);
	assert_true(seq_valid(root_word(), seq));
	must(lock_acquire(&unit.t, root_word()));
	lock_release(&unit.t, LOCK_VERSION);
	assert_false(seq_valid(root_word(), seq));
}

static void lock_impossible_owner(void **state)
{
	const uint64_t owners[] = {unit.t.id, 0xffff, 1000};
	struct task other;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t was = *root_word(), seq;

		*root_word() |= owners[i];
		assert_int_equal(lock_acquire(&unit.t, root_word()), -EUCLEAN);
		assert_int_equal(seq_begin(&unit.t, root_word(), &seq), -EUCLEAN);
		*root_word() = was;
	}
	/* A task that lives and holds something else. */
	must(task_attach(&unit.fs.pool, 0, &other));
	*root_word() |= other.id;
	assert_int_equal(lock_acquire(&unit.t, root_word()), -EUCLEAN);
	*root_word() &= ~(LOCK_OWNER | LOCK_WAITERS);
	task_detach(&other);
}

/* ---- txn --------------------------------------------------------------------- */

/* One that is free: nothing in the pool leads to it. */
static struct inode *spare_inode(void)
{
	struct inode *i = slab_at(&unit.fs.inodes, 60, 1);

	expect(i != NULL);
	return i;
}

static void txn_rolls_back(void **state)
{
	struct inode *i = spare_inode();
	struct inode before;

	(void)state;
	memset(i->room.bytes, 0, INODE_ROOM);
	memcpy(&before, i, sizeof before);
	txn_begin(&unit.t);
	must(txn_lock(&unit.t, &i->meta));
	txn_set(&unit.t, &i->room.bytes[100], 1);
	txn_set(&unit.t, (uint16_t *)(void *)&i->room.bytes[102], 2);
	txn_set(&unit.t, &i->rdev, 3);
	txn_set(&unit.t, &i->size, 4);
	txn_set(&unit.t, &i->size, 5);
	assert_true(txn_fill(&unit.t, i->room.map, 16));
	memset(i->room.map, 7, 16 * sizeof i->room.map[0]);
	hand_push(&unit.t, 77);
	assert_int_equal(txn_abort(&unit.t, -EINTR), -EINTR);
	assert_int_equal(unit.t.slot->nhand, 0);
	assert_true(i->meta > before.meta); /* readers may have seen the words in between */
	i->meta = before.meta;
	assert_memory_equal(i, &before, sizeof before);
}

static void txn_settles(void **state)
{
	struct inode *i = spare_inode();

	(void)state;
	i->size = 1;
	txn_begin(&unit.t);
	must(txn_lock(&unit.t, &i->meta));
	txn_set(&unit.t, &i->size, 2);
	txn_settle(&unit.t);
	txn_set(&unit.t, &i->size, 3);
	txn_abort(&unit.t, 0);
	assert_int_equal(i->size, 2);
	i->size = 0;
}

static void txn_overflow(void **state)
{
	struct inode *i = spare_inode();

	(void)state;
	i->size = 1;
	txn_begin(&unit.t);
	must(txn_lock(&unit.t, &i->meta));
	for (unsigned k = 0; k < TASK_UNDO + 5; k++)
		txn_set(&unit.t, &i->size, k + 2);
	assert_int_equal(txn_room(&unit.t), 0);
	assert_int_equal(txn_commit(&unit.t), -EUCLEAN);
	assert_int_equal(i->size, 1);
	assert_int_equal(i->meta & LOCK_OWNER, 0);
	i->size = 0;
}

static void hand_overflow(void **state)
{
	(void)state;
	txn_begin(&unit.t);
	must(txn_lock_own(&unit.t));
	for (unsigned k = 0; k < TASK_HAND; k++)
		assert_true(hand_push(&unit.t, 100 + k));
	assert_false(hand_push(&unit.t, 0));
	assert_int_equal(txn_commit(&unit.t), -EUCLEAN);
	assert_int_equal(unit.t.slot->nhand, 0);
}

/* An item that another one takes the place of comes back. */
static void hand_take_and_push(void **state)
{
	struct task *t = &unit.t;

	(void)state;
	txn_begin(t);
	must(txn_lock_own(t));
	hand_push(t, 1);
	hand_push(t, 2);
	must(txn_commit_quiet(t));
	txn_begin(t);
	must(txn_lock_own(t));
	hand_take(t, 1);
	hand_take(t, 0);
	hand_push(t, 3);
	hand_push(t, 4);
	txn_abort(t, 0);
	assert_int_equal(t->slot->nhand, 2);
	assert_int_equal(t->slot->hand[0], 1);
	assert_int_equal(t->slot->hand[1], 2);
	t->slot->nhand = 0;
}

/* ---- seats ------------------------------------------------------------------- */

static void task_seats(void **state)
{
	static struct task tasks[POOL_TASKS];
	unsigned n = 0;
	uint32_t id;

	(void)state;
	while (n < POOL_TASKS && task_attach(&unit.fs.pool, 0, &tasks[n]) == 0)
		n++;
	assert_int_equal(n, POOL_TASKS - POOL_TASKS_KEPT - 1); /* and the rig's own */
	assert_int_equal(task_attach(&unit.fs.pool, 0, &tasks[n]), -EUSERS);
	id = tasks[700].id;
	task_detach(&tasks[700]);
	must(task_attach(&unit.fs.pool, 0, &tasks[700]));
	assert_int_equal(tasks[700].id, id);
	while (n > 0)
		task_detach(&tasks[--n]);
}

static void die_with_things(int fd)
{
	struct rig r;

	rig_attach(&r, fd, 0);
	must(fs_open(&r.t, NULL, rig_make(&r.t, "f", S_IFREG | 0600), 2, 0));
	must(fs_unlink(&r.t, NULL, FS_ROOT, rig_name("f")));
	must(lock_acquire(&r.t, word_in(&r)));
	kill(getpid(), SIGKILL);
}

static void client_death(void **state)
{
	uint32_t mine = unit.fs.pool.client;
	uint64_t from, free;
	struct fs_stats s;

	(void)state;
	must(fs_statfs(&unit.t, &s));
	free = s.inodes_free;
	unit_child(die_with_things);
	must(fs_statfs(&unit.t, &s));
	assert_int_equal(s.clients, 2);
	assert_int_equal(s.opens, 1);
	assert_false(client_alive(&unit.fs.pool, mine + 1));
	from = rig_now();
	must(lock_acquire(&unit.t, root_word())); /* waits for the dead, and buries it */
	assert_true(rig_now() - from < 500000000);
	lock_release(&unit.t, 0);
	assert_int_equal(fs_reap_dead(&unit.t), 1);
	must(fs_statfs(&unit.t, &s));
	assert_int_equal(s.clients, 1);
	assert_int_equal(s.tasks, 1);
	assert_int_equal(s.opens, 0);
	assert_int_equal(s.inodes_free, free);
}

static void leave_in_order(int fd)
{
	struct rig r;

	rig_attach(&r, fd, 0);
	expect_is(r.fs.pool.client, 1);
	rig_detach(&r);
}

static void be_the_daemon(int fd)
{
	struct rig r;

	rig_attach(&r, fd, FS_ATTACH_KERNEL);
	kill(getpid(), SIGKILL);
}

static void client_seats(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		unit_child(leave_in_order); /* the same seat each time */
	unit_child(be_the_daemon);
	unit_child(be_the_daemon); /* takes the place of the dead one */
}

/* A child that dies before it takes the seat that a fork made for it, and is not waited for. */
static void child_without_seat(void **state)
{
	struct fs_stats s;
	uint32_t seat;
	siginfo_t si;
	pid_t pid;

	(void)state;
	must(fs_fork_prepare(&unit.t, &seat));
	pid = (pid_t)must(fork());
	if (pid == 0) {
		pause();
		_exit(1);
	}
	fs_fork_child_is(&unit.t, seat, pid);
	expect_is(fs_reap_dead(&unit.t), 0);
	must(kill(pid, SIGKILL));
	must(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT)); /* a zombie now */
	expect_is(fs_reap_dead(&unit.t), 1);
	must(fs_statfs(&unit.t, &s));
	assert_int_equal(s.clients, 1);
	must(waitpid(pid, NULL, 0));
}

static void die_forking(int fd)
{
	struct rig r;
	uint32_t seat;

	rig_attach(&r, fd, 0);
	must(fs_fork_prepare(&r.t, &seat));
	kill(getpid(), SIGKILL);
}

static void look_for_orphan(int fd)
{
	struct rig r;

	rig_attach(&r, fd, 0);
	expect_is(r.fs.pool.client, 1);
	/* As if the seconds that a child may take had passed. */
	client_slot(&r.fs.pool, 2)->started -= 60000000000u;
	client_slot(&r.fs.pool, 1)->started -= 60000000000u;
	expect_is(fs_reap_dead(&r.t), 1);
	rig_detach(&r);
}

/* Who made the seat died in its fork, and another sits in its place now. */
static void orphan_without_guardian(void **state)
{
	(void)state;
	unit_child(die_forking);
	expect_is(fs_reap_dead(&unit.t), 1);
	unit_child(look_for_orphan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    UNIT(lock_excludes),      UNIT(lock_wakes),
	    UNIT(lock_versions),      UNIT(lock_impossible_owner),
	    UNIT(txn_rolls_back),     UNIT(txn_settles),
	    UNIT(txn_overflow),	      UNIT(hand_overflow),
	    UNIT(hand_take_and_push), UNIT(task_seats),
	    UNIT(client_death),	      UNIT(client_seats),
	    UNIT(child_without_seat), UNIT(orphan_without_guardian),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
