/*
 * Timers in maps that only a pin holds. No loader is there whose server would
 * fire them; so the last server leaves a process behind, one a world, that
 * does until no pin names such a map any more. Hosted.
 */
#pragma once

#include "world/world.h"

/* Does a pin name a map with timers? */
bool keeper_needed(struct world *w, struct task *t);
/* Starts one in the background where it is not there. The caller has one thread, and has left the world. */
void keeper_start(void);
