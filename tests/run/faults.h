/* What faults.c traces. */
#pragma once

/* What it leaves in the file f. */
#define FAULTS_LINES "main\nthread\nthread\nfork\nexec\nspawn\nshared\ntold\nshell\n"

/*
 * faults work DIR LIBRARY: in DIR, what takes memory of the agent's own: threads, children of all
 * kinds, an exec with a large environment, a library with system calls of its own (raw.c), telling the daemon.
 * 0, or 1, with a line that says what went wrong.
 */
int faults_work(char **args);
