/*
 * Programs at calls: for each number, those that are attached to its entry and
 * its exit. What is attached stands in the world; a process makes its own list
 * of it whenever the world's version has changed, and sets itself as handler
 * of the numbers that have programs, in front of what answered them before.
 */
#pragma once

#include "agent/agent.h"

/* Watches the world's version. */
void chain_start(const uint32_t *version);
/* In a forked child. */
void chain_forked(void);

/* As agent_hooks has them: what runs after a clone in parent and child, and after the exec that made this program. */
void chain_cloned(struct agent_thread *t, struct agent_regs *r, uint32_t nr);
void chain_started(struct agent_thread *t);
