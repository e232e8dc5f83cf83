/*
 * Images of patched code, which an agent makes (agent/image.h) in a process that is
 * started for it: when that is due, and what becomes of those of other agents. All
 * installations of a user share the directory; file names begin with the agent's
 * build id.
 */
#pragma once

#include <stdbool.h>

/*
 * Are images to be made by this agent, for programs that run with `kind` of
 * handlers? Then the path of the stamp that says that it was done, to be freed;
 * there is a directory and room in it. NULL: they are there.
 */
char *images_due(const char *agent, const char *table, const char *kind);

/* They were made, or can't be: without them a program starts 0.2 ms later, which is no reason to try each time. */
void images_done(const char *stamp);
