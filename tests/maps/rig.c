#include "rig.h"

#include <sys/mman.h>
#include <unistd.h>

void rig_open(struct rig *r, uint32_t ncpus)
{
	r->fd = memfd_create("bt-fuse-test-world", MFD_CLOEXEC);
	must(r->fd);
	must(arena_format(r->fd, "test", RIG_BYTES, 4096, ncpus));
	must(arena_attach(r->fd, &r->a));
	must(task_attach(&r->a.pool, 0, &r->t));
}

void rig_close(struct rig *r, uint64_t taken)
{
	arena_reap(&r->t);
	must(arena_check(&r->a.pool));
	if (taken != UINT64_MAX && arena_ctl(&r->a.pool)->taken != taken) {
		printf("Bail out! %llu pages are left\n", (unsigned long long)arena_ctl(&r->a.pool)->taken);
		exit(1);
	}
	task_detach(&r->t);
	arena_detach(&r->a);
}

int rig_try_map(struct rig *r, const struct map_attr *a, struct map **m)
{
	uint64_t off = 0;
	int err = map_create(&r->t, a, &off);

	if (err)
		return err;
	txn_begin(&r->t);
	must(txn_lock_own(&r->t));
	must(arena_own(&r->t, off));
	must(txn_commit(&r->t));
	*m = map_at(&r->a.pool, off);
	must(*m ? 0 : -1);
	return 0;
}

struct map *rig_map(struct rig *r, const struct map_attr *a)
{
	struct map *m = NULL;

	must(rig_try_map(r, a, &m));
	return m;
}

void rig_unmap(struct rig *r, struct map *m)
{
	uint64_t off = map_off(&r->a.pool, m);

	txn_begin(&r->t);
	must(txn_lock_own(&r->t));
	arena_disown(&r->t, off);
	must(txn_commit(&r->t));
	must(arena_put(&r->t, off));
}
