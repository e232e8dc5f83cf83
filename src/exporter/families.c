/*
 * The families of metrics, each with its samples for every mount. Counters are
 * written also while they are 0, so that their first step can be seen;
 * histograms and errors by number only once they have something, or there would
 * be thousands of lines.
 */
#include "exporter/families.h"

#include <stdio.h>
#include <string.h>

#include "metrics/names.h"
#include "world/names.h"

#define MOUNT(m) "mount", (m)->info.name
#define LABELS(...)                                                                                                    \
	(const char *const[])                                                                                          \
	{                                                                                                              \
		__VA_ARGS__, NULL                                                                                      \
	}

/* ---- Counters ------------------------------------------------------------------ */

static void operations(struct text *t, const struct watch_mount *m)
{
	for (unsigned p = 0; p < METRICS_PATHS; p++)
		for (unsigned op = 0; op < METRICS_OPS_USED; op++)
			for (unsigned r = 0; r < METRICS_RESULTS; r++)
				text_count(t,
					   LABELS(MOUNT(m), "op", metrics_op_name(op), "path", metrics_path_name(p),
						  "result", metrics_result_name(r)),
					   m->sum.ops[p][op][r]);
}

static void errors(struct text *t, const struct watch_mount *m)
{
	for (int e = 1; e < (int)METRICS_ERRNOS; e++) {
		const char *name = strerrorname_np(e);
		char number[12];

		snprintf(number, sizeof(number), "%d", e);
		if (m->sum.errors[e])
			text_count(t, LABELS(MOUNT(m), "errno", name ? name : number), m->sum.errors[e]);
	}
}

static void io_bytes(struct text *t, const struct watch_mount *m)
{
	for (unsigned p = 0; p < METRICS_PATHS; p++)
		for (unsigned d = 0; d < 2; d++)
			text_count(t, LABELS(MOUNT(m), "direction", d ? "write" : "read", "path", metrics_path_name(p)),
				   m->sum.bytes[p][d]);
}

static void handed(struct text *t, const struct watch_mount *m)
{
	for (unsigned k = 0; k < HANDED_USED; k++)
		text_count(t, LABELS(MOUNT(m), "reason", metrics_handed_name(k)), m->sum.handed[k]);
}

static void real_fds(struct text *t, const struct watch_mount *m)
{
	text_count(t, LABELS(MOUNT(m)), m->sum.real_fds);
}

static void paths(struct text *t, const struct watch_mount *m)
{
	text_count(t, LABELS(MOUNT(m), "result", "hit"), m->sum.paths_known);
	text_count(t, LABELS(MOUNT(m), "result", "miss"), m->sum.paths_walked);
}

static void lookups(struct text *t, const struct watch_mount *m)
{
	text_count(t, LABELS(MOUNT(m), "result", "found"), m->sum.names_found);
	text_count(t, LABELS(MOUNT(m), "result", "absent"), m->sum.names_absent);
}

static void invals(struct text *t, const struct watch_mount *m)
{
	for (unsigned k = 0; k < METRICS_INVALS; k++)
		text_count(t, LABELS(MOUNT(m), "kind", metrics_inval_name(k)), m->shared.invals[k]);
}

static void rollbacks(struct text *t, const struct watch_mount *m)
{
	text_count(t, LABELS(MOUNT(m)), m->stats.rollbacks);
}

static void ended(struct text *t, const struct watch_mount *m)
{
	text_count(t, LABELS(MOUNT(m)), m->shared.deaths);
}

/* ---- Latency --------------------------------------------------------------------- */

