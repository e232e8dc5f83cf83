/*
 * exec: the agent goes along where it can. What carries it is in the
 * environment of the new program for as long as the loader reads it:
 *
 *	LD_PRELOAD=<agent>[:<the program's own>]
 *	BTFUSE_AGENT=<table>[:<statistics>]
 *
 * and is taken out again by env_take before any code of the program runs.
 */
#pragma once

#include "agent/agent.h"

/*
 * Takes what carries the agent out of the environment that the loader passed,
 * and remembers it. `envp` is followed by the auxiliary vector. Returns the
 * value of BTFUSE_AGENT, or NULL where there is none. *auxv: the vector.
 */
const char *env_take(char **envp, const unsigned long **auxv);

/* Handlers. */
long handle_execve(struct agent_thread *t, struct agent_regs *r);
long handle_execveat(struct agent_thread *t, struct agent_regs *r);
