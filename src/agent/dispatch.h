/* Inside the engine: the handler table. See agent.h for what outsiders use. */
#pragma once

#include "agent/agent.h"

/* For entry.S: the short ways; which of them test rdi (agent_by_descriptor); what agent_watch and agent_seen were
 * given. */
extern agent_short agent_shorts[AGENT_NR];
extern uint8_t agent_tests_descriptor[AGENT_NR];
extern const uint32_t *agent_watched;
extern uint32_t agent_watched_seen;

/* entry.S: decides what becomes of the call. */
void agent_dispatch(struct agent_thread *t, struct agent_regs *r);
/* Is a site of this number (or enum site_nr) worth patching at start? */
bool dispatch_wanted(int nr);
agent_handler agent_handler_of(unsigned nr);
/* A handler that hands everything on: the call is seen and counted. */
long handle_pass(struct agent_thread *t, struct agent_regs *r);
