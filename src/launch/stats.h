/* The launcher's side of --stats. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "launch/stats_file.h"

/* A new file in the runtime directory, mapped; *path is to be freed and unlinked. NULL: could not. */
struct stats_file *stats_create(char **path);
/* What was counted: a summary with the reasons of handing over, and with `calls` a line a call. */
void stats_print(const struct stats_file *s, bool calls, FILE *out);
/* A line a program that a process ran. */
void stats_print_processes(const struct stats_file *s, FILE *out);
