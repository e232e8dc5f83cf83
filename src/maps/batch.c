/* Batches: see map_batch. */
#include "maps/internal.h"

int map_batch(struct task *t, struct map *m, int cmd, union bpf_attr *attr, bool *write_count)
{
	*write_count = false;
	return -MAP_ENOTSUPP;
}
