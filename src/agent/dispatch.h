/* Inside the engine: the handler table. See agent.h for what outsiders use. */
#pragma once

#include "agent/agent.h"

/* entry.S: decides what becomes of the call. */
void agent_dispatch(struct agent_thread *t, struct agent_regs *r);
/* Is a site of this number (or enum site_nr) worth patching at start? */
bool dispatch_wanted(int nr);
agent_handler agent_handler_of(unsigned nr);
/* A handler that hands everything on: the call is seen and counted. */
long handle_pass(struct agent_thread *t, struct agent_regs *r);
