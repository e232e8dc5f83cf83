/*
 * The file that remembers site tables. Hosted: the tool and the launcher.
 */
#pragma once

#include "sites/scan.h"

/*
 * Adds `n` scans to the table file `path` (created where it is missing or
 * damaged); a build that is there already is replaced. The file appears whole
 * or not at all. 0, or -errno.
 */
int store_add(const char *path, const struct scan_result *scans, unsigned n);
