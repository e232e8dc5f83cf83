/* The kernel's clock without a system call (vdso(7)). */
#pragma once

#include <time.h>

/* clock_gettime of the vDSO, or NULL where there is none. Valid in every thread and process. */
int (*vdso_clock(void))(int clock, struct timespec *ts);
void vdso_found(const void *image);
