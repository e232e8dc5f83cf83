/*
 * Looking at this user's mounts from outside: for the exporter and `top`.
 *
 * Each look begins anew: it asks every daemon for its pool, maps that so that
 * it cannot be written, reads, and lets go. So mounts may come and go, nothing
 * is held that would keep a pool alive, and nobody waits for who looks. A
 * process that looks must hold no seat in any of the pools: it closes
 * descriptors of them (shm/task.h).
 */
#pragma once

#include "base/compiler.h"
#include "control/control.h"
#include "fs/fs.h"
#include "metrics/sum.h"
#include "world/object.h"

/* A task seat that is taken: who sits there, and what was counted there, also before. */
struct watch_seat {
	uint32_t index;
	uint32_t pid; /* 0: of a process that is gone */
	bool daemon;
	uint64_t ops[METRICS_PATHS];
	uint64_t bytes[2];
	uint64_t handed; /* to the kernel, of what concerned the store */
};

/* Requests of programs to the daemon that are under way. */
struct watch_rings {
	uint32_t channels; /* programs that have one */
	uint32_t waiting;  /* requests that the daemon has not taken */
	uint32_t taken;	   /* and not answered */
};

struct watch_mount {
	struct control_info info;
	struct fs_stats stats;
	struct fs_runs runs;
	struct metrics_seat sum; /* over all tasks that there ever were */
	struct metrics_shared shared;
	struct watch_rings rings;
	struct watch_seat *seats;
	size_t nseats;
};

struct watch_map {
	uint32_t id, type; /* enum bpf_map_type */
	char name[16];
	uint64_t bytes; /* that it may come to have */
	uint32_t max_entries;
};

/* This user's eBPF programs and maps (src/world). */
struct watch_bpf {
	bool there; /* something was loaded once */
	struct world_count count;
	uint32_t objects[OBJECT_KINDS];
	uint32_t processes, tasks; /* with a seat: loaders, and who ran programs */
	uint64_t memory;
	struct watch_map *maps;
	size_t nmaps;
};

struct watch {
	struct watch_mount **mount;
	size_t n;
	size_t orphans;	 /* pools that killed daemons left */
	unsigned silent; /* daemons that did not answer in time */
	struct watch_bpf bpf;
};

/* Takes a look; to be released with watch_free(), also after an error. 0 or -errno. */
int watch_take(struct watch *w) must_check;
void watch_free(struct watch *w);

/* The part of it that is eBPF's. 0 with what there is, perhaps nothing; -errno. */
int watch_bpf(struct watch_bpf *b) must_check;

/* Calls that concerned the store and the mount's share of them: those that were answered without the kernel, all. */
struct watch_share {
	uint64_t bypassed, all;
};
struct watch_share watch_share_of(const struct metrics_seat *m);
