/* The checks of this program: which row of the list of traps each belongs to stands in README.md. */
#include "posix.h"

extern const struct check fd_traps[], data_traps[], process_traps[], fork_traps[], exec_traps[], thread_traps[],
    name_traps[], sharing_traps[];

const struct check *const check_tables[] = {fd_traps,	  data_traps, process_traps, fork_traps, exec_traps,
					    thread_traps, name_traps, sharing_traps, NULL};
