/* What latency's program counts and its loader prints. */
#pragma once

#define SLOTS 32   /* by the power of two of nanoseconds */
#define CALLS 512u /* numbers */

struct histogram {
	unsigned long long slot[SLOTS];
};