static void latency_of(struct text *t, const struct watch_mount *m, unsigned p, unsigned op)
{
	const struct metrics_latency *l = &m->sum.latency[p].op[op];
	const char *labels[] = {MOUNT(m), "op", metrics_op_name(op), "path", metrics_path_name(p), NULL, NULL, NULL};
	uint64_t seen = 0;
	char bound[24];

	if (!metrics_samples(l))
		return;
	labels[6] = "le";
	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		seen += l->bucket[i];
		if (i < METRICS_BUCKETS - 1)
			snprintf(bound, sizeof(bound), "%.9g", (double)metrics_bound(i) / 1e9);
		labels[7] = i < METRICS_BUCKETS - 1 ? bound : "+Inf";
		text_value(t, "_bucket",
			   (const char *const[]){labels[0], labels[1], labels[2], labels[3], labels[4], labels[5],
						 labels[6], labels[7], NULL},
			   (double)seen);
	}
	labels[6] = NULL;
	text_value(t, "_sum", labels, (double)l->sum / 1e9);
	text_value(t, "_count", labels, (double)seen);
}

static void latency(struct text *t, const struct watch_mount *m)
{
	for (unsigned p = 0; p < METRICS_PATHS; p++)
		for (unsigned op = 0; op < METRICS_OPS_USED; op++)
			latency_of(t, m, p, op);
}

/* ---- What there is ---------------------------------------------------------------- */

static void gauge(struct text *t, const struct watch_mount *m, double value)
{
	text_value(t, "", LABELS(MOUNT(m)), value);
}

static void states(struct text *t, const struct watch_mount *m, uint64_t all, uint64_t free)
{
	text_value(t, "", LABELS(MOUNT(m), "state", "used"), (double)(all - free));
	text_value(t, "", LABELS(MOUNT(m), "state", "free"), (double)free);
}

static void blocks(struct text *t, const struct watch_mount *m)
{
	states(t, m, m->stats.blocks, m->stats.blocks_free);
}

static void inodes(struct text *t, const struct watch_mount *m)
{
	states(t, m, m->stats.inodes, m->stats.inodes_free);
}

static void ring_requests(struct text *t, const struct watch_mount *m)
{
	text_count(t, LABELS(MOUNT(m)), m->shared.ring_requests);
}

static void ring_channels(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, m->rings.channels);
}

static void ring_depth(struct text *t, const struct watch_mount *m)
{
	text_value(t, "", LABELS(MOUNT(m), "state", "waiting"), m->rings.waiting);
	text_value(t, "", LABELS(MOUNT(m), "state", "taken"), m->rings.taken);
}

static void free_runs(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, (double)m->runs.runs);
}

static void longest_run(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, (double)m->runs.longest);
}

static void untouched(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, (double)m->runs.untouched);
}

static void memory(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, (double)m->stats.memory);
}

static void size(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, (double)m->info.size);
}

static void processes(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, m->stats.clients);
}

static void tasks(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, m->stats.tasks);
}

static void open_files(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, m->stats.opens);
}

static void started(struct text *t, const struct watch_mount *m)
{
	gauge(t, m, (double)m->info.started);
}

static void info(struct text *t, const struct watch_mount *m)
{
	text_value(t, "_info",
		   LABELS(MOUNT(m), "mountpoint", m->info.mountpoint, "pool", m->info.in_memfd ? "memfd" : "file"), 1);
}

/* ---- The exporter's own: of all mounts -------------------------------------------- */

static void build(struct text *t, const struct watch *w)
{
	text_value(t, "_info", LABELS("version", BTFUSE_VERSION), 1);
}

static void mounts(struct text *t, const struct watch *w)
{
	text_value(t, "", NULL, (double)w->n);
}

static void orphans(struct text *t, const struct watch *w)
{
	text_value(t, "", NULL, (double)w->orphans);
}

static void silent(struct text *t, const struct watch *w)
{
	text_value(t, "", NULL, w->silent);
}

/* ---- eBPF: of the user, no mount's --------------------------------------------------- */

static void bpf_runs(struct text *t, const struct watch *w)
{
	text_count(t, LABELS("at", "enter"), w->bpf.count.runs[0]);
	text_count(t, LABELS("at", "exit"), w->bpf.count.runs[1]);
}

