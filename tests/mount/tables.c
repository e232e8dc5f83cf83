/* The checks of the program `posix`, in the order in which they run. */
#include "posix.h"

const struct check *const check_tables[] = {names_checks, rename_checks, perm_checks, setid_checks,
					    time_checks,  data_checks,	 hole_checks, map_checks,
					    lock_checks,  xattr_checks,	 race_checks, NULL};
