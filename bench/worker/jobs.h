/*
 * What a worker does beyond the operations of ops.h. All of them take the
 * descriptor of the directory that they work below, return nanoseconds, and end
 * the program on an error.
 */
#pragma once

/* Monotonic. */
double job_now(void);

/* ---- Several at once (together.c) ----------------------------------------- */

/*
 * `count` times the call named (stat, open, create, read) by each of `workers`
 * at once, each in a directory of its own but for read, which is of one file.
 * kind: "threads" or "processes". Returns the time from the first's start to the
 * last's end, divided by all calls.
 */
double job_together(int dir, const char *kind, int workers, const char *call, unsigned count);

/* ---- Many names, deep paths (names.c) --------------------------------------- */

/* Makes "many" hold `count` empty files, of which it has some already. The whole time. */
double job_fill(int dir, unsigned count);
/* One of stat (of names picked at random), create (and unlink), list (the whole; a name's share), on "many" of `size`.
 */
double job_many(int dir, unsigned size, const char *call, unsigned count);
/* One stat of a file below `depth` directories. */
double job_deep(int dir, unsigned depth, unsigned count);
/* Makes a tree: `count` files, a hundred a directory, each of so many bytes (at most 4096). The whole time. */
double job_tree(int dir, const char *name, unsigned count, unsigned bytes);

/* ---- Programs (spawn.c) ------------------------------------------------------ */

/*
 * Runs a program in a directory, from before the spawn to after its end. Its
 * output goes nowhere, its complaints to standard error. Ends this program where
 * it cannot be started or fails.
 */
double job_spawn(const char *dir, char *const argv[]);