static void bpf_effects(struct text *t, const struct watch *w)
{
	static const char *const names[WORLD_EFFECTS] = {"override", "arguments", "delay", "kernel"};

	for (unsigned i = 0; i < WORLD_EFFECTS; i++)
		text_count(t, LABELS("effect", names[i]), w->bpf.count.effects[i]);
}

static void bpf_objects(struct text *t, const struct watch *w)
{
	for (unsigned k = 1; k < OBJECT_KINDS; k++)
		text_value(t, "", LABELS("kind", world_kind(k)), w->bpf.objects[k]);
}

static void bpf_memory(struct text *t, const struct watch *w)
{
	text_value(t, "", NULL, (double)w->bpf.memory);
}

static void bpf_tasks(struct text *t, const struct watch *w)
{
	text_value(t, "", NULL, w->bpf.tasks);
}

static void bpf_map(struct text *t, const struct watch_map *m, double value)
{
	char id[12];

	snprintf(id, sizeof(id), "%u", m->id);
	text_value(t, "", LABELS("id", id, "name", m->name, "type", world_map_type(m->type)), value);
}

static void bpf_map_sizes(struct text *t, const struct watch *w)
{
	for (size_t i = 0; i < w->bpf.nmaps; i++)
		bpf_map(t, &w->bpf.maps[i], (double)w->bpf.maps[i].bytes);
}

static void bpf_map_entries(struct text *t, const struct watch *w)
{
	for (size_t i = 0; i < w->bpf.nmaps; i++)
		bpf_map(t, &w->bpf.maps[i], w->bpf.maps[i].max_entries);
}

/* ---- All of them --------------------------------------------------------------------- */

