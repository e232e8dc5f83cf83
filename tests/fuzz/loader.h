/* A loader as a fuzz target: loader.c. */
#pragma once

void loader_begin(void);
/* A descriptor that it has got, to be let go of at the end; what is negative is none. */
void loader_keep(long fd);
/* Lets go of all; what is left in the world then ends the process. */
void loader_end(void);
