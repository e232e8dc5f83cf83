/* The directory to be mounted on. */
#pragma once

#include "base/compiler.h"
#include "control/err.h"

/*
 * Verifies that `dir` can be mounted on by this user, so that what is wrong is
 * said in plain words before anything is made. A dead mount of this file
 * system on it is detached. 0, or -errno with a text.
 */
int mountpoint_prepare(const char *dir, struct err *err) must_check;
