/* Deleting all that a lane sees, with ordinary operations. */
#pragma once

#include "lane.h"

/* Removes what is in a directory. 0: all of it. Uses slot 0. */
int sweep_dir(struct lane *l, const char *path);
