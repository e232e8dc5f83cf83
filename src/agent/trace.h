/*
 * `bt-fuse trace`: a record of each call that the VFS looks at goes to the
 * tracer (launch/trace_file.h). Without one, this is a load and a branch.
 */
#pragma once

#include "agent/agent.h"
#include "launch/trace_file.h"

struct vfs_call;
struct vfs_thread;

extern struct trace_file *trace_file;

/* Maps the file. Nothing is traced where that fails. */
void trace_start(const char *path);

static inline bool trace_on(void)
{
	return trace_file != NULL;
}

/*
 * Has the call made, by the VFS or by the kernel, and recorded. AGENT_HAND_ON
 * for those that the engine looks at afterwards.
 */
long trace_call(struct agent_thread *t, struct agent_regs *r, struct vfs_thread *v, const struct vfs_call *c);
