/* What `bt-fuse status` prints: a table for people, JSON for programs. */
#pragma once

#include "control/control.h"
#include "control/mounts.h"
#include "control/pools.h"

enum report_format {
	REPORT_TABLE,
	REPORT_JSON,
};

struct report {
	enum report_format format;
	unsigned rows; /* printed so far */
};

/* Printed at once, to standard output, in the order of the calls. */
void report_begin(struct report *r);
void report_mount(struct report *r, const struct control_info *info);
/* holder: pid of a process that works on it, 0 where there is none. */
void report_pool(struct report *r, const struct pools_found *found, uint32_t holder);
void report_dead(struct report *r, const struct mounts_entry *m);
void report_end(struct report *r);