/* One of `each` and `once` writes the samples. */
static const struct family {
	struct text_family family;
	void (*each)(struct text *t, const struct watch_mount *m); /* for every mount */
	void (*once)(struct text *t, const struct watch *w);
} families[] = {
    {{"btfuse_exporter_build", TEXT_INFO, NULL, "The exporter."}, .once = build},
    {{"btfuse_mounts", TEXT_GAUGE, NULL, "Mounts that answer."}, .once = mounts},
    {{"btfuse_orphaned_pools", TEXT_GAUGE, NULL, "Pools whose daemon was killed; mounting again takes them over."},
     .once = orphans},
    {{"btfuse_silent_mounts", TEXT_GAUGE, NULL,
      "Mounts whose daemon did not answer in time: it is stopped, or has no processor."},
     .once = silent},
    {{"btfuse_mount", TEXT_INFO, NULL, "A mount: where it is, and where its pool lies."}, .each = info},
    {{"btfuse_start_time_seconds", TEXT_GAUGE, "seconds", "When the mount's daemon started, since the epoch."},
     .each = started},
    {{"btfuse_operations", TEXT_COUNTER, NULL,
      "Operations, by kind, by who answered (the process itself; it, after it had asked the daemon over a ring; the "
      "daemon through the kernel mount) and by result."},
     .each = operations},
    {{"btfuse_errors", TEXT_COUNTER, NULL, "Operations that ended with an error, by its name."}, .each = errors},
    {{"btfuse_io_bytes", TEXT_COUNTER, "bytes", "Bytes read and written, by who answered."}, .each = io_bytes},
    {{"btfuse_operation_duration_seconds", TEXT_HISTOGRAM, "seconds",
      "Time an operation took to answer. Of those that the process answers one in 64 is timed."},
     .each = latency},
    {{"btfuse_handed_over_calls", TEXT_COUNTER, NULL,
      "System calls that were caught in a process and handed to the kernel, by reason."},
     .each = handed},
    {{"btfuse_materialised_descriptors", TEXT_COUNTER, NULL,
      "Descriptors of the store that were exchanged for real ones of the mount."},
     .each = real_fds},
    {{"btfuse_path_cache_lookups", TEXT_COUNTER, NULL, "Paths that a thread remembered (hit), and walked (miss)."},
     .each = paths},
    {{"btfuse_name_lookups", TEXT_COUNTER, NULL, "Names that walks looked up in directories."}, .each = lookups},
    {{"btfuse_invalidations", TEXT_COUNTER, NULL, "What the kernel was told to forget."}, .each = invals},
    {{"btfuse_rolled_back_transactions", TEXT_COUNTER, NULL, "Transactions of killed tasks that were undone."},
     .each = rollbacks},
    {{"btfuse_ended_processes", TEXT_COUNTER, NULL, "Processes that ended and were cleared up after."}, .each = ended},
    {{"btfuse_ring_requests", TEXT_COUNTER, NULL, "Requests of processes that the daemon took from their rings."},
     .each = ring_requests},
    {{"btfuse_ring_channels", TEXT_GAUGE, NULL, "Processes that have a ring to the daemon."}, .each = ring_channels},
    {{"btfuse_ring_depth", TEXT_GAUGE, NULL, "Requests in the rings, not taken or not answered yet."},
     .each = ring_depth},
    {{"btfuse_size_bytes", TEXT_GAUGE, "bytes", "Data that the file system can hold."}, .each = size},
    {{"btfuse_blocks", TEXT_GAUGE, NULL, "Blocks of 4096 bytes for data."}, .each = blocks},
    {{"btfuse_free_block_runs", TEXT_GAUGE, NULL, "Runs of free blocks among the blocks that were ever in use."},
     .each = free_runs},
    {{"btfuse_longest_free_run_blocks", TEXT_GAUGE, "blocks", "The longest of these runs."}, .each = longest_run},
    {{"btfuse_untouched_blocks", TEXT_GAUGE, "blocks", "Blocks that were never in use."}, .each = untouched},
    {{"btfuse_inodes", TEXT_GAUGE, NULL, "Inodes."}, .each = inodes},
    {{"btfuse_memory_bytes", TEXT_GAUGE, "bytes", "Memory behind the pool."}, .each = memory},
    {{"btfuse_processes", TEXT_GAUGE, NULL, "Processes attached to the pool, with the daemon."}, .each = processes},
    {{"btfuse_tasks", TEXT_GAUGE, NULL, "Threads that have a seat in the pool."}, .each = tasks},
    {{"btfuse_open_files", TEXT_GAUGE, NULL, "Descriptors of processes that are open files of the store."},
     .each = open_files},
    {{"btfuse_bpf_program_runs", TEXT_COUNTER, NULL,
      "Runs of eBPF programs at system calls, before and after the call."},
     .once = bpf_runs},
    {{"btfuse_bpf_affected_calls", TEXT_COUNTER, NULL,
      "System calls that eBPF programs had a hand in: their result was set, their arguments replaced, they were held "
      "up, or sent to the kernel."},
     .once = bpf_effects},
    {{"btfuse_bpf_objects", TEXT_GAUGE, NULL, "eBPF objects that are loaded."}, .once = bpf_objects},
    {{"btfuse_bpf_memory_bytes", TEXT_GAUGE, "bytes", "Memory behind eBPF programs and maps."}, .once = bpf_memory},
    {{"btfuse_bpf_tasks", TEXT_GAUGE, NULL, "Threads that load or run eBPF programs."}, .once = bpf_tasks},
    {{"btfuse_bpf_map_size_bytes", TEXT_GAUGE, "bytes", "Size of an eBPF map, with room for all its entries."},
     .once = bpf_map_sizes},
    {{"btfuse_bpf_map_max_entries", TEXT_GAUGE, NULL, "Entries that an eBPF map can have."}, .once = bpf_map_entries},
};

void families_write(struct text *t, const struct watch *w)
{
	for (const struct family *f = families; f < families + array_len(families); f++) {
		text_begin(t, &f->family);
		if (f->once)
			f->once(t, w);
		for (size_t i = 0; f->each && i < w->n; i++)
			f->each(t, w->mount[i]);
	}
	text_end(t);
}
